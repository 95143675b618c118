//! The numbers with which the store counts and computes, and their ranges. A database that comes from elsewhere
//! may hold any: one near the end of its type would overflow at the next sale, or at each start.

use std::ops::RangeInclusive;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::limits::{NUMBER_MAX, TIME_MS_MAX};

/// Tables and columns of ids, versions and positions in the log.
const COUNTS: [(&str, &str); 15] = [
    ("events", "seq"),
    ("log", "restored_seq"),
    ("log", "first_seq"),
    ("audit", "id"),
    ("users", "id"),
    ("users", "version"),
    ("shop", "version"),
    ("customers", "id"),
    ("orders", "id"),
    ("products", "id"),
    ("shipments", "id"),
    ("transactions", "id"),
    ("responses", "id"),
    ("known_clients", "id"),
    // SQLite's own table, which has no types.
    ("sqlite_sequence", "seq"),
];
/// Tables and columns of times, in milliseconds since 1970, UTC.
const TIMES: [(&str, &str); 5] = [
    ("sessions", "created_at"),
    ("sessions", "used_at"),
    ("clock", "began"),
    ("setup_codes", "created_at"),
    // The times of other events are only shown.
    ("events WHERE seq IN ((SELECT min(seq) FROM events), (SELECT max(seq) FROM events))", "at"),
];

/// The first number of an up-to-date database that no shop reaches, as a sentence; `None` if there is none.
pub(super) fn excess(conn: &Connection) -> rusqlite::Result<Option<String>> {
    for (columns, range) in
        [(&COUNTS[..], 0..=NUMBER_MAX), (&TIMES[..], -TIME_MS_MAX..=TIME_MS_MAX)]
    {
        for (table, column) in columns {
            if let Some(value) = outside(conn, table, column, &range)? {
                let table = table.split(' ').next().unwrap_or_default();
                return Ok(Some(format!("its table {table} has {value}, which no shop reaches")));
            }
        }
    }
    Ok(None)
}

/// The least or the greatest value of a column with its name, if it is outside of a range.
fn outside(
    conn: &Connection,
    table: &str,
    column: &str,
    range: &RangeInclusive<i64>,
) -> rusqlite::Result<Option<String>> {
    // Each is found in an index, but in the small tables of users and sessions; both in one SELECT would look
    // at all rows.
    for end in ["min", "max"] {
        let sql = format!("SELECT {end}({column}) FROM {table}");
        let found = conn.query_row(&sql, [], |row| {
            Ok(match row.get_ref(0)? {
                ValueRef::Null => None,
                ValueRef::Integer(number) if range.contains(&number) => None,
                ValueRef::Integer(number) => Some(format!("the {column} {number}")),
                other => Some(format!("a {column} of the type {}", other.data_type())),
            })
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
