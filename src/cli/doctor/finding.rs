//! The result of one check: a verdict and a sentence.

use std::fmt::{self, Display};
use std::io;
use std::path::Path;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// The shop goes on, but somebody should see to it, or it could not be looked at.
    Warn,
    /// The shop is closed, will be soon, or is open to others.
    Bad,
}

/// What one look has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) text: String,
}

pub(super) fn ok(text: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Ok, text: text.into() }
}

pub(super) fn warn(text: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Warn, text: text.into() }
}

pub(super) fn bad(text: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Bad, text: text.into() }
}

/// Something cannot be looked at. That this user may not is no fault of the shop.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Finding {
    let path = path.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        let how = "run this with sudo, or as the user of the server";
        warn(format!("{path}: this user may not look there; {how}"))
    } else {
        bad(format!("{path}: cannot be read: {error}"))
    }
}

impl Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        })
    }
}
