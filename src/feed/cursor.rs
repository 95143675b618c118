//! A subscriber's position in the log.

use crate::domain::{EntityKind, KindSet};

/// A subscriber's position in the log and its channels: the 24 bytes that it owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Every event up to this `seq` was sent or skipped.
    pub position: i64,
    /// For each kind, the `seq` up to which events were already sent or are not wanted. `None`
    /// while no subscribed kind's floor is ahead of the position.
    channel_floors: Option<Box<ChannelFloors>>,
    /// The subscribed kinds.
    kinds: KindSet,
    /// The kinds whose events it gets narrowed.
    narrowed: KindSet,
}

/// The position, the subscribed kinds, and those that are narrowed.
pub(super) type SharedKey = (i64, KindSet, KindSet);

type ChannelFloors = [i64; EntityKind::ALL.len()];

impl Cursor {
    /// A cursor without a subscription.
    pub fn new(position: i64) -> Self {
        Self { position, channel_floors: None, kinds: KindSet::EMPTY, narrowed: KindSet::EMPTY }
    }

    /// The cursor of a subscriber that gets events of these kinds narrowed.
    #[must_use]
    pub fn narrowed_to(self, narrowed: KindSet) -> Self {
        Self { narrowed, ..self }
    }

    /// The kinds whose events it gets narrowed.
    pub fn narrowed(&self) -> KindSet {
        self.narrowed
    }

    /// Whether an event of this kind is wanted and was not sent yet.
    pub fn wants(&self, kind: EntityKind, seq: i64) -> bool {
        let floors = self.channel_floors.as_ref();
        self.follows(kind) && floors.is_none_or(|floors| seq > floors[kind.index()])
    }

    /// The subscribed kinds.
    pub fn kinds(&self) -> KindSet {
        self.kinds
    }

    /// Whether the kind's channel is subscribed.
    pub fn follows(&self, kind: EntityKind) -> bool {
        self.kinds.contains(kind)
    }

    /// The `seq` after which the kind's events are still to be sent.
    pub fn floor(&self, kind: EntityKind) -> i64 {
        let floor =
            self.channel_floors.as_ref().map_or(self.position, |floors| floors[kind.index()]);
        floor.max(self.position)
    }

    /// The position and the kinds, if no floor is set: cursors with the same key get the same
    /// frames.
    pub(super) fn shared_key(&self) -> Option<SharedKey> {
        self.channel_floors.is_none().then_some((self.position, self.kinds, self.narrowed))
    }

    /// Skips events of other kinds up to `to`, if the cursor was up to date at `from`.
    pub fn skip(&mut self, from: i64, to: i64) {
        if self.shared_key().is_some_and(|(position, ..)| position == from) {
            self.position = to;
        }
    }

    /// Subscribes to a kind's events after `since`, and goes back for those that were passed. The
    /// other channels repeat nothing.
    pub fn subscribe(&mut self, kind: EntityKind, since: i64) {
        let mut floors = EntityKind::ALL.map(|kind| self.floor(kind));
        floors[kind.index()] = since;
        self.kinds.insert(kind);
        self.position = self.position.min(since);
        self.channel_floors = Some(Box::new(floors));
        self.drop_passed_floors();
    }

    /// Ends a kind's subscription.
    pub fn unsubscribe(&mut self, kind: EntityKind) {
        self.kinds.remove(kind);
        self.drop_passed_floors();
    }

    /// Moves on: everything up to `position` was sent or is given up.
    pub fn advance(&mut self, position: i64) {
        self.position = position;
        self.drop_passed_floors();
    }

    /// Drops the floors once the position has passed them, because every delivery checks them.
    fn drop_passed_floors(&mut self) {
        let ahead = |kind| self.follows(kind) && self.floor(kind) > self.position;
        if self.channel_floors.is_some() && !EntityKind::ALL.into_iter().any(ahead) {
            self.channel_floors = None;
        }
    }
}
