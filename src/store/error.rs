//! The store's errors: a data directory that cannot be used, and a statement that failed.

use std::fmt;
use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_SHMSIZE};

use crate::domain::Reject;

/// The advice in every message about a file that cannot be served.
pub(super) const WAY_BACK: &str =
    "`tillcast check` tells more, `tillcast restore FILE` puts a backup in its place";

/// The reason that a read of the whole database failed, though nothing is wrong with it.
pub(super) const TOO_BUSY: &str =
    "so much is written meanwhile that it cannot be read to its end; try again at a quieter time";

/// The reason that a data directory cannot be used. The text names the file and the remedy.
#[derive(Debug)]
pub struct OpenError(pub(super) String);

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// The error for a file that cannot be served because of `why`.
pub(super) fn unusable(file: &Path, why: &dyn fmt::Display) -> OpenError {
    OpenError(format!("{}: cannot be used: {why}; {WAY_BACK}", file.display()))
}

/// Logs an error that no request can cause. The client learns only that the store failed.
#[expect(clippy::needless_pass_by_value, reason = "it is the argument of map_err everywhere")]
pub(super) fn failed(error: rusqlite::Error) -> Reject {
    if is_disk_full(&error) {
        return Reject::DiskFull;
    }
    if is_interrupted(&error) {
        return Reject::Busy;
    }
    tracing::error!(%error, "the database failed");
    Reject::Unavailable
}

/// Whether a write failed because the disk is full.
pub(super) fn is_disk_full(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code.is_some_and(|code| code == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE)
}

/// Whether a read was stopped before its end.
pub(super) fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}
