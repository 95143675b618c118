//! Payments and refunds: which are accepted, and how they change their order.
//!
//! A rule reads the payments once: it checks an amount against the same sums from which the order's
//! payment status then follows.

use crate::domain::input::Provided;
use crate::domain::restock::Restock;
use crate::domain::transaction::{
    self, CURRENCY, ORDER_ID, RESTOCK, TransactionStatus, TransactionType,
};
use crate::domain::{Cell, Code, Input, Reject, Row};
use crate::limits::ORDER_TRANSACTIONS_MAX;
use crate::shop::order::{self, Order};
use crate::shop::reads::{Reads, order_of};
use crate::shop::restock;
use crate::shop::step::Step;
use crate::shop::sums::{Payment, Sums};
use crate::shop::transition::status_skipped;

/// The steps of a new transaction. It gets the order's currency, and an order that has ended
/// accepts no payment.
pub(super) fn create(reads: &impl Reads, mut row: Row, input: &Input) -> Result<Vec<Step>, Reject> {
    let order_id = input.id(ORDER_ID).ok_or_else(|| row.damaged(ORDER_ID))?;
    row.set(ORDER_ID, Cell::Int(order_id));
    let order_row = order_of(reads, &row, ORDER_ID)?;
    row.set_text(CURRENCY, order_row.currency());
    input.apply_to(&mut row)?;
    let (order, payment) = (Order::read(&order_row)?, Payment::read(&row)?);
    if payment.direction == TransactionType::Payment && order.status.is_ended() {
        let text = format!("this order is {} and accepts no payment", order.status.word());
        return Err(Reject::conflict(Code::OrderEnded, text));
    }
    let mut payments = reads.payments(order_id)?;
    if payments.len() >= ORDER_TRANSACTIONS_MAX {
        let text = format!("an order has at most {ORDER_TRANSACTIONS_MAX} transactions");
        return Err(Reject::conflict(Code::TooManyTransactions, text));
    }
    Sums::of(&payments).check_amount(payment, &order_row)?;
    payments.push(payment);
    let mut after = order_row.clone();
    let back = match input.get(RESTOCK) {
        Some(Provided::Restock(restock)) => {
            check_restock(payment, restock)?;
            transaction::RESTOCK_LIST.write(&mut row, restock)?;
            restock::bring_back(reads, &mut after, restock)?
        }
        _ => Vec::new(),
    };
    order.with_sums(Sums::of(&payments)).write(&mut after);
    let mut steps = vec![Step::create(row)];
    steps.extend((after != order_row).then_some(Step::Update { before: order_row, after }));
    steps.extend(back);
    Ok(steps)
}

/// Only a refund that has not failed brings goods back.
fn check_restock(payment: Payment, restock: &[Restock]) -> Result<(), Reject> {
    let refunds =
        payment.direction == TransactionType::Refund && payment.status != TransactionStatus::Failed;
    if refunds || restock.is_empty() {
        return Ok(());
    }
    let message = "goods come back only with a refund that has not failed";
    Err(Reject::field(RESTOCK.name, Code::UnknownValue, message))
}

/// The steps of a patch of a transaction. A completed or failed one keeps its status.
pub(super) fn update(reads: &impl Reads, before: Row, after: Row) -> Result<Vec<Step>, Reject> {
    let (old, new) = (Payment::read(&before)?, Payment::read(&after)?);
    if old == new {
        return Ok(vec![Step::Update { before, after }]);
    }
    if !old.status.next().contains(&new.status) {
        let next: Vec<&str> = old.status.next().iter().map(|next| next.word()).collect();
        return Err(status_skipped(&after, old.status.word(), new.status.word(), &next));
    }
    let order_row = order_of(reads, &after, ORDER_ID)?;
    let order = Order::read(&order_row)?;
    let mut payments = without(reads.payments(order_row.id)?, old);
    Sums::of(&payments).check_amount(new, &order_row)?;
    payments.push(new);
    with_order(Step::Update { before, after }, order_row, order, &payments)
}

/// The steps of a deletion. A payment cannot be deleted before the refunds that its money covers.
pub(super) fn delete(reads: &impl Reads, row: Row) -> Result<Vec<Step>, Reject> {
    let gone = Payment::read(&row)?;
    let order_row = order_of(reads, &row, ORDER_ID)?;
    let payments = without(reads.payments(order_row.id)?, gone);
    if Sums::of(&payments).net() < 0 {
        let text = "this payment was refunded; delete the order's refunds first";
        return Err(Reject::conflict(Code::RefundTooLarge, text));
    }
    let order = Order::read(&order_row)?;
    order.check_deletable()?;
    with_order(Step::Delete(row), order_row, order, &payments)
}

/// The payments without one that equals `one`.
fn without(mut payments: Vec<Payment>, one: Payment) -> Vec<Payment> {
    if let Some(at) = payments.iter().position(|other| *other == one) {
        payments.swap_remove(at);
    }
    payments
}

/// The step, followed by that of the order if these payments change it.
fn with_order(
    step: Step,
    row: Row,
    order: Order,
    payments: &[Payment],
) -> Result<Vec<Step>, Reject> {
    let mut steps = vec![step];
    steps.extend(order::step(row, order.with_sums(Sums::of(payments)))?);
    Ok(steps)
}
