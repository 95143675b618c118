//! One client: each turn it checks everything once, sends and receives what it can, and never waits.

use std::mem;

use crate::auth::sessions::SessionGuard;
use crate::domain::event::Event;
use crate::domain::{EntityKind, KindSet};
use crate::feed::{Batch, Copied, Cursor};
use crate::frame;
use crate::limits::{
    CATCH_UP_PAGE_EVENTS, CLIENT_ERROR_WINDOW, CLIENT_ERRORS_MAX, PING_AFTER, SILENCE_MAX,
    STALL_MAX, WRITE_BYTES,
};
use crate::store::{EventPage, EventRange};
use crate::ws::context::LoopContext;
use crate::ws::decoder::{Incoming, MessageDecoder};
use crate::ws::hub::{ConnectionPermit, DRAIN_SLOTS, NewSocket};
use crate::ws::protocol::{self, ClientMessage};
use crate::ws::socket::{Gone, Sent, Socket};

/// How a connection ends.
pub(super) enum CloseReason {
    /// With a close frame of this code and text.
    Close(u16, &'static str),
    /// The peer closed, and the reply to its close frame is queued.
    Answered,
    /// Without a close frame: it would reach nobody.
    Gone,
}

impl From<Gone> for CloseReason {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// How far the socket got with the feed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SendProgress {
    /// Everything has been sent.
    Idle,
    /// One write is full; there is more.
    More,
    /// The kernel takes no more for now.
    Blocked,
    /// The ring does not reach back to the cursor.
    Lagged,
}

/// One client.
pub(super) struct Connection {
    pub(super) socket: Socket,
    /// Whether it waits for a page of the log, or for its turn to request one.
    pub(super) awaits_page: bool,
    session: SessionGuard,
    permit: ConnectionPermit,
    decoder: MessageDecoder,
    cursor: Cursor,
    /// Sequence number of this connection, starting at 1.
    number: u32,
    /// The second in which the peer last proved that it is there: it sent something, or made room
    /// in a full kernel. What the kernel takes for a peer that has vanished proves nothing.
    last_proof_secs: u32,
    /// The second in which the kernel last took something.
    last_write_secs: u32,
    /// Whether the kernel was full, and has taken nothing since.
    was_full: bool,
    last_ping_secs: u32,
    error_window_secs: u32,
    errors: u8,
}

impl Connection {
    /// A connection whose first message is queued.
    pub(super) fn new(socket: NewSocket, number: u32, context: &LoopContext) -> Self {
        let now = context.now_secs;
        let mut connection = Self {
            socket: Socket::new(socket.stream, socket.tls),
            awaits_page: false,
            session: socket.session,
            permit: socket.permit,
            decoder: MessageDecoder::default(),
            cursor: Cursor::new(context.feed.head()),
            number,
            last_proof_secs: now,
            last_write_secs: now,
            was_full: false,
            last_ping_secs: now,
            error_window_secs: now,
            errors: 0,
        };
        connection.enqueue(&protocol::connected(connection.session.user_id));
        connection
    }

    /// Sequence number of this connection: tells it from a later one with the same index.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The subscribed kinds.
    pub(super) fn kinds(&self) -> KindSet {
        self.cursor.kinds()
    }

    /// The number of log entries that it lags behind; 0 if it wants none of them.
    pub(super) fn unsent(&self, context: &LoopContext) -> i64 {
        let position = self.cursor.position;
        let wanted = context.feed.kinds_behind(position).intersects(self.kinds());
        let behind = if wanted { context.feed.head() - position } else { 0 };
        behind.max(self.socket.is_blocked().into())
    }

    /// Skips events of kinds that it does not follow.
    pub(super) fn skip(&mut self, from: i64, to: i64) {
        self.cursor.skip(from, to);
    }

    /// Checks the session and the clock, then sends what waits and what the feed has.
    pub(super) fn on_tick(
        &mut self,
        context: &mut LoopContext,
    ) -> Result<SendProgress, CloseReason> {
        self.check_time(context)?;
        self.flush(context)?;
        self.send_available(context)
    }

    /// The same when the peer has sent something or has made room.
    pub(super) fn on_ready(
        &mut self,
        context: &mut LoopContext,
    ) -> Result<SendProgress, CloseReason> {
        self.check_time(context)?;
        self.flush(context)?;
        // Nothing is read from a peer that does not take its replies.
        if !self.socket.is_blocked() {
            let read = self.socket.read(&mut context.read_buffer, &mut context.plain)?;
            context.read_again = read > 0; // the end of the stream is only seen by reading it
            let bytes = if self.socket.is_secure() {
                &context.plain[..]
            } else {
                &context.read_buffer[..read]
            };
            self.receive(context, bytes)?;
            self.flush(context)?;
        }
        self.send_available(context)
    }

    /// Sends one write's worth of the events up to `until`.
    pub(super) fn deliver(
        &mut self,
        context: &mut LoopContext,
        until: i64,
    ) -> Result<SendProgress, CloseReason> {
        if let Some(ended) = self.session.ended() {
            return Err(CloseReason::Close(1008, ended.text()));
        }
        if self.socket.is_blocked() {
            return Ok(SendProgress::Blocked);
        }
        let start = self.cursor.position;
        if context.feed.copy(&mut self.cursor, until, &mut context.batch) == Copied::Lagged {
            return Ok(SendProgress::Lagged);
        }
        if !context.batch.frames.is_empty() && !self.send(context, start)? {
            return Ok(SendProgress::Blocked);
        }
        Ok(if self.cursor.position < until { SendProgress::More } else { SendProgress::Idle })
    }

    /// Sends everything that the feed has.
    fn send_available(&mut self, context: &mut LoopContext) -> Result<SendProgress, CloseReason> {
        loop {
            let until = context.feed.head();
            match self.deliver(context, until)? {
                SendProgress::More => {}
                progress => return Ok(progress),
            }
        }
    }

    fn flush(&mut self, context: &LoopContext) -> Result<(), Gone> {
        let taken = self.socket.flush()?;
        self.record_progress(context, taken > 0);
        Ok(())
    }

    /// Records whether the kernel took anything of a write.
    fn record_progress(&mut self, context: &LoopContext, taken: bool) {
        if taken {
            self.last_write_secs = context.now_secs;
            if mem::take(&mut self.was_full) {
                self.last_proof_secs = context.now_secs;
            }
        }
        self.was_full |= self.socket.is_blocked();
    }

    /// Checks the session, the drain and the clock.
    fn check_time(&mut self, context: &LoopContext) -> Result<(), CloseReason> {
        if let Some(ended) = self.session.ended() {
            return Err(CloseReason::Close(1008, ended.text()));
        }
        if self.drain_slot() < context.hub.drained_slots() {
            return Err(CloseReason::Close(1001, "server is stopping, come back"));
        }
        let now = context.now_secs;
        let stalled = u64::from(now - self.last_proof_secs.max(self.last_write_secs));
        if self.socket.is_blocked() && stalled >= STALL_MAX.as_secs() {
            return Err(CloseReason::Close(1013, "nothing was read for too long"));
        }
        let silent = u64::from(now - self.last_proof_secs);
        if !self.was_full && silent >= SILENCE_MAX.as_secs() {
            return Err(CloseReason::Gone);
        }
        let quiet = u64::from(now - self.last_proof_secs.max(self.last_ping_secs));
        if quiet >= PING_AFTER.as_secs() && !self.socket.is_blocked() {
            self.last_ping_secs = now;
            self.socket.queue(&frame::PING);
        }
        Ok(())
    }

    /// Its place in the drain: connections that joined one after the other leave apart.
    fn drain_slot(&self) -> u32 {
        const STRIDE: u32 = 619; // has no divisor in common with DRAIN_SLOTS
        self.number.wrapping_mul(STRIDE) % DRAIN_SLOTS
    }

    /// Sends the batch; returns whether the kernel took all of it. If not, the cursor goes back to
    /// the first frame that was not begun.
    fn send(&mut self, context: &LoopContext, start: i64) -> Result<bool, CloseReason> {
        let Batch { frames, ends, .. } = &context.batch;
        let sent = match self.socket.send(frames, ends)? {
            Sent::All => ends.len(),
            Sent::Before(first) => first,
        };
        context.metrics.frames.inc_by(sent as u64);
        self.record_progress(context, sent > 0);
        let all = sent == ends.len() && !self.socket.is_blocked();
        let position = match sent {
            _ if all => self.cursor.position,
            0 => start,
            sent => ends[sent - 1].1,
        };
        self.cursor.advance(position);
        Ok(all)
    }

    /// The part of the log that it needs next.
    pub(super) fn next_page(&self) -> EventRange {
        EventRange {
            after: self.cursor.position,
            kinds: self.cursor.kinds(),
            limit: CATCH_UP_PAGE_EVENTS,
            bytes: WRITE_BYTES,
        }
    }

    /// Sends a page of the log. If it could not be read, the next tick requests it again.
    pub(super) fn send_page(
        &mut self,
        context: &mut LoopContext,
        requested: EventRange,
        page: Option<&EventPage>,
    ) -> Result<SendProgress, CloseReason> {
        self.awaits_page = false;
        if let Some(ended) = self.session.ended() {
            return Err(CloseReason::Close(1008, ended.text()));
        }
        let Some(page) = page else {
            return Ok(SendProgress::Idle);
        };
        context.metrics.catch_ups.inc();
        // The page is incomplete if its subscriptions have changed since the request.
        if requested != self.next_page() || self.socket.is_blocked() {
            return self.send_available(context);
        }
        if page.oldest > self.cursor.position + 1 {
            self.reset_lost(page.oldest, page.head);
            self.flush(context)?;
            return self.send_available(context);
        }
        context.batch.clear();
        let wanted = |event: &&Event| self.cursor.wants(event.kind, event.seq);
        page.events.iter().filter(wanted).for_each(|event| context.batch.add(event));
        let start = self.cursor.position;
        self.cursor.position = page.scanned;
        self.send(context, start)?;
        self.send_available(context)
    }

    /// Sends `reset` for each channel that lost events, because the log was pruned past the cursor.
    fn reset_lost(&mut self, oldest: i64, head: i64) {
        for kind in EntityKind::ALL {
            if self.cursor.follows(kind) && self.cursor.floor(kind) < oldest - 1 {
                self.cursor.subscribe(kind, head);
                self.enqueue(&protocol::reset(kind, head));
            }
        }
        self.cursor.advance(oldest - 1);
    }

    /// Decodes bytes from the peer and queues the replies.
    pub(super) fn receive(
        &mut self,
        context: &LoopContext,
        bytes: &[u8],
    ) -> Result<(), CloseReason> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.last_proof_secs = context.now_secs;
        let mut decoder = mem::take(&mut self.decoder);
        let (mut output, mut close) = (Vec::new(), None);
        decoder.receive(bytes, &mut output, |incoming, output| {
            let handled = match incoming {
                Incoming::Text(text) => self.handle(context, &text, output),
                Incoming::Binary(_) => {
                    self.put_error(context, "binary messages mean nothing here, send text", output)
                }
                Incoming::Closed => Err(CloseReason::Answered),
                Incoming::Broken(code, text) => Err(CloseReason::Close(code, text)),
            };
            close = handled.err();
            close.is_none()
        });
        self.decoder = decoder;
        self.socket.queue(&output);
        close.map_or(Ok(()), Err)
    }

    fn handle(
        &mut self,
        context: &LoopContext,
        text: &str,
        output: &mut Vec<u8>,
    ) -> Result<(), CloseReason> {
        let reply = match ClientMessage::parse(text) {
            Ok(ClientMessage::Ping) => protocol::PONG.to_owned(),
            Ok(ClientMessage::Subscribe(kind, since)) if self.session.role.may_follow(kind) => {
                self.subscribe(context, kind, since)
            }
            Ok(ClientMessage::Subscribe(kind, _)) => {
                let (role, channel) = (self.session.role.name(), kind.schema().channel);
                let wrong = format!("the role {role} may not read {channel}");
                return self.put_error(context, &wrong, output);
            }
            Ok(ClientMessage::Unsubscribe(kind)) => {
                self.cursor.unsubscribe(kind);
                protocol::unsubscribed(kind)
            }
            Err(wrong) => return self.put_error(context, &wrong, output),
        };
        frame::put_text(output, &reply);
        Ok(())
    }

    fn subscribe(&mut self, context: &LoopContext, kind: EntityKind, since: Option<i64>) -> String {
        let head = context.feed.head();
        match since {
            // Already subscribed: the events that were not sent yet still follow.
            None if self.cursor.follows(kind) => {
                protocol::subscribed(kind, self.cursor.floor(kind))
            }
            None => {
                self.cursor.subscribe(kind, head);
                protocol::subscribed(kind, head)
            }
            // A `seq` that is still to come is of another log, before a backup was restored, say.
            Some(seq) if seq > head || seq < context.store.oldest() - 1 => {
                self.cursor.subscribe(kind, head);
                protocol::reset(kind, head)
            }
            Some(seq) => {
                self.cursor.subscribe(kind, seq);
                protocol::subscribed(kind, seq)
            }
        }
    }

    /// Appends an error message; too many of them close the connection.
    fn put_error(
        &mut self,
        context: &LoopContext,
        wrong: &str,
        output: &mut Vec<u8>,
    ) -> Result<(), CloseReason> {
        frame::put_text(output, &protocol::error(wrong));
        let now = context.now_secs;
        if u64::from(now - self.error_window_secs) > CLIENT_ERROR_WINDOW.as_secs() {
            (self.errors, self.error_window_secs) = (0, now);
        }
        self.errors += 1;
        if self.errors >= CLIENT_ERRORS_MAX {
            return Err(CloseReason::Close(1008, "too many errors"));
        }
        Ok(())
    }

    /// Queues a message behind what waits.
    fn enqueue(&mut self, text: &str) {
        self.socket.queue(&frame::text(text));
    }

    /// Consumes the connection and releases its session slot.
    pub(super) fn into_parts(self) -> (Socket, ConnectionPermit) {
        (self.socket, self.permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that an idle connection takes, but for its share of the slab's room to grow.
    #[test]
    fn a_connection_stays_small() {
        assert!(size_of::<Connection>() <= 128, "{} bytes", size_of::<Connection>());
    }
}
