//! The look through all pages of the database, before the shop opens: it finds a damaged one. Where
//! there is reason for doubt, at each row; else at the form of each page, which a large shop hardly
//! feels, and at each row while the shop is open.
//!
//! Invariant: the file stays as it is, byte for byte, until all of it was looked through.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::limits::{
    BACKGROUND_CHECK_DELAY, CHECK_MAPPED_BYTES, CHECK_READ_BYTES, READER_CACHE_KIB,
    ROW_CHECK_BYTES_MAX,
};
use crate::store::open::{self, OpenError, beside, unusable};
use crate::store::readers;

/// Looks at all rows of all pages.
pub(super) fn examine(data_dir: &Path) -> Result<(), OpenError> {
    let file = open::database(data_dir);
    let Some(conn) = open_what_is_ours(&file)? else { return Ok(()) };
    let cache = conn.pragma_update(None, "cache_size", -READER_CACHE_KIB);
    cache.map_err(|error| unusable(&file, &error))?;
    let found = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found.map_err(|error| unusable(&file, &error))?.as_str() {
        "ok" => Ok(()),
        // Its first line says only which database was looked at.
        found => Err(unusable(&file, &found.lines().last().unwrap_or(found))),
    }
}

/// Looks at all rows of a small database, and of one that was not closed in good order: a write-ahead
/// log stands beside it then. Of a large one at its pages alone; false, as its rows have still to be
/// looked at.
pub(super) fn first(data_dir: &Path) -> Result<bool, OpenError> {
    let file = open::database(data_dir);
    let bytes = |file: &Path| file.metadata().map_or(0, |file| file.len());
    if bytes(&file) > ROW_CHECK_BYTES_MAX && bytes(&beside(&file, "-wal")) == 0 {
        if let Some(conn) = open_what_is_ours(&file)? {
            read(&file).map_err(|error| unusable(&file, &error))?;
            walk(&conn).map_err(|error| unusable(&file, &error))?;
        }
        Ok(false)
    } else {
        examine(data_dir).map(|()| true)
    }
}

/// Reads a file to its end: a card that cannot is told of here, where it is an error. Of a page that
/// is mapped, it would be a signal.
fn read(file: &Path) -> io::Result<()> {
    let mut file = File::open(file)?;
    let mut piece = vec![0; CHECK_READ_BYTES];
    while file.read(&mut piece)? > 0 {}
    Ok(())
}

/// Goes to each page of each tree, where SQLite checks its kind, its cells and their places.
fn walk(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "cell_size_check", true)?;
    // Returns a row, as a question does.
    conn.pragma_update_and_check(None, "mmap_size", CHECK_MAPPED_BYTES, |_| Ok(()))?;
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

/// Looks at all rows while the shop is open already, whenever a core has nothing else to do,
/// and tells what was found. A stop before that leaves the write-ahead log, so the next start looks.
pub(super) fn later(
    data_dir: &Path,
    tell: impl FnOnce(Result<(), OpenError>) + Send + 'static,
) -> Result<(), OpenError> {
    let data_dir = data_dir.to_owned();
    let look = move || {
        std::thread::sleep(BACKGROUND_CHECK_DELAY);
        if let Err(error) = rustix::process::nice(19) {
            tracing::debug!(%error, "the look through the database is not made in idle time");
        }
        tell(examine(&data_dir));
    };
    readers::thread("look", look).map(drop)
}

/// None where there is no shop yet. Only for reading: a connection that may write would move the
/// write-ahead log into a damaged file when it is closed.
fn open_what_is_ours(file: &Path) -> Result<Option<Connection>, OpenError> {
    // A journal is there only where the very first start was interrupted.
    if !file.exists() || beside(file, "-journal").exists() {
        return Ok(None);
    }
    let conn = open::connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    open::check_identity(&conn, file)?;
    Ok(Some(conn))
}

/// Keeps what is written in the write-ahead log, or lets SQLite move it into the database again.
pub(super) fn hold(conn: &Connection, hold: bool) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, hold)?;
    let pages = if hold { 0 } else { 1000 };
    conn.pragma_update(None, "wal_autocheckpoint", pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_into_a_database_that_is_not_looked_through() {
        let data = tempfile::tempdir().unwrap();
        drop(open::writer(data.path(), READER_CACHE_KIB).unwrap());
        let file = open::database(data.path());
        let read = || std::fs::read(&file).unwrap();
        let before = read();
        let write_much = |conn: &Connection| {
            let sql = "INSERT INTO events (seq, at, channel, body)
                       SELECT coalesce(max(seq), 0) + 1, 0, 0, hex(zeroblob(2000)) FROM events";
            for _ in 0..1100 {
                conn.execute(sql, []).unwrap();
            }
        };
        let conn = open::writer(data.path(), READER_CACHE_KIB).unwrap();
        hold(&conn, true).unwrap();
        write_much(&conn);
        assert!(read() == before, "a checkpoint");
        drop(conn);
        assert!(read() == before, "the close");
        let conn = open::writer(data.path(), READER_CACHE_KIB).unwrap();
        hold(&conn, true).unwrap();
        hold(&conn, false).unwrap();
        drop(conn);
        assert!(read().len() > 2 * 1100 * 2000);
        assert!(!beside(&file, "-wal").exists());
    }
}
