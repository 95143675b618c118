//! The kinds of entities that a shop has, and sets of them.

/// One of the five kinds of entities. Every change of an entity is an event.
///
/// Its number is stored, so it never changes and is never reused. In the audit trail 5 means a
/// user, and numbers from 253 on are taken; the next kind is 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntityKind {
    /// A sale: its lines, its total, its payment.
    Order = 0,
    /// Goods or a service that the shop sells.
    Product = 1,
    /// A person or a company that buys.
    Customer = 2,
    /// A parcel of an order.
    Shipment = 3,
    /// A payment or a refund of an order.
    Transaction = 4,
}

impl EntityKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Order, Self::Product, Self::Customer, Self::Shipment, Self::Transaction];

    /// The kind's number in the database.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with that number in the database; `None` for an unknown number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The kind's index in `ALL`, for tables in memory. Never stored: it may change with a release.
    pub const fn index(self) -> usize {
        match self {
            Self::Order => 0,
            Self::Product => 1,
            Self::Customer => 2,
            Self::Shipment => 3,
            Self::Transaction => 4,
        }
    }
}

/// A set of kinds, with one bit for each at the position of its number, so numbers stay below 32.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindSet(u32);

impl KindSet {
    /// No kind.
    pub const EMPTY: Self = Self(0);

    /// One kind.
    pub const fn of(kind: EntityKind) -> Self {
        Self(1 << kind.number())
    }

    /// Whether the set contains the kind.
    pub const fn contains(self, kind: EntityKind) -> bool {
        self.0 & Self::of(kind).0 != 0
    }

    /// Whether there is a kind in both sets.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Adds a kind.
    pub const fn insert(&mut self, kind: EntityKind) {
        self.0 |= Self::of(kind).0;
    }

    /// Removes a kind.
    pub const fn remove(&mut self, kind: EntityKind) {
        self.0 &= !Self::of(kind).0;
    }

    /// The kinds in it.
    pub fn iter(self) -> impl Iterator<Item = EntityKind> {
        EntityKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }

    /// The set as bits, for a query's `(1 << kind) & ?`.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl FromIterator<EntityKind> for KindSet {
    fn from_iter<I: IntoIterator<Item = EntityKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::EMPTY, |set, kind| set.union(Self::of(kind)))
    }
}

impl std::fmt::Debug for KindSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Existing databases hold these numbers. A change here would turn old events and audit entries
    /// into those of another kind.
    #[test]
    fn numbers_are_pinned() {
        let numbers = EntityKind::ALL.map(|kind| (kind, kind.number()));
        let pinned = [
            (EntityKind::Order, 0),
            (EntityKind::Product, 1),
            (EntityKind::Customer, 2),
            (EntityKind::Shipment, 3),
            (EntityKind::Transaction, 4),
        ];
        assert_eq!(numbers, pinned);
        for (kind, number) in pinned {
            assert_eq!(EntityKind::from_number(number), Some(kind));
        }
        assert_eq!(EntityKind::from_number(5), None, "5 is the user's");
    }

    #[test]
    fn an_index_leads_to_its_kind() {
        for kind in EntityKind::ALL {
            assert_eq!(EntityKind::ALL[kind.index()], kind);
        }
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let mut set = KindSet::EMPTY;
        set.insert(EntityKind::Order);
        set.insert(EntityKind::Shipment);
        assert_eq!(set, [EntityKind::Shipment, EntityKind::Order].into_iter().collect());
        assert_eq!(set.bits(), 0b1001);
        set.remove(EntityKind::Order);
        assert!(set.contains(EntityKind::Shipment) && !set.contains(EntityKind::Order));
        assert!(set.intersects(KindSet::of(EntityKind::Shipment)));
        assert!(!set.intersects(KindSet::of(EntityKind::Order)));
    }
}
