//! The frames of one write.

use crate::domain::event::{self, Event};
use crate::domain::{EntityKind, KindSet};
use crate::feed::cursor::{Cursor, SharedKey};
use crate::frame;
use crate::limits::WRITE_BYTES;

/// Frames collected for one write. Subscribers at the same position with the same channels share
/// one batch: it is filled once for all of them.
#[derive(Debug, Default)]
pub struct Batch {
    /// Whole frames, one after the other.
    pub frames: Vec<u8>,
    /// The offset at which each frame ends, with its `seq`.
    pub ends: Vec<(usize, i64)>,
    /// The position and the kinds for which it was filled; `None` if it fits no other cursor.
    pub(super) from: Option<SharedKey>,
    /// The position after it.
    pub(super) to: i64,
    /// The feed's edition from which it was filled.
    pub(super) edition: u64,
}

impl Batch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self { frames: Vec::new(), ends: Vec::new(), from: None, to: 0, edition: 0 }
    }

    /// Removes all frames.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.ends.clear();
        self.from = None;
    }

    /// Adds an event that was read from the log.
    pub fn add(&mut self, event: &Event, narrowed: KindSet) {
        self.add_text(event.kind, event.seq, &event.body, narrowed);
    }

    /// Adds an event as a frame of its own.
    pub(super) fn add_text(&mut self, kind: EntityKind, seq: i64, body: &str, narrowed: KindSet) {
        frame::put_text(&mut self.frames, &event::narrow(kind, body, narrowed));
        self.ends.push((self.frames.len(), seq));
    }

    /// Whether it holds the frames that this cursor would get.
    pub(super) fn is_for(&self, cursor: &Cursor, until: i64, edition: u64) -> bool {
        let complete = self.to == until || self.frames.len() >= WRITE_BYTES;
        complete
            && self.edition == edition
            && self.from.is_some()
            && self.from == cursor.shared_key()
    }
}

/// The result of copying from the ring.
#[derive(Debug, PartialEq, Eq)]
pub enum Copied {
    /// The cursor is at the head, or the batch is full.
    Frames,
    /// The ring no longer reaches back to the cursor, so the log has to be read.
    Lagged,
}
