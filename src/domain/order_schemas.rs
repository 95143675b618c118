//! The lines of orders, sales, taxes and changes of stock as JSON Schema, for the document of the HTTP API.

use serde_json::{Map, Value};

use crate::domain::EntityKind;
use crate::domain::json_literal::json;
use crate::domain::json_schema::{
    Direction, TEXT, amount, choice, closed, currency_of_lines, field_schema, id, members,
    nullable, object, reference, text, time,
};
use crate::domain::order::{self, OrderStatus};
use crate::domain::stock_change::StockReason;
use crate::limits::{
    BARCODE_CHARS_MAX, CLIENT_ID_CHARS_MAX, NAME_CHARS_MAX, NOTES_CHARS_MAX, ORDER_LINES_MAX,
    QUANTITY_MAX, SALE_PAYMENTS_MAX, SKU_CHARS_MAX, STOCK_MAX, TAX_RATE_MAX,
};

/// The named schemas.
pub fn sale_and_stock_schemas() -> Map<String, Value> {
    let mut schemas = sale_schemas();
    schemas.extend(sale_lines());
    schemas.extend(members([
        ("OrderLine", order_line()),
        ("NewOrderLine", new_order_line()),
        ("TaxSum", object(members([("rate", tax_rate()), ("net", amount()), ("tax", amount())]))),
        ("Oversold", object(members([("product_id", id()), ("quantity", quantity())]))),
        ("Restock", object(members([("line", line_number()), ("quantity", quantity())]))),
        ("StockChange", stock_change()),
        ("StockReason", choice(StockReason::WORDS.iter().copied())),
    ]));
    schemas
}

/// The body of a sale, and what is made of it.
fn sale_schemas() -> Map<String, Value> {
    let line = |text: Value| json!({"type": "string", "minLength": 1, "maxLength": text});
    let order = |name: &str| {
        let field = EntityKind::Order.schema().fields.iter().find(|field| field.name == name);
        field.map_or(Value::Null, |field| field_schema(EntityKind::Order, field, Direction::Given))
    };
    let mut items = order(order::ITEMS.name);
    items["items"] = reference("SaleLine");
    items["description"] = json!("The lines.");
    let payments =
        json!({"type": "array", "maxItems": SALE_PAYMENTS_MAX, "items": reference("Tender")});
    let mut time = time();
    time["type"] = json!(["string", "null"]);
    time["description"] =
        json!("The time of a sale that has already happened: it is never refused.");
    let status = json!({
        "type": "string", "enum": [OrderStatus::Completed.word()],
        "description": "The goods were handed over.",
    });
    let new = members([
        ("client_id", line(json!(CLIENT_ID_CHARS_MAX))),
        ("items", items),
        ("customer_id", order(order::CUSTOMER_ID.name)),
        ("discount", order(order::DISCOUNT.name)),
        ("notes", order(order::NOTES.name)),
        ("currency", currency_of_lines()),
        ("status", status),
        ("payments", payments),
        ("sold_at", time),
        ("total", price("The sum that the customer was told.")),
    ]);
    let tender = [("gateway", line(json!(NAME_CHARS_MAX))), ("amount", price("What was given."))];
    let made = [
        ("order", reference("Order")),
        ("transactions", json!({"type": "array", "items": reference("Transaction")})),
        ("change", amount()),
    ];
    members([
        ("NewSale", closed(new, &["client_id", "items"].map(str::to_owned))),
        ("Tender", object(members(tender))),
        ("Sale", object(members(made))),
    ])
}

/// A line of a sale: a product by one of its three names.
fn sale_lines() -> Map<String, Value> {
    let text = |most: usize| json!({"type": "string", "minLength": 1, "maxLength": most});
    let lines = [
        ("SaleLineById", "product_id", id()),
        ("SaleLineBySku", "sku", text(SKU_CHARS_MAX)),
        ("SaleLineByBarcode", "barcode", text(BARCODE_CHARS_MAX)),
    ];
    let any = json!({"oneOf": lines.each_ref().map(|(schema, ..)| reference(schema))});
    let mut schemas = members(lines.map(|(schema, name, value)| {
        let mut line = line_members();
        line.insert(name.to_owned(), value);
        line.insert("unit_price".to_owned(), price("The price of one unit at the till."));
        (schema, closed(line, &[name, "quantity"].map(str::to_owned)))
    }));
    schemas.insert("SaleLine".to_owned(), any);
    schemas
}

fn price(about: &str) -> Value {
    json!({"type": "number", "minimum": 0, "description": about})
}

fn line_number() -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": ORDER_LINES_MAX - 1, "description": "From 0."})
}

/// The body of a change of a product's stock.
fn stock_change() -> Value {
    let (least, most) = (-STOCK_MAX, STOCK_MAX);
    let change = json!({
        "type": "number", "minimum": least, "maximum": most, "not": {"const": 0},
        "description": "What came; below zero, what went.",
    });
    let required = ["change", "reason"].map(str::to_owned);
    let members = members([
        ("change", change),
        ("reason", reference("StockReason")),
        ("note", nullable(text(0, NOTES_CHARS_MAX, TEXT))),
    ]);
    closed(members, &required)
}

fn tax_rate() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": TAX_RATE_MAX, "description": "In per cent."})
}

fn new_order_line() -> Value {
    let required = ["product_id", "quantity"].map(str::to_owned);
    let mut members = line_members();
    members.insert("product_id".to_owned(), id());
    closed(members, &required)
}

/// The members of a new line beside its product.
fn line_members() -> Map<String, Value> {
    let discount = json!({
        "type": "number", "minimum": 0, "default": 0, "description": "At most the price of the line.",
    });
    let note = nullable(text(0, NOTES_CHARS_MAX, TEXT));
    members([("quantity", quantity()), ("discount", discount), ("note", note)])
}

fn order_line() -> Value {
    object(members([
        ("product_id", id()),
        ("name", json!({"type": "string"})),
        ("sku", json!({"type": "string"})),
        ("quantity", quantity()),
        ("unit_price", amount()),
        ("line_total", amount()),
        ("discount", amount()),
        ("tax_rate", nullable(tax_rate())),
        ("note", json!({"type": ["string", "null"]})),
    ]))
}

fn quantity() -> Value {
    json!({"type": "number", "minimum": 0.001, "maximum": QUANTITY_MAX})
}
