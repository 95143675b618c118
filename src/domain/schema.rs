//! What an entity looks like: its names and the table of its fields.
//!
//! Reading a body, the columns in SQL, the events and the API documents all follow this table.

use crate::domain::EntityKind;

/// The statuses of a kind, each with those that may follow it.
pub type Transitions = &'static [(&'static str, &'static [&'static str])];

/// A kind's names and fields.
#[derive(Debug)]
pub struct EntitySchema {
    /// `order`: the first half of an event's name.
    pub noun: &'static str,
    /// `orders`: the table and the path.
    pub plural: &'static str,
    /// `order_changes`: the WebSocket channel.
    pub channel: &'static str,
    /// In the order in which they are sent; those of the event come first.
    pub fields: &'static [Field],
    /// What is told when others refer to it, so that it cannot be deleted.
    pub in_use_message: &'static str,
    /// What is told when a unique field is taken.
    pub duplicate_message: &'static str,
}

/// What a field's value may be.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// The id of another entity.
    Id(EntityKind),
    /// The id of a user; kept for the server itself and never shown.
    Owner,
    /// `ORD-` and the order's id in ten digits: computed, never stored.
    OrderNumber,
    /// So many characters on one line.
    Line(usize, usize),
    /// At most so many characters, line breaks allowed.
    Text(usize),
    /// `name@host`, at most 254 ASCII characters.
    Email,
    /// One of these.
    Choice(&'static [&'static str]),
    /// One of these, reached only from some of them.
    Status(Transitions),
    /// An amount in the row's own currency, at least so many minor units; stored in these.
    Money(i64),
    /// An ISO 4217 code.
    Currency,
    /// A whole number from 0 up.
    Count,
    /// The lines of an order; stored as a JSON text that only `domain::order` reads.
    Items,
}

/// What a creation does about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The client must give it.
    Required,
    /// The client may give it; null otherwise.
    Optional,
    /// The client may give it; this otherwise.
    Default(&'static str),
    /// As `Default`, for a number.
    DefaultInt(i64),
    /// Only the server sets it; null until then.
    Server,
    /// Only the server sets it; this until then.
    Initial(&'static str),
}

/// One field of a kind.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts about a field that have nothing to do with each other"
)]
pub struct Field {
    /// Its name in JSON and in SQL.
    pub name: &'static str,
    /// What it may hold.
    pub ty: Type,
    /// What a creation does about it.
    pub origin: Origin,
    /// A patch may change it.
    pub patch: bool,
    /// Null is a value of it.
    pub nullable: bool,
    /// It is among the keys of the event's `data`.
    pub event: bool,
    /// A list can be narrowed by it.
    pub filter: bool,
    /// One sentence for the API documents.
    pub about: &'static str,
}

impl Field {
    /// A field that only the server sets; the builders below open it.
    pub const fn new(name: &'static str, ty: Type, about: &'static str) -> Self {
        Self {
            name,
            ty,
            origin: Origin::Server,
            patch: false,
            nullable: false,
            event: false,
            filter: false,
            about,
        }
    }

    /// The client must give it at creation.
    pub const fn required(mut self) -> Self {
        self.origin = Origin::Required;
        self
    }

    /// The client may leave it out, and it is null then.
    pub const fn optional(mut self) -> Self {
        self.origin = Origin::Optional;
        self.nullable = true;
        self
    }

    /// Only the server changes it, and it begins as this.
    pub const fn initial(mut self, value: &'static str) -> Self {
        self.origin = Origin::Initial(value);
        self
    }

    /// The client may leave it out, and the server finds its value then.
    pub const fn optional_value(mut self) -> Self {
        self.origin = Origin::Optional;
        self
    }

    /// The client may leave it out, and it is this then.
    pub const fn default(mut self, value: &'static str) -> Self {
        self.origin = Origin::Default(value);
        self
    }

    /// The client may leave it out, and it is this number then.
    pub const fn default_int(mut self, value: i64) -> Self {
        self.origin = Origin::DefaultInt(value);
        self
    }

    /// A patch may change it.
    pub const fn patchable(mut self) -> Self {
        self.patch = true;
        self
    }

    /// It is among the event's keys.
    pub const fn in_event(mut self) -> Self {
        self.event = true;
        self
    }

    /// A list can be narrowed by it.
    pub const fn filterable(mut self) -> Self {
        self.filter = true;
        self
    }

    /// It is a column that the server writes, not one that SQL computes.
    pub fn stored(&self) -> bool {
        !matches!(self.ty, Type::OrderNumber)
    }

    /// Clients see it.
    pub fn visible(&self) -> bool {
        !matches!(self.ty, Type::Owner)
    }

    /// The words that a choice or a status allows.
    pub fn words(&self) -> Option<Vec<&'static str>> {
        match self.ty {
            Type::Choice(words) => Some(words.to_vec()),
            Type::Status(transitions) => Some(transitions.iter().map(|step| step.0).collect()),
            _ => None,
        }
    }
}

impl EntitySchema {
    /// The index of a field in a row.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// The columns that the server writes, in the order of a row.
    pub fn stored(&self) -> impl Iterator<Item = (usize, &'static Field)> {
        self.fields.iter().enumerate().filter(|(_, field)| field.stored())
    }
}
