//! One stored state of an entity: its cells, in the order of its schema.

use crate::domain::schema::{Origin, Type};
use crate::domain::{Code, EntityKind, Field, Reject};

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

/// An entity as it stands in its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which entity it is.
    pub kind: EntityKind,
    /// Its number, given by the server and never used again; 0 before it is stored.
    pub id: i64,
    /// The `seq` of the event that made this state: its version, and its `ETag`.
    pub seq: i64,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
    /// Milliseconds since 1970, UTC.
    pub updated_at: i64,
    /// One for each field of the schema; null where SQL computes it.
    pub cells: Vec<Cell>,
}

impl Row {
    /// A new entity with its defaults, not yet stored.
    pub fn blank(kind: EntityKind) -> Self {
        let default = |field: &Field| match field.origin {
            Origin::Default(text) | Origin::Initial(text) => Cell::Text(text.to_owned()),
            Origin::DefaultInt(number) => Cell::Int(number),
            Origin::Required | Origin::Optional | Origin::Server => Cell::Null,
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

    /// The cell of a field; null for a field of another kind.
    pub fn cell(&self, field: &Field) -> &Cell {
        let index = self.kind.schema().position(field.name);
        index.and_then(|index| self.cells.get(index)).unwrap_or(&Cell::Null)
    }

    /// The text of a field; empty where it is null.
    pub fn text(&self, field: &Field) -> &str {
        match self.cell(field) {
            Cell::Text(text) => text,
            Cell::Null | Cell::Int(_) => "",
        }
    }

    /// The number of a field; 0 where it is null.
    pub fn int(&self, field: &Field) -> i64 {
        match self.cell(field) {
            Cell::Int(number) => *number,
            Cell::Null | Cell::Text(_) => 0,
        }
    }

    /// The names of the fields that have another value than before, between commas.
    pub fn changed_since(&self, before: &Self) -> String {
        let cells = before.cells.iter().zip(&self.cells);
        let fields = self.kind.schema().fields.iter().zip(cells);
        let names = fields.filter(|(_, (old, new))| old != new).map(|(field, _)| field.name);
        names.collect::<Vec<_>>().join(",")
    }

    /// Sets a field.
    pub fn set(&mut self, field: &Field, cell: Cell) {
        let index = self.kind.schema().position(field.name);
        if let Some(slot) = index.and_then(|index| self.cells.get_mut(index)) {
            *slot = cell;
        }
    }

    /// The same row with one text changed.
    #[must_use]
    pub fn with_text(mut self, field: &Field, text: &str) -> Self {
        self.set(field, Cell::Text(text.to_owned()));
        self
    }

    /// The same row with one number changed.
    #[must_use]
    pub fn with_int(mut self, field: &Field, number: i64) -> Self {
        self.set(field, Cell::Int(number));
        self
    }

    /// The code of the currency in which the row's amounts are.
    pub fn currency(&self) -> &str {
        let fields = self.kind.schema().fields;
        let index = fields.iter().position(|field| matches!(field.ty, Type::Currency));
        match index.and_then(|index| self.cells.get(index)) {
            Some(Cell::Text(code)) => code,
            _ => "",
        }
    }

    /// Refuses a status that cannot follow the one before.
    pub fn check_transitions(&self, before: &Self) -> Result<(), Reject> {
        for field in self.kind.schema().fields {
            let Type::Status(transitions) = field.ty else {
                continue;
            };
            let (old, new) = (before.text(field), self.text(field));
            let next = transitions.iter().find(|step| step.0 == old).map(|step| step.1);
            let next = next.unwrap_or_default();
            if old != new && !next.contains(&new) {
                let noun = self.kind.schema().noun;
                let ways = match next {
                    [] => "it stays so".to_owned(),
                    next => format!("it can become {}", next.join(", ")),
                };
                let text = format!("this {noun} is {old} and cannot become {new}; {ways}");
                return Err(Reject::Conflict(Code::StatusSkipped, text));
            }
        }
        Ok(())
    }
}
