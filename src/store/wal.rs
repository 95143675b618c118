//! The write-ahead log: how many bytes each commit adds to it.

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

/// The bytes of a frame in the log: a page and its header
/// (<https://sqlite.org/fileformat2.html#walformat>).
const FRAME_BYTES: u64 = 4096 + 24;

/// The length of the log after the last commit.
#[derive(Default)]
pub(super) struct Wal {
    frames: i32,
}

impl Wal {
    /// The bytes that were added since the last call, after a commit. A log whose frames are all in
    /// the database is overwritten from its beginning.
    pub(super) fn added(&mut self, conn: &Connection) -> rusqlite::Result<u64> {
        let (frames, _) = conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::NOOP)?;
        let before = std::mem::replace(&mut self.frames, frames);
        let added = if frames < before { frames } else { frames - before };
        Ok(u64::try_from(added).unwrap_or(0) * FRAME_BYTES)
    }
}
