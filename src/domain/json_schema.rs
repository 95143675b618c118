//! The entities and their events as JSON Schema (2020-12), for the documents of the HTTP API and of
//! the WebSocket. Both keep them under `#/components/schemas`.

use serde_json::{Map, Value};

use crate::domain::json_literal::json;
use crate::domain::product::SKU;
use crate::domain::schema::{Origin, Type};
use crate::domain::{EntityKind, Field};
use crate::limits::{AMOUNT_MINOR_MAX, BARCODE_CHARS_MAX, EMAIL_BYTES_MAX, ORDER_LINES_MAX};

/// The visible characters, as a character class without its brackets. Invisible ones beyond U+FFFF
/// are left to the server: their ranges are an error in JavaScript without its flag `u`.
macro_rules! seen {
    () => {
        concat!(
            r"^\s\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f",
            r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb",
        )
    };
}
/// One line, possibly empty, without white space at an end.
const LINE: &str = concat!("^([", seen!(), "]( *[", seen!(), "])*)?$");
/// One line that is not empty, without white space at an end.
pub const NOT_BLANK: &str = concat!("^[", seen!(), "]( *[", seen!(), "])*$");
/// Several lines, without control characters but line breaks and tabs.
pub const TEXT: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$";

/// The direction of a value: one from the server may have more members than one from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a client, in the body of a creation or a patch.
    Given,
    /// To a client, in an entity or an event.
    Shown,
}

/// The verbs of events, each the second half of an event's name.
pub const VERBS: [&str; 3] = ["created", "updated", "deleted"];

/// A reference to a named schema.
pub fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// An object with these properties, all of them required, and no others.
pub fn object(properties: Map<String, Value>) -> Value {
    let required: Vec<String> = properties.keys().cloned().collect();
    closed(properties, &required)
}

/// An object with these properties, some of them required, and no others.
pub fn closed(properties: Map<String, Value>, required: &[String]) -> Value {
    let mut schema = json!({"type": "object", "additionalProperties": false});
    schema["properties"] = Value::Object(properties);
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// The words of a choice, as a named schema.
pub fn choice(words: impl IntoIterator<Item = &'static str>) -> Value {
    json!({"type": "string", "enum": words.into_iter().collect::<Vec<_>>()})
}

/// Names and values as an object's members. `collect` would sort them first, with 4 KB of code for each kind of
/// iterator.
pub fn members<N: Into<String>>(pairs: impl IntoIterator<Item = (N, Value)>) -> Map<String, Value> {
    fn insert(pairs: &mut dyn Iterator<Item = (String, Value)>) -> Map<String, Value> {
        let mut members = Map::new();
        pairs.for_each(|(name, value)| drop(members.insert(name, value)));
        members
    }
    insert(&mut pairs.into_iter().map(|(name, value)| (name.into(), value)))
}

/// `order` or `payment_status` as part of a schema's name: `Order`, `PaymentStatus`.
pub fn title(name: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').map(capital).collect()
}

/// An id of the shop.
pub fn id() -> Value {
    json!({"type": "integer", "format": "int64", "minimum": 1})
}

/// A time, RFC 3339 in UTC with milliseconds.
pub fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// A position in the event log.
pub fn seq() -> Value {
    json!({"type": "integer", "format": "int64", "minimum": 0, "description": "A position in the event log."})
}

/// The named schemas of the words that choices and statuses allow, such as `OrderStatus`.
pub fn choices() -> Map<String, Value> {
    let mut schemas = Map::new();

    for kind in EntityKind::ALL {
        for field in kind.schema().fields.iter().filter(|field| field.visible()) {
            if let Some(words) = field.words() {
                schemas.insert(choice_name(kind, field), choice(words.iter().copied()));
            }
        }
    }
    schemas
}

/// The named schemas of all kinds: their entities, and the bodies that a client may send.
pub fn entities() -> Map<String, Value> {
    let mut schemas = Map::new();
    for kind in EntityKind::ALL {
        let name = title(kind.schema().noun);
        schemas.insert(name.clone(), entity(kind));
        schemas.insert(format!("{name}Patch"), patch(kind));
        schemas.extend(creation(kind, &name));
    }
    schemas.insert("ProductPut".to_owned(), product_put());
    schemas
}

/// The fields of a product whose stock keeping unit is in the path.
fn product_put() -> Value {
    let mut put = patch(EntityKind::Product);
    if let Some(fields) = put["properties"].as_object_mut() {
        fields.remove(SKU.name);
    }
    put
}

/// The named schemas of all events: `OrderCreated` and so on, and `Event` for any of them.
pub fn events() -> Map<String, Value> {
    let mut schemas = Map::new();
    let mut names = Vec::new();
    for kind in EntityKind::ALL {
        let name = title(kind.schema().noun);
        schemas.insert(format!("{name}ChangedFields"), changed_fields(kind));
        schemas.insert(format!("{name}Data"), object(event_data(kind)));
        let mut updated = event_data(kind);
        updated.insert("changed_fields".to_owned(), reference(&format!("{name}ChangedFields")));
        schemas.insert(format!("{name}UpdateData"), object(updated));
        for verb in VERBS {
            let name = event_name(kind, verb);
            schemas.insert(name.clone(), event(kind, verb));
            names.push(name);
        }
    }
    let any: Vec<Value> = names.iter().map(|name| reference(name)).collect();
    schemas.insert("Event".to_owned(), json!({"oneOf": any}));
    schemas
}

/// The name of an event's schema, such as `OrderCreated`.
pub fn event_name(kind: EntityKind, verb: &str) -> String {
    format!("{}{}", title(kind.schema().noun), title(verb))
}

/// The members of an event's `data`.
fn event_data(kind: EntityKind) -> Map<String, Value> {
    let mut data = event_fields(kind);
    data.insert("id".to_owned(), id());
    data
}

/// An event's envelope.
fn event(kind: EntityKind, verb: &str) -> Value {
    let suffix = if verb == "updated" { "UpdateData" } else { "Data" };
    let data = reference(&format!("{}{suffix}", title(kind.schema().noun)));
    object(members([
        ("event", json!({"type": "string", "const": format!("{}:{verb}", kind.schema().noun)})),
        ("data", data),
        ("timestamp", time()),
        ("seq", seq()),
    ]))
}

fn event_fields(kind: EntityKind) -> Map<String, Value> {
    let fields = kind.schema().fields.iter().filter(|field| field.event);
    members(fields.map(|field| (field.name, shown(kind, field))))
}

/// The fields that an update changed. A field that is not in the event's `data` is listed only if
/// no other field changed.
fn changed_fields(kind: EntityKind) -> Value {
    json!({
        "type": "object", "properties": event_fields(kind),
        "description": "The fields that really changed, with their new values.",
    })
}

fn entity(kind: EntityKind) -> Value {
    let fields = kind.schema().fields.iter().filter(|field| field.visible());
    let mut all = members(fields.map(|field| (field.name, shown(kind, field))));
    all.extend(members([("id", id()), ("created_at", time()), ("updated_at", time())]));
    object(all)
}

fn patch(kind: EntityKind) -> Value {
    let fields = kind.schema().fields.iter().filter(|field| field.patch);
    closed(members(fields.map(|field| (field.name, given(kind, field)))), &[])
}

/// The schemas of a creation. A new order has either lines or a total, so it has two schemas, each
/// complete.
fn creation(kind: EntityKind, name: &str) -> Vec<(String, Value)> {
    let new = |left_out: &[&str], also_required: &[&str]| {
        let fields = client_fields(kind).filter(|field| !left_out.contains(&field.name));
        let fields: Vec<&Field> = fields.collect();
        let required = fields.iter().filter(|field| {
            field.origin == Origin::Required || also_required.contains(&field.name)
        });
        let required: Vec<String> = required.map(|field| field.name.to_owned()).collect();
        closed(members(fields.iter().map(|field| (field.name, given(kind, field)))), &required)
    };
    if kind != EntityKind::Order {
        return vec![(format!("New{name}"), new(&[], &[]))];
    }
    let mut with_items = new(&["total"], &["items"]);
    with_items["properties"]["currency"] = currency_of_lines();
    let variants = [reference("NewOrderWithItems"), reference("NewOrderWithTotal")];
    vec![
        ("NewOrder".to_owned(), json!({"oneOf": variants})),
        ("NewOrderWithItems".to_owned(), with_items),
        ("NewOrderWithTotal".to_owned(), new(&["items"], &["total"])),
    ]
}

/// The currency of an order with lines. It has no default: a client that fills one in would be refused in every shop
/// with another currency.
pub fn currency_of_lines() -> Value {
    json!({
        "type": "string", "pattern": "^[A-Z]{3}$",
        "description": "The currency of the products, and no other; it may be left out.",
    })
}

/// The fields that a client may set.
fn client_fields(kind: EntityKind) -> impl Iterator<Item = &'static Field> {
    let given = |field: &&Field| {
        !matches!(field.origin, Origin::Server | Origin::Initial(_) | Origin::InitialInt(_))
    };
    kind.schema().fields.iter().filter(given)
}

fn shown(kind: EntityKind, field: &Field) -> Value {
    field_schema(kind, field, Direction::Shown)
}

fn given(kind: EntityKind, field: &Field) -> Value {
    field_schema(kind, field, Direction::Given)
}

/// The schema of a field in one direction.
pub fn field_schema(kind: EntityKind, field: &Field, direction: Direction) -> Value {
    let mut schema = match field.ty {
        Type::Id(_) | Type::Owner => id(),
        Type::OrderNumber => json!({"type": "string", "pattern": "^ORD-[0-9]{10}$"}),
        Type::Line(least, most) => text(least, most, if least > 0 { NOT_BLANK } else { LINE }),
        Type::Text(most) => text(0, most, TEXT),
        Type::Email => json!({"type": "string", "format": "email", "maxLength": EMAIL_BYTES_MAX}),
        Type::Choice(_) => reference(&choice_name(kind, field)),
        Type::Money(0) => {
            json!({"type": "number", "minimum": 0, "maximum": AMOUNT_MINOR_MAX / 100})
        }
        Type::Money(i64::MIN) => amount(),
        Type::Money(_) => {
            json!({"type": "number", "exclusiveMinimum": 0, "maximum": AMOUNT_MINOR_MAX / 100})
        }
        Type::Currency => json!({"type": "string", "pattern": "^[A-Z]{3}$"}),
        Type::Flag => json!({"type": "integer", "minimum": 0, "maximum": 1}),
        Type::Thousandths(most) => json!({"type": "number", "minimum": 0, "maximum": most}),
        Type::Barcode => {
            json!({"type": "string", "minLength": 1, "maxLength": BARCODE_CHARS_MAX, "pattern": "^[ -~]*$"})
        }
        Type::Time => time(),
        Type::Uptime => json!({"type": "integer"}),
        Type::LineNumbers => json!({
            "type": "array", "uniqueItems": true,
            "items": {"type": "integer", "minimum": 0, "maximum": ORDER_LINES_MAX - 1},
        }),
        Type::Quantities => json!({"type": "array", "items": {"type": "number"}}),
        Type::Restock => json!({
            "type": "array", "maxItems": ORDER_LINES_MAX, "items": reference("Restock"),
        }),
        Type::Oversold => json!({"type": "array", "items": reference("Oversold")}),
        Type::Taxes => json!({"type": "array", "items": reference("TaxSum")}),
        Type::Items if direction == Direction::Shown => {
            json!({"type": "array", "items": reference("OrderLine")})
        }
        Type::Items => json!({
            "type": "array", "minItems": 1, "maxItems": ORDER_LINES_MAX, "items": reference("NewOrderLine"),
        }),
    };
    if field.nullable || (field.personal && direction == Direction::Shown) {
        schema = nullable(schema);
    }
    schema["description"] = json!(field.about);
    match field.origin {
        Origin::Default(text) if direction == Direction::Given => {
            let is_list = matches!(field.ty, Type::Restock);
            schema["default"] = if is_list { json!([]) } else { json!(text) };
        }
        Origin::DefaultInt(int) if direction == Direction::Given => schema["default"] = json!(int),
        _ => {}
    }
    schema
}

/// A schema that also allows null.
pub fn nullable(mut schema: Value) -> Value {
    match schema.get("type").cloned() {
        Some(one) => schema["type"] = json!([one, "null"]),
        None => schema = json!({"anyOf": [schema, {"type": "null"}]}),
    }
    schema
}

/// The name of the schema with a field's words.
fn choice_name(kind: EntityKind, field: &Field) -> String {
    format!("{}{}", title(kind.schema().noun), title(field.name))
}

/// A text of so many characters that fits the pattern.
pub fn text(least: usize, most: usize, pattern: &str) -> Value {
    json!({"type": "string", "minLength": least, "maxLength": most, "pattern": pattern})
}

/// An amount of any size.
pub fn amount() -> Value {
    json!({"type": "number"})
}
