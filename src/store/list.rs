//! Lists of entities: pages by id, narrowed by filters, each found by an index.

use rusqlite::{Connection, params_from_iter};

use crate::domain::schema::Type;
use crate::domain::{Cell, EntityKind, FieldRef, Reject, Row};
use crate::limits::{LIST_WINDOW, PAGE_BYTES_MAX};
use crate::store::error::failed;
use crate::store::rows;

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
    pub filters: Vec<(FieldRef, Cell)>,
    /// Those changed at that time or later, in milliseconds.
    pub updated_since: Option<i64>,
}

/// One page of a list, and whether more follow.
///
/// Each page is found by one index, whatever the table's size. Of several filters the one that names
/// the fewest rows leads; a `+` keeps SQLite from preferring another. A list of what changed since a
/// moment is sorted by id all the same: a look at the first ids finds the page where much has changed,
/// else the index of the times has few enough to be sorted.
pub(super) fn page(
    conn: &Connection,
    kind: EntityKind,
    query: &Query,
) -> Result<(Vec<Row>, bool), Reject> {
    let leading = query.filters.iter().position(|(field, _)| !is_choice(kind, *field));
    let Some(since) = query.updated_since.filter(|_| leading.is_none()) else {
        let mut sql = Select::new(kind, query.ascending);
        sql.filters(&query.filters, leading.or(Some(0)));
        if let Some(since) = query.updated_since {
            sql.condition(" AND +updated_at >= ?", since);
        }
        sql.behind("id", query.after);
        return sql.page(conn, query.limit);
    };
    let bound = if query.ascending { "min" } else { "max" };
    let first = || first_id(conn, kind, bound);
    let start = match query.after {
        Some(id) => id,
        None if query.ascending => first()?.saturating_sub(1),
        None => first()?.saturating_add(1),
    };
    let mut window = Select::new(kind, query.ascending);
    window.filters(&query.filters, None);
    window.condition(" AND +updated_at >= ?", since);
    window.behind("id", Some(start));
    if query.ascending {
        window.condition(" AND id <= ?", start.saturating_add(LIST_WINDOW));
    } else {
        window.condition(" AND id >= ?", start.saturating_sub(LIST_WINDOW));
    }
    let page = window.page(conn, query.limit)?;
    if page.1 {
        return Ok(page);
    }
    let mut changed = Select::new(kind, query.ascending);
    changed.sql.push_str(" AND id IN (SELECT id FROM ");
    changed.sql.extend([kind.schema().plural, " WHERE updated_at >= ?"]);
    changed.values.push(Cell::Int(since));
    changed.filters(&query.filters, None);
    changed.behind("+id", Some(start));
    changed.limit(query.limit);
    changed.sql.push(')');
    changed.page(conn, query.limit)
}

/// Whether the field holds one of a few words, so that many rows have the same.
fn is_choice(kind: EntityKind, field: FieldRef) -> bool {
    matches!(kind.schema().fields[field.index].ty, Type::Choice(_))
}

/// The lowest or the highest id of a kind; 0 where there is none.
fn first_id(conn: &Connection, kind: EntityKind, bound: &str) -> Result<i64, Reject> {
    let sql = format!("SELECT coalesce({bound}(id), 0) FROM {}", kind.schema().plural);
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    statement.query_row([], |row| row.get(0)).map_err(failed)
}

/// A query for one page, with its values.
struct Select {
    kind: EntityKind,
    ascending: bool,
    sql: String,
    values: Vec<Cell>,
}

impl Select {
    fn new(kind: EntityKind, ascending: bool) -> Self {
        let sql = format!("{} WHERE 1", rows::select(kind));
        Self { kind, ascending, sql, values: Vec::new() }
    }

    fn condition(&mut self, sql: &str, value: i64) {
        self.sql.push_str(sql);
        self.values.push(Cell::Int(value));
    }

    /// Narrows it by these fields; only the leading one may use its index.
    fn filters(&mut self, filters: &[(FieldRef, Cell)], leading: Option<usize>) {
        for (at, (field, cell)) in filters.iter().enumerate() {
            let plus = if leading == Some(at) { "" } else { "+" };
            self.sql.extend([" AND ", plus, field.name, " = ?"]);
            self.values.push(cell.clone());
        }
    }

    /// Narrows it to what is behind an id in its order.
    fn behind(&mut self, column: &str, id: Option<i64>) {
        if let Some(id) = id {
            self.sql.extend([" AND ", column, if self.ascending { " > ?" } else { " < ?" }]);
            self.values.push(Cell::Int(id));
        }
    }

    /// Sorts it, and bounds it by one more than `limit`, which tells whether there is more.
    fn limit(&mut self, limit: usize) {
        let direction = if self.ascending { "" } else { " DESC" };
        self.sql.extend([" ORDER BY id", direction, " LIMIT ?"]);
        self.values.push(Cell::Int(i64::try_from(limit + 1).unwrap_or(i64::MAX)));
    }

    fn page(mut self, conn: &Connection, limit: usize) -> Result<(Vec<Row>, bool), Reject> {
        self.limit(limit);
        let mut statement = conn.prepare_cached(&self.sql).map_err(failed)?;
        let values = params_from_iter(self.values.iter().map(rows::Bound));
        let mut rows = statement.query(values).map_err(failed)?;
        let (mut page, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(failed)? {
            if page.len() == limit || bytes >= PAGE_BYTES_MAX {
                return Ok((page, true));
            }
            let row = rows::read(self.kind, row).map_err(failed)?;
            bytes += rows::size(&row);
            page.push(row);
        }
        Ok((page, false))
    }
}
