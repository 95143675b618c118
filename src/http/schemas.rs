//! The schemas of the API documents: what a body may hold, and what an answer holds.

use serde_json::{Map, Value, json};

use crate::domain::schema::{Origin, Type};
use crate::domain::{Code, EntityKind, Field, Role};
use crate::limits::{
    AMOUNT_MINOR_MAX, COUNT_MAX, EMAIL_CHARS_MAX, ORDER_LINES_MAX, PASSWORD_CHARS, QUANTITY_MAX,
    USERNAME_CHARS_MAX,
};

/// A line without control characters.
const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
/// The same with something to see.
const NOT_BLANK: &str = concat!(
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f]",
    r"[^\u0000-\u001f\u007f-\u009f]*$",
);
/// No control characters but those that break and indent lines.
const TEXT: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";

/// The named ones.
pub(super) fn schemas() -> Value {
    let mut schemas = Map::new();
    for kind in EntityKind::ALL {
        let name = title(kind);
        schemas.insert(format!("New{name}"), body_schema(kind, true));
        schemas.insert(format!("{name}Patch"), body_schema(kind, false));
        schemas.insert(name, entity_schema(kind));
    }
    let roles = Role::ALL.map(Role::name);
    let user = json!({
        "username": {"type": "string", "minLength": 1, "maxLength": USERNAME_CHARS_MAX, "pattern": NOT_BLANK},
        "role": {"enum": roles},
        "password": password_schema(),
        "disabled": {"type": "boolean"},
    });
    let time = json!({"type": "string", "format": "date-time"});
    let pick = |names: &[&str]| {
        names.iter().map(|name| ((*name).to_owned(), user[*name].clone())).collect()
    };
    let mut shown: Map<String, Value> = pick(&["username", "role", "disabled"]);
    shown.insert("id".into(), json!({"type": "integer"}));
    shown.insert("created_at".into(), time.clone());
    shown.insert("updated_at".into(), time);
    schemas.insert("User".into(), closed(Value::Object(shown), None));
    let new: Map<String, Value> = pick(&["username", "role", "password"]);
    schemas.insert("NewUser".into(), closed(Value::Object(new), None));
    schemas.insert("UserPatch".into(), closed(user, Some(&[])));
    let code = json!({"type": "string", "enum": Code::ALL});
    let text = json!({"type": "string"});
    let error = closed(json!({"field": text, "code": code, "message": text}), None);
    schemas.insert("Problem".into(), json!({
        "type": "object",
        "required": ["type", "code", "title", "status", "detail"],
        "properties": {
            "type": text, "code": code, "title": {"type": "string"}, "status": {"type": "integer"},
            "detail": {"type": "string"}, "errors": {"type": "array", "items": error},
        },
    }));
    Value::Object(schemas)
}

/// An object with these properties and no other; all required unless told.
#[expect(clippy::needless_pass_by_value, reason = "a literal at each call")]
pub(super) fn closed(properties: Value, required: Option<&[&str]>) -> Value {
    let all = || {
        properties
            .as_object()
            .map(|all| all.keys().cloned().collect::<Vec<_>>())
            .unwrap_or_default()
    };
    let required =
        required.map_or_else(all, |some| some.iter().map(|name| (*name).to_owned()).collect());
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

/// A password that is yet to be one.
pub(super) fn password_schema() -> Value {
    json!({"type": "string", "minLength": PASSWORD_CHARS.start(), "maxLength": PASSWORD_CHARS.end()})
}

/// The name of an entity's schema.
pub(super) fn title(kind: EntityKind) -> String {
    let noun = kind.schema().noun;
    noun[..1].to_uppercase() + &noun[1..]
}

fn entity_schema(kind: EntityKind) -> Value {
    let mut properties = Map::new();
    properties.insert("id".into(), json!({"type": "integer", "format": "int64"}));
    for field in kind.schema().fields.iter().filter(|field| field.visible()) {
        properties.insert(field.name.into(), field_schema(field, true));
    }
    for name in ["created_at", "updated_at"] {
        properties.insert(name.into(), json!({"type": "string", "format": "date-time"}));
    }
    closed(Value::Object(properties), None)
}

fn body_schema(kind: EntityKind, new: bool) -> Value {
    let client = |field: &&Field| match field.origin {
        Origin::Server | Origin::Initial(_) | Origin::InitialInt(_) => false,
        _ => new || field.patch,
    };
    let fields: Vec<&Field> = kind.schema().fields.iter().filter(client).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), field_schema(field, false))).collect();
    let must = |field: &&&Field| new && field.origin == Origin::Required;
    let required: Vec<&str> = fields.iter().filter(must).map(|field| field.name).collect();
    let mut schema = closed(Value::Object(properties), Some(&required));
    if new && kind == EntityKind::Order {
        schema["anyOf"] = json!([{"required": ["items"]}, {"required": ["total"]}]);
    }
    schema
}

/// A field as it is shown, or as it is given.
pub(super) fn field_schema(field: &Field, shown: bool) -> Value {
    let mut schema = match field.ty {
        Type::Id(_) | Type::Owner => json!({"type": "integer", "format": "int64", "minimum": 1}),
        Type::OrderNumber => json!({"type": "string", "pattern": "^ORD-[0-9]{10}$"}),
        Type::Line(least, most) => text(least, most, if least > 0 { NOT_BLANK } else { LINE }),
        Type::Text(most) => text(0, most, TEXT),
        Type::Email => json!({"type": "string", "format": "email", "maxLength": EMAIL_CHARS_MAX}),
        Type::Choice(_) => json!({"type": "string", "enum": field.words()}),
        Type::Money(least) => {
            let mut schema =
                json!({"type": "number", "minimum": 0, "maximum": AMOUNT_MINOR_MAX / 100});
            if least > 0 {
                schema["exclusiveMinimum"] = json!(0);
            }
            schema
        }
        Type::Currency => json!({"type": "string", "pattern": "^[A-Z]{3}$"}),
        Type::Count => json!({"type": "integer", "minimum": 0, "maximum": COUNT_MAX}),
        Type::Items => items_schema(shown),
    };
    schema["description"] = json!(field.about);
    if field.nullable {
        let described = schema["type"].clone();
        schema["type"] = json!([described, "null"]);
    }
    schema
}

fn text(least: usize, most: usize, pattern: &str) -> Value {
    json!({"type": "string", "minLength": least, "maxLength": most, "pattern": pattern})
}

fn items_schema(shown: bool) -> Value {
    let id = json!({"type": "integer", "format": "int64", "minimum": 1});
    let quantity = json!({"type": "integer", "minimum": 1, "maximum": QUANTITY_MAX});
    if !shown {
        let line = closed(json!({"product_id": id, "quantity": quantity}), None);
        return json!({"type": "array", "minItems": 1, "maxItems": ORDER_LINES_MAX, "items": line});
    }
    let line = closed(
        json!({
            "product_id": id, "name": {"type": "string"}, "sku": {"type": "string"}, "quantity": quantity,
            "unit_price": {"type": "number"}, "line_total": {"type": "number"},
        }),
        None,
    );
    json!({"type": "array", "items": line})
}
