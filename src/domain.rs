//! The nouns of a shop and their rules: pure data, no SQL, no sockets, no clock.
//!
//! What differs between the five entities is their shape (a table of fields) and a few rules;
//! everything else is one path for all. A change is always *before → after*: a creation has no
//! before, a deletion no after, and `changed_fields` is the difference of the two.

pub mod check;
pub mod currency;
pub mod customer;
pub mod decimal;
pub mod event;
pub mod input;
pub mod line;
pub mod order;
pub mod product;
pub mod reject;
pub mod role;
pub mod row;
pub mod secret;
pub mod shape;
pub mod shipment;
pub mod timestamp;
pub mod transaction;

pub use input::Input;
pub use reject::{FieldError, Reject};
pub use role::Role;
pub use row::{Cell, Row};
pub use secret::Secret;
pub use shape::{Field, Shape};

/// One of the five entities that the shop keeps and whose changes are events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What a customer bought.
    Order,
    /// What the shop sells.
    Product,
    /// Who buys.
    Customer,
    /// A parcel of an order.
    Shipment,
    /// A payment or a refund of an order.
    Transaction,
}

impl Kind {
    /// All kinds; a kind's place here is its number in the event log.
    pub const ALL: [Self; 5] =
        [Self::Order, Self::Product, Self::Customer, Self::Shipment, Self::Transaction];

    /// The kind's fields and names.
    pub fn shape(self) -> &'static Shape {
        match self {
            Self::Order => &order::SHAPE,
            Self::Product => &product::SHAPE,
            Self::Customer => &customer::SHAPE,
            Self::Shipment => &shipment::SHAPE,
            Self::Transaction => &transaction::SHAPE,
        }
    }

    /// The kind's number in the event log and in a connection's list of channels, 0 to 4.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The kind with that number.
    pub fn at(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// The kind whose channel has that name, such as `order_changes`.
    pub fn of_channel(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.shape().channel == name)
    }

    /// The kind whose collection has that name, such as `orders`.
    pub fn of_plural(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.shape().plural == name)
    }
}
