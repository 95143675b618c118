//! The result of one check: a verdict and a sentence.

use std::fmt::{self, Display};
use std::io;
use std::path::Path;

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// The shop works, but somebody should act, or the check was impossible.
    Warn,
    /// The shop does not work, will soon stop working, or is open to strangers.
    Bad,
}

/// The result of one check.
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

/// A file that cannot be read. If this user lacks the rights, the shop is not to blame, so it is a warning.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Finding {
    let path = path.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        let how = "run this with sudo, or as the user of the server";
        warn(format!("{path}: this user may not read it; {how}"))
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
