//! The contract of orders, payments and parcels as a model: the state that a shop must have after
//! each change.

use crate::domain::Code;
use crate::domain::order::{OrderStatus, PaymentStatus};
use crate::domain::shipment::ShipmentStatus;
use crate::domain::transaction::{TransactionStatus, TransactionType};

/// The pieces of each product in stock at the start.
pub(super) const STOCK: i64 = 12;

/// An order as the contract sees it.
#[derive(Clone, Debug)]
pub(super) struct OrderModel {
    pub(super) id: i64,
    /// The product's index and the quantity; `None` for an order that has only a total.
    pub(super) goods: Option<(usize, i64)>,
    pub(super) total: i64,
    /// The last status from a person or a payment, other than cancelled and refunded.
    pub(super) by_hand: OrderStatus,
    pub(super) ended: Option<OrderStatus>,
    pub(super) paid: bool,
    /// Whether the goods are back in stock.
    pub(super) back: bool,
    pub(super) deleted: bool,
}

#[derive(Clone, Debug)]
pub(super) struct PaymentModel {
    pub(super) id: i64,
    pub(super) order: usize,
    pub(super) way: TransactionType,
    pub(super) status: TransactionStatus,
    pub(super) amount: i64,
}

#[derive(Clone, Debug)]
pub(super) struct ParcelModel {
    pub(super) id: i64,
    pub(super) order: usize,
    pub(super) status: ShipmentStatus,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) orders: Vec<OrderModel>,
    pub(super) payments: Vec<PaymentModel>,
    pub(super) parcels: Vec<ParcelModel>,
}

impl Model {
    pub(super) fn status(&self, at: usize) -> OrderStatus {
        use ShipmentStatus::{Delivered, Pending, Returned};
        let order = &self.orders[at];
        let parcels: Vec<_> = self.parcels_of(at).collect();
        let arrived = parcels.contains(&Delivered)
            && parcels.iter().all(|status| [Delivered, Returned].contains(status));
        match order.ended {
            Some(end) => end,
            None if order.by_hand == OrderStatus::Completed || arrived => OrderStatus::Completed,
            None if parcels.iter().any(|status| *status != Pending) => OrderStatus::Shipped,
            None => order.by_hand,
        }
    }

    pub(super) fn payment_status(&self, at: usize) -> PaymentStatus {
        use TransactionStatus::{Completed, Failed, Pending};
        let total = self.orders[at].total;
        let (p, r) =
            (self.sum(at, TransactionType::Payment), self.sum(at, TransactionType::Refund));
        let any = |status| {
            let payments = self.payments.iter().filter(|one| one.order == at);
            payments.clone().any(|one| one.way == TransactionType::Payment && one.status == status)
        };
        match p - r {
            net if net >= total => PaymentStatus::Paid,
            0 if r > 0 && p >= total => PaymentStatus::Refunded,
            1.. if r > 0 && p >= total => PaymentStatus::PartiallyRefunded,
            _ if p == 0 && !any(Pending) && any(Failed) && !any(Completed) => PaymentStatus::Failed,
            _ => PaymentStatus::Pending,
        }
    }

    /// Whether an order is completed and paid, so that it stays.
    pub(super) fn is_done(&self, at: usize) -> bool {
        self.status(at) == OrderStatus::Completed && self.payment_status(at) == PaymentStatus::Paid
    }

    pub(super) fn sum(&self, at: usize, way: TransactionType) -> i64 {
        let completed = TransactionStatus::Completed;
        let of = |one: &&PaymentModel| one.order == at && one.way == way && one.status == completed;
        self.payments.iter().filter(of).map(|one| one.amount).sum()
    }

    pub(super) fn net(&self, at: usize) -> i64 {
        self.sum(at, TransactionType::Payment) - self.sum(at, TransactionType::Refund)
    }

    /// The code with which the shop must refuse the amount; `None` if it must accept it.
    pub(super) fn refusal(&self, at: usize, way: TransactionType, amount: i64) -> Option<Code> {
        match way {
            TransactionType::Payment if amount > (self.orders[at].total - self.net(at)).max(0) => {
                Some(Code::Overpaid)
            }
            TransactionType::Refund if amount > self.net(at) => Some(Code::RefundTooLarge),
            _ => None,
        }
    }

    pub(super) fn parcels_of(&self, at: usize) -> impl Iterator<Item = ShipmentStatus> {
        self.parcels.iter().filter(move |parcel| parcel.order == at).map(|parcel| parcel.status)
    }

    /// Applies the consequences: paid orders move to processing, and goods that never left come
    /// back into stock.
    pub(super) fn settle(&mut self) {
        for at in 0..self.orders.len() {
            let paid = self.payment_status(at) == PaymentStatus::Paid;
            let left = self.orders[at].by_hand.has_left()
                || self.parcels_of(at).any(|status| status != ShipmentStatus::Pending);
            let order = &mut self.orders[at];
            if paid && !order.paid && order.by_hand == OrderStatus::Pending && !order.deleted {
                order.by_hand = OrderStatus::Processing;
            }
            order.paid = paid;
            order.back |= (order.ended.is_some() || order.deleted) && !left;
        }
    }

    pub(super) fn stock(&self, product: usize) -> i64 {
        let out = self.orders.iter().filter(|order| !order.back).filter_map(|order| order.goods);
        STOCK - out.filter(|goods| goods.0 == product).map(|goods| goods.1).sum::<i64>()
    }
}
