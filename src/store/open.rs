//! The life of the database file: found, checked, migrated, opened.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::limits::{BUSY_TIMEOUT, WAL_BYTES_KEPT};

/// `TLCS`: says that a SQLite file is ours.
const APPLICATION_ID: i64 = 0x544C_4353;

/// Forward only; the number of a migration is its place here, kept in `user_version`.
const MIGRATIONS: &[&str] = &[include_str!("../../sql/0001_shop.sql")];

/// Why a data directory cannot be used. The text names the file and what to do.
#[derive(Debug)]
pub struct OpenError(pub(super) String);

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// The database file of a data directory.
pub(super) fn database(data_dir: &Path) -> PathBuf {
    data_dir.join("tillcast.db")
}

/// Makes the directory and takes it for this process alone, until the file is dropped.
pub(super) fn lock(data_dir: &Path) -> Result<File, OpenError> {
    let fail = |what: &str, error: &dyn fmt::Display| {
        OpenError(format!("{}: {what}: {error}", data_dir.display()))
    };
    std::fs::create_dir_all(data_dir)
        .map_err(|error| fail("cannot make the data directory", &error))?;
    let file = File::create(data_dir.join("tillcast.lock"))
        .map_err(|error| fail("cannot write into the data directory", &error))?;
    file.try_lock().map_err(|_| {
        let text = "another tillcast serves it; stop that one, or give --data-dir";
        OpenError(format!("{}: {text}", data_dir.display()))
    })?;
    Ok(file)
}

/// Opens the database for writing; makes it, or brings it up to date, where needed.
pub(super) fn writer(data_dir: &Path, cache_kib: i64) -> Result<Connection, OpenError> {
    let file = database(data_dir);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn =
        Connection::open_with_flags(&file, flags).map_err(|error| unusable(&file, &error))?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(|error| unusable(&file, &error))?;
    let version = check_identity(&conn, &file)?;
    prepare(&conn, cache_kib).map_err(|error| unusable(&file, &error))?;
    migrate(&mut conn, version).map_err(|error| unusable(&file, &error))?;
    Ok(conn)
}

/// Opens an up-to-date database for reading.
pub(super) fn reader(data_dir: &Path, cache_kib: i64) -> Result<Connection, OpenError> {
    let file = database(data_dir);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn =
        Connection::open_with_flags(&file, flags).map_err(|error| unusable(&file, &error))?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(|error| unusable(&file, &error))?;
    let version = check_identity(&conn, &file)?;
    if version < MIGRATIONS.len() {
        let text = "is of an older version; start `tillcast serve` once, it brings it up to date";
        return Err(OpenError(format!("{}: {text}", file.display())));
    }
    conn.pragma_update(None, "cache_size", -cache_kib).map_err(|error| unusable(&file, &error))?;
    Ok(conn)
}

/// The schema version of a file that is ours; 0 for a new one.
fn check_identity(conn: &Connection, file: &Path) -> Result<usize, OpenError> {
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<_> {
        Ok((
            number("PRAGMA application_id")?,
            number("PRAGMA user_version")?,
            number("SELECT count(*) FROM sqlite_schema")?,
        ))
    };
    let (application, version, objects) = read().map_err(|error| unusable(file, &error))?;
    let name = file.display();
    match usize::try_from(version) {
        Ok(0) if application == 0 && objects == 0 => Ok(0),
        _ if application != APPLICATION_ID => Err(OpenError(format!(
            "{name}: is a database of another program and was not touched; give another --data-dir"
        ))),
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(OpenError(format!(
            "{name}: has schema version {version}, this program knows up to {}, and nothing was \
             touched; use the newer tillcast that made it, or restore a backup of before",
            MIGRATIONS.len()
        ))),
    }
}

fn prepare(conn: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "cache_size", -cache_kib)?;
    conn.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn migrate(conn: &mut Connection, version: usize) -> rusqlite::Result<()> {
    for (number, sql) in (1_i64..).zip(MIGRATIONS).skip(version) {
        let step = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        step.execute_batch(sql)?;
        step.pragma_update(None, "user_version", number)?;
        step.commit()?;
    }
    Ok(())
}

fn unusable(file: &Path, error: &rusqlite::Error) -> OpenError {
    OpenError(format!(
        "{}: cannot be used: {error}; `tillcast check` tells more, a backup file can take its place",
        file.display()
    ))
}
