//! Entities in their tables: load, list, save, delete. The columns follow the schemas.

use std::sync::LazyLock;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::domain::{Cell, Code, EntityKind, Field, Reject, Row};
use crate::limits::PAGE_BYTES_MAX;
use crate::store::error::failed;

/// The statements of one kind, made once from its schema.
struct Statements {
    select: String,
    insert: String,
    delete: String,
}

static STATEMENTS: LazyLock<Vec<Statements>> =
    LazyLock::new(|| EntityKind::ALL.into_iter().map(Statements::of).collect());

impl Statements {
    fn of(kind: EntityKind) -> Self {
        let table = kind.schema().plural;
        let names: Vec<&str> = kind.schema().stored().map(|(_, field)| field.name).collect();
        let columns = names.join(", ");
        let marks = vec!["?"; names.len()].join(", ");
        Self {
            select: format!("SELECT id, seq, created_at, updated_at, {columns} FROM {table}"),
            insert: format!(
                "INSERT INTO {table} (seq, created_at, updated_at, {columns}) VALUES (?, ?, ?, {marks})"
            ),
            delete: format!("DELETE FROM {table} WHERE id = ?"),
        }
    }

    fn for_kind(kind: EntityKind) -> &'static Self {
        &STATEMENTS[kind.index()]
    }
}

/// A cell on its way into a statement.
struct Bound<'a>(&'a Cell);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Cell::Null => ValueRef::Null,
            Cell::Int(number) => ValueRef::Integer(*number),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// Which entities a list has, newest first unless it says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// At most so many.
    pub limit: usize,
    /// Those behind this id in the list's order.
    pub after: Option<i64>,
    /// Oldest first.
    pub ascending: bool,
    /// Those with this value in this field.
    pub filters: Vec<(&'static Field, Cell)>,
    /// Those changed at that time or later, in milliseconds.
    pub updated_since: Option<i64>,
}

/// The entity with that id.
pub(super) fn load(conn: &Connection, kind: EntityKind, id: i64) -> Result<Option<Row>, Reject> {
    let mut sql = String::with_capacity(256);
    sql.push_str(&Statements::for_kind(kind).select);
    sql.push_str(" WHERE id = ?");
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let row = statement.query_row([id], |row| read(kind, row)).optional();
    row.map_err(failed)
}

/// One page of a list, and whether more follow.
pub(super) fn list(
    conn: &Connection,
    kind: EntityKind,
    query: &Query,
) -> Result<(Vec<Row>, bool), Reject> {
    let mut sql = format!("{} WHERE 1", Statements::for_kind(kind).select);
    let mut values = Vec::new();
    for (field, cell) in &query.filters {
        sql.push_str(" AND ");
        sql.push_str(field.name);
        sql.push_str(" = ?");
        values.push(cell.clone());
    }
    if let Some(ms) = query.updated_since {
        sql.push_str(" AND updated_at >= ?");
        values.push(Cell::Int(ms));
    }
    if let Some(id) = query.after {
        sql.push_str(if query.ascending { " AND id > ?" } else { " AND id < ?" });
        values.push(Cell::Int(id));
    }
    sql.push_str(if query.ascending {
        " ORDER BY id LIMIT ?"
    } else {
        " ORDER BY id DESC LIMIT ?"
    });
    // One more than wanted tells whether there is more.
    values.push(Cell::Int(i64::try_from(query.limit + 1).unwrap_or(i64::MAX)));
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(values.iter().map(Bound))).map_err(failed)?;
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(failed)? {
        if page.len() == query.limit || bytes >= PAGE_BYTES_MAX {
            return Ok((page, true));
        }
        let row = read(kind, row).map_err(failed)?;
        bytes += size(&row);
        page.push(row);
    }
    Ok((page, false))
}

/// The bytes of a row's cells, about those of its JSON.
pub(super) fn size(row: &Row) -> usize {
    let size = |cell: &Cell| match cell {
        Cell::Text(text) => text.len(),
        Cell::Null | Cell::Int(_) => size_of::<i64>(),
    };
    row.cells.iter().map(size).sum()
}

fn read(kind: EntityKind, row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let mut cells = vec![Cell::Null; kind.schema().fields.len()];
    for (column, (index, _)) in kind.schema().stored().enumerate() {
        cells[index] = match row.get_ref(column + 4)? {
            ValueRef::Integer(number) => Cell::Int(number),
            ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Cell::Null,
        };
    }
    Ok(Row {
        kind,
        id: row.get(0)?,
        seq: row.get(1)?,
        created_at: row.get(2)?,
        updated_at: row.get(3)?,
        cells,
    })
}

/// Stores a new entity and gives it its id.
pub(super) fn insert(conn: &Connection, row: &mut Row) -> Result<(), Reject> {
    let sql = &Statements::for_kind(row.kind).insert;
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    bind(&mut statement, row).map_err(failed)?;
    statement.raw_execute().map_err(|error| refused(row.kind, &error))?;
    row.id = conn.last_insert_rowid();
    Ok(())
}

/// Stores an entity's new state: only what changed, so that SQLite leaves alone every index and
/// every reference that is not touched.
pub(super) fn update(conn: &Connection, before: &Row, after: &Row) -> Result<(), Reject> {
    let schema = after.kind.schema();
    let changed =
        || schema.stored().filter(|(index, _)| before.cells[*index] != after.cells[*index]);
    let mut sql = String::with_capacity(256);
    sql.extend(["UPDATE ", schema.plural, " SET seq = ?, updated_at = ?"]);
    changed().for_each(|(_, field)| sql.extend([", ", field.name, " = ?"]));
    sql.push_str(" WHERE id = ?");
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let cells = changed().map(|(index, _)| after.cells[index].clone());
    let values = [Cell::Int(after.seq), Cell::Int(after.updated_at)].into_iter();
    let values: Vec<Cell> = values.chain(cells).chain([Cell::Int(after.id)]).collect();
    let done = statement.execute(params_from_iter(values.iter().map(Bound)));
    done.map_err(|error| refused(after.kind, &error))?;
    Ok(())
}

/// Removes an entity; refused while others refer to it.
pub(super) fn delete(conn: &Connection, row: &Row) -> Result<(), Reject> {
    let sql = &Statements::for_kind(row.kind).delete;
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    statement.execute([row.id]).map_err(|error| refused(row.kind, &error))?;
    Ok(())
}

/// Binds the version, the times and the cells.
fn bind(statement: &mut rusqlite::CachedStatement<'_>, row: &Row) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(1, row.seq)?;
    statement.raw_bind_parameter(2, row.created_at)?;
    statement.raw_bind_parameter(3, row.updated_at)?;
    for (parameter, (index, _)) in (4..).zip(row.kind.schema().stored()) {
        statement.raw_bind_parameter(parameter, Bound(&row.cells[index]))?;
    }
    Ok(())
}

/// What SQLite's constraints say, by their code, never by their text.
fn refused(kind: EntityKind, error: &rusqlite::Error) -> Reject {
    let code = error.sqlite_error().map(|error| error.extended_code);
    match code {
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE) => {
            Reject::conflict(Code::Duplicate, kind.schema().duplicate_message)
        }
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => {
            Reject::conflict(Code::InUse, kind.schema().in_use_message)
        }
        _ => {
            tracing::error!(%error, "the database refused a row");
            Reject::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table and the schema cannot drift apart.
    #[test]
    fn schemas_match_their_tables() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(include_str!("../../sql/0001_shop.sql")).unwrap();
        for kind in EntityKind::ALL {
            let sql = "SELECT name FROM pragma_table_xinfo(?)
                       WHERE name NOT IN ('id', 'seq', 'created_at', 'updated_at')";
            let mut statement = conn.prepare(sql).unwrap();
            let columns = statement.query_map([kind.schema().plural], |row| row.get(0)).unwrap();
            let mut columns: Vec<String> = columns.map(Result::unwrap).collect();
            let mut fields: Vec<&str> =
                kind.schema().fields.iter().map(|field| field.name).collect();
            columns.sort_unstable();
            fields.sort_unstable();
            assert_eq!(columns, fields, "{}", kind.schema().plural);
        }
    }
}
