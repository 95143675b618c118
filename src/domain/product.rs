//! Products: goods and services that the shop sells, with the stock of each.

use crate::domain::schema::Type;
use crate::domain::words::words;
use crate::domain::{EntityKind, EntitySchema, Field, FieldRef, Reject, Row};
use crate::limits::{NAME_CHARS_MAX, SKU_CHARS_MAX, STOCK_MAX, TAX_RATE_MAX};

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

words! {
    /// The unit in which a product is sold and counted.
    Unit {
        /// Pieces: only whole ones.
        Piece = "piece",
        /// Kilograms.
        Kilogram = "kg",
        /// Grams.
        Gram = "g",
        /// Litres.
        Litre = "l",
        /// Metres.
        Metre = "m",
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
    Field::new("stock", Type::Thousandths(STOCK_MAX), "How much can be sold; null for goods that are not counted.")
        .default_int(0)
        .nullable()
        .patchable()
        .in_event(),
    Field::new("currency", Type::Currency, "The currency of the price, the shop's unless given.")
        .of_shop()
        .patchable(),
    Field::new(
        "unit",
        Type::Choice(Unit::WORDS),
        "The unit of the price and of every quantity; pieces are whole, others have at most 3 decimals.",
    )
    .default(Unit::Piece.word())
    .patchable(),
    Field::new("tax_rate", Type::Thousandths(TAX_RATE_MAX), "The tax in per cent; null for goods without a tax.")
        .optional()
        .patchable(),
    Field::new("barcode", Type::Barcode, "The code on the goods, unique.")
        .optional()
        .patchable()
        .filterable_by("gtin"),
    Field::new("category", Type::Line(1, NAME_CHARS_MAX), "The group of goods, such as Drinks.")
        .optional()
        .patchable()
        .filterable(),
    Field::new("location", Type::Line(1, NAME_CHARS_MAX), "The place in the store room.")
        .optional()
        .patchable(),
    Field::new("gtin", Type::Barcode, "The barcode in the form in which it is unique.").hidden(),
];

/// The name on the receipt.
pub const NAME: FieldRef = FieldRef::of(FIELDS, "name");
/// The stock keeping unit.
pub const SKU: FieldRef = FieldRef::of(FIELDS, "sku");
/// Whether it is for sale.
pub const STATUS: FieldRef = FieldRef::of(FIELDS, "status");
/// The price of one piece, in minor units.
pub const PRICE: FieldRef = FieldRef::of(FIELDS, "price");
/// How much can be sold; null for goods that are not counted.
pub const STOCK: FieldRef = FieldRef::of(FIELDS, "stock");
/// The unit of the price and of every quantity.
pub const UNIT: FieldRef = FieldRef::of(FIELDS, "unit");
/// The tax, in thousandths of a per cent.
pub const TAX_RATE: FieldRef = FieldRef::of(FIELDS, "tax_rate");
/// The code on the goods.
pub const BARCODE: FieldRef = FieldRef::of(FIELDS, "barcode");

/// The barcode in the form in which it is unique.
pub const GTIN: FieldRef = FieldRef::of(FIELDS, "gtin");

/// The form in which a barcode is unique and searched. An EAN-13 that begins with 0 and the UPC-A of 12 digits
/// behind that 0 are one number (GS1 General Specifications, section 3.3.2).
pub fn gtin(barcode: &str) -> &str {
    match barcode.strip_prefix('0') {
        Some(upc) if upc.len() == 12 && upc.bytes().all(|byte| byte.is_ascii_digit()) => upc,
        _ => barcode,
    }
}

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
    duplicate_message: "a product with this sku or barcode exists already",
};
