//! Customers: the right to be forgotten.

use crate::domain::{Cell, Row};
use crate::shop::step::Step;

/// Sets the personal fields to null. The customer's orders stay, and so does the row to which they
/// refer.
pub(super) fn erase(before: Row) -> Step {
    let mut after = before.clone();
    for (field, cell) in after.kind.schema().fields.iter().zip(&mut after.cells) {
        if field.personal {
            *cell = Cell::Null;
        }
    }
    Step::Update { before, after }
}
