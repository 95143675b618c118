//! Lists of entities: pages by id, narrowed by filters, each found by an index.

mod query;
mod select;
#[cfg(test)]
mod tests;

use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::domain::schema::Type;
use crate::domain::{Cell, EntityKind, FieldRef, Reject, Row};
use crate::limits::LIST_EVENTS_MAX;
use crate::store::error::failed;
use crate::store::events::LogBounds;
use crate::store::list::select::{Page, Select};
use crate::store::rows;

pub use query::Query;

/// One page of a list, and the id after which there may be more.
///
/// A page looks at a bounded number of rows, whatever the table's size and the filters. One filter
/// leads and finds rows by its index: the first one whose field is not a choice of a few words, if
/// there is one. The other filters and the time of the last change are conditions on those rows. If
/// too few rows match, the page ends early, even empty.
///
/// The times have no index, because each change would then write one page more. Recent changes are
/// found in the event log.
pub(super) fn page(
    conn: &Connection,
    kind: EntityKind,
    query: &Query,
) -> Result<(Vec<Row>, Option<i64>), Reject> {
    let leading = query.filters.iter().position(|(field, _)| !is_choice(kind, *field));
    if let (Some(since), None) = (query.updated_since, leading)
        && let Some(ids) = changed_since(conn, kind, since)?
    {
        return among(conn, kind, query, ids);
    }
    let select = by_index(kind, query, leading.unwrap_or(0));
    let last = if select.is_found_by_index_alone() { None } else { select.last_looked_at(conn)? };
    select.page(conn, query.limit, last)
}

/// The rows that the leading filter's index finds, or all rows if there is no filter.
fn by_index(kind: EntityKind, query: &Query, leading: usize) -> Select {
    let mut select = Select::new(kind, query.ascending);
    if let Some((field, cell)) = query.filters.get(leading) {
        select.condition(field.name, " = ?", cell.clone());
    }
    if let Some(id) = query.after {
        select.condition("id", if query.ascending { " > ?" } else { " < ?" }, Cell::Int(id));
    }
    select.indexed = select.sql.len();
    select.conditions(query, Some(leading));
    select
}

/// One page of the entities among `ids` that match the query.
fn among(
    conn: &Connection,
    kind: EntityKind,
    query: &Query,
    mut ids: Vec<i64>,
) -> Result<(Vec<Row>, Option<i64>), Reject> {
    if !query.ascending {
        ids.reverse();
    }
    let mut page = Page::new(query.limit);
    let select = by_id(kind, query);
    let mut statement = conn.prepare_cached(&select.sql).map_err(failed)?;
    for id in ids.into_iter().filter(|id| query.is_behind(*id)) {
        let values = select.values.iter().map(rows::Bound);
        let first = Cell::Int(id);
        let values = params_from_iter(std::iter::once(rows::Bound(&first)).chain(values));
        let row = statement.query_row(values, |row| rows::read(kind, row)).optional();
        if let Some(row) = row.map_err(failed)?
            && !page.push(row)
        {
            return Ok(page.full());
        }
    }
    Ok((page.rows, None))
}

/// One entity if it matches the query. Its id is the first value.
fn by_id(kind: EntityKind, query: &Query) -> Select {
    let mut select = Select::new(kind, query.ascending);
    select.sql.push_str(" AND id = ?");
    select.conditions(query, None);
    select
}

/// The ids, lowest first, of a kind's entities that were changed or removed at that time or later;
/// `None` if the log does not reach back that far, or has too many events since.
fn changed_since(
    conn: &Connection,
    kind: EntityKind,
    since: i64,
) -> Result<Option<Vec<i64>>, Reject> {
    let log = LogBounds::read(conn).map_err(failed)?;
    let pruned = log.oldest > 1 && log.oldest_at >= since;
    // Times never run backwards in the log.
    let is_since = "SELECT 1 FROM events WHERE seq = ? AND at >= ?";
    let mut statement = conn.prepare_cached(is_since).map_err(failed)?;
    let too_many = statement.exists((log.head - LIST_EVENTS_MAX, since)).map_err(failed)?;
    if pruned || too_many {
        return Ok(None);
    }
    let mut statement = conn.prepare_cached(CHANGED).map_err(failed)?;
    let mut events = statement.query((kind.number(), LIST_EVENTS_MAX)).map_err(failed)?;
    let (mut ids, mut left) = (Vec::new(), LIST_EVENTS_MAX);
    while let Some(event) = events.next().map_err(failed)? {
        if event.get::<_, i64>(0).map_err(failed)? < since {
            break;
        }
        ids.extend(event.get::<_, Option<i64>>(1).map_err(failed)?);
        left -= 1;
    }
    if left == 0 {
        return Ok(None); // a restore left out numbers, so there may be more events after all
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(Some(ids))
}

/// The newest events: the time of each, and the id of its entity if it is of the given kind.
const CHANGED: &str = "
    SELECT at, CASE kind WHEN ? THEN body ->> '$.data.id' END
    FROM events ORDER BY seq DESC LIMIT ?";

/// Whether the field holds one of a few words, so that many rows share a value.
fn is_choice(kind: EntityKind, field: FieldRef) -> bool {
    matches!(kind.schema().fields[field.index].ty, Type::Choice(_))
}
