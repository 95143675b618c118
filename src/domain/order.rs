//! Orders: their fields and their statuses.

use crate::domain::schema::Type;
use crate::domain::words::words;
use crate::domain::{Code, EntityKind, EntitySchema, Field, FieldError, FieldRef};
use crate::limits::{CLIENT_ID_CHARS_MAX, NOTES_CHARS_MAX};

words! {
    /// The progress of an order.
    OrderStatus {
        /// Ordered; the work has not begun.
        Pending = "pending",
        /// The work has begun.
        Processing = "processing",
        /// Ready to be collected or sent.
        Ready = "ready",
        /// At least one parcel has left.
        Shipped = "shipped",
        /// Handed over, or all parcels have arrived.
        Completed = "completed",
        /// Cancelled before anything left the shop.
        Cancelled = "cancelled",
        /// Cancelled, and the money is refunded.
        Refunded = "refunded",
    }
}

impl OrderStatus {
    /// The statuses that a person may set on an order with this one. One step back is a recall.
    pub const fn next(self) -> &'static [Self] {
        use OrderStatus::{Cancelled, Completed, Pending, Processing, Ready, Refunded, Shipped};
        match self {
            Self::Pending => &[Processing, Ready, Shipped, Completed, Cancelled],
            Self::Processing => &[Pending, Ready, Shipped, Completed, Cancelled, Refunded],
            Self::Ready => &[Processing, Shipped, Completed, Cancelled, Refunded],
            Self::Shipped => &[Completed, Refunded],
            Self::Completed => &[Refunded],
            Self::Cancelled | Self::Refunded => &[],
        }
    }

    /// Whether the order is cancelled or refunded, which is final.
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Cancelled | Self::Refunded)
    }

    /// Whether the goods are no longer in the shop.
    pub const fn has_left(self) -> bool {
        matches!(self, Self::Shipped | Self::Completed)
    }
}

words! {
    /// The progress of an order's payment: a function of its transactions and its total.
    PaymentStatus {
        /// Something is still due.
        Pending = "pending",
        /// Nothing is due.
        Paid = "paid",
        /// Paid, and partly refunded.
        PartiallyRefunded = "partially_refunded",
        /// Paid, and fully refunded.
        Refunded = "refunded",
        /// Every payment failed.
        Failed = "failed",
    }
}

const FIELDS: &[Field] = &[
    Field::new("order_number", Type::OrderNumber, "The number on the receipt.")
        .in_event()
        .filterable(),
    Field::new(
        "status",
        Type::Choice(OrderStatus::WORDS),
        "The progress of the order. Once a parcel has left, it follows from the parcels.",
    )
    .default(OrderStatus::Pending.word())
    .patchable()
    .in_event()
    .filterable(),
    Field::new(
        "payment_status",
        Type::Choice(PaymentStatus::WORDS),
        "The progress of the payment; it follows from the transactions and the total.",
    )
    .initial(PaymentStatus::Pending.word())
    .in_event()
    .filterable_without_index(),
    Field::new(
        "total",
        Type::Money(0),
        "The sum of the items; required without items. An order with a total of 0 is paid from the start.",
    )
    .optional_value()
    .patchable()
    .in_event(),
    Field::new(
        "customer_id",
        Type::Id(EntityKind::Customer),
        "The customer; null for a sale over the counter. A kiosk may not give it.",
    )
    .optional()
    .patchable()
    .in_event()
    .filterable(),
    Field::new("currency", Type::Currency, "The currency of every amount in the order.")
        .of_shop()
        .in_event(),
    Field::new(
        "items",
        Type::Items,
        "The lines, with the name and the price at the sale; empty for an order that has only a total.",
    )
    .optional_value()
    .patchable(),
    Field::new(
        "discount",
        Type::Money(0),
        "The discount on the whole order, at most the sum of the lines; only for an order with items.",
    )
    .default_int(0)
    .patchable(),
    Field::new("tax_total", Type::Money(0), "The tax in the total.").initial_int(0),
    Field::new(
        "rounding",
        Type::Money(i64::MIN),
        "The difference between the total and the sum of its parts, because cash was rounded.",
    )
    .initial_int(0),
    Field::new("taxes", Type::Taxes, "The tax of each rate, in ascending order."),
    Field::new(
        "client_id",
        Type::Line(1, CLIENT_ID_CHARS_MAX),
        "The client's own name of the sale, unique for ever; null for an order that is no sale.",
    )
    .set_later(),
    Field::new(
        "sold_at",
        Type::Time,
        "The time of a sale that had already happened when it was sent; else null.",
    )
    .set_later(),
    Field::new(
        "oversold",
        Type::Oversold,
        "What was sold beyond the stock, an entry for each product.",
    )
    .filterable(),
    Field::new("notes", Type::Text(NOTES_CHARS_MAX), "Free text for the staff.")
        .optional()
        .patchable(),
    Field::new("kiosk_id", Type::Owner, "The user or device with the role kiosk that created it.").hidden(),
    Field::new("kiosk_uptime", Type::Uptime, "The shop's uptime when a kiosk made it.").hidden(),
    Field::new(
        "status_before",
        Type::Choice(OrderStatus::WORDS),
        "The status without the parcels, a cancellation or a refund; null if it equals the status.",
    )
    .hidden(),
    Field::new("done", Type::LineNumbers, "The numbers of the lines that are finished, from 0.")
        .patchable(),
    Field::new("restocked", Type::Quantities, "What came back of each line with refunds.")
        .hidden(),
    Field::new("stock_returned", Type::Flag, "1 once its goods came back into stock, else 0.")
        .initial_int(0)
        .hidden(),
];

/// The progress of the order.
pub const STATUS: FieldRef = FieldRef::of(FIELDS, "status");
/// The progress of the payment.
pub const PAYMENT_STATUS: FieldRef = FieldRef::of(FIELDS, "payment_status");
/// The sum, in minor units.
pub const TOTAL: FieldRef = FieldRef::of(FIELDS, "total");
/// The customer.
pub const CUSTOMER_ID: FieldRef = FieldRef::of(FIELDS, "customer_id");
/// The currency of every amount in the order.
pub const CURRENCY: FieldRef = FieldRef::of(FIELDS, "currency");
/// The lines.
pub const ITEMS: FieldRef = FieldRef::of(FIELDS, "items");
/// The discount on the whole order, in minor units.
pub const DISCOUNT: FieldRef = FieldRef::of(FIELDS, "discount");
/// The tax in the total, in minor units.
pub const TAX_TOTAL: FieldRef = FieldRef::of(FIELDS, "tax_total");
/// The difference between the total and the sum of its parts, in minor units.
pub const ROUNDING: FieldRef = FieldRef::of(FIELDS, "rounding");
/// The tax of each rate.
pub const TAXES: FieldRef = FieldRef::of(FIELDS, "taxes");
/// The client's own name of the sale.
pub const CLIENT_ID: FieldRef = FieldRef::of(FIELDS, "client_id");
/// The time of a sale that had already happened.
pub const SOLD_AT: FieldRef = FieldRef::of(FIELDS, "sold_at");
/// The goods that were sold beyond the stock.
pub const OVERSOLD: FieldRef = FieldRef::of(FIELDS, "oversold");
/// Free text for the staff.
pub const NOTES: FieldRef = FieldRef::of(FIELDS, "notes");
/// The kiosk user that created it.
pub const KIOSK_ID: FieldRef = FieldRef::of(FIELDS, "kiosk_id");
/// The shop's uptime when a kiosk made it.
pub const KIOSK_UPTIME: FieldRef = FieldRef::of(FIELDS, "kiosk_uptime");
/// The status without the parcels, a cancellation or a refund.
pub const STATUS_BEFORE: FieldRef = FieldRef::of(FIELDS, "status_before");
/// The numbers of the lines that are finished.
pub const DONE: FieldRef = FieldRef::of(FIELDS, "done");
/// The quantity of each line that came back with refunds.
pub const RESTOCKED: FieldRef = FieldRef::of(FIELDS, "restocked");
/// Whether its goods came back into stock.
pub const STOCK_RETURNED: FieldRef = FieldRef::of(FIELDS, "stock_returned");

/// The names and fields of an order.
pub const SCHEMA: EntitySchema = EntitySchema {
    noun: "order",
    plural: "orders",
    channel: "order_changes",
    fields: FIELDS,
    currency: Some(CURRENCY),
    in_use_message: "this order has transactions or shipments; cancel it instead, or delete those \
                     first",
    duplicate_message: "an order like this exists already",
};

/// Checks the rules that span several fields of a new order: without items it needs a total, and it
/// cannot begin as cancelled or refunded.
pub(super) fn check_new(has_items: bool, has_total: bool, status: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !has_items && !has_total {
        errors.push(FieldError::new(
            TOTAL.name,
            Code::Required,
            "is required when there are no items",
        ));
    }
    if OrderStatus::from_word(status).is_some_and(OrderStatus::is_ended) {
        let [cancelled, refunded] = [OrderStatus::Cancelled, OrderStatus::Refunded];
        let message =
            format!("must not be {} or {} in a new order", cancelled.word(), refunded.word());
        errors.push(FieldError::new(STATUS.name, Code::UnknownValue, message));
    }
    errors
}
