//! A subscriber's place in the log.

use crate::domain::EntityKind;

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

type Marks = [i64; EntityKind::ALL.len()];

impl Cursor {
    /// Subscribed to nothing.
    pub fn new(position: i64) -> Self {
        Self { position, marks: None, kinds: 0 }
    }

    /// An event is wanted and was not sent yet.
    pub fn wants(&self, kind: EntityKind, seq: i64) -> bool {
        self.follows(kind) && self.marks.as_ref().is_none_or(|marks| seq > marks[kind.index()])
    }

    /// Bit n set: kind n is subscribed.
    pub fn kinds(&self) -> u8 {
        self.kinds
    }

    /// The kind's channel is subscribed.
    pub fn follows(&self, kind: EntityKind) -> bool {
        self.kinds & (1 << kind.index()) != 0
    }

    /// The kind's events behind this `seq` are still to come.
    pub fn mark(&self, kind: EntityKind) -> i64 {
        let mark = self.marks.as_ref().map_or(self.position, |marks| marks[kind.index()]);
        mark.max(self.position)
    }

    /// The position and the kinds, where these are all there is to say: another cursor with the
    /// same gets the same.
    pub(super) fn in_step(&self) -> Option<(i64, u8)> {
        self.marks.is_none().then_some((self.position, self.kinds))
    }

    /// Passes over events that it does not follow, if it was up to date before them.
    pub fn pass(&mut self, from: i64, to: i64) {
        if self.in_step().is_some_and(|(position, _)| position == from) {
            self.position = to;
        }
    }

    /// Wants a kind's events behind a `seq`; goes back for them where they were passed already.
    /// What other channels had in the meantime stays had.
    pub fn subscribe(&mut self, kind: EntityKind, since: i64) {
        let mut marks = EntityKind::ALL.map(|kind| self.mark(kind));
        marks[kind.index()] = since;
        self.kinds |= 1 << kind.index();
        self.position = self.position.min(since);
        self.marks = Some(Box::new(marks));
        self.settle();
    }

    /// Wants none of a kind's events any more.
    pub fn unsubscribe(&mut self, kind: EntityKind) {
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
        if !EntityKind::ALL
            .into_iter()
            .any(|kind| self.follows(kind) && self.mark(kind) > self.position)
        {
            self.marks = None;
        }
    }
}
