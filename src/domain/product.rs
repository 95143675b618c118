//! Products: goods and services that the shop sells, with the stock of each.

use crate::domain::currency::DEFAULT_CURRENCY;
use crate::domain::schema::Type;
use crate::domain::words::words;
use crate::domain::{EntityKind, EntitySchema, Field, FieldRef, Reject, Row};
use crate::limits::{NAME_CHARS_MAX, SKU_CHARS_MAX};

words! {
    /// Whether a product is for sale.
    ProductStatus {
        /// Not yet for sale.
        Draft = "draft",
        /// For sale.
        Published = "published",
        /// No longer for sale.
        Archived = "archived",
    }
}

const FIELDS: &[Field] = &[
    Field::new("name", Type::Line(1, NAME_CHARS_MAX), "The name on the receipt.")
        .required()
        .patchable()
        .in_event(),
    Field::new("sku", Type::Line(1, SKU_CHARS_MAX), "The stock keeping unit, unique.")
        .required()
        .patchable()
        .in_event()
        .filterable(),
    Field::new(
        "status",
        Type::Choice(ProductStatus::WORDS),
        "Only a published product can be ordered.",
    )
    .default(ProductStatus::Published.word())
    .patchable()
    .in_event()
    .filterable(),
    Field::new("price", Type::Money(0), "The price of one piece.")
        .required()
        .patchable()
        .in_event(),
    Field::new("stock", Type::Count, "The number of pieces that can be sold.")
        .default_int(0)
        .patchable()
        .in_event(),
    Field::new("currency", Type::Currency, "The currency of the price.")
        .default(DEFAULT_CURRENCY)
        .patchable(),
];

/// The name on the receipt.
pub const NAME: FieldRef = FieldRef::of(FIELDS, "name");
/// The stock keeping unit.
pub const SKU: FieldRef = FieldRef::of(FIELDS, "sku");
/// Whether it is for sale.
pub const STATUS: FieldRef = FieldRef::of(FIELDS, "status");
/// The price of one piece, in minor units.
pub const PRICE: FieldRef = FieldRef::of(FIELDS, "price");
/// The number of pieces that can be sold.
pub const STOCK: FieldRef = FieldRef::of(FIELDS, "stock");

/// Whether a row is a product that is not yet for sale.
pub fn is_draft(row: &Row) -> Result<bool, Reject> {
    Ok(row.kind == EntityKind::Product && row.text(STATUS)? == ProductStatus::Draft.word())
}

/// The names and fields of a product.
pub const SCHEMA: EntitySchema = EntitySchema {
    noun: "product",
    plural: "products",
    channel: "product_changes",
    fields: FIELDS,
    currency: Some(FieldRef::of(FIELDS, "currency")),
    in_use_message: "this product is in orders; set its status to archived instead",
    duplicate_message: "a product with this sku exists already",
};
