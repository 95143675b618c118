//! A change as it is asked for, and the steps that it is made of.

use crate::domain::{EntityKind, Input, Precondition, Row};

/// A request to change an entity.
#[derive(Debug)]
pub struct Change {
    /// The kind of the entity.
    pub kind: EntityKind,
    /// The operation.
    pub operation: Operation,
    /// On which versions of the entity it may be made.
    pub precondition: Precondition,
}

/// An operation on an entity.
#[derive(Debug)]
pub enum Operation {
    /// Make a new one.
    Create(Input),
    /// Change the given fields of the one with this id.
    Update(i64, Input),
    /// Remove the one with this id.
    Delete(i64),
    /// Forget the personal data of the one with this id.
    Erase(i64),
}

/// One row that is to be saved, and one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new entity.
    Create {
        /// Its state; the id is 0 until it is saved.
        row: Row,
        /// The products to which it refers beside its columns, in ascending order.
        products: Vec<i64>,
    },
    /// A new state of an entity.
    Update {
        /// The stored state.
        before: Row,
        /// The new one.
        after: Row,
    },
    /// The last state of an entity that goes.
    Delete(Row),
}

impl Step {
    /// The state that is stored before the step.
    pub fn before(&self) -> Option<&Row> {
        match self {
            Self::Create { .. } => None,
            Self::Update { before, .. } | Self::Delete(before) => Some(before),
        }
    }

    /// The state that is stored behind the step.
    pub fn after(&self) -> Option<&Row> {
        match self {
            Self::Create { row: after, .. } | Self::Update { after, .. } => Some(after),
            Self::Delete(_) => None,
        }
    }

    /// The newest state that there is.
    pub fn row(&self) -> &Row {
        match self {
            Self::Create { row, .. } | Self::Update { after: row, .. } | Self::Delete(row) => row,
        }
    }
}
