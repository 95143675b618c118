//! Entities in their tables: load, insert, update, delete. The columns follow the schemas.

use std::sync::LazyLock;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension};

use crate::domain::{Cell, Code, EntityKind, FieldRef, Reject, Row};
use crate::store::error::failed;

/// The statements of one kind, built once from its schema.
struct Statements {
    select: String,
    select_one: String,
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
        let select = format!("SELECT id, seq, created_at, updated_at, {columns} FROM {table}");
        Self {
            select_one: format!("{select} WHERE id = ?"),
            select,
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

/// A cell as a parameter of a statement.
pub(super) struct Bound<'a>(pub(super) &'a Cell);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Cell::Null => ValueRef::Null,
            Cell::Int(number) => ValueRef::Integer(*number),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// The `SELECT ... FROM` of a kind, to which a condition can be appended.
pub(super) fn select(kind: EntityKind) -> &'static str {
    &Statements::for_kind(kind).select
}

/// The entity with that id.
pub(super) fn load(conn: &Connection, kind: EntityKind, id: i64) -> Result<Option<Row>, Reject> {
    let sql = &Statements::for_kind(kind).select_one;
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let row = statement.query_row([id], |row| read(kind, row)).optional();
    row.map_err(failed)
}

/// The product with that text in a unique field.
pub(super) fn load_by(
    conn: &Connection,
    field: FieldRef,
    text: &str,
) -> Result<Option<Row>, Reject> {
    let kind = EntityKind::Product;
    let sql = format!("{} WHERE {} = ?", select(kind), field.name);
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let row = statement.query_row([text], |row| read(kind, row)).optional();
    row.map_err(failed)
}

/// The transactions of an order, oldest first.
pub(super) fn transactions_of(conn: &Connection, order_id: i64) -> Result<Vec<Row>, Reject> {
    let kind = EntityKind::Transaction;
    let sql = format!("{} WHERE order_id = ? ORDER BY id", select(kind));
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let rows = statement.query_map([order_id], |row| read(kind, row));
    rows.and_then(Iterator::collect).map_err(failed)
}

/// The bytes of a row's cells, which is about the size of its JSON.
pub(super) fn size(row: &Row) -> usize {
    let size = |cell: &Cell| match cell {
        Cell::Text(text) => text.len(),
        Cell::Null | Cell::Int(_) => size_of::<i64>(),
    };
    row.cells.iter().map(size).sum()
}

/// Reads a row that the kind's `select` returned.
pub(super) fn read(kind: EntityKind, row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let fields = kind.schema().fields;
    let (mut cells, mut columns) = (Vec::with_capacity(fields.len()), 4..);
    for field in fields {
        let column = if field.stored() { columns.next() } else { None };
        let value = column.map_or(Ok(ValueRef::Null), |column| row.get_ref(column))?;
        cells.push(match value {
            ValueRef::Integer(number) => Cell::Int(number),
            ValueRef::Text(text) => Cell::Text(std::str::from_utf8(text)?.to_owned()),
            ValueRef::Null => Cell::Null,
            ValueRef::Real(_) | ValueRef::Blob(_) => {
                let (column, name) = (column.unwrap_or_default(), field.name.to_owned());
                let wrong = value.data_type();
                return Err(rusqlite::Error::InvalidColumnType(column, name, wrong));
            }
        });
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

/// Stores a new entity and sets the row's id.
pub(super) fn insert(conn: &Connection, row: &mut Row) -> Result<(), Reject> {
    let sql = &Statements::for_kind(row.kind).insert;
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    bind(&mut statement, row).map_err(failed)?;
    statement.raw_execute().map_err(|error| refused(row, &error))?;
    row.id = conn.last_insert_rowid();
    Ok(())
}

/// Stores only the changed fields of an entity, so that SQLite leaves the indexes and references of
/// the others alone.
///
/// # Errors
/// `Unavailable` if the stored row does not have the version of `before`: a rule then planned with
/// a state that an earlier step has replaced.
pub(super) fn update(conn: &Connection, before: &Row, after: &Row) -> Result<(), Reject> {
    let mut changed = after.changes(before).map(|(index, field)| (index, field.name)).peekable();
    if changed.peek().is_none() {
        return Ok(());
    }
    let mut sql = String::with_capacity(256);
    sql.extend(["UPDATE ", after.kind.schema().plural, " SET seq = ?, updated_at = ?"]);
    let changed: Vec<(usize, &str)> = changed.collect();
    for (_, name) in &changed {
        sql.extend([", ", name, " = ?"]);
    }
    sql.push_str(" WHERE id = ? AND seq = ?");
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let mut bind = || {
        statement.raw_bind_parameter(1, after.seq)?;
        statement.raw_bind_parameter(2, after.updated_at)?;
        for (parameter, (index, _)) in (3..).zip(&changed) {
            statement.raw_bind_parameter(parameter, Bound(&after.cells[*index]))?;
        }
        statement.raw_bind_parameter(changed.len() + 3, after.id)?;
        statement.raw_bind_parameter(changed.len() + 4, before.seq)
    };
    bind().map_err(failed)?;
    match statement.raw_execute() {
        Ok(1) => Ok(()),
        Ok(_) => {
            let (noun, id) = (after.kind.schema().noun, after.id);
            tracing::error!("{noun} {id} changed between a rule and its step");
            Err(Reject::Unavailable)
        }
        Err(error) => Err(refused(after, &error)),
    }
}

/// Removes an entity; fails with a conflict while others refer to it.
pub(super) fn delete(conn: &Connection, row: &Row) -> Result<(), Reject> {
    let sql = &Statements::for_kind(row.kind).delete;
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    statement.execute([row.id]).map_err(|error| refused(row, &error))?;
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

/// The rejection for a broken constraint, chosen by SQLite's code and never by its text.
fn refused(row: &Row, error: &rusqlite::Error) -> Reject {
    let schema = row.kind.schema();
    let code = error.sqlite_error().map(|error| error.extended_code);
    match code {
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE) => {
            Reject::conflict(Code::Duplicate, schema.duplicate_message)
        }
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => {
            let text = schema.in_use_message.replace("{id}", &row.id.to_string());
            Reject::conflict(Code::InUse, text)
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
    use crate::domain::schema::Type;
    use crate::store::test_shop;

    /// The table and the schema cannot drift apart.
    #[test]
    fn schemas_match_their_tables() {
        let conn = test_shop::new();
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

    /// If a table refused a word of the enum, the first client to use it would get an error.
    #[test]
    fn tables_accept_exactly_the_words_of_their_choices() {
        let conn = test_shop::new();
        conn.pragma_update(None, "foreign_keys", false).unwrap();
        let fits = |kind: EntityKind, index: usize, word: &str| {
            let mut row = Row::blank(kind);
            for (cell, field) in row.cells.iter_mut().zip(kind.schema().fields) {
                *cell = match (field.ty, &cell) {
                    (Type::Choice(words), _) => Cell::Text(words[0].to_owned()),
                    (
                        Type::Items
                        | Type::Taxes
                        | Type::Oversold
                        | Type::Quantities
                        | Type::LineNumbers
                        | Type::Restock,
                        _,
                    ) => Cell::Text("[]".to_owned()),
                    (Type::Currency, _) => Cell::Text("USD".to_owned()),
                    (
                        Type::Money(_)
                        | Type::Id(_)
                        | Type::Thousandths(_)
                        | Type::Time
                        | Type::Uptime,
                        _,
                    ) => Cell::Int(1),
                    (_, Cell::Null) if !field.hidden => Cell::Text("x".to_owned()),
                    (_, cell) => (*cell).clone(),
                };
            }
            row.cells[index] = Cell::Text(word.to_owned());
            let fits = insert(&conn, &mut row).is_ok();
            conn.execute(&format!("DELETE FROM {}", kind.schema().plural), []).unwrap();
            fits
        };
        for kind in EntityKind::ALL {
            for (index, field) in kind.schema().stored() {
                for word in field.words().unwrap_or_default() {
                    assert!(fits(kind, index, word), "{kind:?}: {} {word}", field.name);
                }
                let open = field.words().is_none() || field.hidden;
                assert!(open || !fits(kind, index, "elsewhere"), "{kind:?}: {}", field.name);
            }
        }
    }
}
