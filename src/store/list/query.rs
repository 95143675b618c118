//! The query of a list.

use crate::domain::Row;
use crate::store::list::filter::Filter;

/// The entities of a list, newest first unless `ascending` is set.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The maximum number of entities.
    pub limit: usize,
    /// Only those after this id in the list's order.
    pub after: Option<i64>,
    /// Whether the oldest come first.
    pub ascending: bool,
    /// Only those that pass these.
    pub filters: Vec<Filter>,
    /// Only the one with this id.
    pub id: Option<i64>,
    /// Only those changed at this time or later, in milliseconds since 1970, UTC.
    pub updated_since: Option<i64>,
}

impl Query {
    /// Whether an entity is wanted, on whatever page.
    pub fn passes(&self, row: &Row) -> bool {
        self.id.is_none_or(|id| row.id == id)
            && self.updated_since.is_none_or(|since| row.updated_at >= since)
            && self.filters.iter().all(|filter| filter.passes(row))
    }

    /// Whether an id is on this page or on a later one.
    pub(super) fn is_behind(&self, id: i64) -> bool {
        self.after.is_none_or(|after| if self.ascending { id > after } else { id < after })
    }
}
