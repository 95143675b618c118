//! The run of the machine that the server is in. Its beginning by the clock moves only with the clock,
//! which so tells a clock that was set while the server was away from time that has passed.

use std::env;
use std::fs;

use rusqlite::{Connection, OptionalExtension as _};
use rustix::time::{ClockId, clock_gettime};

use crate::limits::CLOCK_STEP_MS;
use crate::store::sessions;

/// One run of the machine.
pub(super) struct Boot {
    /// What no other run is called.
    name: String,
    /// When it began by today's clock, milliseconds since 1970, UTC.
    began: i64,
}

impl Boot {
    /// The run of now, at this time; none where the system does not tell. A service that cannot see the
    /// kernel's file is told by its manager (`%b` in systemd's units), which writes it without dashes.
    pub(super) fn at(now: i64) -> Option<Self> {
        let kernel = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let name = kernel.or_else(|| env::var("BOOT_ID").ok())?.trim().replace('-', "");
        let runs = clock_gettime(ClockId::Boottime);
        let runs_ms = runs.tv_sec.saturating_mul(1000).saturating_add(runs.tv_nsec / 1_000_000);
        Some(Self { name, began: now.saturating_sub(runs_ms) })
    }
}

/// Notes the run of now. Where it is the one of the last time, and the clock was set ahead since, nobody's
/// login is older by that. A clock that was set back does not count: times never run back, and it counts
/// as set ahead from where it was before.
pub(super) fn settle(conn: &mut Connection, boot: Option<&Boot>) -> rusqlite::Result<()> {
    let Some(boot) = boot else { return Ok(()) };
    let noted = conn.query_row("SELECT boot, began FROM clock", [], |row| {
        Ok(Boot { name: row.get(0)?, began: row.get(1)? })
    });
    let noted = noted.optional()?.filter(|noted| noted.name == boot.name);
    let ahead = noted.as_ref().map_or(0, |noted| boot.began - noted.began);
    if noted.is_some() && ahead < CLOCK_STEP_MS {
        return Ok(());
    }
    let step = conn.transaction()?;
    let sql = "INSERT OR REPLACE INTO clock (id, boot, began) VALUES (1, ?, ?)";
    step.execute(sql, (&boot.name, boot.began - ahead))?;
    shift(&step, ahead)?;
    step.commit()
}

/// The clock was set ahead: nobody is logged in for longer by that, or shorter.
pub(super) fn shift(conn: &Connection, ahead: i64) -> rusqlite::Result<()> {
    if ahead == 0 {
        return Ok(());
    }
    sessions::shift(conn, ahead)?;
    conn.execute("UPDATE clock SET began = began + ?", [ahead]).map(drop)
}
