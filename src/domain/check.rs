//! What a single value must be: texts, choices, whole numbers.

use serde_json::Value;

use crate::domain::decimal::{self, AmountError};
use crate::domain::schema::Type;
use crate::domain::{Code, Field, Violation, currency};
use crate::limits::EMAIL_CHARS_MAX;

/// Reads a whole number within bounds, however it is written: 2, 2.0 and 20e-1 are the same.
pub(super) fn parse_integer(value: &Value, least: i64, most: i64) -> Result<i64, Violation> {
    let too_small = || Violation::new(Code::TooSmall, format!("must be at least {least}"));
    let too_large = || Violation::new(Code::TooLarge, format!("must be at most {most}"));
    let not_whole = || Violation::new(Code::WrongType, "must be a whole number");
    let Value::Number(number) = value else {
        return Err(not_whole());
    };
    match decimal::parse_integer(number.as_str()) {
        Ok(number) if number < least => Err(too_small()),
        Ok(number) if number > most => Err(too_large()),
        Ok(number) => Ok(number),
        Err(AmountError::Negative) => Err(too_small()),
        Err(AmountError::Large) => Err(too_large()),
        Err(AmountError::Decimals) => Err(not_whole()),
    }
}

/// Checks a text against the type of its field; also used for the filters of a list.
pub fn check_text(field: &Field, text: &str) -> Result<(), Violation> {
    match field.ty {
        Type::Line(least, most) => check_line(text, least, most),
        Type::Text(most) => check_block(text, most),
        Type::Email => check_email(text),
        Type::Currency if currency::exponent(text).is_some() => Ok(()),
        Type::Currency => {
            Err(Violation::new(Code::UnknownValue, "must be an ISO 4217 code, such as USD"))
        }
        Type::Choice(words) => {
            if words.contains(&text) {
                Ok(())
            } else {
                Err(one_of(words.iter().copied()))
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

/// The violation of a value that is none of these words.
pub fn one_of<'w>(words: impl IntoIterator<Item = &'w str>) -> Violation {
    let words: Vec<&str> = words.into_iter().collect();
    Violation::new(Code::UnknownValue, format!("must be one of {}", words.join(", ")))
}

/// Checks a text of one line: its length in characters, no control characters, not only blanks.
pub fn check_line(text: &str, least: usize, most: usize) -> Result<(), Violation> {
    check_length(text, least, most)?;
    if text.contains(char::is_control) {
        return Err(Violation::new(Code::BadCharacter, "must not have control characters"));
    }
    if least > 0 && text.trim().is_empty() {
        return Err(Violation::new(Code::TooShort, "must not be blank"));
    }
    Ok(())
}

/// Checks a text of several lines: its length in characters, no control characters but those that
/// break and indent lines.
fn check_block(text: &str, most: usize) -> Result<(), Violation> {
    check_length(text, 0, most)?;
    if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Violation::new(Code::BadCharacter, "must not have control characters"));
    }
    Ok(())
}

fn check_length(text: &str, least: usize, most: usize) -> Result<(), Violation> {
    let short = |message| Err(Violation::new(Code::TooShort, message));
    match text.chars().count() {
        0 if least > 0 => short("must not be empty".to_owned()),
        count if count < least => short(format!("must have at least {least} characters")),
        count if count > most => {
            Err(Violation::new(Code::TooLong, format!("must have at most {most} characters")))
        }
        _ => Ok(()),
    }
}

/// An address is only proved by a mail that arrives; this keeps out what cannot be one.
fn check_email(text: &str) -> Result<(), Violation> {
    let plain = text.len() <= EMAIL_CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    let parts = text.rsplit_once('@');
    let is_complete = parts.is_some_and(|(name, host)| {
        !name.is_empty()
            && !name.contains('@')
            && !host.is_empty()
            && !host.starts_with('.')
            && !host.ends_with('.')
    });
    if plain && is_complete {
        Ok(())
    } else {
        Err(Violation::new(Code::BadFormat, "must be an e-mail address, such as ana@example.com"))
    }
}
