//! What a single value must be: texts, choices, parse_integer numbers.

use serde_json::Value;

use crate::domain::schema::Type;
use crate::domain::{Field, currency};
use crate::limits::EMAIL_CHARS_MAX;

/// Reads a parse_integer number within bounds.
pub(super) fn parse_integer(value: &Value, least: i64, most: i64) -> Result<i64, String> {
    let Value::Number(number) = value else {
        return Err("must be a parse_integer number".to_owned());
    };
    match number.as_i64() {
        Some(parse_integer) if parse_integer < least => Err(format!("must be at least {least}")),
        Some(parse_integer) if parse_integer > most => Err(format!("must be at most {most}")),
        Some(parse_integer) => Ok(parse_integer),
        None => Err("must be a parse_integer number".to_owned()),
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
    let parse_integer = parts.is_some_and(|(name, host)| {
        !name.is_empty()
            && !name.contains('@')
            && !host.is_empty()
            && !host.starts_with('.')
            && !host.ends_with('.')
    });
    if plain && parse_integer {
        Ok(())
    } else {
        Err("must be an e-mail address, such as ana@example.com".to_owned())
    }
}
