//! The life of the database file: found, identified, migrated, opened.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::limits::{BUSY_TIMEOUT, WAL_BYTES_KEPT};
use crate::store::data_dir::{database_file, file_beside, mark_created, was_created};
use crate::store::error::{OpenError, unusable};
use crate::store::schema::Schema;
use crate::store::{file_mode, ranges};

/// `TLCS`: marks a SQLite file as the database of this program.
pub(super) const APPLICATION_ID: u32 = 0x544C_4353;

/// Migrations run forward only. The number of a migration is its position here, counted from 1;
/// `user_version` holds that of the last one.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../sql/0001_shop.sql"),
    include_str!("../../sql/0002_clock.sql"),
    include_str!("../../sql/0003_kinds.sql"),
    include_str!("../../sql/0004_log.sql"),
    include_str!("../../sql/0005_kiosks.sql"),
    include_str!("../../sql/0006_known_clients.sql"),
    include_str!("../../sql/0007_responses.sql"),
    include_str!("../../sql/0008_response_bytes.sql"),
    include_str!("../../sql/0009_goods.sql"),
    include_str!("../../sql/0010_devices.sql"),
    include_str!("../../sql/0011_setup.sql"),
];

/// In older versions a checkpoint and a commit at the same moment could damage the database
/// (<https://sqlite.org/wal.html#walresetbug>).
const SQLITE_MIN: i32 = 3_051_003;

/// Refuses a SQLite that is too old: a distribution may build this program with its own.
fn check_sqlite(version: i32) -> Result<(), OpenError> {
    if version >= SQLITE_MIN {
        return Ok(());
    }
    let text =
        |number: i32| format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000);
    Err(OpenError(format!(
        "this program was built with SQLite {}, which can damage databases; build it with {} or newer",
        text(version),
        text(SQLITE_MIN)
    )))
}

/// Opens the database for writing; creates or migrates it if necessary.
pub(super) fn open_writer(data_dir: &Path, cache_kib: i64) -> Result<Connection, OpenError> {
    let file = database_file(data_dir);
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
    if !file.exists() {
        let made = file_mode::create_file(&file);
        made.map_err(|error| OpenError(format!("{}: cannot be used: {error}", file.display())))?;
    }
    let mut conn =
        connect(&file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let version = check_identity(&conn, &file)?;
    if made && version == 0 {
        return Err(lost());
    }
    // Only now is the file known to be ours, so that its permissions may be changed.
    file_mode::restrict_database(&file);
    configure(&conn, cache_kib).map_err(|error| unusable(&file, &error))?;
    migrate(&mut conn, version).map_err(|error| unusable(&file, &error))?;
    if version < MIGRATIONS.len() {
        check_numbers(&conn, &file)?;
    }
    mark_created(data_dir)?;
    Ok(conn)
}

/// Opens an up-to-date database for reading.
pub(super) fn open_reader(data_dir: &Path, cache_kib: i64) -> Result<Connection, OpenError> {
    let file = database_file(data_dir);
    let conn = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    for_reading(conn, &file, cache_kib)
}

/// Like `open_reader`, but without creating or changing a file. SQLite creates files beside a
/// database even to read it, unless it is told that no other process writes. A database with a
/// write-ahead log is opened as usual, because the log has to be read.
pub(super) fn open_immutable(data_dir: &Path, cache_kib: i64) -> Result<Connection, OpenError> {
    let file = database_file(data_dir);
    if file_beside(&file, "-wal").exists() {
        return open_reader(data_dir, cache_kib);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn =
        Connection::open_with_flags(immutable_uri(&file), flags | OpenFlags::SQLITE_OPEN_URI);
    let conn = conn.and_then(confined).map_err(|error| unusable(&file, &error))?;
    for_reading(conn, &file, cache_kib)
}

/// The URI of a file that no process writes (<https://sqlite.org/uri.html>).
fn immutable_uri(file: &Path) -> String {
    let part = |byte: &u8| match byte {
        b'/' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let name: String = file.as_os_str().as_encoded_bytes().iter().map(part).collect();
    format!("file:{name}?immutable=1")
}

/// Sets up a connection for reading; refuses a database that is not up to date.
fn for_reading(conn: Connection, file: &Path, cache_kib: i64) -> Result<Connection, OpenError> {
    let version = check_identity(&conn, file)?;
    if version < MIGRATIONS.len() {
        let text = "is of an older version; start `tillcast serve` once, it brings it up to date";
        return Err(OpenError(format!("{}: {text}", file.display())));
    }
    conn.pragma_update(None, "cache_size", -cache_kib).map_err(|error| unusable(file, &error))?;
    Ok(conn)
}

/// Opens a connection that has not run a statement yet.
pub(super) fn connect(file: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    check_wal(file)?;
    let path = plain_path(file)?;
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let conn = conn.and_then(confined).map_err(|error| unusable(file, &error))?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(|error| unusable(file, &error))?;
    Ok(conn)
}

/// A connection that takes a file for data only: it runs no trigger and no view, lets the schema call only
/// functions without side effects, and writes to no table of SQLite's own
/// (<https://sqlite.org/security.html>). This build of SQLite loads no extensions.
fn confined(conn: Connection) -> rusqlite::Result<Connection> {
    for (setting, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        // Plans depend on no bound value: else SQLite would make a new one whenever another value is bound.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
    ] {
        conn.set_db_config(setting, value)?;
    }
    conn.pragma_update(None, "cell_size_check", true)?;
    Ok(conn)
}

/// The absolute path of a file: SQLite would take a relative one that begins with `file:` for a
/// URI.
pub(super) fn plain_path(file: &Path) -> Result<PathBuf, OpenError> {
    std::path::absolute(file).map_err(|error| unusable(file, &error))
}

/// Refuses a write-ahead log that cannot be read, which SQLite would remove silently. After a power
/// cut a log begins with its magic number, or with zeros if nothing was written yet.
fn check_wal(file: &Path) -> Result<(), OpenError> {
    let wal = file_beside(file, "-wal");
    let mut magic = [0; 4];
    match File::open(&wal).and_then(|mut wal| wal.read_exact(&mut magic)) {
        Ok(()) if !matches!(magic, [0x37, 0x7f, 0x06, 0x82 | 0x83] | [0, 0, 0, 0]) => {
            Err(unusable(&wal, &"it is not a write-ahead log"))
        }
        _ => Ok(()),
    }
}

/// The schema version of a database of this program; 0 for a new one. Refuses a database with any other
/// table, index, trigger or view than that version has, and an up-to-date one with numbers out of their range.
pub(super) fn check_identity(conn: &Connection, file: &Path) -> Result<usize, OpenError> {
    let fail = |error| unusable(file, &error);
    // Both are of one moment: another process may be migrating the database.
    let moment = conn.unchecked_transaction().map_err(fail)?;
    let version = check_version(&moment, file)?;
    match difference(&moment, version).map_err(fail)? {
        None if version == MIGRATIONS.len() => check_numbers(&moment, file).map(|()| version),
        None => Ok(version),
        Some(text) => Err(OpenError(format!(
            "{}: {text}, and nothing was touched; `tillcast restore FILE` puts a backup in its place",
            file.display()
        ))),
    }
}

/// Refuses an up-to-date database with numbers that no shop reaches.
fn check_numbers(conn: &Connection, file: &Path) -> Result<(), OpenError> {
    match ranges::excess(conn).map_err(|error| unusable(file, &error))? {
        None => Ok(()),
        Some(text) => Err(unusable(file, &text)),
    }
}

fn check_version(conn: &Connection, file: &Path) -> Result<usize, OpenError> {
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
        _ if application != i64::from(APPLICATION_ID) => Err(OpenError(format!(
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

/// Returns a text about the first object that differs from the schema of this version, if one does.
fn difference(conn: &Connection, version: usize) -> rusqlite::Result<Option<String>> {
    // Each process opens several connections, nearly always to a database of the newest version.
    static NEWEST: OnceLock<Schema> = OnceLock::new();
    if version < MIGRATIONS.len() {
        return Schema::of(&MIGRATIONS[..version])?.difference(conn);
    }
    if let Some(newest) = NEWEST.get() {
        return newest.difference(conn);
    }
    let made = Schema::of(MIGRATIONS)?;
    NEWEST.get_or_init(|| made).difference(conn)
}

fn configure(conn: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // Erased data must not stay in the free space of a page. "Fast" overwrites it only where no
    // further page has to be written.
    conn.pragma_update(None, "secure_delete", "fast")?;
    conn.pragma_update(None, "cache_size", -cache_kib)?;
    conn.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn migrate(conn: &mut Connection, version: usize) -> rusqlite::Result<()> {
    // A migration may edit the schema's text. The schema that it begins with was checked.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
    for (number, sql) in (1_i64..).zip(MIGRATIONS).skip(version) {
        let step = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        step.execute_batch(sql)?;
        step.pragma_update(None, "user_version", number)?;
        step.commit()?;
    }
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn every_connection_takes_a_file_for_data_only() {
        let data = tempfile::tempdir().unwrap();
        let writer = open_writer(data.path(), 64).unwrap();
        let reader = open_reader(data.path(), 64).unwrap();
        writer
            .execute("INSERT INTO events (seq, at, kind, body) VALUES (1, 0, 0, '')", [])
            .unwrap();
        writer
            .execute_batch("CREATE TRIGGER t AFTER DELETE ON events BEGIN SELECT 1/0; END")
            .unwrap();
        writer.execute("UPDATE sqlite_schema SET sql = ''", []).unwrap_err();
        drop((writer, reader));
        let file = database_file(data.path());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let conn = connect(&file, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        let immutable = Connection::open_with_flags(&file, flags).and_then(confined).unwrap();
        for conn in [&conn, &immutable] {
            let config = |setting| conn.db_config(setting).unwrap();
            assert!(config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE));
            for off in [
                DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA,
                DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
                DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW,
            ] {
                assert!(!config(off));
            }
        }
    }

    /// To plan a statement costs more than most of them need to run.
    #[test]
    fn a_statement_is_planned_once_whatever_its_values() {
        let data = tempfile::tempdir().unwrap();
        let writer = open_writer(data.path(), 64).unwrap();
        let reader = open_reader(data.path(), 64).unwrap();
        for conn in [writer, reader] {
            let mut statement =
                conn.prepare("SELECT min(id) FROM responses WHERE user_id = ?").unwrap();
            for user in 0..9 {
                assert_eq!(statement.query_row([user], |row| row.get(0)), Ok(None::<i64>));
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }

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
