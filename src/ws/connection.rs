//! One client, awake: looks at everything once, sends and hears what there is, and sleeps again.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;

use tokio::net::TcpStream;

use crate::auth::sessions::Attached;
use crate::domain::Kind;
use crate::domain::event::Event;
use crate::feed::{Batch, Copied, Cursor, put_text_frame};
use crate::limits::{
    CATCH_UP_PAGE, CLOSE_WAIT, ERROR_WINDOW, ERRORS_MAX, PING_AFTER, READ_BYTES, SILENCE_MAX,
    STALL_MAX, WRITE_BYTES,
};
use crate::store::Range;
use crate::ws::Hub;
use crate::ws::ear::{Ear, Heard};
use crate::ws::protocol::{self, ClientMessage};
use crate::ws::socket::{Gone, Sent, Socket, Woken, close_frame};

/// A WebSocket ping without a payload.
const PING_FRAME: [u8; 2] = [0x89, 0];

thread_local! {
    /// Where a worker puts frames together: one for all of its connections.
    static SCRATCH: RefCell<Batch> = const { RefCell::new(Batch::new()) };
}

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
enum Pumped {
    /// Everything there is has been sent.
    Idle,
    /// The kernel takes no more for now.
    Blocked,
    /// The ring does not reach back to the cursor.
    Behind,
}

/// One client.
pub(super) struct Connection {
    socket: Socket,
    session: Attached,
    ear: Ear,
    cursor: Cursor,
    /// When the peer last spoke or took something, in the hub's seconds.
    alive: u32,
    pinged: u32,
    errors_since: u32,
    errors: u8,
    slot: u16,
}

impl Connection {
    /// Greets a client.
    pub(super) fn new(stream: TcpStream, session: Attached, hub: &Hub) -> Self {
        let now = hub.seconds();
        let mut connection = Self {
            socket: Socket::new(stream),
            ear: Ear::default(),
            cursor: Cursor::new(hub.feed.head()),
            alive: now,
            pinged: now,
            errors_since: now,
            errors: 0,
            slot: hub.deal_slot(),
            session,
        };
        connection.say(&protocol::connected(connection.session.user_id));
        connection
    }

    /// Lives until there is a reason to end.
    pub(super) async fn live(&mut self, hub: &Hub) -> End {
        loop {
            // Taken before the head is looked at: what is published in between rings it.
            let mut bell = pin!(hub.feed.bell(self.cursor.kinds(), self.slot));
            let looked = match self.look(hub) {
                // Rare, and large as futures go: kept out of every connection's own.
                Ok(Pumped::Behind) => Box::pin(self.catch_up(hub)).await,
                looked => looked,
            };
            match looked {
                Err(end) => return end,
                // Another page may follow; between two of them the client is heard.
                Ok(Pumped::Behind) => {}
                Ok(Pumped::Idle | Pumped::Blocked) => {
                    let socket = &self.socket;
                    let woken = poll_fn(|context| socket.poll_wake(bell.as_mut(), context)).await;
                    if woken == Woken::Bell {
                        continue;
                    }
                }
            }
            if let Err(end) = self.listen(hub) {
                return end;
            }
        }
    }

    /// Looks at everything once: the clock, what waits, the feed.
    fn look(&mut self, hub: &Hub) -> Result<Pumped, End> {
        self.check_time(hub)?;
        if self.socket.flush()? > 0 {
            self.alive = hub.seconds();
        }
        self.pump(hub)
    }

    /// Hears what has come, unless the answers would have to wait.
    fn listen(&mut self, hub: &Hub) -> Result<(), End> {
        if self.socket.is_blocked() {
            return Ok(());
        }
        let mut bytes = [0; READ_BYTES];
        let read = self.socket.read(&mut bytes)?;
        self.hear(hub, &bytes[..read])
    }

    /// The session, the stop, and the clock.
    fn check_time(&mut self, hub: &Hub) -> Result<(), End> {
        if let Some(ended) = self.session.ended() {
            return Err(End::Close(1008, ended.text()));
        }
        if u32::from(self.slot) < hub.leaving.load(Ordering::Acquire) {
            return Err(End::Close(1001, "server is stopping, come back"));
        }
        let now = hub.seconds();
        let silent = u64::from(now - self.alive);
        if self.socket.is_blocked() && silent >= STALL_MAX.as_secs() {
            return Err(End::Close(1013, "nothing was read for too long"));
        }
        if silent >= SILENCE_MAX.as_secs() {
            return Err(End::Gone);
        }
        let ping_due = u64::from(now - self.alive.max(self.pinged)) >= PING_AFTER.as_secs();
        if ping_due && !self.socket.is_blocked() {
            self.pinged = now;
            self.socket.queue(&PING_FRAME);
        }
        Ok(())
    }

    /// Sends what the ring has for this client, as many frames at a time as there are.
    fn pump(&mut self, hub: &Hub) -> Result<Pumped, End> {
        if self.socket.is_blocked() {
            return Ok(Pumped::Blocked);
        }
        SCRATCH.with_borrow_mut(|batch| {
            loop {
                let start = self.cursor.position;
                if hub.feed.copy(&mut self.cursor, batch) == Copied::Behind {
                    return Ok(Pumped::Behind);
                }
                if batch.frames.is_empty() && self.cursor.position >= hub.feed.head() {
                    return Ok(Pumped::Idle);
                }
                if !self.send(hub, start, batch)? {
                    return Ok(Pumped::Blocked);
                }
            }
        })
    }

    /// Sends frames; where the kernel does not take all, goes back to the first that was not begun.
    fn send(&mut self, hub: &Hub, start: i64, batch: &Batch) -> Result<bool, End> {
        let Batch { frames, ends, .. } = batch;
        let sent = match self.socket.send(frames, ends)? {
            Sent::All => ends.len(),
            Sent::Before(first) => first,
        };
        hub.metrics.frames.inc_by(sent as u64);
        if sent > 0 {
            self.alive = hub.seconds();
        }
        let all = sent == ends.len() && !self.socket.is_blocked();
        let position = match sent {
            _ if all => self.cursor.position,
            0 => start,
            sent => ends[sent - 1].1,
        };
        self.cursor.advance(position);
        Ok(all)
    }

    /// Reads a page of the log for a client that is behind the ring. Where the log cannot be read
    /// now, the next bell is the next try.
    async fn catch_up(&mut self, hub: &Hub) -> Result<Pumped, End> {
        let Ok(_turn) = hub.catch_ups.acquire().await else {
            return Ok(Pumped::Idle);
        };
        let range = Range {
            after: self.cursor.position,
            kinds: self.cursor.kinds(),
            limit: CATCH_UP_PAGE,
            bytes: WRITE_BYTES,
        };
        let Ok(page) = hub.store.events(range).await else {
            return Ok(Pumped::Idle);
        };
        hub.metrics.catch_ups.inc();
        if page.oldest > self.cursor.position + 1 {
            self.reset_lost(page.oldest, page.head);
            return Ok(Pumped::Behind);
        }
        SCRATCH.with_borrow_mut(|batch| {
            batch.clear();
            let wanted = |event: &&Event| self.cursor.wants(event.kind, event.seq);
            page.events.iter().filter(wanted).for_each(|event| batch.add(event));
            let start = self.cursor.position;
            self.cursor.position = page.scanned;
            self.send(hub, start, batch)
        })?;
        Ok(Pumped::Behind) // perhaps no longer: the next look tells
    }

    /// The log was pruned away under a cursor: tells which channels lost events.
    fn reset_lost(&mut self, oldest: i64, head: i64) {
        for kind in Kind::ALL {
            if self.cursor.follows(kind) && self.cursor.mark(kind) < oldest - 1 {
                self.cursor.subscribe(kind, head);
                self.say(&protocol::reset(kind, head));
            }
        }
        self.cursor.advance(oldest - 1);
    }

    /// Takes bytes from the client.
    pub(super) fn hear(&mut self, hub: &Hub, bytes: &[u8]) -> Result<(), End> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.alive = hub.seconds();
        let mut ear = std::mem::take(&mut self.ear);
        let (mut output, mut end) = (Vec::new(), None);
        ear.take(bytes, &mut output, |heard, output| {
            let answered = match heard {
                Heard::Text(text) => self.answer(hub, &text, output),
                Heard::Binary => {
                    self.count_error(hub, "binary messages mean nothing here, send text", output)
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

    fn answer(&mut self, hub: &Hub, text: &str, output: &mut Vec<u8>) -> Result<(), End> {
        let reply = match ClientMessage::parse(text) {
            Ok(ClientMessage::Ping) => protocol::PONG.to_owned(),
            Ok(ClientMessage::Subscribe(kind, since)) if self.session.role.may_follow(kind) => {
                self.subscribe(hub, kind, since)
            }
            Ok(ClientMessage::Subscribe(kind, _)) => {
                let (role, channel) = (self.session.role.name(), kind.shape().channel);
                let wrong = format!("the role {role} may not read {channel}");
                return self.count_error(hub, &wrong, output);
            }
            Ok(ClientMessage::Unsubscribe(kind)) => {
                self.cursor.unsubscribe(kind);
                protocol::unsubscribed(kind)
            }
            Err(wrong) => return self.count_error(hub, &wrong, output),
        };
        put_text_frame(output, &reply);
        Ok(())
    }

    fn subscribe(&mut self, hub: &Hub, kind: Kind, since: Option<i64>) -> String {
        let head = hub.feed.head();
        match since {
            // Already subscribed: what it has not had yet still follows.
            None if self.cursor.follows(kind) => protocol::subscribed(kind, self.cursor.mark(kind)),
            None => {
                self.cursor.subscribe(kind, head);
                protocol::subscribed(kind, head)
            }
            // A `seq` that is still to come is of another log, before a backup was restored, say.
            Some(seq) if seq > head || seq < hub.store.oldest() - 1 => {
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
    fn count_error(&mut self, hub: &Hub, wrong: &str, output: &mut Vec<u8>) -> Result<(), End> {
        put_text_frame(output, &protocol::error(wrong));
        let now = hub.seconds();
        if u64::from(now - self.errors_since) > ERROR_WINDOW.as_secs() {
            (self.errors, self.errors_since) = (0, now);
        }
        self.errors += 1;
        if self.errors >= ERRORS_MAX {
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

    pub(super) async fn leave(self, end: End) {
        let last = match end {
            End::Close(code, why) => close_frame(code, why),
            End::Answered => Vec::new(),
            End::Gone => return,
        };
        // Its session's place is free while the peer takes its time.
        let Self { socket, .. } = self;
        socket.close(&last, CLOSE_WAIT).await;
    }
}
