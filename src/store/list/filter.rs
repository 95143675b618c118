//! The filters of a list: which rows pass, and which filter an index can answer.

use crate::domain::schema::Type;
use crate::domain::{Cell, EntityKind, FieldRef, Row};

/// A condition on one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// The field.
    pub field: FieldRef,
    /// The value that it must have.
    pub wanted: Wanted,
}

/// The value that the field of a filter must have.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// One of these values; not empty.
    OneOf(Vec<Cell>),
    /// No value.
    Null,
    /// A value, whichever; few rows have one.
    Some,
}

impl Filter {
    /// A filter by one value.
    pub fn equals(field: FieldRef, value: Cell) -> Self {
        Self { field, wanted: Wanted::OneOf(vec![value]) }
    }

    /// Whether an entity passes.
    pub fn passes(&self, row: &Row) -> bool {
        let cell = row.cell(self.field);
        match &self.wanted {
            Wanted::OneOf(values) => values.contains(cell),
            Wanted::Null => *cell == Cell::Null,
            Wanted::Some => *cell != Cell::Null,
        }
    }

    /// How well an index finds the rows that pass: the best first; `None` if there is no such index.
    pub(super) fn rank(&self, kind: EntityKind) -> Option<u8> {
        let field = &kind.schema().fields[self.field.index];
        match self.wanted {
            Wanted::Some => Some(0),
            Wanted::Null => None,
            Wanted::OneOf(_) if !field.has_index => None,
            // Many rows share the word of a choice.
            Wanted::OneOf(_) => Some(if matches!(field.ty, Type::Choice(_)) { 2 } else { 1 }),
        }
    }

    /// The condition in SQL on this column, and its values.
    pub(super) fn sql(&self, column: &str) -> (String, &[Cell]) {
        match &self.wanted {
            Wanted::OneOf(values) if values.len() == 1 => (format!("{column} = ?"), values),
            Wanted::OneOf(values) => {
                (format!("{column} IN ({})", vec!["?"; values.len()].join(", ")), values)
            }
            Wanted::Null => (format!("{column} IS NULL"), &[]),
            Wanted::Some => (format!("{column} IS NOT NULL"), &[]),
        }
    }

    /// The same filter for each of its values alone, whose rows an index has in the order of their ids.
    pub(super) fn split(&self) -> Vec<Self> {
        match &self.wanted {
            Wanted::OneOf(values) => {
                values.iter().map(|value| Self::equals(self.field, value.clone())).collect()
            }
            Wanted::Null | Wanted::Some => vec![self.clone()],
        }
    }
}
