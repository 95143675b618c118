//! Lists that a row stores as JSON text in one column. Null stands for an empty list: most lists are empty, and a
//! null is neither parsed nor copied.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::{Cell, FieldRef, Reject, Row};

/// A column with a list of `T`.
pub struct StoredList<T> {
    field: FieldRef,
    /// Whether the table refuses null, so that an empty list has a text as well.
    never_null: bool,
    element: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> StoredList<T> {
    pub(super) const fn of(field: FieldRef) -> Self {
        Self { field, never_null: false, element: PhantomData }
    }

    pub(super) const fn never_null(field: FieldRef) -> Self {
        Self { field, never_null: true, element: PhantomData }
    }

    /// The list of a stored row.
    ///
    /// # Errors
    /// `Unavailable` if the text cannot be read: it must not pass for an empty list.
    pub fn read(&self, row: &Row) -> Result<Vec<T>, Reject> {
        if *row.cell(self.field) == Cell::Null {
            return Ok(Vec::new());
        }
        serde_json::from_str(row.text(self.field)?).map_err(|_| row.damaged(self.field))
    }

    /// Stores the list in a row.
    ///
    /// # Errors
    /// `Unavailable` if it has no form in JSON.
    pub fn write(&self, row: &mut Row, list: &[T]) -> Result<(), Reject> {
        row.set(self.field, self.cell(list)?);
        Ok(())
    }

    /// The list as its column has it.
    pub(super) fn cell(&self, list: &[T]) -> Result<Cell, Reject> {
        if list.is_empty() && !self.never_null {
            return Ok(Cell::Null);
        }
        serde_json::to_string(list).map(Cell::Text).map_err(|_| Reject::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::order_lists::{DONE, ITEMS};
    use crate::domain::{Cell, EntityKind, Row, order};

    #[test]
    fn an_empty_list_is_null_and_a_damaged_one_is_not_empty() {
        let mut row = Row::blank(EntityKind::Order);
        assert_eq!(DONE.read(&row), Ok(Vec::new()));
        DONE.write(&mut row, &[0, 2]).unwrap();
        assert_eq!(DONE.read(&row), Ok(vec![0, 2]));
        DONE.write(&mut row, &[]).unwrap();
        assert_eq!(*row.cell(order::DONE), Cell::Null);
        row.set_text(order::DONE, "[0,");
        assert!(DONE.read(&row).is_err());
        ITEMS.write(&mut row, &[]).unwrap();
        assert_eq!(row.text(order::ITEMS), Ok("[]"), "its column refuses null");
    }
}
