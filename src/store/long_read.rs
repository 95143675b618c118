//! Reads of the whole database: the integrity check, a backup. The write-ahead log cannot be emptied
//! while one is under way. So the read stops when the log has grown too long, and starts again after a
//! pause. It looks at the size of the log's file, because it may run in another process than the writer.

use std::path::Path;
use std::thread::sleep;

use rusqlite::Connection;

use crate::limits::{LONG_READ_PAUSE_MAX, LONG_READ_PAUSE_MIN, READ_STEP, WAL_GATE_PAGES};
use crate::store::data_dir::file_beside;
use crate::store::error::is_interrupted;
use crate::store::wal;

/// Runs a read of the whole database, and starts it again up to `tries - 1` times.
pub(super) fn run<T>(
    conn: &mut Connection,
    file: &Path,
    tries: u32,
    mut read: impl FnMut(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let wal = file_beside(file, "-wal");
    let bytes = move || wal.metadata().map_or(0, |file| file.len());
    let (mut tries_left, mut pause) = (tries, LONG_READ_PAUSE_MIN);
    loop {
        let (bytes, before) = (bytes.clone(), bytes());
        // A long log that does not grow needs no room: nothing is written.
        let must_end = move || {
            let now = bytes();
            now > before && now >= wal::bytes(WAL_GATE_PAGES)
        };
        conn.progress_handler(READ_STEP, Some(must_end))?;
        let result = read(conn);
        conn.progress_handler(0, None::<fn() -> bool>)?;
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
}
