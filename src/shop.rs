//! The rules of the shop: what a change does, and what follows from it.
//!
//! Pure functions over what [`Reads`] shows: no SQL, no clock, no thread. [`plan`] turns a change into
//! steps, and [`follow`] tells what a step brings with it. The store saves a step, appends its event,
//! asks what follows, and repeats until nothing does, all in one transaction.
//!
//! A rule is a function of states, not of the order in which news came: the payment status of the
//! sums, an order's status of its parcels, the stock of what left and what came back.

mod customer;
mod order;
mod payment;
mod plan;
mod product;
mod reads;
mod sale;
mod shipment;
mod step;
mod sums;
#[cfg(test)]
mod tests;
mod transition;

pub use plan::{follow, plan};
pub use reads::Reads;
pub use step::{Change, Operation, Step};
pub use sums::Payment;
