//! Lists of entities: pages by id, narrowed by filters, each found by an index.

mod filter;
mod query;
mod select;
#[cfg(test)]
mod tests;

use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::domain::{Cell, EntityKind, Reject, Row};
use crate::limits::{LIST_EVENTS_MAX, LIST_SCAN_MAX};
use crate::store::error::failed;
use crate::store::events::LogBounds;
use crate::store::list::select::{Page, Select};
use crate::store::rows;

pub use filter::{Filter, Wanted};
pub use query::Query;

/// One page of a list, and the id after which there may be more.
///
/// A page looks at a bounded number of rows, whatever the table's size and the filters. One filter
/// leads and finds rows by its index: one whose field is not a choice of a few words, if there is
/// one. The other filters and the time of the last change are conditions on those rows. If
/// too few rows match, the page ends early, even empty.
///
/// An index has the rows of one value in the order of their ids, so a leading filter with several
/// values makes a page of each, and these are merged.
///
/// The times have no index, because each change would then write one page more. Recent changes are
/// found in the event log.
pub(super) fn page(
    conn: &Connection,
    kind: EntityKind,
    query: &Query,
) -> Result<(Vec<Row>, Option<i64>), Reject> {
    if let Some(id) = query.id {
        return among(conn, kind, query, vec![id]);
    }
    let leading = leading(kind, query);
    let is_rare = leading.is_some_and(|at| query.filters[at].rank(kind) < Some(2));
    if let (Some(since), false) = (query.updated_since, is_rare)
        && let Some(ids) = changed_since(conn, kind, since)?
    {
        return among(conn, kind, query, ids);
    }
    let by_value = match leading {
        None => vec![by_index(kind, query, None)],
        Some(at) => {
            let values = query.filters[at].split();
            values.iter().map(|value| by_index(kind, query, Some((at, value)))).collect()
        }
    };
    let mut pages = Vec::with_capacity(by_value.len());
    let rows_max = LIST_SCAN_MAX / i64::try_from(by_value.len().max(1)).unwrap_or(1);
    for select in by_value {
        let last = if select.is_found_by_index_alone() {
            None
        } else {
            select.last_looked_at(conn, rows_max)?
        };
        pages.push(select.page(conn, query.limit, last)?);
    }
    Ok(merge(pages, query))
}

/// The index of the filter that leads.
fn leading(kind: EntityKind, query: &Query) -> Option<usize> {
    let ranks = query.filters.iter().enumerate();
    let ranks = ranks.filter_map(|(at, filter)| Some((filter.rank(kind)?, at)));
    ranks.min().map(|(_, at)| at)
}

/// One page of the rows of several pages. It ends where one of them ends, because more rows of that
/// one may follow.
fn merge(pages: Vec<(Vec<Row>, Option<i64>)>, query: &Query) -> (Vec<Row>, Option<i64>) {
    let position = |id: i64| if query.ascending { id } else { -id };
    let end = pages.iter().filter_map(|(_, next)| *next).min_by_key(|id| position(*id));
    let rows = pages.into_iter().flat_map(|(rows, _)| rows);
    let mut rows: Vec<Row> =
        rows.filter(|row| end.is_none_or(|end| position(row.id) <= position(end))).collect();
    rows.sort_unstable_by_key(|row| position(row.id));
    let mut page = Page::new(query.limit);
    for row in rows {
        if !page.push(row) {
            return page.full();
        }
    }
    (page.rows, end)
}

/// The rows that the index of a filter finds, whose place among the filters it comes with, or all rows.
fn by_index(kind: EntityKind, query: &Query, leading: Option<(usize, &Filter)>) -> Select {
    let mut select = Select::new(kind, query.ascending);
    if let Some((_, filter)) = leading {
        select.filter(filter, filter.field.name);
    }
    if let Some(id) = query.after {
        select.condition("id", if query.ascending { " > ?" } else { " < ?" }, Cell::Int(id));
    }
    select.indexed = select.sql.len();
    select.conditions(query, leading.map(|(at, _)| at));
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
