//! The schema of each kind, and the look-up of a kind by the names that clients use.

use crate::domain::kind::EntityKind;
use crate::domain::schema::EntitySchema;
use crate::domain::{customer, order, product, shipment, transaction};

impl EntityKind {
    /// The kind's names and fields.
    pub fn schema(self) -> &'static EntitySchema {
        match self {
            Self::Order => &order::SCHEMA,
            Self::Product => &product::SCHEMA,
            Self::Customer => &customer::SCHEMA,
            Self::Shipment => &shipment::SCHEMA,
            Self::Transaction => &transaction::SCHEMA,
        }
    }

    /// The kind whose channel has that name, such as `order_changes`.
    pub fn of_channel(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.schema().channel == name)
    }

    /// The kind whose collection has that name, such as `orders`.
    pub fn of_plural(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.schema().plural == name)
    }
}
