//! One stored state of an entity: its cells, in the order of its schema.

use crate::domain::schema::Origin;
use crate::domain::{EntityKind, Field, FieldRef, Reject, currency};

/// A value as SQLite stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// No value.
    Null,
    /// A count, an id, a time in milliseconds, an amount in minor units.
    Int(i64),
    /// Everything else.
    Text(String),
}

/// An entity as it is stored in its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The kind of entity.
    pub kind: EntityKind,
    /// Its id, assigned by the server and never reused; 0 before it is stored.
    pub id: i64,
    /// The `seq` of the event that made this state: its version, and its `ETag`.
    pub seq: i64,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
    /// Milliseconds since 1970, UTC.
    pub updated_at: i64,
    /// One cell for each field of the schema; null for a field that SQL computes.
    pub cells: Vec<Cell>,
}

impl Row {
    /// A new entity with its defaults, not yet stored.
    pub fn blank(kind: EntityKind) -> Self {
        let default = |field: &Field| match field.origin {
            Origin::Default(text) | Origin::Initial(text) => Cell::Text(text.to_owned()),
            Origin::DefaultInt(number) | Origin::InitialInt(number) => Cell::Int(number),
            Origin::Required | Origin::Optional | Origin::OfShop | Origin::Server => Cell::Null,
        };
        Self {
            kind,
            id: 0,
            seq: 0,
            created_at: 0,
            updated_at: 0,
            cells: kind.schema().fields.iter().map(default).collect(),
        }
    }

    /// A new entity with its defaults, in a shop with this currency.
    pub fn blank_in(kind: EntityKind, currency: &str) -> Self {
        let mut row = Self::blank(kind);
        if let Some(field) = kind.schema().currency {
            row.set_text(field, currency);
        }
        row
    }

    /// The cell of a field of the row's kind.
    pub fn cell(&self, field: FieldRef) -> &Cell {
        debug_assert_eq!(
            self.kind.schema().fields.get(field.index).map(|field| field.name),
            Some(field.name),
            "a field of another kind"
        );
        self.cells.get(field.index).unwrap_or(&Cell::Null)
    }

    /// The text of a field that has one.
    ///
    /// # Errors
    /// `Unavailable` if the field has no text: the stored row is damaged.
    pub fn text(&self, field: FieldRef) -> Result<&str, Reject> {
        match self.cell(field) {
            Cell::Text(text) => Ok(text),
            Cell::Null | Cell::Int(_) => Err(self.damaged(field)),
        }
    }

    /// The number of a field that has one.
    ///
    /// # Errors
    /// `Unavailable` if the field has no number: the stored row is damaged.
    pub fn int(&self, field: FieldRef) -> Result<i64, Reject> {
        match self.cell(field) {
            Cell::Int(number) => Ok(*number),
            Cell::Null | Cell::Text(_) => Err(self.damaged(field)),
        }
    }

    /// Logs that a stored field cannot be read. The client learns only that the database failed.
    pub fn damaged(&self, field: FieldRef) -> Reject {
        let (noun, id) = (self.kind.schema().noun, self.id);
        tracing::error!("{noun} {id}: the stored {} cannot be read", field.name);
        Reject::Unavailable
    }

    /// The names of the visible fields that have another value than before.
    pub fn changed_since<'r>(
        &'r self,
        before: &'r Self,
    ) -> impl Iterator<Item = &'static str> + 'r {
        let changed = self.changes(before).filter(|(_, field)| field.visible());
        changed.map(|(_, field)| field.name)
    }

    /// The fields that have another value than before, each with its index.
    pub fn changes<'r>(
        &'r self,
        before: &'r Self,
    ) -> impl Iterator<Item = (usize, &'static Field)> + 'r {
        let cells = before.cells.iter().zip(&self.cells);
        let fields = self.kind.schema().fields.iter().enumerate().zip(cells);
        fields.filter(|(_, (old, new))| old != new).map(|(field, _)| field)
    }

    /// Sets a field.
    pub fn set(&mut self, field: FieldRef, cell: Cell) {
        if let Some(slot) = self.cells.get_mut(field.index) {
            *slot = cell;
        }
    }

    /// Sets a field to a text.
    pub fn set_text(&mut self, field: FieldRef, text: &str) {
        self.set(field, Cell::Text(text.to_owned()));
    }

    /// The decimals of the row's amounts; 0 for a kind without amounts.
    ///
    /// # Errors
    /// `Unavailable` if the stored currency is unknown, because its amounts would be shown wrong.
    pub fn decimals(&self) -> Result<u32, Reject> {
        match self.kind.schema().currency {
            Some(field) => currency::exponent(self.text(field)?).ok_or_else(|| self.damaged(field)),
            None => Ok(0),
        }
    }

    /// The code of the currency in which the row's amounts are; empty for a kind without amounts.
    pub fn currency(&self) -> &str {
        match self.kind.schema().currency.map(|field| self.cell(field)) {
            Some(Cell::Text(code)) => code,
            _ => "",
        }
    }
}
