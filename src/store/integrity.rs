//! The integrity check of the database file before the shop opens. A small file, or one that was
//! not closed cleanly, is checked row by row. Of a large one only the form of each page is checked,
//! which is quick; its rows are checked in the background while the shop is open.
//!
//! Until all of it was checked, not one byte of the file changes, as long as the write-ahead log has
//! room for what is written.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use crate::limits::{
    BACKGROUND_CHECK_DELAY, CHECK_READ_BYTES, READER_CACHE_KIB, ROW_CHECK_BYTES_MAX,
};
use crate::store::data_dir::{self, file_beside};
use crate::store::database;
use crate::store::error::{OpenError, unusable};
use crate::store::gate::Gate;
use crate::store::{long_read, readers};

/// Checks all rows of all pages.
pub(super) fn quick_check(data_dir: &Path) -> Result<(), OpenError> {
    let file = data_dir::database_file(data_dir);
    check_rows(&file, |conn| long_read::run(conn, &file, u32::MAX, first_damage))
}

/// The answer to `PRAGMA quick_check(1)`.
fn first_damage(conn: &Connection) -> rusqlite::Result<String> {
    conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
}

fn check_rows(
    file: &Path,
    find: impl FnOnce(&mut Connection) -> rusqlite::Result<String>,
) -> Result<(), OpenError> {
    let Some(mut conn) = open_for_check(file)? else { return Ok(()) };
    let found = find(&mut conn);
    match found.map_err(|error| unusable(file, &error))?.as_str() {
        "ok" => Ok(()),
        // The first line only names the database.
        found => Err(unusable(file, &found.lines().last().unwrap_or(found))),
    }
}

/// Checks all rows of a small database, and of one that was not closed cleanly, which has a
/// write-ahead log beside it. Checks only the pages of a large one and returns false, because its
/// rows have still to be checked.
pub(super) fn check_at_start(data_dir: &Path) -> Result<bool, OpenError> {
    let file = data_dir::database_file(data_dir);
    let bytes = |file: &Path| file.metadata().map_or(0, |file| file.len());
    if bytes(&file) > ROW_CHECK_BYTES_MAX && bytes(&file_beside(&file, "-wal")) == 0 {
        if let Some(conn) = open_for_check(&file)? {
            read_whole(&file).map_err(|error| unusable(&file, &error))?;
            walk_pages(&conn).map_err(|error| unusable(&file, &error))?;
        }
        Ok(false)
    } else {
        quick_check(data_dir).map(|()| true)
    }
}

/// Reads a file to its end, so that its pages are in the kernel's cache: a card is many times slower
/// in the order of a tree.
fn read_whole(file: &Path) -> io::Result<()> {
    let mut file = File::open(file)?;
    let mut buffer = vec![0; CHECK_READ_BYTES];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Visits each page of each tree; SQLite then checks the page's kind, its cells and their
/// positions.
fn walk_pages(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "cell_size_check", true)?;
    let trees = "SELECT format('SELECT count(*) FROM \"%w\" ', tbl_name)
                     || iif(type = 'table', 'NOT INDEXED', format('INDEXED BY \"%w\"', name))
                 FROM sqlite_schema WHERE rootpage > 0";
    let mut trees = conn.prepare(trees)?;
    let mut trees = trees.query([])?;
    while let Some(tree) = trees.next()? {
        conn.query_row(&tree.get::<_, String>(0)?, [], |_| Ok(()))?;
    }
    Ok(())
}

/// Checks all rows at the lowest priority while the shop is open, and passes the result to
/// `report`. If the server stops before that, the write-ahead log stays, so the next start checks
/// all rows first.
pub(super) fn check_in_background(
    data_dir: &Path,
    gate: &Arc<Gate>,
    report: impl FnOnce(Result<(), OpenError>) + Send + 'static,
) -> Result<(), OpenError> {
    let (file, gate) = (data_dir::database_file(data_dir), Arc::clone(gate));
    let check = move || {
        std::thread::sleep(BACKGROUND_CHECK_DELAY);
        if let Err(error) = rustix::process::nice(19) {
            tracing::debug!(%error, "the integrity check does not run at low priority");
        }
        report(check_rows(&file, |conn| long_read::run_inside(conn, &gate, first_damage)));
    };
    readers::spawn_thread("integrity", check)?;
    Ok(())
}

/// Opens a database for reading only, because a connection that may write would move the
/// write-ahead log into a damaged file when it is closed. `None` if there is no shop yet.
fn open_for_check(file: &Path) -> Result<Option<Connection>, OpenError> {
    // A rollback journal exists only if the very first start was interrupted.
    if !file.exists() || file_beside(file, "-journal").exists() {
        return Ok(None);
    }
    let conn = database::connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    database::check_identity(&conn, file)?;
    let cache = conn.pragma_update(None, "cache_size", -READER_CACHE_KIB);
    cache.map_err(|error| unusable(file, &error))?;
    Ok(Some(conn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::wal;

    #[test]
    fn an_unchecked_database_is_not_written_to() {
        let data = tempfile::tempdir().unwrap();
        drop(database::open_writer(data.path(), READER_CACHE_KIB).unwrap());
        let file = data_dir::database_file(data.path());
        let bytes = || std::fs::read(&file).unwrap();
        let before = bytes();
        let write_much = |conn: &Connection| {
            let sql = "INSERT INTO events (seq, at, kind, body)
                       SELECT coalesce(max(seq), 0) + 1, 0, 0, hex(zeroblob(2000)) FROM events";
            for _ in 0..1100 {
                conn.execute(sql, []).unwrap();
            }
        };
        let conn = database::open_writer(data.path(), READER_CACHE_KIB).unwrap();
        wal::take_over(&conn, true).unwrap();
        write_much(&conn);
        assert!(bytes() == before, "a checkpoint");
        drop(conn);
        assert!(bytes() == before, "the close");
        let conn = database::open_writer(data.path(), READER_CACHE_KIB).unwrap();
        wal::take_over(&conn, true).unwrap();
        wal::take_over(&conn, false).unwrap();
        drop(conn);
        assert!(bytes().len() > 2 * 1100 * 2000);
        assert!(!file_beside(&file, "-wal").exists());
    }
}
