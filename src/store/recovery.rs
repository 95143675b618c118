//! The state that the last run left, read at the start.
//!
//! The time of the machine's boot, counted back from the present clock, moves only if the clock is
//! set. So it distinguishes a clock that was set while the server was off from time that has
//! passed.

use std::env;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};
use rustix::time::{ClockId, clock_gettime};

use crate::domain::{LogId, Reject};
use crate::limits::{CLOCK_STEP_MS, COMMAND_CACHE_KIB, Limits};
use crate::store::clock::ShopClock;
use crate::store::error::{OpenError, failed, unusable};
use crate::store::events::LogBounds;
use crate::store::session::StoredSession;
use crate::store::{data_dir, database, idempotency, kiosk_orders, session_table, setup};

/// The state with which a server continues.
pub(super) struct StartState {
    pub(super) log: LogBounds,
    pub(super) log_id: LogId,
    pub(super) sessions: Vec<StoredSession>,
    /// Shows no time before the last run's, even if the system's clock went back meanwhile.
    pub(super) clock: ShopClock,
    /// The present value of `PRAGMA data_version`.
    pub(super) data_version: i64,
}

impl StartState {
    /// Adjusts the sessions' times to the clock, and then reads the state.
    pub(super) fn read(
        conn: &mut Connection,
        limits: &Limits,
        clock: fn() -> i64,
    ) -> Result<Self, Reject> {
        // A shop opens even if its disk is too full to store the boot.
        if let Err(error) = record_boot(conn, Boot::current(clock()).as_ref()) {
            tracing::warn!(%error, "the time of the boot cannot be stored");
        }
        session_table::keep_newest(conn, limits.sessions)?;
        let log = LogBounds::read(conn).map_err(failed)?;
        let last_at = last_time(conn, &log).map_err(failed)?;
        let responses = idempotency::uptime_total(conn).map_err(failed)?;
        let uptime = responses.max(kiosk_orders::newest_uptime(conn).map_err(failed)?);
        let log_id = conn.query_row("SELECT log_id FROM log", [], |row| row.get(0));
        let data_version = conn.query_row("PRAGMA data_version", [], |row| row.get(0));
        Ok(Self {
            log,
            log_id: log_id.map_err(failed)?,
            sessions: session_table::all(conn)?,
            clock: ShopClock::new(clock, last_at, uptime),
            data_version: data_version.map_err(failed)?,
        })
    }
}

/// The newest time in a data directory, in milliseconds since 1970, UTC; 0 if nothing has happened
/// yet. Changes no file.
pub fn last_recorded_time(data_dir: &Path) -> Result<i64, OpenError> {
    let conn = database::open_immutable(data_dir, COMMAND_CACHE_KIB)?;
    let last = LogBounds::read(&conn).and_then(|log| last_time(&conn, &log));
    last.map_err(|error| unusable(&data_dir::database_file(data_dir), &error))
}

fn last_time(conn: &Connection, log: &LogBounds) -> rusqlite::Result<i64> {
    Ok(session_table::last_at(conn)?.max(setup::last_at(conn)?).max(log.last_at))
}

/// One boot of the machine.
struct Boot {
    /// Different for every boot.
    id: String,
    /// The time of the boot by the present clock, in milliseconds since 1970, UTC.
    began: i64,
}

impl Boot {
    /// The present boot, at the time `now` in milliseconds since 1970, UTC; `None` if the system
    /// gives no id. A service that cannot read the kernel's file gets the id from its manager (`%b`
    /// in systemd's units), which writes it without dashes.
    fn current(now: i64) -> Option<Self> {
        let kernel = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let id = kernel.or_else(|| env::var("BOOT_ID").ok())?.trim().replace('-', "");
        let uptime = clock_gettime(ClockId::Boottime);
        let uptime = uptime.tv_sec.saturating_mul(1000).saturating_add(uptime.tv_nsec / 1_000_000);
        Some(Self { id, began: now.saturating_sub(uptime) })
    }
}

/// Stores the present boot. If it is the stored one and the clock was set ahead since, the
/// sessions' times move ahead too, so that no login expires early. A clock that was set back is
/// ignored, because times never run backwards; it counts as set ahead from where it was before.
fn record_boot(conn: &mut Connection, boot: Option<&Boot>) -> rusqlite::Result<()> {
    let Some(boot) = boot else { return Ok(()) };
    let stored = conn.query_row("SELECT boot, began FROM clock", [], |row| {
        Ok(Boot { id: row.get(0)?, began: row.get(1)? })
    });
    let stored = stored.optional()?.filter(|stored| stored.id == boot.id);
    let step = stored.as_ref().map_or(0, |stored| boot.began - stored.began);
    if stored.is_some() && step < CLOCK_STEP_MS {
        return Ok(());
    }
    let tx = conn.transaction()?;
    let sql = "INSERT OR REPLACE INTO clock (id, boot, began) VALUES (1, ?, ?)";
    tx.execute(sql, (&boot.id, boot.began - step))?;
    shift_times(&tx, step)?;
    tx.commit()
}

/// Moves the times of sessions and of setup codes ahead by `step` milliseconds after the clock was set ahead, so that
/// none ends earlier or later.
pub(super) fn shift_times(conn: &Connection, step: i64) -> rusqlite::Result<()> {
    if step == 0 {
        return Ok(());
    }
    session_table::shift(conn, step)?;
    setup::shift(conn, step)?;
    conn.execute("UPDATE clock SET began = began + ?", [step])?;
    Ok(())
}
