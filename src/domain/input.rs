//! Reads a request's body against the schema of its entity, and reports all wrong fields at once.

use serde_json::{Map, Value};

use crate::domain::amount::{self, read_amount};
use crate::domain::check::{
    check_text, normalize_text, parse_integer, read_line_numbers, required,
};
use crate::domain::decimal::Decimal;
use crate::domain::order_line::{LineForm, OrderLine, read_order_lines};
use crate::domain::restock::{Restock, read_restock};
use crate::domain::schema::{Origin, Type};
use crate::domain::{
    Cell, Code, EntityKind, Field, FieldError, FieldRef, Reject, Row, Thousandths, Violation, order,
};

/// The purpose of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new entity, in a shop with this currency: required fields must be present.
    Create(&'static str),
    /// The order of a sale: a new entity whose lines have the members of a sale.
    Sell,
    /// A merge patch (RFC 7396): absent fields stay as they are.
    Patch,
}

/// A value that the client gave, as far as it can be read without the stored row.
#[derive(Clone, Debug, PartialEq)]
pub enum Provided {
    /// Ready to be stored.
    Cell(Cell),
    /// An amount; its minor units need the row's currency.
    Amount(Decimal),
    /// The lines of a new order, not yet priced.
    Lines(Vec<OrderLine>),
    /// The goods that come back with a refund.
    Restock(Vec<Restock>),
}

/// The fields that a client gave, in the order of the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The kind of the entity.
    pub kind: EntityKind,
    given: Vec<Option<Provided>>,
}

impl Input {
    /// Reads a body's members; the error lists every wrong one.
    pub fn read(
        kind: EntityKind,
        purpose: Purpose,
        mut body: Map<String, Value>,
    ) -> Result<Self, Reject> {
        let mut errors = Vec::new();
        let form = if purpose == Purpose::Sell { LineForm::Sale } else { LineForm::Order };
        let mut read = |field: &Field| {
            // A hidden field stays in the body, where it is as unknown as any other.
            let value = if field.visible() { body.remove(field.name) } else { None };
            let given = match (value, purpose, field.origin) {
                (None, Purpose::Create(_) | Purpose::Sell, Origin::Required) => Err(required()),
                (None, _, _) => return None,
                (
                    Some(_),
                    Purpose::Create(_) | Purpose::Sell,
                    Origin::Server | Origin::Initial(_) | Origin::InitialInt(_),
                ) => Err(Violation::new(Code::ReadOnly, "is set by the server")),
                (Some(_), Purpose::Patch, _) if !field.patch => {
                    Err(Violation::new(Code::NotChangeable, "cannot be changed"))
                }
                (Some(value), _, _) => read_value(field, value, form, &mut errors),
            };
            match given {
                Ok(given) => Some(given),
                Err(wrong) => {
                    errors.push(wrong.at(field.name));
                    None
                }
            }
        };
        let given = kind.schema().fields.iter().map(&mut read).collect();
        errors.extend(body.keys().map(|name| unknown(kind, name)));
        let input = Self { kind, given };
        if purpose != Purpose::Patch {
            if kind == EntityKind::Order {
                let given = |field| input.get(field).is_some();
                let (items, total) = (given(order::ITEMS), given(order::TOTAL));
                let items = items || purpose == Purpose::Sell;
                errors.extend(order::check_new(items, total, input.text(order::STATUS)));
            }
            let has_lines = kind == EntityKind::Order && input.get(order::ITEMS).is_some();
            let given = kind.schema().currency.and_then(|field| input.get(field));
            let code = match (given, purpose) {
                (Some(Provided::Cell(Cell::Text(code))), _) => Some(code.as_str()),
                (_, Purpose::Create(currency)) if !has_lines && kind != EntityKind::Transaction => {
                    Some(currency)
                }
                // The products or the order decide the currency; the amounts are checked once it is known.
                _ => None,
            };
            if let Some(code) = code {
                input.amounts(code, &mut errors);
            }
        }
        errors.retain({
            let mut seen = std::collections::HashSet::new();
            move |error| seen.insert(error.field.clone())
        });
        if errors.is_empty() { Ok(input) } else { Err(Reject::Invalid(errors)) }
    }

    /// The value that the client gave for a field.
    pub fn get(&self, field: FieldRef) -> Option<&Provided> {
        self.given.get(field.index)?.as_ref()
    }

    /// Whether the client gave one of these fields.
    pub fn has_any(&self, fields: &[FieldRef]) -> bool {
        fields.iter().any(|field| self.get(*field).is_some())
    }

    /// The id that the client gave for a field; `None` if it is absent or null.
    pub fn id(&self, field: FieldRef) -> Option<i64> {
        match self.get(field) {
            Some(Provided::Cell(Cell::Int(id))) => Some(*id),
            _ => None,
        }
    }

    /// The text that the client gave for a field; empty if it is absent or null.
    pub fn text(&self, field: FieldRef) -> &str {
        match self.get(field) {
            Some(Provided::Cell(Cell::Text(text))) => text,
            _ => "",
        }
    }

    /// Writes the given fields into a row.
    pub fn apply_to(&self, row: &mut Row) -> Result<(), Reject> {
        let old_currency = row.currency().to_owned();
        for (slot, given) in row.cells.iter_mut().zip(&self.given) {
            if let Some(Provided::Cell(cell)) = given {
                slot.clone_from(cell);
            }
        }
        let mut errors = Vec::new();
        for (field, minor) in self.amounts(row.currency(), &mut errors) {
            row.set(field, Cell::Int(minor));
        }
        if row.id != 0 && row.currency() != old_currency {
            let money = |field: &Field| matches!(field.ty, Type::Money(_));
            let fields = row.kind.schema().fields.iter().zip(&self.given);
            let missing = fields.filter(|(field, given)| money(field) && given.is_none());
            errors.extend(missing.map(|(field, _)| {
                FieldError::new(field.name, Code::Required, "must be given with a new currency")
            }));
        }
        if errors.is_empty() { Ok(()) } else { Err(Reject::Invalid(errors)) }
    }

    /// The given amounts in minor units of a currency.
    fn amounts(&self, code: &str, errors: &mut Vec<FieldError>) -> Vec<(FieldRef, i64)> {
        let mut amounts = Vec::new();
        for (index, field) in self.kind.schema().fields.iter().enumerate() {
            let Some(Provided::Amount(amount)) = &self.given[index] else {
                continue;
            };
            match amount::minor(*amount, code) {
                Ok(minor) => amounts.push((FieldRef { name: field.name, index }, minor)),
                Err(wrong) => errors.push(wrong.at(field.name)),
            }
        }
        amounts
    }
}

fn unknown(kind: EntityKind, name: &str) -> FieldError {
    match name {
        "id" | "created_at" | "updated_at" => {
            FieldError::new(name, Code::ReadOnly, "is set by the server")
        }
        _ => {
            let message = format!("is not a field of {}", kind.schema().plural);
            FieldError::new(name, Code::UnknownField, message)
        }
    }
}

fn read_value(
    field: &Field,
    value: Value,
    form: LineForm,
    errors: &mut Vec<FieldError>,
) -> Result<Provided, Violation> {
    let wrong_type = |message| Err(Violation::new(Code::WrongType, message));
    let cell = match (field.ty, value) {
        (_, Value::Null) if field.nullable => Cell::Null,
        (_, Value::Null) => return wrong_type("must not be null"),
        (Type::Money(least), value) => {
            let amount = read_amount(value)?;
            if least > 0 && amount.is_zero() {
                return Err(Violation::new(Code::TooSmall, "must be more than 0"));
            }
            return Ok(Provided::Amount(amount));
        }
        (Type::LineNumbers, value) => read_line_numbers(value)?,
        (Type::Restock, value) => return read_restock(value, errors).map(Provided::Restock),
        (Type::Taxes | Type::Oversold | Type::Quantities | Type::Time | Type::Uptime, _) => {
            return Err(Violation::new(Code::ReadOnly, "is set by the server"));
        }
        (Type::Items, value) => return Ok(Provided::Lines(read_order_lines(value, form, errors))),
        (Type::Id(_) | Type::Owner, value) => Cell::Int(parse_integer(&value, 1, i64::MAX)?),
        (Type::Flag, value) => Cell::Int(parse_integer(&value, 0, 1)?),
        (Type::Thousandths(most), value) => {
            Cell::Int(Thousandths::read(&value, Thousandths::ZERO, Thousandths::whole(most))?.0)
        }
        (_, Value::String(text)) => {
            let text = normalize_text(field, text);
            check_text(field, &text)?;
            Cell::Text(text)
        }
        _ => return wrong_type("must be a string"),
    };
    Ok(Provided::Cell(cell))
}
