//! Why a request is refused: a closed set, turned into a status in one place only.

use crate::domain::text::shorten;
use crate::limits::QUOTED_CHARS_MAX;

/// One wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// Where it stands in the body, such as `items[0].quantity`.
    pub field: String,
    /// What would be right, such as `must be at least 1`.
    pub message: String,
}

impl FieldError {
    /// A mistake at `field`, explained by `message`. A field's name may be the client's own text, so
    /// only its first `QUOTED_CHARS_MAX` characters are given back.
    pub fn new(field: impl AsRef<str>, message: impl Into<String>) -> Self {
        Self {
            field: shorten(field.as_ref(), QUOTED_CHARS_MAX).to_owned(),
            message: message.into(),
        }
    }
}

/// Why a command did nothing. Its texts are for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reject {
    /// The body or the query breaks the rules of its fields: all of them, at once.
    Invalid(Vec<FieldError>),
    /// There is no such thing, or the asker may not know of it.
    NotFound,
    /// It does not fit what is there; the text says what to do instead.
    Conflict(String),
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
    pub fn field(field: impl AsRef<str>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }
}
