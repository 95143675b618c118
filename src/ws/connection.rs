//! One client: looks at everything once, sends and hears what there is, and never waits.

use std::mem;

use crate::auth::sessions::SessionGuard;
use crate::domain::EntityKind;
use crate::domain::event::Event;
use crate::feed::{Batch, Copied, Cursor, put_text_frame};
use crate::limits::{
    CATCH_UP_PAGE_EVENTS, CLIENT_ERROR_WINDOW, CLIENT_ERRORS_MAX, PING_AFTER, SILENCE_MAX,
    STALL_MAX, WRITE_BYTES,
};
use crate::store::{EventPage, EventRange};
use crate::ws::crowd::View;
use crate::ws::ear::{Ear, Heard};
use crate::ws::protocol::{self, ClientMessage};
use crate::ws::socket::{Gone, Sent, Socket};
use crate::ws::{EVERYBODY, Guest, Place};

/// A WebSocket ping without a payload.
const PING_FRAME: [u8; 2] = [0x89, 0];

/// Why a connection ends.
pub(super) enum End {
    /// With a close frame.
    Close(u16, &'static str),
    /// The closing handshake is complete; the peer's answer is on its way.
    Answered,
    /// Without a word: nobody would hear it.
    Gone,
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// How far the socket got with the feed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pumped {
    /// Everything there is has been sent.
    Idle,
    /// One write is full; there is more.
    More,
    /// The kernel takes no more for now.
    Blocked,
    /// The ring does not reach back to the cursor.
    Behind,
}

/// One client.
pub(super) struct Connection {
    pub(super) socket: Socket,
    /// It waits for a page of the log, or for its turn to ask for one.
    pub(super) awaits_page: bool,
    session: SessionGuard,
    place: Place,
    ear: Ear,
    cursor: Cursor,
    /// The how-many-th connection it is.
    number: u32,
    /// When the peer last showed that it is there, in seconds: it spoke, or made room in a full
    /// kernel. What the kernel takes for a peer that has vanished shows nothing.
    alive: u32,
    /// When the kernel last took something.
    took: u32,
    /// It had no more room, and has taken nothing since.
    full: bool,
    pinged: u32,
    errors_since: u32,
    errors: u8,
}

impl Connection {
    /// Greets a client.
    pub(super) fn new(guest: Guest, number: u32, view: &View) -> Self {
        let now = view.seconds;
        let mut connection = Self {
            socket: Socket::new(guest.stream, guest.tls),
            awaits_page: false,
            session: guest.session,
            place: guest.place,
            ear: Ear::default(),
            cursor: Cursor::new(view.feed.head()),
            number,
            alive: now,
            took: now,
            full: false,
            pinged: now,
            errors_since: now,
            errors: 0,
        };
        connection.say(&protocol::connected(connection.session.user_id));
        connection
    }

    /// The how-many-th connection it is: tells it from another that has its place now.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Bit n set: kind n is subscribed.
    pub(super) fn kinds(&self) -> u8 {
        self.cursor.kinds()
    }

    /// How far the log goes on behind it; 0 where it wants none of that.
    pub(super) fn unsent(&self, view: &View) -> i64 {
        let position = self.cursor.position;
        let wanted = view.feed.kinds_behind(position) & self.kinds() != 0;
        let behind = if wanted { view.feed.head() - position } else { 0 };
        behind.max(self.socket.is_blocked().into())
    }

    /// Passes over events of kinds that it does not follow.
    pub(super) fn pass(&mut self, from: i64, to: i64) {
        self.cursor.pass(from, to);
    }

    /// Looks at everything but the peer: the clock, what waits, the feed.
    pub(super) fn look(&mut self, view: &mut View) -> Result<Pumped, End> {
        self.check_time(view)?;
        self.flush(view)?;
        self.pump(view)
    }

    /// The peer has spoken or has taken something.
    pub(super) fn meet(&mut self, view: &mut View) -> Result<Pumped, End> {
        self.check_time(view)?;
        self.flush(view)?;
        // Not before it has taken the answers that it got so far.
        if !self.socket.is_blocked() {
            let read = self.socket.read(&mut view.buffer, &mut view.opened)?;
            view.more_to_hear = read > 0; // the end, too, must be read to be seen
            let heard =
                if self.socket.is_secure() { &view.opened[..] } else { &view.buffer[..read] };
            self.hear(view, heard)?;
            self.flush(view)?;
        }
        self.pump(view)
    }

    /// Sends one write's worth of the events up to `until`.
    pub(super) fn deliver(&mut self, view: &mut View, until: i64) -> Result<Pumped, End> {
        if let Some(ended) = self.session.ended() {
            return Err(End::Close(1008, ended.text()));
        }
        if self.socket.is_blocked() {
            return Ok(Pumped::Blocked);
        }
        let start = self.cursor.position;
        if view.feed.copy(&mut self.cursor, until, &mut view.batch) == Copied::Behind {
            return Ok(Pumped::Behind);
        }
        if !view.batch.frames.is_empty() && !self.send(view, start)? {
            return Ok(Pumped::Blocked);
        }
        Ok(if self.cursor.position < until { Pumped::More } else { Pumped::Idle })
    }

    /// Sends all that the feed has.
    fn pump(&mut self, view: &mut View) -> Result<Pumped, End> {
        loop {
            let until = view.feed.head();
            match self.deliver(view, until)? {
                Pumped::More => {}
                pumped => return Ok(pumped),
            }
        }
    }

    fn flush(&mut self, view: &View) -> Result<(), Gone> {
        let taken = self.socket.flush()?;
        self.note(view, taken > 0);
        Ok(())
    }

    /// The kernel was given something, and took some of it or not.
    fn note(&mut self, view: &View, taken: bool) {
        if taken {
            self.took = view.seconds;
            if mem::take(&mut self.full) {
                self.alive = view.seconds;
            }
        }
        self.full |= self.socket.is_blocked();
    }

    /// The session, the stop, and the clock.
    fn check_time(&mut self, view: &View) -> Result<(), End> {
        if let Some(ended) = self.session.ended() {
            return Err(End::Close(1008, ended.text()));
        }
        if self.slot() < view.leaving() {
            return Err(End::Close(1001, "server is stopping, come back"));
        }
        let now = view.seconds;
        let stalled = u64::from(now - self.alive.max(self.took));
        if self.socket.is_blocked() && stalled >= STALL_MAX.as_secs() {
            return Err(End::Close(1013, "nothing was read for too long"));
        }
        if !self.full && u64::from(now - self.alive) >= SILENCE_MAX.as_secs() {
            return Err(End::Gone);
        }
        let ping_due = u64::from(now - self.alive.max(self.pinged)) >= PING_AFTER.as_secs();
        if ping_due && !self.socket.is_blocked() {
            self.pinged = now;
            self.socket.queue(&PING_FRAME);
        }
        Ok(())
    }

    /// Neighbours in time leave at different times.
    fn slot(&self) -> u32 {
        const STRIDE: u32 = 619; // has no divisor in common with a thousand
        self.number.wrapping_mul(STRIDE) % EVERYBODY
    }

    /// Sends the batch; where the kernel does not take all, goes back to the first frame that was
    /// not begun.
    fn send(&mut self, view: &View, start: i64) -> Result<bool, End> {
        let Batch { frames, ends, .. } = &view.batch;
        let sent = match self.socket.send(frames, ends)? {
            Sent::All => ends.len(),
            Sent::Before(first) => first,
        };
        view.metrics.frames.inc_by(sent as u64);
        self.note(view, sent > 0);
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

    /// Sends a page of the log. Where the log could not be read, the next look is the next try.
    pub(super) fn take_page(
        &mut self,
        view: &mut View,
        asked: EventRange,
        page: Option<&EventPage>,
    ) -> Result<Pumped, End> {
        self.awaits_page = false;
        if let Some(ended) = self.session.ended() {
            return Err(End::Close(1008, ended.text()));
        }
        let Some(page) = page else {
            return Ok(Pumped::Idle);
        };
        view.metrics.catch_ups.inc();
        // What it follows may have changed since it asked: then the page has not all of it.
        if asked != self.next_page() || self.socket.is_blocked() {
            return self.pump(view);
        }
        if page.oldest > self.cursor.position + 1 {
            self.reset_lost(page.oldest, page.head);
            self.flush(view)?;
            return self.pump(view);
        }
        view.batch.clear();
        let wanted = |event: &&Event| self.cursor.wants(event.kind, event.seq);
        page.events.iter().filter(wanted).for_each(|event| view.batch.add(event));
        let start = self.cursor.position;
        self.cursor.position = page.scanned;
        self.send(view, start)?;
        self.pump(view)
    }

    /// The log was pruned away under a cursor: tells which channels lost events.
    fn reset_lost(&mut self, oldest: i64, head: i64) {
        for kind in EntityKind::ALL {
            if self.cursor.follows(kind) && self.cursor.mark(kind) < oldest - 1 {
                self.cursor.subscribe(kind, head);
                self.say(&protocol::reset(kind, head));
            }
        }
        self.cursor.advance(oldest - 1);
    }

    /// Takes bytes from the client.
    pub(super) fn hear(&mut self, view: &View, bytes: &[u8]) -> Result<(), End> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.alive = view.seconds;
        let mut ear = mem::take(&mut self.ear);
        let (mut output, mut end) = (Vec::new(), None);
        ear.take(bytes, &mut output, |heard, output| {
            let answered = match heard {
                Heard::Text(text) => self.answer(view, &text, output),
                Heard::Binary(_) => {
                    self.count_error(view, "binary messages mean nothing here, send text", output)
                }
                Heard::Closed => Err(End::Answered),
                Heard::Broken(code, why) => Err(End::Close(code, why)),
            };
            end = answered.err();
            end.is_none()
        });
        self.ear = ear;
        self.socket.queue(&output);
        end.map_or(Ok(()), Err)
    }

    fn answer(&mut self, view: &View, text: &str, output: &mut Vec<u8>) -> Result<(), End> {
        let reply = match ClientMessage::parse(text) {
            Ok(ClientMessage::Ping) => protocol::PONG.to_owned(),
            Ok(ClientMessage::Subscribe(kind, since)) if self.session.role.may_follow(kind) => {
                self.subscribe(view, kind, since)
            }
            Ok(ClientMessage::Subscribe(kind, _)) => {
                let (role, channel) = (self.session.role.name(), kind.schema().channel);
                let wrong = format!("the role {role} may not read {channel}");
                return self.count_error(view, &wrong, output);
            }
            Ok(ClientMessage::Unsubscribe(kind)) => {
                self.cursor.unsubscribe(kind);
                protocol::unsubscribed(kind)
            }
            Err(wrong) => return self.count_error(view, &wrong, output),
        };
        put_text_frame(output, &reply);
        Ok(())
    }

    fn subscribe(&mut self, view: &View, kind: EntityKind, since: Option<i64>) -> String {
        let head = view.feed.head();
        match since {
            // Already subscribed: what it has not had yet still follows.
            None if self.cursor.follows(kind) => protocol::subscribed(kind, self.cursor.mark(kind)),
            None => {
                self.cursor.subscribe(kind, head);
                protocol::subscribed(kind, head)
            }
            // A `seq` that is still to come is of another log, before a backup was restored, say.
            Some(seq) if seq > head || seq < view.store.oldest() - 1 => {
                self.cursor.subscribe(kind, head);
                protocol::reset(kind, head)
            }
            Some(seq) => {
                self.cursor.subscribe(kind, seq);
                protocol::subscribed(kind, seq)
            }
        }
    }

    /// Tells a mistake; too many of them end the connection.
    fn count_error(&mut self, view: &View, wrong: &str, output: &mut Vec<u8>) -> Result<(), End> {
        put_text_frame(output, &protocol::error(wrong));
        let now = view.seconds;
        if u64::from(now - self.errors_since) > CLIENT_ERROR_WINDOW.as_secs() {
            (self.errors, self.errors_since) = (0, now);
        }
        self.errors += 1;
        if self.errors >= CLIENT_ERRORS_MAX {
            return Err(End::Close(1008, "too many errors"));
        }
        Ok(())
    }

    /// Puts a message behind what waits.
    fn say(&mut self, text: &str) {
        let mut frame = Vec::with_capacity(text.len() + 4);
        put_text_frame(&mut frame, text);
        self.socket.queue(&frame);
    }

    /// What is left of it when it ends: its session's place is free at once.
    pub(super) fn into_parts(self) -> (Socket, Place) {
        (self.socket, self.place)
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
