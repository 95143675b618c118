//! The rules of a single value: texts, choices, whole numbers.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::decimal::{self, AmountError};
use crate::domain::schema::Type;
use crate::domain::text::{self, hidden_character};
use crate::domain::{Cell, Code, Field, Violation, currency};
use crate::limits::{
    BARCODE_CHARS_MAX, EMAIL_BYTES_MAX, EMAIL_NAME_BYTES_MAX, HOST_LABEL_BYTES_MAX,
    NOTES_CHARS_MAX, ORDER_LINES_MAX,
};

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
        Type::Barcode => check_barcode(text),
        Type::Email => check_email(text),
        Type::Currency => read_currency(text).map(drop),
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
        | Type::Flag
        | Type::Thousandths(_)
        | Type::Time
        | Type::Uptime
        | Type::Oversold
        | Type::Quantities
        | Type::LineNumbers
        | Type::Restock
        | Type::Taxes
        | Type::Items => Ok(()),
    }
}

/// The currency with this code.
pub(super) fn read_currency(code: &str) -> Result<&'static str, Violation> {
    let unknown = || Violation::new(Code::UnknownValue, "must be an ISO 4217 code, such as USD");
    currency::known(code).ok_or_else(unknown)
}

/// The violation of a value that is not one of these words.
pub fn one_of<'w>(words: impl IntoIterator<Item = &'w str>) -> Violation {
    let words: Vec<&str> = words.into_iter().collect();
    Violation::new(Code::UnknownValue, format!("must be one of {}", words.join(", ")))
}

/// Checks a text of one line: its length in characters, no invisible characters, no white space at
/// an end, and no other white space than U+0020 within.
pub fn check_line(text: &str, least: usize, most: usize) -> Result<(), Violation> {
    check_length(text, least, most)?;
    check_hidden(text)?;
    if text.trim() != text {
        return Err(Violation::new(Code::BadFormat, "must not begin or end with a blank"));
    }
    match text.chars().find(|character| character.is_whitespace() && *character != ' ') {
        Some(blank) => Err(bad_character(blank, "the blank")),
        None => Ok(()),
    }
}

/// Checks a text of several lines, by which no list is filtered: its length in characters, and no
/// control characters but line breaks and tabs.
fn check_block(text: &str, most: usize) -> Result<(), Violation> {
    check_length(text, 0, most)?;
    match text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        Some(control) => Err(bad_character(control, "the control character")),
        None => Ok(()),
    }
}

/// Reads numbers of lines; returns them as they are stored.
pub(super) fn read_line_numbers(value: Value) -> Result<Cell, Violation> {
    let Value::Array(numbers) = value else {
        return Err(Violation::new(Code::WrongType, "must be an array of numbers of lines"));
    };
    let most = i64::try_from(ORDER_LINES_MAX - 1).unwrap_or(i64::MAX);
    let numbers = numbers.iter().map(|number| parse_integer(number, 0, most));
    let numbers = numbers.collect::<Result<BTreeSet<i64>, _>>()?;
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    let is_empty = numbers.is_empty();
    Ok(if is_empty { Cell::Null } else { Cell::Text(format!("[{}]", numbers.join(","))) })
}

/// The violation of a member that is missing.
pub(super) fn required() -> Violation {
    Violation::new(Code::Required, "is required")
}

/// Reads a text for the staff that may be absent or null.
pub(super) fn read_note(note: Option<Value>) -> Result<Option<String>, Violation> {
    match note {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(note)) => check_block(&note, NOTES_CHARS_MAX).map(|()| Some(note)),
        Some(_) => Err(Violation::new(Code::WrongType, "must be a string")),
    }
}

fn check_barcode(text: &str) -> Result<(), Violation> {
    check_length(text, 1, BARCODE_CHARS_MAX)?;
    match text.chars().find(|character| !matches!(character, ' '..='~')) {
        Some(other) => Err(bad_character(other, "the character")),
        None => Ok(()),
    }
}

fn check_hidden(text: &str) -> Result<(), Violation> {
    match hidden_character(text) {
        Some(hidden) => Err(bad_character(hidden, "the invisible character")),
        None => Ok(()),
    }
}

fn bad_character(character: char, what: &str) -> Violation {
    let message = format!("must not have {what} U+{:04X}", u32::from(character));
    Violation::new(Code::BadCharacter, message)
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

/// Checks the form of an e-mail address; only a mail that arrives proves it. Letters of all scripts
/// are allowed in both parts (RFC 6531); quoted names and IP addresses are not.
fn check_email(text: &str) -> Result<(), Violation> {
    let name_character = |c: char| match c {
        _ if c.is_ascii_alphanumeric() => true,
        _ if c.is_ascii() => "!#$%&'*+-/=?^_`{|}~".contains(c),
        _ => !c.is_whitespace(),
    };
    let is_name = |name: &str| {
        name.len() <= EMAIL_NAME_BYTES_MAX
            && name.split('.').all(|atom| !atom.is_empty() && atom.chars().all(name_character))
    };
    let is_label = |label: &str| {
        (1..=HOST_LABEL_BYTES_MAX).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = text
        .rsplit_once('@')
        .is_some_and(|(name, host)| is_name(name) && host.split('.').all(is_label));
    if text.len() > EMAIL_BYTES_MAX || !is_address {
        let message = "must be an e-mail address, such as ana@example.com";
        return Err(Violation::new(Code::BadFormat, message));
    }
    check_hidden(text)
}

/// The form in which a field's text is stored and searched. A text of several lines stays as it is.
/// The database ignores the case of ASCII letters in e-mail addresses; an address with other
/// letters is stored in lower case.
pub fn normalize_text(field: &Field, text: String) -> String {
    match field.ty {
        Type::Text(_) => text,
        Type::Email if !text.is_ascii() => text::normalize(text).to_lowercase(),
        _ => text::normalize(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_no_invisible_characters() {
        let code = |text: &str| check_line(text, 1, 20).err().map(|wrong| wrong.code);
        for (text, expected) in [
            ("T-1", None),
            ("Grüner Tee", None),
            ("", Some(Code::TooShort)),
            (" ", Some(Code::BadFormat)),
            ("T-1 ", Some(Code::BadFormat)),
            ("\u{a0}T-1", Some(Code::BadFormat)),
            ("T\u{a0}1", Some(Code::BadCharacter)),
            ("T\t1", Some(Code::BadCharacter)),
            ("T\u{200b}1", Some(Code::BadCharacter)),
            ("T-1\u{2060}", Some(Code::BadCharacter)),
            ("123456789012345678901", Some(Code::TooLong)),
        ] {
            assert_eq!(code(text), expected, "{text:?}");
        }
        let message = check_line("T\u{200b}1", 1, 20).unwrap_err().message;
        assert_eq!(message, "must not have the invisible character U+200B");
    }

    /// An address of so many bytes, whose host has labels of this letter.
    fn of_bytes(letter: &str, bytes: usize) -> String {
        let label = letter.repeat(10) + ".";
        let mut address = "a@".to_owned();
        while address.len() + label.len() < bytes {
            address.push_str(&label);
        }
        let rest = bytes - address.len();
        address + &"a".repeat(rest)
    }

    #[test]
    fn addresses_are_told_from_other_texts() {
        for address in [
            "ana@example.com",
            "a.b+c@example.co.uk",
            "ana@localhost",
            "o'hara_1@a-b.example",
            "jörg@müller.de",
            "jörg@xn--mller-kva.de",
            "用户@例子.广告",
            &of_bytes("a", 254),
            &of_bytes("ü", 254),
        ] {
            assert_eq!(check_email(address), Ok(()), "{address}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for wrong in [
            "",
            "ana",
            "@example.com",
            "ana@",
            "a@example..com",
            "a@.example.com",
            "a@example.com.",
            "<a@example.com>",
            "a b@example.com",
            "a@b@example.com",
            "a..b@example.com",
            ".a@example.com",
            "a.@example.com",
            "a@-example.com",
            "a@example-.com",
            "a@exa_mple.com",
            "a@[127.0.0.1]",
            "\"a\"@example.com",
            "a@example.com ",
            "a\u{200b}@example.com",
            &long,
            &of_bytes("a", 255),
            &of_bytes("ü", 255),
        ] {
            assert!(check_email(wrong).is_err(), "{wrong}");
        }
    }
}
