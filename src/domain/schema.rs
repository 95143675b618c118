//! The schema of an entity: its names and the table of its fields.
//!
//! Reading a body, the columns in SQL, the events and the API documents all follow this table.

use crate::domain::EntityKind;

/// A kind's names and fields.
#[derive(Debug)]
pub struct EntitySchema {
    /// `order`: the first half of an event's name.
    pub noun: &'static str,
    /// `orders`: the table and the path.
    pub plural: &'static str,
    /// `order_changes`: the WebSocket channel.
    pub channel: &'static str,
    /// The fields in the order in which they are sent; those of the event come first.
    pub fields: &'static [Field],
    /// The field with the currency of the amounts; `None` for a kind without amounts.
    pub currency: Option<FieldRef>,
    /// The text of the refusal to delete an entity to which others refer; `{id}` stands for its id.
    pub in_use_message: &'static str,
    /// The text of the refusal of a value that another entity has in a unique field.
    pub duplicate_message: &'static str,
}

/// The type of a field's values.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// The id of another entity.
    Id(EntityKind),
    /// The id of a user.
    Owner,
    /// `ORD-` and the order's id in ten digits: computed, never stored.
    OrderNumber,
    /// A line of at least the first and at most the second number of characters.
    Line(usize, usize),
    /// At most this many characters, line breaks allowed.
    Text(usize),
    /// `name@host`, at most `EMAIL_BYTES_MAX` bytes.
    Email,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An amount in the row's own currency, in minor units, at least this many.
    Money(i64),
    /// An ISO 4217 code.
    Currency,
    /// 0 or 1.
    Flag,
    /// A number from 0 to this one, with at most three decimals; stored in thousandths.
    Thousandths(i64),
    /// A barcode: printable ASCII characters, at most `BARCODE_CHARS_MAX`.
    Barcode,
    /// A time, in milliseconds since 1970, UTC.
    Time,
    /// A time in milliseconds of the shop's uptime, over all its runs.
    Uptime,
    /// The goods that an order sold beyond the stock; stored as a JSON text that only `domain::order` reads.
    Oversold,
    /// A quantity for each line of an order; stored as a JSON text that only `domain::order` reads.
    Quantities,
    /// Numbers of lines of an order, each once, in ascending order; stored as a JSON text.
    LineNumbers,
    /// The goods that come back with a refund; stored as a JSON text that only `domain::transaction` reads.
    Restock,
    /// The tax of each rate in an order; stored as a JSON text that only `domain::order` reads.
    Taxes,
    /// The lines of an order; stored as a JSON text that only `domain::order` reads.
    Items,
}

/// The origin of a field's value in a new entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The client must give it.
    Required,
    /// The client may give it; it is null otherwise.
    Optional,
    /// The client may give it; it is this word otherwise.
    Default(&'static str),
    /// As `Default`, for a number.
    DefaultInt(i64),
    /// The client may give it; it is that of the shop otherwise.
    OfShop,
    /// Only the server sets it; it is null until then.
    Server,
    /// Only the server sets it; it is this word until then.
    Initial(&'static str),
    /// As `Initial`, for a number.
    InitialInt(i64),
}

/// One field of a kind.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts about a field that are independent of each other"
)]
pub struct Field {
    /// Its name in JSON and in SQL.
    pub name: &'static str,
    /// The type of its values.
    pub ty: Type,
    /// The origin of its value in a new entity.
    pub origin: Origin,
    /// Whether a patch may change it.
    pub patch: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether it is among the keys of the event's `data`.
    pub event: bool,
    /// The name of the field by whose index a list is filtered by this one; `None` if it cannot be.
    pub filter: Option<&'static str>,
    /// Whether that field has an index.
    pub has_index: bool,
    /// Whether the server hides it from clients.
    pub hidden: bool,
    /// Whether it is personal data: an erasure sets it to null, even if clients may not.
    pub personal: bool,
    /// One sentence for the API documents.
    pub about: &'static str,
}

impl Field {
    /// A field that only the server sets; the methods below allow more.
    pub const fn new(name: &'static str, ty: Type, about: &'static str) -> Self {
        Self {
            name,
            ty,
            origin: Origin::Server,
            patch: false,
            nullable: false,
            event: false,
            filter: None,
            has_index: true,
            hidden: false,
            personal: false,
            about,
        }
    }

    /// The client must give it at creation.
    pub const fn required(mut self) -> Self {
        self.origin = Origin::Required;
        self
    }

    /// The client may leave it out; it is then null.
    pub const fn optional(mut self) -> Self {
        self.origin = Origin::Optional;
        self.nullable = true;
        self
    }

    /// Only the server changes it; it begins as this word.
    pub const fn initial(mut self, value: &'static str) -> Self {
        self.origin = Origin::Initial(value);
        self
    }

    /// Only the server changes it; it begins as this number.
    pub const fn initial_int(mut self, value: i64) -> Self {
        self.origin = Origin::InitialInt(value);
        self
    }

    /// The client may leave it out; the server then computes it.
    pub const fn optional_value(mut self) -> Self {
        self.origin = Origin::Optional;
        self
    }

    /// The client may leave it out; it is then this word.
    pub const fn default(mut self, value: &'static str) -> Self {
        self.origin = Origin::Default(value);
        self
    }

    /// The client may leave it out; it is then that of the shop.
    pub const fn of_shop(mut self) -> Self {
        self.origin = Origin::OfShop;
        self
    }

    /// The client may leave it out; it is then this number.
    pub const fn default_int(mut self, value: i64) -> Self {
        self.origin = Origin::DefaultInt(value);
        self
    }

    /// Only the server sets it, perhaps never; it is null until then.
    pub const fn set_later(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// It may be null, even if that is not its default.
    pub const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// A patch may change it.
    pub const fn patchable(mut self) -> Self {
        self.patch = true;
        self
    }

    /// Includes it in the event's `data`.
    pub const fn in_event(mut self) -> Self {
        self.event = true;
        self
    }

    /// A list can be filtered by it.
    pub const fn filterable(self) -> Self {
        let name = self.name;
        self.filterable_by(name)
    }

    /// A list can be filtered by it, by the index of the field with that name.
    pub const fn filterable_by(mut self, name: &'static str) -> Self {
        self.filter = Some(name);
        self
    }

    /// A list can be filtered by it, without an index: a page looks at many rows and may find few.
    pub const fn filterable_without_index(mut self) -> Self {
        self.has_index = false;
        self.filterable()
    }

    /// Hides it from clients.
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// Marks it as personal data.
    pub const fn personal(mut self) -> Self {
        self.personal = true;
        self
    }

    /// Whether it is a column that the server writes, not one that SQL computes.
    pub fn stored(&self) -> bool {
        !matches!(self.ty, Type::OrderNumber)
    }

    /// Whether clients see it.
    pub fn visible(&self) -> bool {
        !self.hidden
    }

    /// The words that a choice allows; `None` for other types.
    pub fn words(&self) -> Option<&'static [&'static str]> {
        match self.ty {
            Type::Choice(words) => Some(words),
            _ => None,
        }
    }
}

/// A reference to a field of a kind, resolved when the program is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRef {
    /// The field's name in JSON and in SQL.
    pub name: &'static str,
    /// The index of the field in the schema and in a row.
    pub index: usize,
}

impl FieldRef {
    /// The field with that name. In a constant, a name that the table does not have is a compile
    /// error.
    pub(super) const fn of(fields: &[Field], name: &'static str) -> Self {
        let mut index = 0;
        while !same(fields[index].name, name) {
            index += 1;
        }
        Self { name, index }
    }
}

/// Whether two texts are equal; `==` cannot be used in a constant.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

impl EntitySchema {
    /// The index of a field in a row.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// The fields by which a list can be filtered, each with the one that has the index.
    pub fn filters(&self) -> impl Iterator<Item = (&'static Field, FieldRef)> {
        let searched = |name| self.position(name).map(|index| FieldRef { name, index });
        self.fields.iter().filter_map(move |field| Some((field, searched(field.filter?)?)))
    }

    /// The columns that the server writes, in the order of a row.
    pub fn stored(&self) -> impl Iterator<Item = (usize, &'static Field)> {
        self.fields.iter().enumerate().filter(|(_, field)| field.stored())
    }
}
