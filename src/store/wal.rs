//! The write-ahead log: how many bytes each commit adds to it, and when its pages are moved into the
//! database.
//!
//! The writer decides that, after its replies have left. SQLite would try it in each commit beyond
//! 1000 pages, and never finish beside reads that overlap.

use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode};

use crate::limits::{
    BUSY_TIMEOUT, WAL_BYTES_MAX, WAL_CHECKPOINT_PAGES, WAL_GATE_PAGES, WAL_RETRY_PAGES,
};
use crate::store::gate::Gate;

/// The bytes of a frame in the log: a page and its header
/// (<https://sqlite.org/fileformat2.html#walformat>).
const FRAME_BYTES: u64 = 4096 + 24;

/// The state of the log after the last commit.
pub(super) struct Wal {
    /// The number of its pages.
    pages: i32,
    /// The number of pages at which they are moved into the database.
    due: i32,
}

impl Default for Wal {
    fn default() -> Self {
        Self { pages: 0, due: WAL_CHECKPOINT_PAGES }
    }
}

/// The bytes of so many pages in the log.
pub(super) fn bytes(pages: i32) -> u64 {
    u64::from(pages.unsigned_abs()) * FRAME_BYTES
}

/// Keeps SQLite from moving the log into the database at a commit of this connection; with `keep`, also
/// when it is closed.
pub(super) fn take_over(conn: &Connection, keep: bool) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)
}

impl Wal {
    /// The bytes that were added since the last call, after a commit. A log whose frames are all in
    /// the database is overwritten from its beginning.
    pub(super) fn added(&mut self, conn: &Connection) -> rusqlite::Result<u64> {
        let (pages, _) = conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::NOOP)?;
        let before = std::mem::replace(&mut self.pages, pages);
        let added = if pages < before {
            self.due = WAL_CHECKPOINT_PAGES;
            pages
        } else {
            pages - before
        };
        Ok(bytes(added))
    }

    /// Lets a log that is too long be moved at once, because the read that was in the way may have ended.
    pub(super) fn retry(&mut self) {
        if self.pages >= WAL_GATE_PAGES {
            self.due = self.pages;
        }
    }

    /// Whether the log has to be moved now. Into a database that is not `verified` it is moved only if it
    /// is too long.
    pub(super) fn is_due(&self, verified: bool) -> bool {
        self.pages >= self.due && (verified || self.pages >= WAL_GATE_PAGES)
    }

    /// Whether the log is longer than reads of this program can make it.
    pub(super) fn is_too_long(&self) -> bool {
        bytes(self.pages) > WAL_BYTES_MAX
    }

    /// Moves the pages of the log into the database, and empties a log that is too long.
    pub(super) fn checkpoint(&mut self, conn: &Connection, gate: &Gate) -> rusqlite::Result<()> {
        self.due = self.pages + WAL_RETRY_PAGES;
        // Most pages are moved while reads go on, so that the gate is closed for the rest only.
        conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE)?;
        if self.pages < WAL_GATE_PAGES {
            return Ok(());
        }
        let Some(_closed) = gate.close() else { return Ok(()) };
        // The writer does not wait for other programs.
        conn.busy_timeout(Duration::ZERO)?;
        let truncated = conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE);
        conn.busy_timeout(BUSY_TIMEOUT)?;
        match truncated {
            Ok(_) => *self = Self::default(),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchecked_file_stays_as_it_is_until_the_log_is_too_long() {
        let mut wal = Wal { pages: WAL_GATE_PAGES - 1, ..Wal::default() };
        assert!(wal.is_due(true) && !wal.is_due(false));
        wal.pages = WAL_GATE_PAGES;
        assert!(wal.is_due(true) && wal.is_due(false));
        wal.due = wal.pages + WAL_RETRY_PAGES;
        assert!(!wal.is_due(true));
        wal.retry();
        assert!(wal.is_due(true));
    }
}
