//! The schema that a database may have: exactly what the migrations make. Anything else in a file that
//! comes from elsewhere could be code: a trigger, a view, a changed default or constraint.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row};

/// Tables of statistics, which SQLite itself makes for `ANALYZE`. They hold nothing but data.
const STATISTICS: [(&str, &str); 2] = [
    ("sqlite_stat1", "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
    ("sqlite_stat4", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
];
/// Characters of a foreign name that a message shows.
const NAME_CHARS_MAX: usize = 60;

/// The tables and indexes of a database.
pub(super) struct Schema(BTreeSet<Object>);

/// A row of `sqlite_schema`, without the place of the object in the file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Object {
    kind: String,
    name: String,
    table: String,
    /// `None` for an index that a constraint implies.
    sql: Option<String>,
}

impl Schema {
    /// The schema that these migrations make, one after the other. Its texts are those of an upgraded
    /// database, too, because each version of the program ran the same migrations.
    pub(super) fn of(migrations: &[&str]) -> rusqlite::Result<Self> {
        let conn = database(migrations)?;
        let mut statement = conn.prepare(OBJECTS)?;
        let objects = statement.query_map([], Object::read)?.collect::<rusqlite::Result<_>>();
        objects.map(Self)
    }

    /// Returns the first difference to the schema of this connection's database, as a sentence without a
    /// subject; `None` if there is none.
    pub(super) fn difference(&self, conn: &Connection) -> rusqlite::Result<Option<String>> {
        let mut missing: BTreeSet<&Object> = self.0.iter().collect();
        let mut statement = conn.prepare(OBJECTS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let found = Object::read(row)?;
            if !missing.remove(&found) && !found.is_statistics() {
                return Ok(Some(if self.0.iter().any(|object| object.has_name_of(&found)) {
                    format!("its {} is not the one of a shop", found.shown())
                } else {
                    format!("it has the {}, which no shop has", found.shown())
                }));
            }
        }
        Ok(missing.first().map(|object| format!("it lacks the {}", object.shown())))
    }
}

/// A database in memory that these migrations have made.
pub(super) fn database(migrations: &[&str]) -> rusqlite::Result<Connection> {
    let conn = Connection::open_in_memory()?;
    for sql in migrations {
        conn.execute_batch(sql)?;
    }
    Ok(conn)
}

const OBJECTS: &str = "SELECT type, name, tbl_name, sql FROM sqlite_schema";

impl Object {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
    }

    fn has_name_of(&self, other: &Self) -> bool {
        (&self.kind, &self.name) == (&other.kind, &other.name)
    }

    fn is_statistics(&self) -> bool {
        let found = (self.name.as_str(), self.sql.as_deref().unwrap_or_default());
        self.kind == "table" && self.table == self.name && STATISTICS.contains(&found)
    }

    /// The kind and the name, without what a terminal could obey.
    fn shown(&self) -> String {
        let short = |text: &str| {
            let start: String = text.chars().take(NAME_CHARS_MAX).collect();
            start.escape_debug().to_string()
        };
        format!("{} {}", short(&self.kind), short(&self.name))
    }
}
