//! The words of nearly valid input.

use proptest::prelude::Strategy;
use proptest::sample::select;

/// Words in place of an id or another plain word.
pub(crate) const WEIRD: [&str; 22] = [
    "",
    "0",
    "-1",
    "+1",
    "01",
    "1.5",
    "1e1",
    "abc",
    "null",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999999",
    "%00",
    "%ff%fe",
    "%2e%2e%2f",
    "..",
    "%",
    "a b",
    "\u{1f375}",
    "ü",
    "'; --",
    "*",
];

pub(crate) const PLURALS: [&str; 5] =
    ["orders", "products", "customers", "shipments", "transactions"];

pub(crate) const FIELDS: [&str; 24] = [
    "id",
    "order_number",
    "status",
    "payment_status",
    "total",
    "customer_id",
    "currency",
    "items",
    "notes",
    "name",
    "sku",
    "price",
    "stock",
    "email",
    "first_name",
    "last_name",
    "phone",
    "order_id",
    "tracking_number",
    "carrier",
    "type",
    "amount",
    "gateway",
    "created_at",
];

pub(crate) const WORDS: [&str; 24] = [
    "pending",
    "processing",
    "ready",
    "shipped",
    "completed",
    "cancelled",
    "refunded",
    "published",
    "draft",
    "archived",
    "in_transit",
    "delivered",
    "failed",
    "payment",
    "refund",
    "USD",
    "JPY",
    "EUR",
    "usd",
    "cash",
    "a@example.com",
    "Tea",
    "",
    "\u{0}\u{202e}\n",
];

/// JSON numbers that are easy to get wrong.
pub(crate) const NUMBERS: [&str; 16] = [
    "0",
    "1",
    "2",
    "3",
    "5.25",
    "99.99",
    "9.999",
    "-1",
    "-0",
    "1e2",
    "1e400",
    "1e-400",
    "0.30000000000000004",
    "9007199254740993",
    "99999999999999999999999",
    "1e999999999999999999",
];

/// One of these words.
pub(crate) fn text(words: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    select(words).prop_map(ToOwned::to_owned)
}
