//! The broadcaster: one ring of finished frames for everybody, and one bell.
//!
//! A subscriber owns only its place in the log. Who is within the ring copies frames from it; who
//! has fallen behind reads the log. So a slow subscriber costs nothing here and delays nobody.
//! This room is the home of heapless's ring.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use heapless::Deque;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::domain::Kind;
use crate::domain::event::Event;
use crate::limits::{RING_BYTES_MAX, RING_EVENTS, WRITE_BYTES};

/// An event as it goes over the wire: a whole WebSocket frame, the same for every subscriber.
#[derive(Clone)]
struct Slot {
    kind: Kind,
    frame: Arc<[u8]>,
}

struct Ring {
    slots: Deque<Slot, RING_EVENTS>,
    /// The `seq` of the newest slot, and of the log.
    head: i64,
    bytes: usize,
}

/// The newest events, and the bell that rings once for each committed batch.
pub struct Feed {
    ring: RwLock<Box<Ring>>,
    head: AtomicI64,
    bell: Notify,
}

/// Where a subscriber is in the log, and what it wants: 24 bytes, all that it owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Everything up to this `seq` was looked at.
    pub position: i64,
    /// For each kind, events up to this `seq` were had or are not wanted; only there while some
    /// of these marks lie ahead of the position.
    marks: Option<Box<Marks>>,
    /// Bit n set: kind n is subscribed.
    kinds: u8,
}

type Marks = [i64; Kind::ALL.len()];

/// What copying from the ring came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Copied {
    /// The cursor is at the head, or the buffer is full.
    Frames,
    /// The ring no longer reaches back to the cursor: the log does.
    Behind,
}

impl Cursor {
    /// Subscribed to nothing.
    pub fn new(position: i64) -> Self {
        Self { position, marks: None, kinds: 0 }
    }

    /// An event is wanted and was not sent yet.
    pub fn wants(&self, kind: Kind, seq: i64) -> bool {
        self.follows(kind) && self.marks.as_ref().is_none_or(|marks| seq > marks[kind.index()])
    }

    /// Bit n set: kind n is subscribed.
    pub fn kinds(&self) -> u8 {
        self.kinds
    }

    /// The kind's channel is subscribed.
    pub fn follows(&self, kind: Kind) -> bool {
        self.kinds & (1 << kind.index()) != 0
    }

    /// The kind's events behind this `seq` are still to come.
    pub fn mark(&self, kind: Kind) -> i64 {
        let mark = self.marks.as_ref().map_or(self.position, |marks| marks[kind.index()]);
        mark.max(self.position)
    }

    /// Wants a kind's events behind a `seq`; goes back for them where they were passed already.
    /// What other channels had in the meantime stays had.
    pub fn subscribe(&mut self, kind: Kind, since: i64) {
        let mut marks = Kind::ALL.map(|kind| self.mark(kind));
        marks[kind.index()] = since;
        self.kinds |= 1 << kind.index();
        self.position = self.position.min(since);
        self.marks = Some(Box::new(marks));
        self.settle();
    }

    /// Wants none of a kind's events any more.
    pub fn unsubscribe(&mut self, kind: Kind) {
        self.kinds &= !(1 << kind.index());
        self.settle();
    }

    /// Goes on behind a `seq`: everything up to it was sent or is given up.
    pub fn advance(&mut self, position: i64) {
        self.position = position;
        self.settle();
    }

    /// Forgets marks that the position has passed.
    fn settle(&mut self) {
        if !Kind::ALL.into_iter().any(|kind| self.follows(kind) && self.mark(kind) > self.position)
        {
            self.marks = None;
        }
    }
}

impl Feed {
    /// An empty ring behind a log that ends at `head`.
    pub fn new(head: i64) -> Self {
        let ring = Ring { slots: Deque::new(), head, bytes: 0 };
        Self { ring: RwLock::new(Box::new(ring)), head: AtomicI64::new(head), bell: Notify::new() }
    }

    /// The newest `seq` that was published.
    pub fn head(&self) -> i64 {
        self.head.load(Ordering::Acquire)
    }

    /// Takes the events of one commit and rings once.
    pub fn publish(&self, events: &[Event]) {
        {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            for event in events {
                ring.push(event);
            }
            self.head.store(ring.head, Ordering::Release);
        }
        self.ring_bell();
    }

    /// The log has events up to `head` that were never published: everybody reads the log.
    pub fn jump(&self, head: i64) {
        {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            ring.slots.clear();
            ring.bytes = 0;
            ring.head = head;
            self.head.store(head, Ordering::Release);
        }
        self.ring_bell();
    }

    /// Wakes every subscriber, to look at the head and at its clock.
    pub fn ring_bell(&self) {
        self.bell.notify_waiters();
    }

    /// The next ring of the bell. Take it before looking at the head, and none is missed.
    pub fn bell(&self) -> Notified<'_> {
        self.bell.notified()
    }

    /// Copies the wanted frames behind the cursor into `out`, up to about `WRITE_BYTES`, and notes
    /// in `ends` where each of them ends and its `seq`. Moves the position only: whoever could not
    /// send them all moves it back, and then calls `Cursor::advance` with where it really is.
    pub fn copy(
        &self,
        cursor: &mut Cursor,
        out: &mut Vec<u8>,
        ends: &mut Vec<(usize, i64)>,
    ) -> Copied {
        if cursor.position >= self.head() {
            return Copied::Frames;
        }
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        if cursor.kinds() == 0 {
            cursor.advance(ring.head); // nothing is wanted, so nothing is missed
            return Copied::Frames;
        }
        let oldest = ring.head - i64::try_from(ring.slots.len()).unwrap_or(0);
        let Ok(skip) = usize::try_from(cursor.position - oldest) else {
            return Copied::Behind;
        };
        for at in skip..ring.slots.len() {
            if out.len() >= WRITE_BYTES {
                break;
            }
            cursor.position += 1;
            if let Some(slot) = ring.slots.get(at)
                && cursor.wants(slot.kind, cursor.position)
            {
                out.extend_from_slice(&slot.frame);
                ends.push((out.len(), cursor.position));
            }
        }
        Copied::Frames
    }

    /// Events and bytes in the ring.
    pub fn size(&self) -> (usize, usize) {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        (ring.slots.len(), ring.bytes)
    }
}

impl Ring {
    fn push(&mut self, event: &Event) {
        let frame: Arc<[u8]> = text_frame(&event.body).into();
        while self.slots.is_full()
            || (self.bytes + frame.len() > RING_BYTES_MAX && !self.slots.is_empty())
        {
            if let Some(slot) = self.slots.pop_front() {
                self.bytes -= slot.frame.len();
            }
        }
        self.bytes += frame.len();
        self.head = event.seq;
        let pushed = self.slots.push_back(Slot { kind: event.kind, frame });
        debug_assert!(pushed.is_ok(), "the loop above made room");
    }
}

/// A text as a whole, unmasked WebSocket frame (RFC 6455, section 5.2).
pub fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = Vec::with_capacity(text.len() + 10);
    put_text_frame(&mut frame, text);
    frame
}

/// Appends a text as a whole, unmasked WebSocket frame.
pub fn put_text_frame(out: &mut Vec<u8>, text: &str) {
    const FINAL_TEXT: u8 = 0x81;
    out.push(FINAL_TEXT);
    let length = text.len();
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: i64, kind: Kind, length: usize) -> Event {
        Event { seq, kind, body: "x".repeat(length) }
    }

    fn copied(feed: &Feed, cursor: &mut Cursor) -> (Copied, Vec<i64>) {
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        let copied = feed.copy(cursor, &mut out, &mut ends);
        (copied, ends.into_iter().map(|(_, seq)| seq).collect())
    }

    #[test]
    fn a_cursor_gets_each_wanted_event_once() {
        let feed = Feed::new(7);
        let mut cursor = Cursor::new(7);
        cursor.subscribe(Kind::Order, 7);
        feed.publish(&[
            event(8, Kind::Order, 10),
            event(9, Kind::Product, 10),
            event(10, Kind::Order, 10),
        ]);
        assert_eq!(copied(&feed, &mut cursor), (Copied::Frames, vec![8, 10]));
        assert_eq!(copied(&feed, &mut cursor), (Copied::Frames, vec![]));
    }

    #[test]
    fn going_back_for_one_channel_repeats_no_other() {
        let feed = Feed::new(0);
        let mut cursor = Cursor::new(0);
        cursor.subscribe(Kind::Order, 0);
        feed.publish(&[event(1, Kind::Order, 9), event(2, Kind::Product, 9)]);
        assert_eq!(copied(&feed, &mut cursor).1, vec![1]);
        cursor.subscribe(Kind::Product, 0);
        feed.publish(&[event(3, Kind::Order, 9)]);
        assert_eq!(copied(&feed, &mut cursor.clone()).1, vec![2, 3]);
        // What could not be sent is copied again, and still nothing twice.
        cursor.advance(2);
        assert_eq!(copied(&feed, &mut cursor).1, vec![3]);
    }

    #[test]
    fn who_is_behind_the_ring_is_told() {
        let feed = Feed::new(0);
        let mut cursor = Cursor::new(0);
        cursor.subscribe(Kind::Order, 0);
        let last = i64::try_from(RING_EVENTS).unwrap() + 1;
        for seq in 1..=last {
            feed.publish(&[event(seq, Kind::Order, 9)]);
        }
        assert_eq!(copied(&feed, &mut cursor).0, Copied::Behind);
        cursor.position = 1;
        assert_eq!(copied(&feed, &mut cursor).0, Copied::Frames);
    }

    #[test]
    fn the_ring_keeps_to_its_bytes() {
        let feed = Feed::new(0);
        for seq in 1..=100 {
            feed.publish(&[event(seq, Kind::Order, RING_BYTES_MAX / 10)]);
        }
        let (events, bytes) = feed.size();
        assert!(bytes <= RING_BYTES_MAX && events == 9, "{events} events, {bytes} bytes");
    }

    #[test]
    fn a_jump_leaves_everybody_to_the_log() {
        let feed = Feed::new(0);
        let mut cursor = Cursor::new(0);
        cursor.subscribe(Kind::Order, 0);
        feed.publish(&[event(1, Kind::Order, 9)]);
        feed.jump(5);
        assert_eq!(copied(&feed, &mut cursor).0, Copied::Behind);
    }
}
