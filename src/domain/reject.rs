//! Why a request is refused: a closed set, turned into a status in one place only.

use std::fmt;

use serde::Serialize;

use crate::domain::Code;
use crate::domain::text::shorten;
use crate::limits::QUOTED_CHARS_MAX;

/// A mistake in one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// For a program.
    pub code: Code,
    /// The rule, such as `must be at least 1`; the field's name goes before it.
    pub message: String,
}

impl Violation {
    /// A violation of the rule that `code` names, explained by `message`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The violation as that of a field.
    pub fn at(self, field: impl AsRef<str>) -> FieldError {
        FieldError::new(field, self.code, self.message)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

/// One wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The path in the body, such as `items[0].quantity`.
    pub field: String,
    /// For a program.
    pub code: Code,
    /// The rule, such as `must be at least 1`.
    pub message: String,
}

impl FieldError {
    /// A mistake at `field`, explained by `message`. A field's name may be the client's own text, so
    /// only its first `QUOTED_CHARS_MAX` characters are given back.
    pub fn new(field: impl AsRef<str>, code: Code, message: impl Into<String>) -> Self {
        let field = shorten(field.as_ref(), QUOTED_CHARS_MAX).to_owned();
        Self { field, code, message: message.into() }
    }
}

/// Why a command did nothing. Its texts are for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reject {
    /// The body or the query breaks the rules of its fields: all of them, at once.
    Invalid(Vec<FieldError>),
    /// There is no such entity, or the caller may not know of it.
    NotFound,
    /// It breaks a rule of the shop, which the code names; the text says what to do instead.
    Conflict(Code, String),
    /// `If-Match` names another version than the stored one.
    PreconditionFailed,
    /// The `Idempotency-Key` came before with another request.
    KeyReused,
    /// The write queue is full: nothing was done, and a later try may succeed.
    Busy,
    /// The disk is full: nothing was done.
    DiskFull,
    /// The database could not do it; whether it was stored is not known.
    Unavailable,
}

impl Reject {
    /// One wrong field.
    pub fn field(field: impl AsRef<str>, code: Code, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, code, message)])
    }

    /// A broken rule of the shop.
    pub fn conflict(code: Code, text: impl Into<String>) -> Self {
        Self::Conflict(code, text.into())
    }
}
