//! Transactions: payments and refunds of an order.

use crate::domain::order::{self, Payments};
use crate::domain::schema::{Transitions, Type};
use crate::domain::{Cell, Code, EntityKind, EntitySchema, Field, Reject, Row};
use crate::limits::NAME_CHARS_MAX;

const TRANSITIONS: Transitions =
    &[("pending", &["completed", "failed"]), ("completed", &[]), ("failed", &[])];

/// The order that it is for.
pub const ORDER_ID: Field =
    Field::new("order_id", Type::Id(EntityKind::Order), "The order that it is for.")
        .required()
        .in_event()
        .filterable();
/// Which way the money goes.
pub const TYPE: Field =
    Field::new("type", Type::Choice(&["payment", "refund"]), "Which way the money goes.")
        .required()
        .in_event();
/// Whether it went.
pub const STATUS: Field =
    Field::new("status", Type::Status(TRANSITIONS), "Whether the money went.")
        .default("pending")
        .patchable()
        .in_event()
        .filterable();
/// How much.
pub const AMOUNT: Field =
    Field::new("amount", Type::Money(1), "How much, in the order's currency.")
        .required()
        .in_event();
/// The order's currency.
pub const CURRENCY: Field = Field::new("currency", Type::Currency, "The order's currency.");

/// The fields of a transaction.
pub const SCHEMA: EntitySchema = EntitySchema {
    noun: "transaction",
    plural: "transactions",
    channel: "transaction_changes",
    fields: &[
        ORDER_ID,
        TYPE,
        STATUS,
        AMOUNT,
        Field::new("gateway", Type::Line(1, NAME_CHARS_MAX), "How: cash, card, stripe, ...")
            .default("cash")
            .patchable()
            .in_event(),
        CURRENCY,
    ],
    in_use_message: "others refer to this transaction",
    duplicate_message: "a transaction like this exists already",
};

/// A new transaction of an order: it has the order's currency, and an ended order takes no payment.
pub fn begin(row: &mut Row, order: &Row, kind_of_it: &str) -> Result<(), Reject> {
    row.set(&CURRENCY, Cell::Text(order.currency().to_owned()));
    if kind_of_it == "payment" && order::is_ended(order) {
        let status = order.text(&order::STATUS);
        return Err(Reject::Conflict(
            Code::OrderEnded,
            format!("this order is {status} and takes no payment"),
        ));
    }
    Ok(())
}

/// Refuses sums in which more went back than came in.
pub fn check_sums(sums: Payments) -> Result<(), Reject> {
    if sums.refunded <= sums.paid {
        return Ok(());
    }
    Err(Reject::conflict(
        Code::RefundTooLarge,
        "more than was paid cannot be refunded; see the order's transactions",
    ))
}
