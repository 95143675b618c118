//! A request's body, read against the shape of its entity: all wrong fields at once.

use serde_json::{Map, Value};

use crate::domain::decimal::{Decimal, Misfit};
use crate::domain::order::{self, Line};
use crate::domain::shape::{Origin, Type};
use crate::domain::{Cell, Field, FieldError, Kind, Reject, Row, currency};
use crate::limits::{COUNT_MAX, EMAIL_CHARS_MAX};

/// What the body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new entity: what is required must be there.
    Create,
    /// A merge patch (RFC 7396): what is absent stays.
    Patch,
}

/// A value that the client gave, as far as it can be read without the stored row.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// Ready to be stored.
    Cell(Cell),
    /// An amount; its minor units need the row's currency.
    Amount(Decimal),
    /// The lines of a new order, not yet priced.
    Lines(Vec<Line>),
}

/// The fields that a client gave, in the order of the shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Which entity it is for.
    pub kind: Kind,
    given: Vec<Option<Given>>,
}

impl Input {
    /// Reads a body's members; the error lists every wrong one.
    pub fn read(
        kind: Kind,
        purpose: Purpose,
        mut body: Map<String, Value>,
    ) -> Result<Self, Reject> {
        let mut errors = Vec::new();
        let mut read = |field: &Field| {
            let value = body.remove(field.name).filter(|_| field.visible());
            let given = match (value, purpose, field.origin) {
                (None, Purpose::Create, Origin::Required) => Err("is required".to_owned()),
                (None, _, _) => return None,
                (Some(_), Purpose::Create, Origin::Server | Origin::Initial(_)) => {
                    Err("is set by the server".to_owned())
                }
                (Some(_), Purpose::Patch, _) if !field.patch => Err("cannot be changed".to_owned()),
                (Some(value), _, _) => read_value(field, value, &mut errors),
            };
            match given {
                Ok(given) => Some(given),
                Err(message) => {
                    errors.push(FieldError::new(field.name, message));
                    None
                }
            }
        };
        let given = kind.shape().fields.iter().map(&mut read).collect();
        errors.extend(body.keys().map(|name| unknown(kind, name)));
        let input = Self { kind, given };
        if purpose == Purpose::Create {
            order::check_input(&input, &mut errors);
            let row = Row::blank(kind);
            let code = match input.get("currency") {
                Some(Given::Cell(Cell::Text(code))) => code,
                _ => row.currency(),
            };
            if !code.is_empty() {
                input.amounts(code, &mut errors);
            }
        }
        errors.retain({
            let mut seen = std::collections::HashSet::new();
            move |error| seen.insert(error.field.clone())
        });
        if errors.is_empty() { Ok(input) } else { Err(Reject::Invalid(errors)) }
    }

    /// What the client gave for a field.
    pub fn get(&self, name: &str) -> Option<&Given> {
        let place = self.kind.shape().position(name)?;
        self.given.get(place)?.as_ref()
    }

    /// The id that the client gave for a field, none where it is absent or null.
    pub fn id(&self, field: &Field) -> Option<i64> {
        match self.get(field.name) {
            Some(Given::Cell(Cell::Int(id))) => Some(*id),
            _ => None,
        }
    }

    /// Lays the given fields over a row.
    pub fn onto(&self, row: &mut Row) -> Result<(), Reject> {
        let old_currency = row.currency().to_owned();
        for (slot, given) in row.cells.iter_mut().zip(&self.given) {
            if let Some(Given::Cell(cell)) = given {
                slot.clone_from(cell);
            }
        }
        let mut errors = Vec::new();
        for (field, minor) in self.amounts(row.currency(), &mut errors) {
            row.set(field, Cell::Int(minor));
        }
        if row.id != 0 && row.currency() != old_currency {
            let money = |field: &&Field| matches!(field.ty, Type::Money(_));
            let missing = row.kind.shape().fields.iter().filter(money);
            errors.extend(
                missing
                    .filter(|field| self.get(field.name).is_none())
                    .map(|field| FieldError::new(field.name, "must be given with a new currency")),
            );
        }
        if errors.is_empty() { Ok(()) } else { Err(Reject::Invalid(errors)) }
    }

    /// The given amounts in minor units of a currency.
    fn amounts(&self, code: &str, errors: &mut Vec<FieldError>) -> Vec<(&'static Field, i64)> {
        let decimals = currency::exponent(code).unwrap_or(0);
        let mut amounts = Vec::new();
        for (field, given) in self.kind.shape().fields.iter().zip(&self.given) {
            let Some(Given::Amount(amount)) = given else {
                continue;
            };
            match amount.minor(decimals) {
                Ok(minor) => amounts.push((field, minor)),
                Err(misfit) => errors.push(FieldError::new(field.name, misfit_text(misfit, code))),
            }
        }
        amounts
    }
}

fn unknown(kind: Kind, name: &str) -> FieldError {
    let message = match name {
        "id" | "created_at" | "updated_at" => "is set by the server".to_owned(),
        _ => format!("is not a field of {}", kind.shape().plural),
    };
    // A name is the client's own text: it is given back, but not at any length.
    FieldError::new(name.chars().take(100).collect::<String>(), message)
}

fn misfit_text(misfit: Misfit, code: &str) -> String {
    match misfit {
        Misfit::Negative => "must not be negative".to_owned(),
        Misfit::Large => "is too large".to_owned(),
        Misfit::Decimals => match currency::exponent(code) {
            Some(0) => format!("must be a whole number, {code} has no decimals"),
            Some(decimals) => format!("has more decimals than the {decimals} of {code}"),
            None => "has too many decimals".to_owned(),
        },
    }
}

fn read_value(field: &Field, value: Value, errors: &mut Vec<FieldError>) -> Result<Given, String> {
    let cell = match (field.ty, value) {
        (_, Value::Null) if field.nullable => Cell::Null,
        (_, Value::Null) => return Err("must not be null".to_owned()),
        (Type::Money(least), Value::Number(number)) => {
            let amount = Decimal::parse(&number.to_string());
            let amount = amount.map_err(|misfit| misfit_text(misfit, ""))?;
            if least > 0 && amount.is_zero() {
                return Err("must be more than 0".to_owned());
            }
            return Ok(Given::Amount(amount));
        }
        (Type::Money(_), _) => return Err("must be a number, such as 9.99".to_owned()),
        (Type::Items, value) => return Ok(Given::Lines(order::read_lines(value, errors))),
        (Type::Id(_) | Type::Owner, value) => Cell::Int(whole(&value, 1, i64::MAX)?),
        (Type::Count, value) => Cell::Int(whole(&value, 0, COUNT_MAX)?),
        (_, Value::String(text)) => {
            check_text(field, &text)?;
            Cell::Text(text)
        }
        _ => return Err("must be a string".to_owned()),
    };
    Ok(Given::Cell(cell))
}

/// Reads a whole number within bounds.
pub(super) fn whole(value: &Value, least: i64, most: i64) -> Result<i64, String> {
    let Value::Number(number) = value else {
        return Err("must be a whole number".to_owned());
    };
    match number.as_i64() {
        Some(whole) if whole < least => Err(format!("must be at least {least}")),
        Some(whole) if whole > most => Err(format!("must be at most {most}")),
        Some(whole) => Ok(whole),
        None => Err("must be a whole number".to_owned()),
    }
}

/// Checks a text against the type of its field; also used for the filters of a list.
pub fn check_text(field: &Field, text: &str) -> Result<(), String> {
    match field.ty {
        Type::Line(least, most) => check_line(text, least, most),
        Type::Text(most) => {
            let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
            check_length(text, 0, most)?;
            if text.contains(control) {
                Err("must not have control characters".to_owned())
            } else {
                Ok(())
            }
        }
        Type::Email => check_email(text),
        Type::Currency if currency::exponent(text).is_some() => Ok(()),
        Type::Currency => Err("must be an ISO 4217 code, such as USD".to_owned()),
        Type::Choice(_) | Type::Status(_) => {
            let words = field.words().unwrap_or_default();
            if words.contains(&text) {
                Ok(())
            } else {
                Err(format!("must be one of {}", words.join(", ")))
            }
        }
        Type::Id(_)
        | Type::Owner
        | Type::OrderNumber
        | Type::Money(_)
        | Type::Count
        | Type::Items => Ok(()),
    }
}

/// Checks a text of one line: its length in characters, no control characters, not only blanks.
pub fn check_line(text: &str, least: usize, most: usize) -> Result<(), String> {
    check_length(text, least, most)?;
    if text.contains(char::is_control) {
        return Err("must not have control characters".to_owned());
    }
    if least > 0 && text.trim().is_empty() {
        return Err("must not be blank".to_owned());
    }
    Ok(())
}

fn check_length(text: &str, least: usize, most: usize) -> Result<(), String> {
    match text.chars().count() {
        0 if least > 0 => Err("must not be empty".to_owned()),
        count if count < least => Err(format!("must have at least {least} characters")),
        count if count > most => Err(format!("must have at most {most} characters")),
        _ => Ok(()),
    }
}

/// An address is only proved by a mail that arrives; this keeps out what cannot be one.
fn check_email(text: &str) -> Result<(), String> {
    let plain = text.len() <= EMAIL_CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    let parts = text.rsplit_once('@');
    let whole = parts.is_some_and(|(name, host)| {
        !name.is_empty()
            && !name.contains('@')
            && !host.is_empty()
            && !host.starts_with('.')
            && !host.ends_with('.')
    });
    if plain && whole {
        Ok(())
    } else {
        Err("must be an e-mail address, such as ana@example.com".to_owned())
    }
}
