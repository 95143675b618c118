//! The newest events as finished frames, one slot for each `seq` up to the head.
//!

use std::mem;

use heapless::Deque;

use crate::domain::event::Event;
use crate::domain::{EntityKind, KindSet};
use crate::feed::batch::{Batch, Copied};
use crate::feed::cursor::Cursor;
use crate::frame;
use crate::limits::{RING_BYTES_MAX, RING_EVENTS, WRITE_BYTES};

/// An event as a whole WebSocket frame, the same for every subscriber.
struct Slot {
    kind: EntityKind,
    /// Empty after `forget`.
    frame: Box<[u8]>,
}

pub(super) struct Ring {
    slots: Deque<Slot, RING_EVENTS>,
    /// The `seq` of the newest slot, and of the log.
    head: i64,
    /// The newest `seq` of each kind; without an event since the start, the head at the start.
    newest: [i64; EntityKind::ALL.len()],
    /// For each kind, the `seq` up to which its frames were forgotten.
    forgotten: [i64; EntityKind::ALL.len()],
    bytes: usize,
}

impl Ring {
    /// An empty ring for a log that ends at `head`.
    pub(super) fn new(head: i64) -> Self {
        let (newest, forgotten) = ([head; _], [0; _]);
        Self { slots: Deque::new(), head, newest, forgotten, bytes: 0 }
    }

    /// The `seq` of the newest event.
    pub(super) fn head(&self) -> i64 {
        self.head
    }

    /// The number of events and bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.slots.len(), self.bytes)
    }

    /// The kinds of the events after a `seq`.
    pub(super) fn kinds_after(&self, seq: i64) -> KindSet {
        EntityKind::ALL.into_iter().filter(|kind| self.newest[kind.index()] > seq).collect()
    }

    /// Adds an event and drops the oldest ones if necessary; returns the bytes of its frame.
    pub(super) fn push(&mut self, event: &Event) -> usize {
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

    /// Drops every frame; the log ends at `head`.
    pub(super) fn reset_to(&mut self, head: i64) {
        *self = Self { forgotten: self.forgotten, ..Self::new(head) };
    }

    /// Drops the frames of a kind. Their slots stay, because a position is found by counting slots.
    pub(super) fn forget(&mut self, kind: EntityKind) {
        self.forgotten[kind.index()] = self.head;
        for slot in self.slots.iter_mut().filter(|slot| slot.kind == kind) {
            self.bytes -= mem::take(&mut slot.frame).len();
        }
    }

    /// See `Feed::copy`.
    pub(super) fn copy(&self, cursor: &mut Cursor, until: i64, batch: &mut Batch) -> Copied {
        let newest = |kind: EntityKind| self.newest[kind.index()];
        let wanted = |kind| cursor.wants(kind, newest(kind)) && newest(kind) > cursor.position;
        if !EntityKind::ALL.into_iter().any(wanted) {
            cursor.advance(self.head); // no later event is wanted, however far it lags
            return Copied::Frames;
        }
        let oldest = self.head - i64::try_from(self.slots.len()).unwrap_or(0);
        let skip = usize::try_from(cursor.position - oldest);
        let Some(skip) = skip.ok().filter(|_| !self.lacks_frames_for(cursor)) else {
            return Copied::Lagged;
        };
        batch.from = cursor.shared_key();
        for index in skip..self.slots.len() {
            if cursor.position >= until || batch.frames.len() >= WRITE_BYTES {
                break;
            }
            cursor.position += 1;
            if let Some(slot) = self.slots.get(index)
                && cursor.wants(slot.kind, cursor.position)
            {
                let narrowed = cursor.narrowed();
                if narrowed.contains(slot.kind)
                    && let Ok(body) = str::from_utf8(frame::payload(&slot.frame))
                {
                    batch.add_text(slot.kind, cursor.position, body, narrowed);
                } else {
                    batch.frames.extend_from_slice(&slot.frame);
                    batch.ends.push((batch.frames.len(), cursor.position));
                }
            }
        }
        batch.to = cursor.position;
        Copied::Frames
    }

    /// Whether the cursor wants events whose frames were forgotten.
    fn lacks_frames_for(&self, cursor: &Cursor) -> bool {
        let forgotten = |kind: EntityKind| self.forgotten[kind.index()];
        EntityKind::ALL.into_iter().any(|kind| {
            forgotten(kind) > cursor.position
                && cursor.follows(kind)
                && cursor.floor(kind) < forgotten(kind)
        })
    }
}
