//! Payments and refunds: which are taken, and what they make of their order.

use crate::domain::transaction::{CURRENCY, ORDER_ID, STATUS, TransactionType};
use crate::domain::{Cell, Code, Input, Reject, Row};
use crate::limits::ORDER_TRANSACTIONS_MAX;
use crate::shop::order::{self, Order};
use crate::shop::reads::{Reads, order_of};
use crate::shop::step::Step;
use crate::shop::sums::{Payment, Sums};
use crate::shop::transition::status_skipped;

/// Fills in a new transaction: it has the order's currency, and an ended order takes no payment.
pub(super) fn create(reads: &impl Reads, row: &mut Row, input: &Input) -> Result<(), Reject> {
    let missing = || Reject::field(ORDER_ID.name, Code::Required, "is required");
    let order_id = input.id(ORDER_ID).ok_or_else(missing)?;
    row.set(ORDER_ID, Cell::Int(order_id));
    let order_row = order_of(reads, row, ORDER_ID)?;
    let order = Order::read(&order_row)?;
    row.set(CURRENCY, Cell::Text(order_row.currency().to_owned()));
    input.apply_to(row)?;
    let payment = Payment::read(row)?;
    if payment.direction == TransactionType::Payment && order.status.is_ended() {
        let text = format!("this order is {} and takes no payment", order.status.word());
        return Err(Reject::conflict(Code::OrderEnded, text));
    }
    let others = reads.payments(order_id)?;
    if others.len() >= ORDER_TRANSACTIONS_MAX {
        let text = format!("an order has at most {ORDER_TRANSACTIONS_MAX} transactions");
        return Err(Reject::conflict(Code::TooManyTransactions, text));
    }
    Sums::of(&others).check_room_for(payment, order.total, order_row.currency())
}

/// Checks a patch of a transaction: money whose coming or failing is known is a fact.
pub(super) fn check_update(reads: &impl Reads, before: &Row, after: &Row) -> Result<(), Reject> {
    let (old, new) = (Payment::read(before)?, Payment::read(after)?);
    if old.status == new.status {
        return Ok(());
    }
    if !old.status.next().contains(&new.status) {
        let next: Vec<&str> = old.status.next().iter().map(|next| next.word()).collect();
        return Err(status_skipped(after, old.status.word(), new.status.word(), &next));
    }
    let order_row = order_of(reads, after, ORDER_ID)?;
    let sums = Sums::of(&reads.payments(order_row.id)?);
    sums.check_room_for(new, Order::read(&order_row)?.total, order_row.currency())
}

/// Refuses to delete a payment whose money was given back.
pub(super) fn check_delete(reads: &impl Reads, row: &Row) -> Result<(), Reject> {
    let gone = Payment::read(row)?;
    let mut rest = reads.payments(row.int(ORDER_ID)?)?;
    if let Some(at) = rest.iter().position(|one| *one == gone) {
        rest.swap_remove(at);
    }
    let sums = Sums::of(&rest);
    if gone.direction == TransactionType::Payment && sums.net() < 0 {
        let text = "this payment was refunded; delete the order's refunds first";
        return Err(Reject::conflict(Code::RefundTooLarge, text));
    }
    Ok(())
}

/// Brings an order's payment status in line with its transactions.
pub(super) fn follow(reads: &impl Reads, step: &Step) -> Result<Vec<Step>, Reject> {
    if let Step::Update { before, after } = step
        && before.cell(STATUS) == after.cell(STATUS)
    {
        return Ok(Vec::new());
    }
    let row = order_of(reads, step.row(), ORDER_ID)?;
    let sums = Sums::of(&reads.payments(row.id)?);
    let order = Order::read(&row)?.with_sums(sums);
    order::step(row, order)
}
