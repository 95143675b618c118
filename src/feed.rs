//! The broadcaster: one ring of finished frames for all subscribers.
//!
//! A subscriber owns only its position in the log. It copies frames from the ring while the ring
//! reaches back to it, and reads the log otherwise. So a slow subscriber costs nothing here and
//! delays nobody. This room is the home of heapless's ring.

mod cursor;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, RwLock};

use heapless::Deque;

use crate::domain::event::Event;
use crate::domain::{EntityKind, KindSet};
use crate::frame;
use crate::limits::{LAG_BYTES_MAX, LAG_WAIT_MAX, RING_BYTES_MAX, RING_EVENTS, WRITE_BYTES};

pub use cursor::Cursor;

/// An event as it goes over the wire: a whole WebSocket frame, the same for every subscriber.
struct Slot {
    kind: EntityKind,
    frame: Box<[u8]>,
}

struct Ring {
    slots: Deque<Slot, RING_EVENTS>,
    /// The `seq` of the newest slot, and of the log.
    head: i64,
    /// The newest `seq` of each kind; the head at the start for a kind without an event since.
    newest: [i64; EntityKind::ALL.len()],
    bytes: usize,
}

/// The newest events.
pub struct Feed {
    ring: RwLock<Box<Ring>>,
    head: AtomicI64,
    /// Bytes of all frames that were ever in the ring.
    written: AtomicU64,
    /// The part of `written` that was offered to every subscriber's socket.
    delivered: Mutex<u64>,
    delivered_changed: Condvar,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// Frames put together for one write. Subscribers at the same position with the same channels share
/// one batch: it is filled once for all of them.
#[derive(Debug, Default)]
pub struct Batch {
    /// Whole frames, one behind the other.
    pub frames: Vec<u8>,
    /// The offset behind each of them, with its `seq`.
    pub ends: Vec<(usize, i64)>,
    /// The position and the kinds that it was filled for; `None` if it fits no other cursor.
    from: Option<(i64, KindSet)>,
    /// The position behind it.
    to: i64,
}

impl Batch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self { frames: Vec::new(), ends: Vec::new(), from: None, to: 0 }
    }

    /// Removes all frames.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.ends.clear();
        self.from = None;
    }

    /// Adds an event that was read from the log.
    pub fn add(&mut self, event: &Event) {
        frame::put_text(&mut self.frames, &event.body);
        self.ends.push((self.frames.len(), event.seq));
    }

    /// Whether it holds what this cursor would get.
    fn is_for(&self, cursor: &Cursor, until: i64) -> bool {
        let complete = self.to == until || self.frames.len() >= WRITE_BYTES;
        complete && self.from.is_some() && self.from == cursor.shared_key()
    }
}

/// The result of copying from the ring.
#[derive(Debug, PartialEq, Eq)]
pub enum Copied {
    /// The cursor is at the head, or the batch is full.
    Frames,
    /// The ring no longer reaches back to the cursor: the log does.
    Lagged,
}

impl Feed {
    /// An empty ring behind a log that ends at `head`. Each publication calls `wake`, which must
    /// not wait.
    pub fn new(head: i64, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let newest = [head; EntityKind::ALL.len()];
        let ring = Ring { slots: Deque::new(), head, newest, bytes: 0 };
        Self {
            ring: RwLock::new(Box::new(ring)),
            head: AtomicI64::new(head),
            written: AtomicU64::new(0),
            delivered: Mutex::new(0),
            delivered_changed: Condvar::new(),
            wake: Box::new(wake),
        }
    }

    /// The newest `seq` that was published.
    pub fn head(&self) -> i64 {
        self.head.load(Ordering::Acquire)
    }

    /// The kinds of the events behind a `seq`.
    pub fn kinds_behind(&self, seq: i64) -> KindSet {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        EntityKind::ALL.into_iter().filter(|kind| ring.newest[kind.index()] > seq).collect()
    }

    /// Bytes of all frames that were ever in the ring.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Publishes the events of one commit. While the subscribers lag by more than `LAG_BYTES_MAX`
    /// it waits, up to `LAG_WAIT_MAX`: reading the log for all of them would cost more.
    pub fn publish(&self, events: &[Event]) {
        let delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.written();
        let lags = |delivered: &mut u64| written - *delivered > LAG_BYTES_MAX;
        drop(self.delivered_changed.wait_timeout_while(delivered, LAG_WAIT_MAX, lags));
        {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            let bytes: usize = events.iter().map(|event| ring.push(event)).sum();
            self.written.store(written + bytes as u64, Ordering::Release);
            self.head.store(ring.head, Ordering::Release);
        }
        (self.wake)();
    }

    /// Records that everything up to `written` was offered to the sockets of all subscribers.
    pub fn delivered(&self, written: u64) {
        *self.delivered.lock().unwrap_or_else(PoisonError::into_inner) = written;
        self.delivered_changed.notify_one();
    }

    /// Empties the ring and moves its head: the log has events up to `head` that were never
    /// published, so every subscriber reads the log.
    pub fn reset_to(&self, head: i64) {
        {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            ring.slots.clear();
            ring.bytes = 0;
            ring.head = head;
            ring.newest = [head; EntityKind::ALL.len()];
            self.head.store(head, Ordering::Release);
        }
        (self.wake)();
    }

    /// Fills the batch with the wanted frames behind the cursor: none behind `until`, and about
    /// `WRITE_BYTES` at most. It moves only the cursor's position. A caller that could not send all
    /// of them has to call `Cursor::advance` with the position that it reached.
    pub fn copy(&self, cursor: &mut Cursor, until: i64, batch: &mut Batch) -> Copied {
        if batch.is_for(cursor, until) {
            cursor.position = batch.to;
            return Copied::Frames;
        }
        batch.clear();
        if cursor.position >= until {
            return Copied::Frames;
        }
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let newest = |kind: EntityKind| ring.newest[kind.index()];
        if !EntityKind::ALL
            .into_iter()
            .any(|kind| cursor.wants(kind, newest(kind)) && newest(kind) > cursor.position)
        {
            cursor.advance(ring.head); // nothing behind it is wanted, however far it lags
            return Copied::Frames;
        }
        let oldest = ring.head - i64::try_from(ring.slots.len()).unwrap_or(0);
        let Ok(skip) = usize::try_from(cursor.position - oldest) else {
            return Copied::Lagged;
        };
        batch.from = cursor.shared_key();
        for at in skip..ring.slots.len() {
            if cursor.position >= until || batch.frames.len() >= WRITE_BYTES {
                break;
            }
            cursor.position += 1;
            if let Some(slot) = ring.slots.get(at)
                && cursor.wants(slot.kind, cursor.position)
            {
                batch.frames.extend_from_slice(&slot.frame);
                batch.ends.push((batch.frames.len(), cursor.position));
            }
        }
        batch.to = cursor.position;
        Copied::Frames
    }

    /// The number of events and bytes in the ring.
    pub fn size(&self) -> (usize, usize) {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        (ring.slots.len(), ring.bytes)
    }
}

impl Ring {
    /// Adds an event, making room for it; returns the bytes of its frame.
    fn push(&mut self, event: &Event) -> usize {
        let frame = frame::text(&event.body).into_boxed_slice();
        while self.slots.is_full() || self.bytes + frame.len() > RING_BYTES_MAX {
            let Some(slot) = self.slots.pop_front() else { break };
            self.bytes -= slot.frame.len();
        }
        let bytes = frame.len();
        self.bytes += bytes;
        self.head = event.seq;
        self.newest[event.kind.index()] = event.seq;
        let pushed = self.slots.push_back(Slot { kind: event.kind, frame });
        debug_assert!(pushed.is_ok(), "the loop above made room");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: i64, kind: EntityKind, length: usize) -> Event {
        Event { seq, kind, body: "x".repeat(length) }
    }

    /// Publishes to subscribers that take everything at once.
    fn publish(feed: &Feed, events: &[Event]) {
        feed.publish(events);
        feed.delivered(feed.written());
    }

    fn copied(feed: &Feed, cursor: &mut Cursor) -> (Copied, Vec<i64>) {
        let mut batch = Batch::new();
        let copied = feed.copy(cursor, feed.head(), &mut batch);
        (copied, batch.ends.into_iter().map(|(_, seq)| seq).collect())
    }

    #[test]
    fn a_cursor_gets_each_wanted_event_once() {
        let feed = Feed::new(7, || ());
        let mut cursor = Cursor::new(7);
        cursor.subscribe(EntityKind::Order, 7);
        publish(
            &feed,
            &[
                event(8, EntityKind::Order, 10),
                event(9, EntityKind::Product, 10),
                event(10, EntityKind::Order, 10),
            ],
        );
        assert_eq!(copied(&feed, &mut cursor), (Copied::Frames, vec![8, 10]));
        assert_eq!(copied(&feed, &mut cursor), (Copied::Frames, vec![]));
    }

    #[test]
    fn going_back_for_one_channel_repeats_no_other() {
        let feed = Feed::new(0, || ());
        let mut cursor = Cursor::new(0);
        cursor.subscribe(EntityKind::Order, 0);
        publish(&feed, &[event(1, EntityKind::Order, 9), event(2, EntityKind::Product, 9)]);
        assert_eq!(copied(&feed, &mut cursor).1, vec![1]);
        cursor.subscribe(EntityKind::Product, 0);
        publish(&feed, &[event(3, EntityKind::Order, 9)]);
        assert_eq!(copied(&feed, &mut cursor.clone()).1, vec![2, 3]);
        // What could not be sent is copied again, and still nothing twice.
        cursor.advance(2);
        assert_eq!(copied(&feed, &mut cursor).1, vec![3]);
    }

    #[test]
    fn a_cursor_that_wants_none_of_it_never_lags() {
        let feed = Feed::new(0, || ());
        let mut cursor = Cursor::new(0);
        cursor.subscribe(EntityKind::Customer, 0);
        let last = i64::try_from(RING_EVENTS).unwrap() * 2;
        for seq in 1..=last {
            publish(&feed, &[event(seq, EntityKind::Order, 9)]);
        }
        assert_eq!(copied(&feed, &mut cursor), (Copied::Frames, vec![]));
        assert_eq!(cursor.position, last);
        publish(&feed, &[event(last + 1, EntityKind::Customer, 9)]);
        assert_eq!(copied(&feed, &mut cursor).1, vec![last + 1]);
    }

    #[test]
    fn a_batch_serves_only_cursors_with_the_same_key() {
        let feed = Feed::new(0, || ());
        publish(&feed, &[event(1, EntityKind::Order, 9), event(2, EntityKind::Product, 9)]);
        let subscribed = |kinds: &[EntityKind], position| {
            let mut cursor = Cursor::new(position);
            for kind in kinds {
                cursor.subscribe(*kind, position);
            }
            cursor
        };
        let mut batch = Batch::new();
        let mut seqs = |kinds: &[EntityKind], position| {
            let copied = feed.copy(&mut subscribed(kinds, position), feed.head(), &mut batch);
            assert_eq!(copied, Copied::Frames);
            batch.ends.iter().map(|(_, seq)| *seq).collect::<Vec<_>>()
        };
        assert_eq!(seqs(&[EntityKind::Order], 0), [1]);
        assert_eq!(seqs(&[EntityKind::Order], 0), [1]);
        assert_eq!(seqs(&[EntityKind::Product], 0), [2]);
        assert_eq!(seqs(&[EntityKind::Order, EntityKind::Product], 0), [1, 2]);
        assert_eq!(seqs(&[EntityKind::Order, EntityKind::Product], 1), [2]);
        publish(&feed, &[event(3, EntityKind::Order, 9)]);
        assert_eq!(seqs(&[EntityKind::Order, EntityKind::Product], 1), [2, 3]);
    }

    #[test]
    fn a_cursor_behind_the_ring_lags() {
        let feed = Feed::new(0, || ());
        let mut cursor = Cursor::new(0);
        cursor.subscribe(EntityKind::Order, 0);
        let last = i64::try_from(RING_EVENTS).unwrap() + 1;
        for seq in 1..=last {
            publish(&feed, &[event(seq, EntityKind::Order, 9)]);
        }
        assert_eq!(copied(&feed, &mut cursor).0, Copied::Lagged);
        cursor.position = 1;
        assert_eq!(copied(&feed, &mut cursor).0, Copied::Frames);
    }

    #[test]
    fn the_ring_keeps_to_its_bytes() {
        let feed = Feed::new(0, || ());
        for seq in 1..=100 {
            publish(&feed, &[event(seq, EntityKind::Order, RING_BYTES_MAX / 10)]);
        }
        let (events, bytes) = feed.size();
        assert!(bytes <= RING_BYTES_MAX && events == 9, "{events} events, {bytes} bytes");
    }

    #[test]
    fn a_reset_leaves_every_cursor_to_the_log() {
        let feed = Feed::new(0, || ());
        let mut cursor = Cursor::new(0);
        cursor.subscribe(EntityKind::Order, 0);
        publish(&feed, &[event(1, EntityKind::Order, 9)]);
        feed.reset_to(5);
        assert_eq!(copied(&feed, &mut cursor).0, Copied::Lagged);
    }

    /// Without a delivery the writer waits, and then goes on all the same.
    #[test]
    fn the_writer_waits_for_the_subscribers_but_not_for_long() {
        let feed = Feed::new(0, || ());
        let long = usize::try_from(LAG_BYTES_MAX).unwrap();
        feed.publish(&[event(1, EntityKind::Order, long)]);
        let begun = std::time::Instant::now();
        feed.publish(&[event(2, EntityKind::Order, 9)]);
        assert!(begun.elapsed() >= LAG_WAIT_MAX);
        assert_eq!(feed.head(), 2);
    }
}
