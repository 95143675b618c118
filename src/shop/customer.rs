//! Customers: what is known of them, and the right to be forgotten.

use crate::domain::customer::{EMAIL, FIRST_NAME, LAST_NAME};
use crate::domain::{Cell, Code, Reject, Row};
use crate::shop::step::Step;

/// Refuses a customer of whom neither a name nor an e-mail address is known.
pub(super) fn check(customer: &Row) -> Result<(), Reject> {
    if is_known(customer) {
        return Ok(());
    }
    Err(Reject::field(EMAIL.name, Code::Required, "is required without a name"))
}

/// Whether a name or an e-mail address is known, which is so until the customer is erased.
pub(super) fn is_known(customer: &Row) -> bool {
    let is_known = |field| matches!(customer.cell(field), Cell::Text(text) if !text.is_empty());
    [EMAIL, FIRST_NAME, LAST_NAME].into_iter().any(is_known)
}

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
