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
        return by_filter(kind, query, leading.unwrap_or(0)).page(conn, query.limit);
    };
    let start = match query.after {
        Some(id) => id,
        None if query.ascending => end_id(conn, kind, "min")?.saturating_sub(1),
        None => end_id(conn, kind, "max")?.saturating_add(1),
    };
    let page = in_window(kind, query, since, start).page(conn, query.limit)?;
    if page.1 { Ok(page) } else { by_update(kind, query, since, start).page(conn, query.limit) }
}

/// What one filter's index leads to, or the ids alone.
fn by_filter(kind: EntityKind, query: &Query, leading: usize) -> Select {
    let mut select = Select::new(kind, query.ascending);
    select.filters(&query.filters, Some(leading));
    if let Some(since) = query.updated_since {
        select.condition(" AND +updated_at >= ?", since);
    }
    select.behind("id", query.after);
    select
}

/// What changed among the next `LIST_WINDOW` ids.
fn in_window(kind: EntityKind, query: &Query, since: i64, start: i64) -> Select {
    let mut select = Select::new(kind, query.ascending);
    select.filters(&query.filters, None);
    select.condition(" AND +updated_at >= ?", since);
    select.behind("id", Some(start));
    if query.ascending {
        select.condition(" AND id <= ?", start.saturating_add(LIST_WINDOW));
    } else {
        select.condition(" AND id >= ?", start.saturating_sub(LIST_WINDOW));
    }
    select
}

/// What changed, from the index of the times; only the ids of the page's rows lead to rows.
fn by_update(kind: EntityKind, query: &Query, since: i64, start: i64) -> Select {
    let mut select = Select::new(kind, query.ascending);
    // SQLite would rather go through all ids, which are sorted already.
    let table = kind.schema().plural;
    select.sql.extend([" AND id IN (SELECT id FROM ", table, " INDEXED BY ", table, "_by_update"]);
    select.condition(" WHERE updated_at >= ?", since);
    select.filters(&query.filters, None);
    select.behind("+id", Some(start));
    select.limit(query.limit);
    select.sql.push(')');
    select
}

/// Whether the field holds one of a few words, so that many rows have the same.
fn is_choice(kind: EntityKind, field: FieldRef) -> bool {
    matches!(kind.schema().fields[field.index].ty, Type::Choice(_))
}

/// The lowest or the highest id of a kind; 0 where there is none.
fn end_id(conn: &Connection, kind: EntityKind, bound: &str) -> Result<i64, Reject> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order;
    use crate::store::database::MIGRATIONS;

    /// SQLite's plan for a query, a line each.
    fn plan(conn: &Connection, mut select: Select) -> String {
        select.limit(50);
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", select.sql)).unwrap();
        let values = params_from_iter(select.values.iter().map(rows::Bound));
        let lines = statement.query_map(values, |row| row.get::<_, String>(3)).unwrap();
        lines.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    }

    /// The filters of a kind's lists: those that clients give, and the one of a kiosk.
    fn filters(kind: EntityKind) -> impl Iterator<Item = (FieldRef, Cell)> {
        let fields = kind.schema().fields.iter().enumerate();
        let refs = fields.map(|(index, field)| (FieldRef { name: field.name, index }, field));
        let wanted = refs.filter(|(at, field)| field.filter || *at == order::KIOSK_ID);
        wanted.map(|(at, field)| match field.ty {
            Type::Id(_) | Type::Owner => (at, Cell::Int(1)),
            _ => (at, Cell::Text("x".to_owned())),
        })
    }

    /// A list of a shop that has sold for years is as quick as that of a new one.
    #[test]
    fn each_filter_and_sort_has_its_index() {
        let conn = Connection::open_in_memory().unwrap();
        for migration in MIGRATIONS {
            conn.execute_batch(migration).unwrap();
        }
        let orders = [(None, true), (None, false), (Some(7), true), (Some(7), false)];
        for (kind, (after, ascending)) in
            EntityKind::ALL.into_iter().flat_map(|kind| orders.map(|order| (kind, order)))
        {
            let table = kind.schema().plural;
            let query = Query { limit: 50, after, ascending, ..Query::default() };
            let plain = plan(&conn, by_filter(kind, &query, 0));
            let expected = match after {
                Some(_) => format!("SEARCH {table} USING INTEGER PRIMARY KEY"),
                None => format!("SCAN {table}"), // stops behind the page's last row
            };
            assert!(plain.starts_with(&expected) && !plain.contains("TEMP"), "{plain}");
            for filter in filters(kind) {
                let status = filters(kind).find(|(field, _)| is_choice(kind, *field));
                let both = [filter.clone()].into_iter().chain(status).collect();
                for filters in [vec![filter.clone()], both] {
                    let query = Query { filters, updated_since: Some(1), ..query.clone() };
                    let found = plan(&conn, by_filter(kind, &query, 0));
                    let index = format!("SEARCH {table} USING INDEX ");
                    let column = format!("({}=?", filter.0.name);
                    assert!(found.starts_with(&index) && found.contains(&column), "{found}");
                    assert!(!found.contains("TEMP"), "{found}");
                }
            }
            let changed = plan(&conn, by_update(kind, &query, 1, 7));
            let index = format!("USING COVERING INDEX {table}_by_update (updated_at>?)");
            assert!(changed.contains(&index) && !changed.contains("SCAN"), "{changed}");
            let window = plan(&conn, in_window(kind, &query, 1, 7));
            let bounded = "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";
            assert!(window.contains(bounded) && !window.contains("TEMP"), "{window}");
        }
    }
}
