//! Transactions: payments and refunds of an order.

use crate::domain::restock::Restock;
use crate::domain::schema::Type;
use crate::domain::stored_list::StoredList;
use crate::domain::words::words;
use crate::domain::{EntityKind, EntitySchema, Field, FieldRef};
use crate::limits::NAME_CHARS_MAX;

words! {
    /// The direction of the money.
    TransactionType {
        /// From the customer.
        Payment = "payment",
        /// Back to the customer.
        Refund = "refund",
    }
}

words! {
    /// Whether the money was transferred.
    TransactionStatus {
        /// The result is not yet known.
        Pending = "pending",
        /// The money was transferred.
        Completed = "completed",
        /// The money was not transferred.
        Failed = "failed",
    }
}

impl TransactionStatus {
    /// The statuses that may follow this one; completed and failed are final.
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Completed, Self::Failed],
            Self::Completed | Self::Failed => &[],
        }
    }
}

const FIELDS: &[Field] = &[
    Field::new("order_id", Type::Id(EntityKind::Order), "The order that it is for.")
        .required()
        .in_event()
        .filterable(),
    Field::new("type", Type::Choice(TransactionType::WORDS), "The direction of the money.")
        .required()
        .in_event(),
    Field::new(
        "status",
        Type::Choice(TransactionStatus::WORDS),
        "Whether the money was transferred.",
    )
    .default(TransactionStatus::Pending.word())
    .patchable()
    .in_event()
    .filterable(),
    Field::new(
        "amount",
        Type::Money(1),
        "The amount, in the order's currency. A payment is at most what is still due, a refund at \
         most what was paid and not refunded.",
    )
    .required()
    .in_event(),
    Field::new(
        "gateway",
        Type::Line(1, NAME_CHARS_MAX),
        "The means of payment: cash, card, stripe, ...",
    )
    .default("cash")
    .patchable()
    .in_event(),
    Field::new("currency", Type::Currency, "The order's currency."),
    Field::new(
        "restock",
        Type::Restock,
        "The goods that come back with a refund: the numbers of the order's lines, from 0, and how much.",
    )
    .optional_value(),
    Field::new("tendered", Type::Money(1), "The cash that was given in a sale; else null.")
        .set_later(),
];

/// The order that it is for.
pub const ORDER_ID: FieldRef = FieldRef::of(FIELDS, "order_id");
/// The direction of the money.
pub const TYPE: FieldRef = FieldRef::of(FIELDS, "type");
/// Whether the money was transferred.
pub const STATUS: FieldRef = FieldRef::of(FIELDS, "status");
/// The amount, in minor units.
pub const AMOUNT: FieldRef = FieldRef::of(FIELDS, "amount");
/// The goods that come back with a refund.
pub const RESTOCK: FieldRef = FieldRef::of(FIELDS, "restock");
/// The means of payment.
pub const GATEWAY: FieldRef = FieldRef::of(FIELDS, "gateway");
/// The cash that was given, in minor units.
pub const TENDERED: FieldRef = FieldRef::of(FIELDS, "tendered");
/// The order's currency.
pub const CURRENCY: FieldRef = FieldRef::of(FIELDS, "currency");

/// The goods that come back with a stored transaction.
pub const RESTOCK_LIST: StoredList<Restock> = StoredList::of(RESTOCK);

/// The names and fields of a transaction.
pub const SCHEMA: EntitySchema = EntitySchema {
    noun: "transaction",
    plural: "transactions",
    channel: "transaction_changes",
    fields: FIELDS,
    currency: Some(CURRENCY),
    in_use_message: "others refer to this transaction",
    duplicate_message: "a transaction like this exists already",
};
