//! The kinds of entities that a shop has.

/// One of the five entities that the shop keeps and whose changes are events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntityKind {
    /// A sale: lines, a total, how far it is paid.
    Order,
    /// Goods or a service that the shop sells.
    Product,
    /// A person or a company that buys.
    Customer,
    /// A parcel of an order.
    Shipment,
    /// A payment or a refund of an order.
    Transaction,
}

impl EntityKind {
    /// All kinds; a kind's index here is its number in the event log.
    pub const ALL: [Self; 5] =
        [Self::Order, Self::Product, Self::Customer, Self::Shipment, Self::Transaction];

    /// The kind's number in the event log and in a connection's list of channels, 0 to 4.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The kind with that number.
    pub fn at(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }
}
