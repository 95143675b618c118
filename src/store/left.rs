//! What the last run left, as it is read at the start.

use rusqlite::Connection;

use crate::domain::Reject;
use crate::limits::Limits;
use crate::store::boot::{self, Boot};
use crate::store::clock::Time;
use crate::store::sessions::{self, StoredSession};
use crate::store::{events, failed, idempotency};

pub(super) struct Left {
    pub(super) log: events::Log,
    pub(super) sessions: Vec<StoredSession>,
    /// Goes on where the last run was, also on a clock that went back meanwhile.
    pub(super) time: Time,
    /// `PRAGMA data_version` now.
    pub(super) data_version: i64,
}

impl Left {
    pub(super) fn read(
        conn: &mut Connection,
        limits: &Limits,
        clock: fn() -> i64,
    ) -> Result<Self, Reject> {
        // Before anybody's time is read. A shop whose disk is full opens without the note.
        if let Err(error) = boot::settle(conn, Boot::at(clock()).as_ref()) {
            tracing::warn!(%error, "whether the clock was set cannot be noted");
        }
        sessions::keep_newest(conn, limits.sessions)?;
        let log = events::Log::read(conn).map_err(failed)?;
        let last_at = sessions::last_at(conn).map_err(failed)?.max(log.last_at);
        let served = idempotency::uptime_total(conn).map_err(failed)?;
        let data_version = conn.query_row("PRAGMA data_version", [], |row| row.get(0));
        Ok(Self {
            log,
            sessions: sessions::all(conn)?,
            time: Time::new(clock, last_at, served),
            data_version: data_version.map_err(failed)?,
        })
    }
}
