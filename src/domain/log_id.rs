//! The identity of an event log: positions of two logs cannot be compared.

use std::fmt;

use serde::{Serialize, Serializer};

const LENGTH: usize = 12;

/// The id of an event log: 12 hexadecimal digits, created with the database and again by every
/// restore.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LogId([u8; LENGTH]);

impl LogId {
    /// Reads an id; `None` if the text cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = <[u8; LENGTH]>::try_from(text.as_bytes()).ok()?;
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        digits.iter().all(is_digit).then_some(Self(digits))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default() // it is UTF-8: `parse` accepts only hexadecimal digits
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Serialize for LogId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_twelve_hexadecimal_digits() {
        assert_eq!(LogId::parse("0123456789ab").unwrap().to_string(), "0123456789ab");
        for wrong in ["", "0123456789a", "0123456789abc", "0123456789AB", "0123456789a\""] {
            assert!(LogId::parse(wrong).is_none(), "{wrong}");
        }
    }
}
