//! The sums of an order's payments and refunds. They and the total alone decide the payment status.

use crate::domain::order::{PaymentStatus, TOTAL};
use crate::domain::transaction::{AMOUNT, STATUS, TYPE, TransactionStatus, TransactionType};
use crate::domain::{Code, Reject, Row, decimal};

/// The fields of a transaction that the rules read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The direction of the money.
    pub direction: TransactionType,
    /// Whether the money was transferred.
    pub status: TransactionStatus,
    /// The amount, in minor units of the order's currency.
    pub amount: i64,
}

impl Payment {
    pub(super) fn read(row: &Row) -> Result<Self, Reject> {
        let direction = TransactionType::from_word(row.text(TYPE)?);
        let status = TransactionStatus::from_word(row.text(STATUS)?);
        Ok(Self {
            direction: direction.ok_or_else(|| row.damaged(TYPE))?,
            status: status.ok_or_else(|| row.damaged(STATUS))?,
            amount: row.int(AMOUNT)?,
        })
    }
}

/// The sums of an order's transactions, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Completed payments.
    paid: i64,
    /// Completed refunds.
    refunded: i64,
    /// Whether a payment is pending.
    pending: bool,
    /// Whether a payment failed.
    failed: bool,
}

impl Sums {
    /// The sums of these transactions. They cannot overflow: `ORDER_TRANSACTIONS_MAX` times
    /// `AMOUNT_MINOR_MAX` is less than `i64::MAX`, and the sums of more transactions from an older
    /// version saturate.
    pub(super) fn of(payments: &[Payment]) -> Self {
        use TransactionStatus::{Completed, Failed, Pending};
        use TransactionType::{Payment, Refund};
        let mut sums = Self::default();
        for one in payments {
            match (one.direction, one.status) {
                (Payment, Completed) => sums.paid = sums.paid.saturating_add(one.amount),
                (Refund, Completed) => sums.refunded = sums.refunded.saturating_add(one.amount),
                (Payment, Pending) => sums.pending = true,
                (Payment, Failed) => sums.failed = true,
                (Refund, Pending | Failed) => {}
            }
        }
        sums
    }

    /// Whether anything was refunded.
    pub(super) fn has_refund(self) -> bool {
        self.refunded > 0
    }

    /// Completed payments minus completed refunds, in minor units.
    pub(super) fn net(self) -> i64 {
        self.paid - self.refunded
    }

    /// The payment status of an order with this total.
    pub(super) fn status(self, total: i64) -> PaymentStatus {
        let net = self.net();
        if net >= total {
            PaymentStatus::Paid
        } else if self.refunded > 0 && net == 0 && self.paid >= total {
            PaymentStatus::Refunded
        } else if self.refunded > 0 && net > 0 && self.paid >= total {
            PaymentStatus::PartiallyRefunded
        } else if self.paid == 0 && !self.pending && self.failed {
            PaymentStatus::Failed
        } else {
            PaymentStatus::Pending
        }
    }

    /// Refuses a payment above what is due, or a refund above what was paid. Pending transactions
    /// are not in the sums; each is checked again when it completes.
    pub(super) fn check_amount(self, payment: Payment, order: &Row) -> Result<(), Reject> {
        let most = match payment.direction {
            TransactionType::Payment => order.int(TOTAL)?.saturating_sub(self.net()).max(0),
            TransactionType::Refund => self.net().max(0),
        };
        if payment.status == TransactionStatus::Failed || payment.amount <= most {
            return Ok(());
        }
        let mut text = String::new();
        decimal::write(&mut text, most, order.decimals()?);
        let most = format!("{text} {}", order.currency());
        Err(match payment.direction {
            TransactionType::Payment => {
                let text = format!("the payment is more than what is still due, which is {most}");
                Reject::conflict(Code::Overpaid, text)
            }
            TransactionType::Refund => {
                let text = format!("more than was paid cannot be refunded; at most {most} can");
                Reject::conflict(Code::RefundTooLarge, text)
            }
        })
    }
}
