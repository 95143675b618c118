//! Products: what the shop sells, and how many of it are there.

use crate::domain::currency::DEFAULT_CURRENCY;
use crate::domain::schema::Type;
use crate::domain::{Code, EntitySchema, Field, Reject, Row};
use crate::limits::{NAME_CHARS_MAX, SKU_CHARS_MAX};

/// What it is called.
pub const NAME: Field = Field::new("name", Type::Line(1, NAME_CHARS_MAX), "What it is called.")
    .required()
    .patchable()
    .in_event();
/// Its number.
pub const SKU: Field = Field::new("sku", Type::Line(1, SKU_CHARS_MAX), "Its number, unique.")
    .required()
    .patchable()
    .in_event()
    .filterable();
/// Whether it is for sale.
pub const STATUS: Field = Field::new(
    "status",
    Type::Choice(&["draft", "published", "archived"]),
    "Only what is published can be ordered.",
)
.default("published")
.patchable()
.in_event()
.filterable();
/// What one costs.
pub const PRICE: Field =
    Field::new("price", Type::Money(0), "What one of it costs.").required().patchable().in_event();
/// How many are there.
pub const STOCK: Field =
    Field::new("stock", Type::Count, "How many can be sold.").default_int(0).patchable().in_event();

/// The fields of a product.
pub const SCHEMA: EntitySchema = EntitySchema {
    noun: "product",
    plural: "products",
    channel: "product_changes",
    fields: &[
        NAME,
        SKU,
        STATUS,
        PRICE,
        STOCK,
        Field::new("currency", Type::Currency, "The currency of the price.")
            .default(DEFAULT_CURRENCY)
            .patchable(),
    ],
    in_use_message: "this product is in orders; set its status to archived instead",
    duplicate_message: "a product with this sku exists already",
};

/// The product after so many were ordered; refused where there are too few, or it is not for sale.
pub fn sold(product: &Row, quantity: i64) -> Result<Row, Reject> {
    let (name, stock) = (product.text(&NAME), product.int(&STOCK));
    match product.text(&STATUS) {
        "published" if stock >= quantity => Ok(product.clone().with_int(&STOCK, stock - quantity)),
        "published" => Err(Reject::Conflict(
            Code::OutOfStock,
            format!(
                "there are {stock} of product {} ({name}) in stock, the order has {quantity}",
                product.id
            ),
        )),
        status => Err(Reject::Conflict(
            Code::NotForSale,
            format!("product {} ({name}) is {status} and cannot be ordered", product.id),
        )),
    }
}

/// The product after so many came back.
pub fn returned(product: &Row, quantity: i64) -> Row {
    let stock = product.int(&STOCK).saturating_add(quantity);
    product.clone().with_int(&STOCK, stock)
}
