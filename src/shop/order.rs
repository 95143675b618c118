//! The state of an order, and the rules that move it.
//!
//! `base` is the status from people and payments. `status` is the result, with the parcels:
//!
//! - cancelled or refunded, if a person set that, which is final;
//! - else completed, if a person completed it, or if every parcel is delivered or returned and at
//!   least one is delivered;
//! - else shipped, if a parcel has left;
//! - else `base`.

use crate::domain::order::{
    DONE, OrderStatus, PAYMENT_STATUS, PaymentStatus, STATUS, STATUS_BEFORE, STOCK_RETURNED, TOTAL,
};
use crate::domain::order_lists::{self};
use crate::domain::shipment::ShipmentStatus;
use crate::domain::{
    Cell, Code, EntityKind, FieldRef, Input, Reject, Role, Row, Thousandths, transaction,
};
use crate::shop::product;
use crate::shop::reads::Reads;
use crate::shop::step::Step;
use crate::shop::sums::Sums;
use crate::shop::transition::status_skipped;

/// The fields of an order that the rules read and set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) status: OrderStatus,
    /// The status from people and payments: without the parcels, a cancellation or a refund.
    pub(super) base: OrderStatus,
    pub(super) payment_status: PaymentStatus,
    /// In minor units.
    pub(super) total: i64,
    /// Whether its goods came back into stock.
    pub(super) stock_returned: bool,
}

impl Order {
    pub(super) fn read(row: &Row) -> Result<Self, Reject> {
        let status = status_in(row, STATUS)?;
        let base = match row.cell(STATUS_BEFORE) {
            Cell::Null => status,
            _ => status_in(row, STATUS_BEFORE)?,
        };
        let payment_status = PaymentStatus::from_word(row.text(PAYMENT_STATUS)?);
        Ok(Self {
            status,
            base,
            payment_status: payment_status.ok_or_else(|| row.damaged(PAYMENT_STATUS))?,
            total: row.int(TOTAL)?,
            stock_returned: row.int(STOCK_RETURNED)? != 0,
        })
    }

    pub(super) fn write(self, row: &mut Row) {
        row.set_text(STATUS, self.status.word());
        row.set_text(PAYMENT_STATUS, self.payment_status.word());
        let before = (self.base != self.status).then(|| Cell::Text(self.base.word().to_owned()));
        row.set(STATUS_BEFORE, before.unwrap_or(Cell::Null));
        row.set(STOCK_RETURNED, Cell::Int(self.stock_returned.into()));
    }

    /// The order with these sums. A pending order that becomes paid moves to processing.
    pub(super) fn with_sums(mut self, sums: Sums) -> Self {
        let paid = self.payment_status == PaymentStatus::Paid;
        self.payment_status = sums.status(self.total);
        if !paid && self.payment_status == PaymentStatus::Paid && self.base == OrderStatus::Pending
        {
            if self.status == self.base {
                self.status = OrderStatus::Processing;
            }
            self.base = OrderStatus::Processing;
        }
        self
    }

    /// Refuses to delete what is done: a refund undoes it.
    pub(super) fn check_deletable(self) -> Result<(), Reject> {
        if self.status != OrderStatus::Completed || self.payment_status != PaymentStatus::Paid {
            return Ok(());
        }
        let text = "the order is completed and paid; refund it instead";
        Err(Reject::conflict(Code::OrderCompleted, text))
    }

    /// The order with a status that a person set.
    fn with_status(mut self, status: OrderStatus) -> Self {
        if !status.is_ended() {
            self.base = status;
        } else if !self.status.has_left() {
            self.stock_returned = true;
        }
        self.status = status;
        self
    }

    /// The order with parcels in these states.
    pub(super) fn with_parcels(mut self, parcels: &[ShipmentStatus]) -> Self {
        let moved = status_of_parcels(parcels);
        if self.status.is_ended() {
            let left = moved.is_some() || self.base.has_left();
            self.stock_returned |= !left;
        } else {
            self.status = match moved {
                Some(_) if self.base == OrderStatus::Completed => OrderStatus::Completed,
                Some(moved) => moved,
                None => self.base,
            };
        }
        self
    }
}

/// The status of an order with parcels in these states; `None` if none has left.
fn status_of_parcels(parcels: &[ShipmentStatus]) -> Option<OrderStatus> {
    use ShipmentStatus::{Delivered, Pending, Returned};
    let settled = |parcel: &ShipmentStatus| matches!(parcel, Delivered | Returned);
    if parcels.contains(&Delivered) && parcels.iter().all(settled) {
        Some(OrderStatus::Completed)
    } else if parcels.iter().any(|parcel| *parcel != Pending) {
        Some(OrderStatus::Shipped)
    } else {
        None
    }
}

/// Checks a patch of an order, and updates the dependent fields in the same row, so that one change
/// makes one event.
pub(super) fn check_update(
    reads: &impl Reads,
    before: &Row,
    after: &mut Row,
) -> Result<(), Reject> {
    if after.cell(DONE) != before.cell(DONE) {
        check_done(after)?;
    }
    let order = Order::read(before)?;
    let total = after.int(TOTAL)?;
    let mut changed = check_status(order, after)?;
    if changed == order && total == order.total {
        return Ok(());
    }
    if total != order.total {
        if !order_lists::ITEMS.read(before)?.is_empty() {
            let message = "is the sum of the items and cannot be changed";
            return Err(Reject::field(TOTAL.name, Code::FieldFixed, message));
        }
        changed.total = total;
        changed = changed.with_sums(Sums::of(&reads.payments(before.id)?));
    }
    changed.write(after);
    Ok(())
}

/// Refuses a patch of more than a role that only prepares may change.
pub(super) fn check_preparation(role: Role, input: &Input) -> Result<(), Reject> {
    if !role.only_prepares() {
        return Ok(());
    }
    let fields = EntityKind::Order.schema().fields.iter();
    let mut given = fields
        .enumerate()
        .filter(|(index, field)| input.get(FieldRef { name: field.name, index: *index }).is_some());
    if let Some((_, field)) =
        given.find(|(_, field)| ![STATUS.name, DONE.name].contains(&field.name))
    {
        let text =
            format!("the role {} may change status and done, not {}", role.name(), field.name);
        return Err(Reject::NotAllowed(text));
    }
    let status = OrderStatus::from_word(input.text(STATUS));
    match status {
        None | Some(OrderStatus::Pending | OrderStatus::Processing | OrderStatus::Ready) => Ok(()),
        Some(status) => Err(Reject::NotAllowed(format!(
            "the role {} may not make an order {}",
            role.name(),
            status.word()
        ))),
    }
}

/// Refuses numbers of lines that the order does not have.
pub(super) fn check_done(order: &Row) -> Result<(), Reject> {
    let lines = order_lists::ITEMS.read(order)?.len();
    match order_lists::DONE.read(order)?.last() {
        Some(last) if *last >= lines => {
            let message =
                format!("must name lines of the order: it has {lines}, and the first is 0");
            Err(Reject::field(DONE.name, Code::UnknownReference, message))
        }
        _ => Ok(()),
    }
}

/// The order with the status of its patched row, if that may follow the present one.
pub(super) fn check_status(order: Order, after: &Row) -> Result<Order, Reject> {
    let status = status_in(after, STATUS)?;
    if status == order.status {
        return Ok(order);
    }
    if !order.status.next().contains(&status) {
        let next: Vec<&str> = order.status.next().iter().map(|next| next.word()).collect();
        return Err(status_skipped(after, order.status.word(), status.word(), &next));
    }
    Ok(order.with_status(status))
}

/// The steps that follow from that of an order: the payments of a new sale; the goods of an order that ended or is
/// deleted come back into stock, once, unless they have left the shop.
pub(super) fn follow(reads: &impl Reads, step: &Step) -> Result<Vec<Step>, Reject> {
    let returned = match step {
        Step::Create { row, payments, .. } => {
            let of_order = |payment: &Row| {
                let mut payment = payment.clone();
                payment.set(transaction::ORDER_ID, Cell::Int(row.id));
                Step::create(payment)
            };
            return Ok(payments.iter().map(of_order).collect());
        }
        Step::Update { before, after } => {
            before.int(STOCK_RETURNED)? == 0 && after.int(STOCK_RETURNED)? != 0
        }
        Step::Delete(row) => {
            let order = Order::read(row)?;
            !order.stock_returned && !order.base.has_left()
        }
    };
    if !returned {
        return Ok(Vec::new());
    }
    let mut steps = Vec::new();
    for (product_id, quantity) in order_lists::taken(step.row())? {
        if quantity > Thousandths::ZERO
            && let Some(before) = reads.load(EntityKind::Product, product_id)?
        {
            steps.extend(product::take_back(before, quantity)?);
        }
    }
    Ok(steps)
}

/// The step from an order's stored state to a new one; `None` if they are the same.
pub(super) fn step(before: Row, order: Order) -> Result<Option<Step>, Reject> {
    if Order::read(&before)? == order {
        return Ok(None);
    }
    let mut after = before.clone();
    order.write(&mut after);
    Ok(Some(Step::Update { before, after }))
}

fn status_in(row: &Row, field: FieldRef) -> Result<OrderStatus, Reject> {
    OrderStatus::from_word(row.text(field)?).ok_or_else(|| row.damaged(field))
}
