//! The feed broadcasts events: one ring of finished frames for all subscribers.
//!
//! A subscriber owns only its position in the log. It copies frames from the ring while the ring
//! reaches back to it, and reads the log otherwise. So a slow subscriber takes no memory here, and
//! delays a commit by at most `LAG_WAIT_MAX`.

mod batch;
mod cursor;
mod ring;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, RwLock};

use crate::domain::event::Event;
use crate::domain::{EntityKind, KindSet};
use crate::limits::{LAG_BYTES_MAX, LAG_WAIT_MAX};
use crate::sync;

pub use batch::{Batch, Copied};
pub use cursor::Cursor;
use ring::Ring;

/// The newest events, shared by all subscribers.
pub struct Feed {
    ring: RwLock<Box<Ring>>,
    head: AtomicI64,
    /// The bytes of all frames that were ever in the ring.
    written: AtomicU64,
    /// Grows when `forget` drops frames, so that an older batch is not shared any more.
    edition: AtomicU64,
    /// The part of `written` that was offered to every subscriber's socket.
    delivered: Mutex<u64>,
    delivered_changed: Condvar,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Feed {
    /// A feed with an empty ring, for a log that ends at `head`. Each publication calls `wake`,
    /// which must not wait.
    pub fn new(head: i64, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            ring: RwLock::new(Box::new(Ring::new(head))),
            head: AtomicI64::new(head),
            written: AtomicU64::new(0),
            edition: AtomicU64::new(0),
            delivered: Mutex::new(0),
            delivered_changed: Condvar::new(),
            wake: Box::new(wake),
        }
    }

    /// The newest `seq` that was published.
    pub fn head(&self) -> i64 {
        self.head.load(Ordering::Acquire)
    }

    /// The kinds of the events after a `seq`.
    pub fn kinds_after(&self, seq: i64) -> KindSet {
        let ring = sync::read(&self.ring);
        ring.kinds_after(seq)
    }

    /// The bytes of all frames that were ever in the ring.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Whether `publish` would wait now: the subscribers lag by more than `LAG_BYTES_MAX`.
    pub fn lags(&self) -> bool {
        self.written() - *sync::lock(&self.delivered) > LAG_BYTES_MAX
    }

    /// Publishes the events of one commit. While the subscribers lag by more than `LAG_BYTES_MAX`
    /// it waits, up to `LAG_WAIT_MAX`, because reading the log for all of them would cost more.
    pub fn publish(&self, events: &[Event]) {
        let delivered = sync::lock(&self.delivered);
        let written = self.written();
        let lags = |delivered: &mut u64| written - *delivered > LAG_BYTES_MAX;
        drop(self.delivered_changed.wait_timeout_while(delivered, LAG_WAIT_MAX, lags));
        {
            let mut ring = sync::write(&self.ring);
            let bytes: usize = events.iter().map(|event| ring.push(event)).sum();
            self.written.store(written + bytes as u64, Ordering::Release);
            self.head.store(ring.head(), Ordering::Release);
        }
        (self.wake)();
    }

    /// Records that everything up to `written` was offered to the sockets of all subscribers.
    pub fn delivered(&self, written: u64) {
        *sync::lock(&self.delivered) = written;
        self.delivered_changed.notify_one();
    }

    /// Empties the ring and moves its head: the log has events up to `head` that were never
    /// published, so every subscriber reads the log.
    pub fn reset_to(&self, head: i64) {
        {
            let mut ring = sync::write(&self.ring);
            ring.reset_to(head);
            self.head.store(head, Ordering::Release);
        }
        (self.wake)();
    }

    /// Drops the frames of a kind whose events were rewritten in the log, because personal data
    /// were erased there. A subscriber that has not received these events reads the log.
    pub fn forget(&self, kind: EntityKind) {
        let mut ring = sync::write(&self.ring);
        ring.forget(kind);
        self.edition.fetch_add(1, Ordering::Release);
    }

    /// Fills the batch with the frames after the cursor that it wants: up to `until`, and at most
    /// about `WRITE_BYTES`. It moves only the cursor's position. A caller that could not send all
    /// of them has to call `Cursor::advance` with the position that it reached.
    pub fn copy(&self, cursor: &mut Cursor, until: i64, batch: &mut Batch) -> Copied {
        let edition = self.edition.load(Ordering::Acquire);
        if batch.is_for(cursor, until, edition) {
            cursor.position = batch.to;
            return Copied::Frames;
        }
        batch.clear();
        if cursor.position >= until {
            return Copied::Frames;
        }
        batch.edition = edition;
        let ring = sync::read(&self.ring);
        ring.copy(cursor, until, batch)
    }

    /// The number of events and bytes in the ring.
    pub fn size(&self) -> (usize, usize) {
        let ring = sync::read(&self.ring);
        ring.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{RING_BYTES_MAX, RING_EVENTS};

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
        // Unsent events are copied again, and none comes twice.
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

    #[test]
    fn forgotten_frames_are_read_from_the_log() {
        let feed = Feed::new(0, || ());
        let subscribed = |kind| {
            let mut cursor = Cursor::new(0);
            cursor.subscribe(kind, 0);
            cursor
        };
        let mut batch = Batch::new();
        publish(&feed, &[event(1, EntityKind::Customer, 9), event(2, EntityKind::Order, 9)]);
        let mut first = subscribed(EntityKind::Customer);
        assert_eq!(feed.copy(&mut first, 2, &mut batch), Copied::Frames);

        let bytes = feed.size().1;
        feed.forget(EntityKind::Customer);
        assert_eq!(feed.size(), (2, bytes / 2));
        // An older batch is not shared either.
        let mut late = subscribed(EntityKind::Customer);
        assert_eq!(feed.copy(&mut late, 2, &mut batch), Copied::Lagged);
        assert_eq!(copied(&feed, &mut subscribed(EntityKind::Order)).1, [2]);
        publish(&feed, &[event(3, EntityKind::Customer, 9)]);
        assert_eq!(copied(&feed, &mut first).1, [3]);
        assert_eq!(copied(&feed, &mut late).0, Copied::Lagged);
    }

    /// Without a delivery the writer waits, and then continues.
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
