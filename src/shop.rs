//! The rules of the shop: what a change does, and what follows from it.
//!
//! Pure functions over a view of the shop, [`Reads`]: no SQL, no clock, no thread. [`plan`] turns a
//! change into steps, and [`follow`] returns the steps that follow from a saved one. The store
//! saves a step, appends its event, calls [`follow`], and repeats until no step is left, all in one
//! transaction.
//!
//! A rule depends on states, not on the order in which they were reported: the payment status
//! depends on the sums, an order's status on its parcels, and the stock on the goods that left and
//! came back.

mod amounts;
mod customer;
mod new_order;
mod open_order;
mod order;
mod payment;
mod plan;
mod pricing;
mod product;
mod reads;
mod restock;
mod sale;
mod shipment;
mod step;
mod sums;
mod terms;
#[cfg(test)]
mod tests;
mod transition;

pub use plan::{follow, plan};
pub use reads::Reads;
pub use sale::{change, is_repeat, sold_lines};
pub use step::{Change, Operation, Put, Step};
pub use sums::Payment;
pub use terms::{TermsInUse, check_terms};
