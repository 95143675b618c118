//! What `tillcast check` and `tillcast backup` do with a database file.

use std::fs::File;
use std::path::Path;

use rusqlite::Connection;

use crate::domain::Kind;
use crate::limits::COMMAND_CACHE_KIB;
use crate::store::audit;
use crate::store::open::{self, OpenError};

/// Looks through a whole data directory; returns what is wrong with it, a sentence each.
pub fn check(data_dir: &Path) -> Result<Vec<String>, OpenError> {
    let file = open::database(data_dir);
    if !file.exists() {
        return Err(OpenError(format!("{}: there is no such file", file.display())));
    }
    let conn = open::reader(data_dir, COMMAND_CACHE_KIB)?;
    let mut found = Vec::new();
    // A statement that fails on a damaged page is a finding too.
    let mut gather = |what: &str, result: rusqlite::Result<Vec<String>>| match result {
        Ok(texts) => found.extend(texts.into_iter().map(|text| format!("{what}: {text}"))),
        Err(error) => found.push(format!("{what}: {error}")),
    };
    let pages = texts(&conn, "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'");
    gather("the file is damaged", pages);
    let sql = "SELECT \"table\" || ' row ' || rowid || ' refers to a missing ' || parent FROM pragma_foreign_key_check";
    gather("a reference leads nowhere", texts(&conn, sql));
    let sql =
        "SELECT 'from ' || min(seq) || ' to ' || max(seq) || ' there are ' || count(*) FROM events
               HAVING count(*) > 0 AND count(*) <> max(seq) - min(seq) + 1";
    gather("the event log has holes", texts(&conn, sql));
    for kind in Kind::ALL {
        gather("an entity without its event", rows_without_event(&conn, kind));
        gather("an event without its entity", events_without_row(&conn, kind));
    }
    gather("the audit trail and the log differ", audit::check(&conn));
    Ok(found)
}

/// The event that made a row's present state is in the log, unless it was pruned.
fn rows_without_event(conn: &Connection, kind: Kind) -> rusqlite::Result<Vec<String>> {
    let sql = format!(
        "SELECT '{noun} ' || r.id || ', seq ' || r.seq FROM {table} AS r
         WHERE r.seq >= coalesce((SELECT min(seq) FROM events), 1)
           AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.seq = r.seq AND e.channel = {channel}
                                                       AND e.body ->> '$.data.id' = r.id)",
        noun = kind.shape().noun,
        table = kind.shape().plural,
        channel = kind.index(),
    );
    texts(conn, &sql)
}

/// The newest event of an entity tells its row's present state, or that it is gone.
fn events_without_row(conn: &Connection, kind: Kind) -> rusqlite::Result<Vec<String>> {
    let sql = format!(
        "SELECT '{noun} ' || n.id || ', seq ' || n.seq FROM
             (SELECT max(seq) AS seq, body ->> '$.data.id' AS id, body ->> '$.event' AS name
              FROM events WHERE channel = {channel} GROUP BY 2) AS n
         LEFT JOIN {table} AS r ON r.id = n.id
         WHERE CASE WHEN n.name = '{noun}:deleted' THEN r.id IS NOT NULL ELSE r.seq IS NOT n.seq END",
        noun = kind.shape().noun,
        table = kind.shape().plural,
        channel = kind.index(),
    );
    texts(conn, &sql)
}

fn texts(conn: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(sql)?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Copies the database, as it is at one moment, into a new file; the server may go on meanwhile.
pub fn backup(data_dir: &Path, target: &Path) -> Result<(), OpenError> {
    let fail = |error: &dyn std::fmt::Display| OpenError(format!("{}: {error}", target.display()));
    if target.exists() {
        return Err(fail(&"there is a file already; a backup never overwrites one"));
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let conn = open::reader(data_dir, COMMAND_CACHE_KIB)?;
    // Written beside its place and moved there whole: a backup that has its name is complete.
    let part = tempfile::Builder::new()
        .prefix(".tillcast-backup-")
        .tempfile_in(folder)
        .map_err(|error| fail(&error))?;
    let name = part.path().to_str().ok_or_else(|| fail(&"the path is not UTF-8"))?;
    conn.execute("VACUUM INTO ?", [name]).map_err(|error| fail(&error))?;
    File::open(part.path()).and_then(|file| file.sync_all()).map_err(|error| fail(&error))?;
    part.persist_noclobber(target).map_err(|error| fail(&error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| fail(&error))?;
    Ok(())
}
