//! Parcels: an order's status follows from their states, in whatever order they are reported.

use crate::domain::shipment::{ORDER_ID, STATUS};
use crate::domain::{Code, Reject, Row};
use crate::limits::ORDER_SHIPMENTS_MAX;
use crate::shop::order::{self, Order};
use crate::shop::reads::{Reads, order_of};
use crate::shop::step::Step;

/// Checks a new parcel. Its order may have ended, because a parcel that exists must be recorded.
pub(super) fn check_create(reads: &impl Reads, row: &Row) -> Result<(), Reject> {
    if reads.parcels(row.int(ORDER_ID)?)?.len() < ORDER_SHIPMENTS_MAX {
        return Ok(());
    }
    let text = format!("an order has at most {ORDER_SHIPMENTS_MAX} shipments");
    Err(Reject::conflict(Code::TooManyShipments, text))
}

/// Updates an order's status from the states of its parcels.
pub(super) fn follow(reads: &impl Reads, step: &Step) -> Result<Vec<Step>, Reject> {
    if let Step::Update { before, after } = step
        && before.cell(STATUS) == after.cell(STATUS)
    {
        return Ok(Vec::new());
    }
    let row = order_of(reads, step.row(), ORDER_ID)?;
    let order = Order::read(&row)?.with_parcels(&reads.parcels(row.id)?);
    Ok(order::step(row, order)?.into_iter().collect())
}
