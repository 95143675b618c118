//! A requested change, and the steps that carry it out.

use crate::domain::stock_change::StockChange;
use crate::domain::{EntityKind, Input, Precondition, Reject, Row, Sale};

/// A request to change an entity.
#[derive(Debug)]
pub struct Change {
    /// The kind of the entity.
    pub kind: EntityKind,
    /// The operation.
    pub operation: Operation,
    /// The versions of the entity for which the change is allowed.
    pub precondition: Precondition,
}

/// An operation on an entity.
#[derive(Debug)]
pub enum Operation {
    /// Create an entity.
    Create(Input),
    /// Make an order and its payments.
    Sell(Sale),
    /// Change the given fields of the entity with this id.
    Update(i64, Input),
    /// Create a product, or change the one that has the SKU.
    Put(Put),
    /// Change the stock of the product with this id by a quantity.
    ChangeStock(i64, StockChange),
    /// Delete the entity with this id.
    Delete(i64),
    /// Erase the personal data of the entity with this id.
    Erase(i64),
}

/// A product by its SKU, read for both cases.
#[derive(Debug)]
pub struct Put {
    /// The stock keeping unit.
    pub sku: String,
    /// The product, if there is none with the SKU.
    pub create: Result<Input, Reject>,
    /// The changes, if there is one.
    pub patch: Result<Input, Reject>,
}

/// One row to save, and its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new entity.
    Create {
        /// Its state; the id is 0 until it is saved.
        row: Row,
        /// The products of its lines, in ascending order.
        products: Vec<i64>,
        /// The payments of a sale, which are saved next, with the order's id.
        payments: Vec<Row>,
    },
    /// A new state of an entity.
    Update {
        /// The stored state.
        before: Row,
        /// The new state.
        after: Row,
    },
    /// The last state of a deleted entity.
    Delete(Row),
}

impl Step {
    /// A new entity that is no order.
    pub(super) fn create(row: Row) -> Self {
        Self::Create { row, products: Vec::new(), payments: Vec::new() }
    }

    /// The stored state before the step; `None` for a creation.
    pub fn before(&self) -> Option<&Row> {
        match self {
            Self::Create { .. } => None,
            Self::Update { before, .. } | Self::Delete(before) => Some(before),
        }
    }

    /// The stored state after the step; `None` for a deletion.
    pub fn after(&self) -> Option<&Row> {
        match self {
            Self::Create { row: after, .. } | Self::Update { after, .. } => Some(after),
            Self::Delete(_) => None,
        }
    }

    /// The newest state; the last one for a deletion.
    pub fn row(&self) -> &Row {
        match self {
            Self::Create { row, .. } | Self::Update { after: row, .. } | Self::Delete(row) => row,
        }
    }
}
