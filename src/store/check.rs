//! The checks that `tillcast check` makes of a database file.

use std::path::Path;

use rusqlite::Connection;

use crate::domain::EntityKind;
use crate::limits::{COMMAND_CACHE_KIB, LONG_READ_TRIES};
use crate::store::error::{OpenError, TOO_BUSY, is_interrupted};
use crate::store::{audit, data_dir, database, long_read};

/// Checks a whole data directory; returns a sentence for each fault.
pub fn check(data_dir: &Path) -> Result<Vec<String>, OpenError> {
    let file = data_dir::database_file(data_dir);
    if !file.exists() {
        return Err(OpenError(format!("{}: there is no such file", file.display())));
    }
    let mut conn = database::open_reader(data_dir, COMMAND_CACHE_KIB)?;
    let mut found = Vec::new();
    let mut gather = |what: &str, find: &dyn Fn(&Connection) -> rusqlite::Result<Vec<String>>| {
        match long_read::run(&mut conn, &file, LONG_READ_TRIES, find) {
            Ok(texts) => found.extend(texts.into_iter().map(|text| format!("{what}: {text}"))),
            Err(error) if is_interrupted(&error) => {
                return Err(OpenError(format!("{}: {TOO_BUSY}", file.display())));
            }
            // A statement that fails on a damaged page is a finding too.
            Err(error) => found.push(format!("{what}: {error}")),
        }
        Ok(())
    };
    let sql = "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'";
    gather("the file is damaged", &|conn| texts(conn, sql))?;
    // A table without row ids has none to name.
    let sql =
        "SELECT \"table\" || coalesce(' row ' || rowid, '') || ' refers to a missing ' || parent
               FROM pragma_foreign_key_check";
    gather("a reference leads nowhere", &|conn| texts(conn, sql))?;
    let sql =
        "SELECT 'from ' || min(seq) || ' to ' || max(seq) || ' there are ' || count(*) FROM events
               HAVING count(*) > 0 AND count(*) <> max(seq) - min(seq) + 1 -
                   (SELECT iif(min(seq) <= restored_seq AND max(seq) >= first_seq,
                               first_seq - restored_seq - 1, 0) FROM log)";
    gather("the event log has holes", &|conn| texts(conn, sql))?;
    for kind in EntityKind::ALL {
        gather("an entity without its event", &|conn| rows_without_event(conn, kind))?;
        gather("an event without its entity", &|conn| events_without_row(conn, kind))?;
    }
    gather("the audit trail and the log differ", &audit::check)?;
    Ok(found)
}

/// Rows whose latest event is missing from the log, although it was not pruned.
fn rows_without_event(conn: &Connection, kind: EntityKind) -> rusqlite::Result<Vec<String>> {
    let sql = format!(
        "SELECT '{noun} ' || r.id || ', seq ' || r.seq FROM {table} AS r
         WHERE r.seq >= coalesce((SELECT min(seq) FROM events), 1)
           AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.seq = r.seq AND e.kind = {kind}
                                                       AND e.body ->> '$.data.id' = r.id)",
        noun = kind.schema().noun,
        table = kind.schema().plural,
        kind = kind.number(),
    );
    texts(conn, &sql)
}

/// Entities whose newest event does not match the table: their row is missing, has another `seq`,
/// or is still there after a deletion.
fn events_without_row(conn: &Connection, kind: EntityKind) -> rusqlite::Result<Vec<String>> {
    let sql = format!(
        "SELECT '{noun} ' || n.id || ', seq ' || n.seq FROM
             (SELECT max(seq) AS seq, body ->> '$.data.id' AS id, body ->> '$.event' AS name
              FROM events WHERE kind = {kind} GROUP BY 2) AS n
         LEFT JOIN {table} AS r ON r.id = n.id
         WHERE CASE WHEN n.name = '{noun}:deleted' THEN r.id IS NOT NULL ELSE r.seq IS NOT n.seq END",
        noun = kind.schema().noun,
        table = kind.schema().plural,
        kind = kind.number(),
    );
    texts(conn, &sql)
}

fn texts(conn: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(sql)?;
    statement.query_map([], |row| row.get(0))?.collect()
}
