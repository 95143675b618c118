//! Orders: their lines, what these cost and take from stock, and how far an order is paid.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::currency::DEFAULT_CURRENCY;
use crate::domain::order_line::OrderLine;
use crate::domain::schema::{Transitions, Type};
use crate::domain::{
    Cell, Code, EntityKind, EntitySchema, Field, FieldError, Reject, Row, product,
};
use crate::limits::{AMOUNT_MINOR_MAX, NOTES_CHARS_MAX};

const TRANSITIONS: Transitions = &[
    ("pending", &["processing", "ready", "shipped", "completed", "cancelled"]),
    ("processing", &["ready", "shipped", "completed", "cancelled", "refunded"]),
    ("ready", &["shipped", "completed", "cancelled", "refunded"]),
    ("shipped", &["completed", "refunded"]),
    ("completed", &["refunded"]),
    ("cancelled", &[]),
    ("refunded", &[]),
];

/// Where the order stands.
pub const STATUS: Field =
    Field::new("status", Type::Status(TRANSITIONS), "Where the order stands.")
        .default("pending")
        .patchable()
        .in_event()
        .filterable();
/// How far it is paid.
pub const PAYMENT_STATUS: Field = Field::new(
    "payment_status",
    Type::Choice(&["pending", "paid", "partially_refunded", "refunded", "failed"]),
    "How far it is paid; it follows from the transactions.",
)
.initial("pending")
.in_event();
/// What it costs.
pub const TOTAL: Field = Field::new(
    "total",
    Type::Money(0),
    "What it costs; with items it is their sum, without items it is given.",
)
.optional_value()
.patchable()
.in_event();
/// Whose it is.
pub const CUSTOMER_ID: Field = Field::new(
    "customer_id",
    Type::Id(EntityKind::Customer),
    "Whose it is; null for a sale over the counter.",
)
.optional()
.patchable()
.in_event()
.filterable();
/// In which currency.
pub const CURRENCY: Field =
    Field::new("currency", Type::Currency, "The currency of every amount in the order.")
        .default(DEFAULT_CURRENCY)
        .in_event();
/// The lines.
pub const ITEMS: Field = Field::new(
    "items",
    Type::Items,
    "What was bought, with the name and the price of that moment; empty for an order from outside.",
)
.optional_value();
/// The kiosk that made it.
pub const KIOSK_ID: Field = Field::new("kiosk_id", Type::Owner, "The kiosk user that created it.");

/// The fields of an order.
pub const SCHEMA: EntitySchema = EntitySchema {
    noun: "order",
    plural: "orders",
    channel: "order_changes",
    fields: &[
        Field::new("order_number", Type::OrderNumber, "The number on the receipt.").in_event(),
        STATUS,
        PAYMENT_STATUS,
        TOTAL,
        CUSTOMER_ID,
        CURRENCY,
        ITEMS,
        Field::new("notes", Type::Text(NOTES_CHARS_MAX), "Free text for the staff.")
            .optional()
            .patchable(),
        KIOSK_ID,
    ],
    in_use_message: "this order has transactions or shipments; cancel it instead, or delete those first",
    duplicate_message: "an order like this exists already",
};

/// One line of a stored order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Which product.
    pub product_id: i64,
    /// Its name when it was sold.
    pub name: String,
    /// Its number when it was sold.
    pub sku: String,
    /// How many of it.
    pub quantity: i64,
    /// The price of one, in minor units.
    pub unit_price: i64,
}

impl Item {
    /// The price of the line, in minor units.
    pub fn line_total(&self) -> i64 {
        self.quantity.saturating_mul(self.unit_price)
    }
}

/// What spans several fields of a new order: one without items must say what it costs, and none
/// begins at its end.
pub(super) fn check_new(has_items: bool, has_total: bool, status: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !has_items && !has_total {
        errors.push(FieldError::new(
            TOTAL.name,
            Code::Required,
            "is required when there are no items",
        ));
    }
    if matches!(status, "cancelled" | "refunded") {
        errors.push(FieldError::new(
            STATUS.name,
            Code::UnknownValue,
            "must not be cancelled or refunded in a new order",
        ));
    }
    errors
}

/// Prices the lines of a new order: fills in its items, total and currency.
///
/// `products` has the row of each line's product, in the order of the lines.
pub fn price(order: &mut Row, lines: &[OrderLine], products: &[Row]) -> Result<(), Reject> {
    let currency = products.first().map(Row::currency).unwrap_or_default();
    let mut errors = Vec::new();
    let mut items = Vec::with_capacity(lines.len());
    for (at, (line, product)) in lines.iter().zip(products).enumerate() {
        if product.currency() != currency {
            let message =
                format!("is sold in {}, the lines before in {currency}", product.currency());
            errors.push(FieldError::new(
                format!("items[{at}].product_id"),
                Code::CurrencyMismatch,
                message,
            ));
        }
        items.push(Item {
            product_id: product.id,
            name: product.text(&product::NAME).to_owned(),
            sku: product.text(&product::SKU).to_owned(),
            quantity: line.quantity,
            unit_price: product.int(&product::PRICE),
        });
    }
    let total = items.iter().map(Item::line_total).fold(0, i64::saturating_add);
    if total > AMOUNT_MINOR_MAX {
        errors.push(FieldError::new(
            "items",
            Code::TooLarge,
            "add up to more than an order can cost",
        ));
    }
    if !errors.is_empty() {
        return Err(Reject::Invalid(errors));
    }
    order.set(&CURRENCY, Cell::Text(currency.to_owned()));
    order.set(&TOTAL, Cell::Int(total));
    set_items(order, &items)
}

/// Stores an order's lines in its row.
pub fn set_items(order: &mut Row, items: &[Item]) -> Result<(), Reject> {
    let text = serde_json::to_string(items).map_err(|_| Reject::Unavailable)?;
    order.set(&ITEMS, Cell::Text(text));
    Ok(())
}

/// The lines of a stored order.
pub fn items(order: &Row) -> Vec<Item> {
    // What was stored is what `set_items` wrote; a damaged text shows no lines and breaks nothing.
    serde_json::from_str(order.text(&ITEMS)).unwrap_or_default()
}

/// How many of each product an order has.
pub fn quantities(order: &Row) -> BTreeMap<i64, i64> {
    let mut quantities = BTreeMap::new();
    for item in items(order) {
        *quantities.entry(item.product_id).or_default() += item.quantity;
    }
    quantities
}

/// The goods are set aside and still in the shop: cancelling or deleting gives them back.
pub fn holds_stock(order: &Row) -> bool {
    matches!(order.text(&STATUS), "pending" | "processing" | "ready")
}

/// The order takes no more money and no more parcels.
pub fn is_ended(order: &Row) -> bool {
    matches!(order.text(&STATUS), "cancelled" | "refunded")
}

/// What the transactions of an order add up to, in minor units.
#[derive(Clone, Copy, Debug, Default)]
pub struct Payments {
    /// Completed payments.
    pub paid: i64,
    /// Completed refunds.
    pub refunded: i64,
    /// Payments that are still under way.
    pub pending: i64,
    /// How many payments failed.
    pub failed: i64,
}

/// The order after its transactions changed.
pub fn after_payments(order: &Row, sums: Payments) -> Row {
    let paid_up = sums.paid > 0 && sums.paid >= order.int(&TOTAL);
    let payment_status = if sums.refunded > 0 && sums.refunded >= sums.paid {
        "refunded"
    } else if sums.refunded > 0 {
        "partially_refunded"
    } else if paid_up {
        "paid"
    } else if sums.failed > 0 && sums.paid == 0 && sums.pending == 0 {
        "failed"
    } else {
        "pending"
    };
    let order = order.clone();
    let start = payment_status == "paid" && order.text(&STATUS) == "pending";
    let order = order.with_text(&PAYMENT_STATUS, payment_status);
    if start { order.with_text(&STATUS, "processing") } else { order }
}

/// The order after one of its shipments changed; `open` is the number of its parcels that have
/// neither arrived nor come back, `left` tells whether this one has left the shop.
pub fn after_shipment(order: &Row, left: bool, arrived: bool, open: i64) -> Row {
    let status = match order.text(&STATUS) {
        "pending" | "processing" | "ready" | "shipped" if arrived && open == 0 => "completed",
        "pending" | "processing" | "ready" if left => "shipped",
        _ => return order.clone(),
    };
    order.clone().with_text(&STATUS, status)
}
