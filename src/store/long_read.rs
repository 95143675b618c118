//! Reads of the whole database: the integrity check, a backup. The write-ahead log cannot be emptied
//! while one is under way. So the read stops when the log has grown too long, and starts again after a
//! pause.

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;

use rusqlite::Connection;

use crate::limits::{LONG_READ_PAUSE_MAX, LONG_READ_PAUSE_MIN, READ_STEP, WAL_GATE_PAGES};
use crate::store::data_dir::file_beside;
use crate::store::error::is_interrupted;
use crate::store::gate::{CHECK, Gate};
use crate::store::wal;

/// Runs a read of the whole database, and starts it again up to `tries - 1` times. It looks at the size of the
/// log's file, because the writer may run in another process.
pub(super) fn run<T>(
    conn: &mut Connection,
    file: &Path,
    tries: u32,
    mut read: impl FnMut(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let wal = file_beside(file, "-wal");
    let bytes = move || wal.metadata().map_or(0, |file| file.len());
    repeat(tries, || {
        let (bytes, before) = (bytes.clone(), bytes());
        // A long log that does not grow needs no room: nothing is written.
        let must_end = move || {
            let now = bytes();
            now > before && now >= wal::bytes(WAL_GATE_PAGES)
        };
        run_until(conn, must_end, &mut read)
    })
}

/// Runs a read of the whole database beside the writer of this process, and starts it again until it ends by
/// itself. The writer waits for it at the gate: a read of low priority could otherwise be kept from the
/// processor by the very commands that let the log grow.
pub(super) fn run_inside<T>(
    conn: &mut Connection,
    gate: &Arc<Gate>,
    mut read: impl FnMut(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    repeat(u32::MAX, || {
        let _pass = gate.enter(CHECK);
        let watched = Arc::clone(gate);
        run_until(conn, move || watched.is_closed(), &mut read)
    })
}

fn run_until<T>(
    conn: &mut Connection,
    must_end: impl FnMut() -> bool + Send + 'static,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    conn.progress_handler(READ_STEP, Some(must_end))?;
    let result = read(conn);
    conn.progress_handler(0, None::<fn() -> bool>)?;
    result
}

fn repeat<T>(tries: u32, mut read: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let (mut tries_left, mut pause) = (tries, LONG_READ_PAUSE_MIN);
    loop {
        let result = read();
        tries_left -= 1;
        if tries_left == 0 || !result.as_ref().is_err_and(is_interrupted) {
            return result;
        }
        tracing::debug!(
            tries_left,
            "a long read stops, so that the write-ahead log can be emptied"
        );
        sleep(pause);
        pause = LONG_READ_PAUSE_MAX.min(2 * pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::COMMAND_CACHE_KIB;
    use crate::store::{data_dir, database};

    /// Rows that take several seconds to make, so that a read that nobody ends fails its test, and does not hang.
    const ROWS_FOR_SECONDS: i64 = 50_000_000;

    #[test]
    fn a_long_read_ends_where_the_log_grows_too_long() {
        let data = tempfile::tempdir().unwrap();
        let file = data_dir::database_file(data.path());
        let writer = database::open_writer(data.path(), COMMAND_CACHE_KIB).unwrap();
        writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        let grow = |mebibytes: i64| {
            let sql = "INSERT INTO events (seq, at, kind, body)
                       SELECT coalesce(max(seq), 0) + 1, 0, 0, hex(zeroblob(?)) FROM events";
            writer.execute(sql, [mebibytes << 19]).unwrap();
        };
        grow(10);
        let mut conn = database::open_reader(data.path(), COMMAND_CACHE_KIB).unwrap();
        let count = |conn: &Connection| {
            let sql =
                "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
                       SELECT count(*) FROM n";
            conn.query_row(sql, [], |row| row.get::<_, i64>(0))
        };
        // The log was long before, and does not grow.
        assert_eq!(run(&mut conn, &file, 1, count), Ok(9999));
        let mut tries = 0;
        let result = run(&mut conn, &file, 2, |conn| {
            tries += 1;
            if tries == 1 {
                grow(1);
            }
            count(conn)
        });
        assert_eq!((result, tries), (Ok(9999), 2));
        let result = run(&mut conn, &file, 1, |conn| {
            grow(1);
            count(conn)
        });
        assert!(result.is_err_and(|error| is_interrupted(&error)));
    }

    #[test]
    fn a_read_beside_the_writer_ends_where_the_writer_waits_for_it() {
        let data = tempfile::tempdir().unwrap();
        drop(database::open_writer(data.path(), COMMAND_CACHE_KIB).unwrap());
        let mut conn = database::open_reader(data.path(), COMMAND_CACHE_KIB).unwrap();
        let gate = Arc::new(Gate::default());
        let mut tries = 0;
        let mut writer = None;
        let waiting = Arc::clone(&gate);
        let result = run_inside(&mut conn, &gate, |conn| {
            tries += 1;
            let rows = if tries == 1 { ROWS_FOR_SECONDS } else { 10 };
            let waiting = Arc::clone(&waiting);
            writer.get_or_insert_with(|| std::thread::spawn(move || waiting.close().is_some()));
            let sql =
                "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?)
                       SELECT count(*) FROM n";
            conn.query_row(sql, [rows], |row| row.get::<_, i64>(0))
        });
        assert_eq!((result, tries), (Ok(10), 2));
        assert!(writer.unwrap().join().unwrap(), "the writer gave up");
    }
}
