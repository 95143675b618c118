//! Which page of a list is wanted.

use crate::domain::{Cell, FieldRef};

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

impl Query {
    /// Whether an id is on this page or on a later one.
    pub(super) fn is_behind(&self, id: i64) -> bool {
        self.after.is_none_or(|after| if self.ascending { id > after } else { id < after })
    }
}
