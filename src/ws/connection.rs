//! One client. In each turn it makes its checks, then sends and receives as much as it can without waiting.

mod receive;

use std::mem;
use std::time::Duration;

use crate::auth::session::Session;
use crate::auth::sessions::SessionGuard;
use crate::domain::KindSet;
use crate::domain::event::Event;
use crate::feed::{Batch, Copied};
use crate::frame;
use crate::limits::{CATCH_UP_PAGE_EVENTS, PING_AFTER, SILENCE_MAX, STALL_MAX, WRITE_BYTES};
use crate::store::{EventPage, EventRange};
use crate::ws::context::LoopContext;
use crate::ws::decoder::MessageDecoder;
use crate::ws::hub::{ConnectionPermit, DRAIN_SLOTS, NewSocket};
use crate::ws::protocol::ServerMessage;
use crate::ws::socket::{Gone, Sent, Socket};
use crate::ws::subscriptions::Subscriptions;
use crate::ws::turn::Turns;

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
    /// One write is full, and more events follow.
    More,
    /// The kernel accepts no more for now.
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
    subscriptions: Subscriptions,
    /// Sequence number of this connection, starting at 1.
    number: u32,
    /// The turns of which it was told its own, if it has asked.
    turns: Option<Turns>,
    /// The second in which the peer last proved that it is there: it sent something, or it read from a full
    /// buffer. Other writes prove nothing, because the kernel accepts them for a vanished peer, too.
    last_proof_secs: u32,
    /// The second in which the kernel last accepted bytes.
    last_write_secs: u32,
    /// Whether the kernel's buffer was full, and has accepted nothing since.
    was_full: bool,
    last_ping_secs: u32,
    error_window_secs: u32,
    errors: u8,
}

impl Connection {
    /// Creates a connection and queues its first message.
    pub(super) fn new(socket: NewSocket, number: u32, context: &LoopContext) -> Self {
        let now = context.now_secs;
        let narrowed = socket.session.principal.role().narrowed_kinds();
        let mut connection = Self {
            socket: Socket::new(socket.stream, socket.tls),
            awaits_page: false,
            session: socket.session,
            permit: socket.permit,
            decoder: MessageDecoder::default(),
            subscriptions: Subscriptions::new(context.feed.head(), narrowed),
            number,
            turns: None,
            last_proof_secs: now,
            last_write_secs: now,
            was_full: false,
            last_ping_secs: now,
            error_window_secs: now,
            errors: 0,
        };
        connection.enqueue(&ServerMessage::connected(connection.session.principal.user_id()));
        connection
    }

    /// Sequence number of this connection: tells it from a later one with the same index.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The subscribed kinds.
    pub(super) fn kinds(&self) -> KindSet {
        self.subscriptions.cursor.kinds()
    }

    /// The session.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// The number of events that it lags behind; 0 if it follows none of them.
    pub(super) fn unsent(&self, context: &LoopContext) -> i64 {
        let position = self.subscriptions.cursor.position;
        let wanted = context.feed.kinds_after(position).intersects(self.kinds());
        let behind = if wanted { context.feed.head() - position } else { 0 };
        behind.max(self.socket.is_blocked().into())
    }

    /// The time until it gives up waiting for the feed; `None` if it does not wait.
    pub(super) fn feed_wait_left(&self, context: &LoopContext) -> Option<Duration> {
        self.subscriptions.feed_wait_left(context)
    }

    /// Whether replies wait for the feed.
    pub(super) fn awaits_feed(&self) -> bool {
        self.subscriptions.awaits_feed()
    }

    /// Skips events of kinds that it does not follow.
    pub(super) fn skip(&mut self, from: i64, to: i64) {
        self.subscriptions.cursor.skip(from, to);
    }

    /// Checks the session and the timeouts, then sends the bytes that wait and the events of the feed.
    pub(super) fn on_tick(
        &mut self,
        context: &mut LoopContext,
    ) -> Result<SendProgress, CloseReason> {
        self.check_time(context)?;
        self.flush(context)?;
        self.send_available(context)
    }

    /// The same when the peer has sent or read something; also receives.
    pub(super) fn on_ready(
        &mut self,
        context: &mut LoopContext,
    ) -> Result<SendProgress, CloseReason> {
        self.check_time(context)?;
        self.flush(context)?;
        // A peer that does not read its replies is not read from.
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
        if self.awaits_feed() {
            self.answer_subscriptions(context, context.feed.head())?;
        }
        if self.socket.is_blocked() {
            return Ok(SendProgress::Blocked);
        }
        let start = self.subscriptions.cursor.position;
        if context.feed.copy(&mut self.subscriptions.cursor, until, &mut context.batch)
            == Copied::Lagged
        {
            return Ok(SendProgress::Lagged);
        }
        if !context.batch.frames.is_empty() && !self.send(context, start)? {
            return Ok(SendProgress::Blocked);
        }
        Ok(if self.subscriptions.cursor.position < until {
            SendProgress::More
        } else {
            SendProgress::Idle
        })
    }

    /// Sends all events of the feed.
    fn send_available(&mut self, context: &mut LoopContext) -> Result<SendProgress, CloseReason> {
        loop {
            let until = context.feed.head();
            match self.deliver(context, until)? {
                SendProgress::More => {}
                progress => return Ok(progress),
            }
        }
    }

    /// Sends the replies that waited for the feed, now that the log is known to reach `head`.
    fn answer_subscriptions(&mut self, context: &LoopContext, head: i64) -> Result<(), Gone> {
        if !self.awaits_feed() {
            return Ok(());
        }
        while let Some(reply) = self.subscriptions.next_reply(context, head) {
            self.enqueue(&reply);
        }
        self.flush(context)
    }

    fn flush(&mut self, context: &LoopContext) -> Result<(), Gone> {
        let taken = self.socket.flush()?;
        self.record_progress(context, taken > 0);
        Ok(())
    }

    /// Records whether the kernel accepted any bytes of a write.
    fn record_progress(&mut self, context: &LoopContext, taken: bool) {
        if taken {
            self.last_write_secs = context.now_secs;
            if mem::take(&mut self.was_full) {
                self.last_proof_secs = context.now_secs;
            }
        }
        self.was_full |= self.socket.is_blocked();
    }

    /// Checks the session, the drain and the timeouts.
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
        if self.turns.is_some_and(|told| told != context.turns) && !self.socket.is_blocked() {
            let turn = self.tell_turn(context);
            self.enqueue(&turn);
        }
        Ok(())
    }

    /// The message with its turn; from now on it is told when that changes.
    fn tell_turn(&mut self, context: &LoopContext) -> ServerMessage<'static> {
        self.turns = Some(context.turns);
        let (at, every) = context.turns.of(context.index);
        ServerMessage::Turn { at, every }
    }

    /// Its slot in the drain. Connections that joined together get distant slots.
    fn drain_slot(&self) -> u32 {
        const STRIDE: u32 = 619; // has no divisor in common with DRAIN_SLOTS
        self.number.wrapping_mul(STRIDE) % DRAIN_SLOTS
    }

    /// Sends the batch; returns whether the kernel accepted all of it. If not, the cursor goes back to
    /// the first frame of which nothing was sent.
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
            _ if all => self.subscriptions.cursor.position,
            0 => start,
            sent => ends[sent - 1].1,
        };
        self.subscriptions.cursor.advance(position);
        Ok(all)
    }

    /// The next page of the log that it needs.
    pub(super) fn next_page(&self) -> EventRange {
        EventRange {
            after: self.subscriptions.cursor.position,
            kinds: self.subscriptions.cursor.kinds(),
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
        if page.oldest > self.subscriptions.cursor.position + 1 {
            while let Some(reset) = self.subscriptions.next_lost(context, page.oldest, page.head) {
                self.enqueue(&reset);
            }
            self.subscriptions.cursor.advance(page.oldest - 1);
            self.flush(context)?;
            return self.send_available(context);
        }
        self.answer_subscriptions(context, page.head)?;
        if self.socket.is_blocked() {
            return Ok(SendProgress::Blocked);
        }
        context.batch.clear();
        let wanted = |event: &&Event| self.subscriptions.cursor.wants(event.kind, event.seq);
        let narrowed = self.subscriptions.cursor.narrowed();
        page.events.iter().filter(wanted).for_each(|event| context.batch.add(event, narrowed));
        let start = self.subscriptions.cursor.position;
        self.subscriptions.cursor.position = page.scanned;
        self.send(context, start)?;
        self.send_available(context)
    }

    /// Queues a message after the bytes that wait.
    fn enqueue(&mut self, message: &ServerMessage<'_>) {
        let mut frame = Vec::new();
        message.put(&mut frame);
        self.socket.queue(&frame);
    }

    /// Returns the socket and the permit, and detaches from the session.
    pub(super) fn into_parts(self) -> (Socket, ConnectionPermit) {
        (self.socket, self.permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The memory of an idle connection, without its share of the slab's spare capacity.
    #[test]
    fn a_connection_stays_small() {
        assert!(size_of::<Connection>() <= 128, "{} bytes", size_of::<Connection>());
    }
}
