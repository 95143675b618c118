//! The only parser for JSON from clients (RFC 8259). It is stricter than the format where the
//! format is ambiguous: a key that is given twice in one object is an error that names it.
//!
//! Numbers keep their digits, and no object passes for a number, as it would in `serde_json`. The
//! input is bounded while it is parsed: at most `JSON_VALUES_MAX` values, at most `JSON_DEPTH_MAX`
//! levels deep.

use std::fmt;

use serde_json::{Map, Value};

use crate::domain::text::shorten;
use crate::limits::{JSON_DEPTH_MAX, JSON_VALUES_MAX, QUOTED_CHARS_MAX};

/// The reason that bytes are not a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// They are not JSON from this position on; line and column count from 1.
    Syntax {
        /// The line.
        line: usize,
        /// The column, in bytes.
        column: usize,
    },
    /// The key at this path, such as `items[0].quantity`, is given twice.
    DuplicateKey(String),
    /// They are nested more than `JSON_DEPTH_MAX` levels deep.
    TooDeep,
    /// They have more than `JSON_VALUES_MAX` values.
    TooManyValues,
}

impl fmt::Display for JsonError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column } => {
                write!(out, "is not JSON: see line {line}, column {column}")
            }
            Self::DuplicateKey(path) => {
                write!(out, "has the key {} twice", shorten(path, QUOTED_CHARS_MAX))
            }
            Self::TooDeep => write!(out, "must be nested at most {JSON_DEPTH_MAX} levels deep"),
            Self::TooManyValues => write!(out, "must have at most {JSON_VALUES_MAX} values"),
        }
    }
}

impl JsonError {
    /// The error as seen from the object or array around it.
    fn within(self, parent: fmt::Arguments<'_>) -> Self {
        match self {
            Self::DuplicateKey(path) if path.starts_with('[') => {
                Self::DuplicateKey(format!("{parent}{path}"))
            }
            Self::DuplicateKey(path) => Self::DuplicateKey(format!("{parent}.{path}")),
            other => other,
        }
    }
}

/// Parses exactly one value. A byte order mark before it is ignored (RFC 8259, 8.1).
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = str::from_utf8(bytes).map_err(|error| syntax_error(bytes, error.valid_up_to()))?;
    let mut reader = Reader { text, position: 0, values: 0 };
    let value = reader.value(0)?;
    reader.skip_whitespace();
    if reader.position == text.len() { Ok(value) } else { Err(reader.syntax_error()) }
}

fn syntax_error(bytes: &[u8], position: usize) -> JsonError {
    let before = &bytes[..position];
    let line = before.split(|byte| *byte == b'\n').count();
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    JsonError::Syntax { line, column: position - line_start + 1 }
}

struct Reader<'t> {
    text: &'t str,
    /// The number of bytes read so far, always a whole number of characters.
    position: usize,
    values: usize,
}

impl<'t> Reader<'t> {
    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.values += 1;
        if depth > JSON_DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        if self.values > JSON_VALUES_MAX {
            return Err(JsonError::TooManyValues);
        }
        self.skip_whitespace();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.literal(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        let mut members = Map::new();
        self.position += 1;
        if self.take_token(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_whitespace();
            let key = self.string()?;
            if !self.take_token(b':') {
                return Err(self.syntax_error());
            }
            if members.contains_key(&key) {
                return Err(JsonError::DuplicateKey(key));
            }
            let value = self.value(depth + 1);
            let value = value.map_err(|error| error.within(format_args!("{key}")))?;
            members.insert(key, value);
            if self.take_token(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take_token(b',') {
                return Err(self.syntax_error());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        let mut values = Vec::new();
        self.position += 1;
        if self.take_token(b']') {
            return Ok(Value::Array(values));
        }
        loop {
            let value = self.value(depth + 1);
            values.push(value.map_err(|error| error.within(format_args!("[{}]", values.len())))?);
            if self.take_token(b']') {
                return Ok(Value::Array(values));
            }
            if !self.take_token(b',') {
                return Err(self.syntax_error());
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.syntax_error());
        }
        self.position += 1;
        let mut string = String::new();
        loop {
            let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
            string.push_str(self.take_while(plain));
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                _ => return Err(self.syntax_error()),
            }
        }
    }

    /// Reads an escape sequence, or the two that make a surrogate pair.
    fn escape(&mut self) -> Result<char, JsonError> {
        let letter = self.text.as_bytes().get(self.position + 1);
        let plain = match letter {
            Some(b'"' | b'\\' | b'/') => letter.map(|letter| char::from(*letter)),
            Some(b'b') => Some('\u{8}'),
            Some(b'f') => Some('\u{c}'),
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            Some(b't') => Some('\t'),
            _ => None,
        };
        if let Some(plain) = plain {
            self.position += 2;
            return Ok(plain);
        }
        let first = self.code_unit()?;
        let is_high = (0xd800..0xdc00).contains(&first);
        let second = if is_high { Some(self.code_unit()?) } else { None };
        let mut characters = char::decode_utf16([Some(first), second].into_iter().flatten());
        match (characters.next(), characters.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(self.syntax_error()),
        }
    }

    /// Reads `\u` and four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u16, JsonError> {
        let unit = self.text.get(self.position..self.position + 6).and_then(|text| {
            let digits = text.strip_prefix("\\u")?;
            let only_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            u16::from_str_radix(digits, 16).ok().filter(|_| only_digits)
        });
        let unit = unit.ok_or_else(|| self.syntax_error())?;
        self.position += 6;
        Ok(unit)
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.position;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        let number = self.text[start..self.position].parse();
        number.map(Value::Number).map_err(|_| self.syntax_error())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() { Err(self.syntax_error()) } else { Ok(()) }
    }

    fn literal(&mut self) -> Result<Value, JsonError> {
        for (word, value) in
            [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))]
        {
            if self.text[self.position..].starts_with(word) {
                self.position += word.len();
                return Ok(value);
            }
        }
        Err(self.syntax_error())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    /// Takes this byte if it is the next one; returns whether it was.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.position += usize::from(is_next);
        is_next
    }

    /// Like `take`, after any white space.
    fn take_token(&mut self, byte: u8) -> bool {
        self.skip_whitespace();
        self.take(byte)
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'t str {
        let rest = &self.text[self.position..];
        let length = rest.bytes().position(|byte| !wanted(byte)).unwrap_or(rest.len());
        self.position += length;
        &rest[..length]
    }

    fn skip_whitespace(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn syntax_error(&self) -> JsonError {
        syntax_error(self.text.as_bytes(), self.position)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse_text(text: &str) -> Result<Value, JsonError> {
        parse(text.as_bytes())
    }

    #[test]
    fn a_key_that_is_given_twice_is_named_with_its_path() {
        for (text, path) in [
            (r#"{"a":1,"a":2}"#, "a"),
            (r#"{"items":[{"quantity":1},{"quantity":1,"quantity":5}]}"#, "items[1].quantity"),
            (r#"[[{"a":{"b":1,"b":1}}]]"#, "[0][0].a.b"),
            (r#"{"a":1,"\u0061":2}"#, "a"),
        ] {
            assert_eq!(parse_text(text), Err(JsonError::DuplicateKey(path.to_owned())), "{text}");
        }
        assert!(parse_text(r#"{"a":{"b":1},"b":{"b":2}}"#).is_ok());
    }

    #[test]
    fn only_a_number_is_a_number() {
        let disguised = parse_text(r#"{"$serde_json::private::Number":"7.77"}"#).unwrap();
        assert!(disguised.is_object());
        let number = parse_text("7.770").unwrap();
        assert_eq!(number.as_number().unwrap().as_str(), "7.770");
    }

    #[test]
    fn a_byte_order_mark_is_ignored_at_the_beginning_only() {
        assert_eq!(parse_text("\u{feff}{}"), Ok(json!({})));
        assert!(parse_text("\u{feff}\u{feff}{}").is_err());
        assert!(parse_text("{}\u{feff}").is_err());
    }

    #[test]
    fn an_error_says_where_it_is() {
        assert_eq!(parse_text("{\n  oops"), Err(JsonError::Syntax { line: 2, column: 3 }));
        assert_eq!(parse(b"[\"\xff\"]"), Err(JsonError::Syntax { line: 1, column: 3 }));
        assert_eq!(parse_text(""), Err(JsonError::Syntax { line: 1, column: 1 }));
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let list = |length: usize| format!("[{}0]", "0,".repeat(length - 1));
        assert!(parse_text(&list(JSON_VALUES_MAX - 1)).is_ok());
        assert_eq!(parse_text(&list(JSON_VALUES_MAX)), Err(JsonError::TooManyValues));
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse_text(&nested(JSON_DEPTH_MAX)).is_ok());
        assert_eq!(parse_text(&nested(JSON_DEPTH_MAX + 2)), Err(JsonError::TooDeep));
    }

    #[test]
    fn escapes_are_read() {
        let text = r#""\"\\\/\b\f\n\r\t\u00fc\ud83d\ude00""#;
        assert_eq!(parse_text(text), Ok(json!("\"\\/\u{8}\u{c}\n\r\tü😀")));
        for wrong in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\u+123""#, r#""\x""#] {
            assert!(matches!(parse_text(wrong), Err(JsonError::Syntax { .. })), "{wrong}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            let object = prop::collection::btree_map(any::<String>(), inner.clone(), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..5).prop_map(Value::from),
                object.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn written_text_is_read_back(value in any_value()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(parse_text(&value.to_string()), Ok(value.clone()));
            prop_assert_eq!(parse_text(&pretty), Ok(value));
        }

        /// This parser and serde_json agree about any text of JSON's own characters.
        #[test]
        fn another_reader_agrees(text in r#"[\[\]{},:"0-9eE+.\-a\\u tnrf]{0,12}"#) {
            let other = serde_json::from_str::<Value>(&text).ok();
            match parse_text(&text) {
                Ok(value) => prop_assert_eq!(Some(value), other),
                Err(JsonError::Syntax { .. }) => prop_assert_eq!(None, other),
                Err(_) => {}
            }
        }
    }
}
