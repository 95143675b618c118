//! The life of the database file: found, checked, migrated, opened.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::limits::{BUSY_TIMEOUT, WAL_BYTES_KEPT};
use crate::store::file_mode;

/// `TLCS`: says that a SQLite file is ours.
const APPLICATION_ID: i64 = 0x544C_4353;

/// Forward only; the number of a migration is its place here, kept in `user_version`.
const MIGRATIONS: &[&str] =
    &[include_str!("../../sql/0001_shop.sql"), include_str!("../../sql/0002_clock.sql")];

/// What the lock file holds from the day on which a database was made beside it.
const MADE: &[u8] = b"A database was made here. If it is missing, it was lost.\n";

/// The way back, in every message about a file that cannot be served.
const WAY_BACK: &str =
    "`tillcast check` tells more, `tillcast restore FILE` puts a backup in its place";

/// In older ones a checkpoint and a commit at the same moment could damage the database
/// (<https://sqlite.org/wal.html#walresetbug>).
const SQLITE_LEAST: i32 = 3_051_003;

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

/// A file that SQLite keeps beside a database, such as `tillcast.db-wal`.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    name.into()
}

fn lock_file(data_dir: &Path) -> PathBuf {
    data_dir.join("tillcast.lock")
}

/// Makes the directory and takes it for this process alone, until the file is dropped.
pub(super) fn lock(data_dir: &Path) -> Result<File, OpenError> {
    let fail = |what: &str, error: &dyn fmt::Display| {
        OpenError(format!("{}: {what}: {error}", data_dir.display()))
    };
    file_mode::create_dir(data_dir)
        .map_err(|error| fail("cannot make the data directory", &error))?;
    let file = file_mode::create_file(&lock_file(data_dir))
        .map_err(|error| fail("cannot write into the data directory", &error))?;
    file.try_lock().map_err(|_| {
        let text = "another tillcast serves it; stop that one, or give --data-dir";
        OpenError(format!("{}: {text}", data_dir.display()))
    })?;
    Ok(file)
}

/// A database was made here before: an empty place is a loss, not a beginning.
pub fn was_created(data_dir: &Path) -> bool {
    lock_file(data_dir).metadata().is_ok_and(|lock| lock.len() > 0)
}

/// Writes down that a database was made here.
pub(super) fn note_made(data_dir: &Path) -> Result<(), OpenError> {
    let note = || {
        let mut file = file_mode::create_file(&lock_file(data_dir))?;
        file.write_all(MADE)?;
        file.sync_all()?;
        File::open(data_dir)?.sync_all()
    };
    if was_created(data_dir) {
        return Ok(());
    }
    note().map_err(|error| OpenError(format!("{}: {error}", lock_file(data_dir).display())))
}

/// The file system of a data directory takes no writes at all. Tried, because one that was made
/// read-only by an error does not say so.
pub fn is_read_only(data_dir: &Path) -> bool {
    let folder = data_dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let tried = tempfile::tempfile_in(folder);
    tried.is_err_and(|error| error.kind() == io::ErrorKind::ReadOnlyFilesystem)
}

/// The SQLite that this program runs with, which a distribution may have replaced, is safe.
fn check_sqlite(version: i32) -> Result<(), OpenError> {
    if version >= SQLITE_LEAST {
        return Ok(());
    }
    let text =
        |number: i32| format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000);
    Err(OpenError(format!(
        "this program was built with SQLite {}, which can damage databases; build it with {} or newer",
        text(version),
        text(SQLITE_LEAST)
    )))
}

/// Opens the database for writing; makes it, or brings it up to date, where needed.
pub(super) fn writer(data_dir: &Path, cache_kib: i64) -> Result<Connection, OpenError> {
    let file = database(data_dir);
    let lost = || {
        let text = "has no shop in it, but one was made here";
        OpenError(format!(
            "{}: {text}; `tillcast restore FILE` puts a backup in its place",
            file.display()
        ))
    };
    let made = was_created(data_dir);
    if made && !file.exists() {
        return Err(lost());
    }
    check_sqlite(rusqlite::version_number())?;
    let make_private = || {
        let made = file_mode::create_database(&file);
        made.map_err(|error| OpenError(format!("{}: cannot be used: {error}", file.display())))
    };
    if !file.exists() {
        make_private()?;
    }
    let mut conn =
        connect(&file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let version = check_identity(&conn, &file)?;
    if made && version == 0 {
        return Err(lost());
    }
    // Not before it is known to be ours: nothing else is touched.
    make_private()?;
    prepare(&conn, cache_kib).map_err(|error| unusable(&file, &error))?;
    migrate(&mut conn, version).map_err(|error| unusable(&file, &error))?;
    note_made(data_dir)?;
    Ok(conn)
}

/// Opens an up-to-date database for reading.
pub(super) fn reader(data_dir: &Path, cache_kib: i64) -> Result<Connection, OpenError> {
    let file = database(data_dir);
    let conn = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    for_reading(conn, &file, cache_kib)
}

/// The same without making or changing any file: SQLite makes some beside a database even to read it,
/// unless it is told that nobody writes.
pub(super) fn bystander(data_dir: &Path, cache_kib: i64) -> Result<Connection, OpenError> {
    let file = database(data_dir);
    if beside(&file, "-wal").exists() {
        return reader(data_dir, cache_kib);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let still = Connection::open_with_flags(still(&file), flags | OpenFlags::SQLITE_OPEN_URI);
    for_reading(still.map_err(|error| unusable(&file, &error))?, &file, cache_kib)
}

/// The name of a file that nobody writes (<https://sqlite.org/uri.html>).
fn still(file: &Path) -> String {
    let part = |byte: &u8| match byte {
        b'/' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let name: String = file.as_os_str().as_encoded_bytes().iter().map(part).collect();
    format!("file:{name}?immutable=1")
}

/// Refuses what is not up to date.
fn for_reading(conn: Connection, file: &Path, cache_kib: i64) -> Result<Connection, OpenError> {
    let version = check_identity(&conn, file)?;
    if version < MIGRATIONS.len() {
        let text = "is of an older version; start `tillcast serve` once, it brings it up to date";
        return Err(OpenError(format!("{}: {text}", file.display())));
    }
    conn.pragma_update(None, "cache_size", -cache_kib).map_err(|error| unusable(file, &error))?;
    Ok(conn)
}

/// A connection that does nothing yet.
pub(super) fn connect(file: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    check_wal(file)?;
    let conn = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let conn = conn.map_err(|error| unusable(file, &error))?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(|error| unusable(file, &error))?;
    Ok(conn)
}

/// SQLite would remove a write-ahead log that it cannot read, without a word. What a power cut
/// leaves begins with its magic number, or with zeros where nothing had arrived yet.
fn check_wal(file: &Path) -> Result<(), OpenError> {
    let wal = beside(file, "-wal");
    let mut magic = [0; 4];
    match File::open(&wal).and_then(|mut wal| wal.read_exact(&mut magic)) {
        Ok(()) if !matches!(magic, [0x37, 0x7f, 0x06, 0x82 | 0x83] | [0, 0, 0, 0]) => {
            Err(unusable(&wal, &"it is no write-ahead log"))
        }
        _ => Ok(()),
    }
}

/// The schema version of a file that is ours; 0 for a new one.
pub(super) fn check_identity(conn: &Connection, file: &Path) -> Result<usize, OpenError> {
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
             touched; use the newer tillcast that made it, or `tillcast restore` a backup of before",
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

/// This file cannot be served, for that reason.
pub(super) fn unusable(file: &Path, why: &dyn fmt::Display) -> OpenError {
    OpenError(format!("{}: cannot be used: {why}; {WAY_BACK}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsafe_sqlite_is_refused() {
        for safe in [rusqlite::version_number(), 3_051_003, 3_052_000, 4_000_000] {
            assert!(check_sqlite(safe).is_ok(), "{safe}");
        }
        for (old, told) in [(3_051_002, "3.51.2"), (3_040_001, "3.40.1"), (3_008_011, "3.8.11")] {
            let text = check_sqlite(old).unwrap_err().to_string();
            assert!(text.contains(told) && text.contains("3.51.3"), "{text}");
        }
    }
}
