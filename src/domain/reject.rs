//! The reasons to reject a request: a closed set, turned into a status in one place only.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::domain::Code;
use crate::domain::text::shorten;
use crate::limits::QUOTED_CHARS_MAX;

/// A mistake in one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The code, for programs.
    pub code: Code,
    /// The rule, such as `must be at least 1`; the field's name is written before it.
    pub message: String,
}

impl Violation {
    /// A violation of the rule that `code` names, explained by `message`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The violation at a field.
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
    /// The code, for programs.
    pub code: Code,
    /// The rule, such as `must be at least 1`.
    pub message: String,
}

impl FieldError {
    /// A mistake at `field`, explained by `message`. A field's name may be the client's own text,
    /// so only its first `QUOTED_CHARS_MAX` characters are quoted.
    pub fn new(field: impl AsRef<str>, code: Code, message: impl Into<String>) -> Self {
        let field = shorten(field.as_ref(), QUOTED_CHARS_MAX).to_owned();
        Self { field, code, message: message.into() }
    }
}

/// The reason that a command failed. Its texts are for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reject {
    /// The body or the query has wrong fields; all of them are listed.
    Invalid(Vec<FieldError>),
    /// The entity does not exist, or the caller must not see it.
    NotFound,
    /// The change breaks a rule of the shop. The code names the rule; the text says what to do
    /// instead.
    Conflict(Code, String),
    /// The caller's role has no right to do this. The text names it.
    NotAllowed(String),
    /// The caller's session has ended, or the caller has another role.
    SessionEnded,
    /// `If-Match` or `If-None-Match` rules out the stored version.
    PreconditionFailed,
    /// The `Idempotency-Key` was used for another request.
    KeyReused,
    /// The responses kept for the caller's `Idempotency-Key`s take as many bytes as they may. The oldest will have
    /// been kept long enough after this time.
    ResponsesFull(Duration),
    /// A queue is full, or a read took too long: nothing was done, and a later try may succeed.
    Busy,
    /// The disk is full: nothing was done.
    DiskFull,
    /// The database failed; it is not known whether the change was stored.
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
