//! `/openapi.json`: made from the routes and the shapes, so that it cannot say anything else.

use hyper::Method;
use serde_json::{Map, Value, json};

use crate::domain::shape::{Origin, Type};
use crate::domain::{Field, Kind, Role};
use crate::http::entities::parameters;
use crate::http::route::Target;
use crate::limits::{
    AMOUNT_MINOR_MAX, COUNT_MAX, EMAIL_CHARS_MAX, IDEMPOTENCY_KEY_CHARS_MAX, ORDER_LINES_MAX,
    PAGE_DEFAULT, PAGE_MAX, PASSWORD_CHARS, QUANTITY_MAX, USERNAME_CHARS_MAX,
};

/// The document, OpenAPI 3.1.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for target in Target::all() {
        let mut item = Map::new();
        if matches!(target, Target::Entity(..) | Target::User(_)) {
            let id = json!({"type": "integer", "format": "int64", "minimum": 1});
            item.insert(
                "parameters".into(),
                json!([{"name": "id", "in": "path", "required": true, "schema": id}]),
            );
        }
        for method in target.methods() {
            item.insert(method.as_str().to_ascii_lowercase(), operation(target, method));
        }
        paths.insert(target.template(), Value::Object(item));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tillcast",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "A shop's orders, products, customers, shipments and transactions. \
                            Every change is an event, on /ws and in /api/events.",
        },
        "servers": [{"url": "/"}],
        "security": [{"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": "tillcast_session"}},
            "schemas": schemas(),
        },
    })
}

fn schemas() -> Value {
    let mut schemas = Map::new();
    for kind in Kind::ALL {
        let name = title(kind);
        schemas.insert(format!("New{name}"), body_schema(kind, true));
        schemas.insert(format!("{name}Patch"), body_schema(kind, false));
        schemas.insert(name, entity_schema(kind));
    }
    let roles = Role::ALL.map(Role::name);
    let user = json!({
        "username": {"type": "string", "minLength": 1, "maxLength": USERNAME_CHARS_MAX},
        "role": {"enum": roles},
        "password": {"type": "string", "minLength": PASSWORD_CHARS.start(), "maxLength": PASSWORD_CHARS.end()},
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
    let error = closed(json!({"field": {"type": "string"}, "message": {"type": "string"}}), None);
    schemas.insert("Problem".into(), json!({
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
            "detail": {"type": "string"}, "errors": {"type": "array", "items": error},
        },
    }));
    Value::Object(schemas)
}

/// An object with these properties and no other; all required unless told.
#[expect(clippy::needless_pass_by_value, reason = "a literal at each call")]
fn closed(properties: Value, required: Option<&[&str]>) -> Value {
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

fn title(kind: Kind) -> String {
    let noun = kind.shape().noun;
    noun[..1].to_uppercase() + &noun[1..]
}

fn entity_schema(kind: Kind) -> Value {
    let mut properties = Map::new();
    properties.insert("id".into(), json!({"type": "integer", "format": "int64"}));
    for field in kind.shape().fields.iter().filter(|field| field.visible()) {
        properties.insert(field.name.into(), field_schema(field, true));
    }
    for name in ["created_at", "updated_at"] {
        properties.insert(name.into(), json!({"type": "string", "format": "date-time"}));
    }
    closed(Value::Object(properties), None)
}

fn body_schema(kind: Kind, new: bool) -> Value {
    let client = |field: &&Field| match field.origin {
        Origin::Server | Origin::Initial(_) => false,
        _ => new || field.patch,
    };
    let fields: Vec<&Field> = kind.shape().fields.iter().filter(client).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), field_schema(field, false))).collect();
    let must = |field: &&&Field| new && field.origin == Origin::Required;
    let required: Vec<&str> = fields.iter().filter(must).map(|field| field.name).collect();
    let mut schema = closed(Value::Object(properties), Some(&required));
    if new && kind == Kind::Order {
        schema["anyOf"] = json!([{"required": ["items"]}, {"required": ["total"]}]);
    }
    schema
}

/// A field as it is shown, or as it is given.
pub(super) fn field_schema(field: &Field, shown: bool) -> Value {
    let text = |least: usize, most: usize| json!({"type": "string", "minLength": least, "maxLength": most});
    let mut schema = match field.ty {
        Type::Id(_) | Type::Owner => json!({"type": "integer", "format": "int64", "minimum": 1}),
        Type::OrderNumber => json!({"type": "string", "pattern": "^ORD-[0-9]{10}$"}),
        Type::Line(least, most) => text(least, most),
        Type::Text(most) => text(0, most),
        Type::Email => json!({"type": "string", "format": "email", "maxLength": EMAIL_CHARS_MAX}),
        Type::Choice(_) | Type::Status(_) => json!({"type": "string", "enum": field.words()}),
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

fn operation(target: Target, method: &Method) -> Value {
    let (summary, request, answer) = described(target, method);
    let mut operation = json!({
        "summary": summary,
        "operationId": operation_id(target, method),
        "parameters": operation_parameters(target, method),
        "responses": responses(target, method, answer),
    });
    if let Some(request) = request {
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": request}}});
    }
    if is_public(target) {
        operation["security"] = json!([]);
    }
    operation
}

fn operation_id(target: Target, method: &Method) -> String {
    let path = target.template().replace(['/', '{', '}', '.'], " ");
    let words = path.split_whitespace().collect::<Vec<_>>().join("_");
    format!("{}_{words}", method.as_str().to_ascii_lowercase())
}

fn is_public(target: Target) -> bool {
    matches!(
        target,
        Target::Login
            | Target::Health
            | Target::Ready
            | Target::Metrics
            | Target::OpenApi
            | Target::AsyncApi
    )
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn page_of(items: &Value) -> Value {
    closed(
        json!({"data": {"type": "array", "items": items}, "next": {"type": ["integer", "null"]}}),
        None,
    )
}

/// What an operation is for, what it takes, and what it gives.
fn described(target: Target, method: &Method) -> (String, Option<Value>, Option<Value>) {
    let text = |name: &str| (name.to_owned(), json!({"type": "string"}));
    let texts =
        |names: [&str; 2]| closed(Value::Object(names.map(text).into_iter().collect()), None);
    let who = closed(
        json!({"user": closed(json!({"id": {"type": "integer"}, "username": {"type": "string"},
                                     "role": {"enum": Role::ALL.map(Role::name)}}), None)}),
        None,
    );
    let object = json!({"type": "object"});
    let (summary, request, answer) = match (target, method.as_str()) {
        (Target::Collection(kind), "POST") => {
            let name = title(kind);
            let summary = format!("Create: {}", kind.shape().noun);
            return (summary, Some(reference(&format!("New{name}"))), Some(reference(&name)));
        }
        (Target::Collection(kind), _) => {
            let summary = format!("List {}, newest first", kind.shape().plural);
            return (summary, None, Some(page_of(&reference(&title(kind)))));
        }
        (Target::Entity(kind, _), "PATCH") => {
            let name = title(kind);
            let summary = format!("Change with a merge patch: {}", kind.shape().noun);
            return (summary, Some(reference(&format!("{name}Patch"))), Some(reference(&name)));
        }
        (Target::Entity(kind, _), "DELETE") => {
            return (format!("Delete: {}", kind.shape().noun), None, None);
        }
        (Target::Entity(kind, _), _) => {
            return (format!("Read: {}", kind.shape().noun), None, Some(reference(&title(kind))));
        }
        (Target::Users, "POST") => {
            ("Create a user", Some(reference("NewUser")), Some(reference("User")))
        }
        (Target::Users, _) => ("List users", None, Some(page_of(&reference("User")))),
        (Target::User(_), "PATCH") => {
            ("Change a user", Some(reference("UserPatch")), Some(reference("User")))
        }
        (Target::User(_), "DELETE") => ("Delete a user", None, None),
        (Target::User(_), _) => ("Read a user", None, Some(reference("User"))),
        (Target::Events, _) => ("Read the event log, oldest first", None, Some(events_schema())),
        (Target::Login, _) => ("Log in", Some(texts(["username", "password"])), Some(who)),
        (Target::Logout, _) => ("Log out", None, None),
        (Target::Me, _) => ("Who is logged in", None, Some(who)),
        (Target::Password, _) => {
            ("Change the own password", Some(texts(["current_password", "new_password"])), None)
        }
        (Target::Health, _) => ("The process lives", None, Some(object)),
        (Target::Ready, _) => ("The process can take orders", None, Some(object)),
        (Target::Metrics, _) => ("Numbers for a monitor", None, Some(object)),
        (Target::OpenApi, _) => ("This document", None, Some(object)),
        (Target::AsyncApi, _) => ("The description of the WebSocket", None, Some(object)),
    };
    (summary.to_owned(), request, answer)
}

fn events_schema() -> Value {
    let seq = json!({"type": "integer", "minimum": 0});
    let envelope = closed(
        json!({"event": {"type": "string"}, "data": {"type": "object"},
               "timestamp": {"type": "string", "format": "date-time"}, "seq": {"type": "integer", "minimum": 1}}),
        None,
    );
    closed(
        json!({"data": {"type": "array", "items": envelope}, "next": {"type": ["integer", "null"]},
               "oldest": seq, "head": seq}),
        None,
    )
}

fn operation_parameters(target: Target, method: &Method) -> Value {
    let limit =
        json!({"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT});
    let after = json!({"type": "integer", "format": "int64", "minimum": 0});
    let query = |name: &str, schema: Value| json!({"name": name, "in": "query", "schema": schema});
    let header =
        |name: &str, schema: Value| json!({"name": name, "in": "header", "schema": schema});
    let list = |kind: Kind| {
        let schema = |name: &str| match name {
            "limit" => limit.clone(),
            "after" => after.clone(),
            "order" => json!({"enum": ["asc", "desc"], "default": "desc"}),
            "updated_since" => json!({"type": "string", "format": "date-time"}),
            name => kind.shape().fields.iter().find(|field| field.name == name).map_or(
                json!({}),
                |field| {
                    let mut schema = field_schema(field, true);
                    if let Type::Id(_) = field.ty {
                        schema["type"] = json!("integer");
                    } else if !matches!(field.ty, Type::Choice(_) | Type::Status(_)) {
                        schema = json!({"type": "string"});
                    }
                    schema
                },
            ),
        };
        parameters(kind).into_iter().map(|name| query(name, schema(name))).collect()
    };
    let tag = json!({"type": "string"});
    match (target, method.as_str()) {
        (Target::Collection(_) | Target::Users, "POST") => {
            let key = json!({"type": "string", "pattern": "^[ -~]+$", "minLength": 1,
                             "maxLength": IDEMPOTENCY_KEY_CHARS_MAX});
            json!([header("Idempotency-Key", key)])
        }
        (Target::Collection(kind), _) => Value::Array(list(kind)),
        (Target::Users, _) => json!([query("limit", limit), query("after", after)]),
        (Target::Events, _) => {
            let channels = Kind::ALL.map(|kind| kind.shape().channel);
            json!([
                query("limit", limit),
                query("after", after),
                query("channel", json!({"enum": channels}))
            ])
        }
        (Target::Entity(..) | Target::User(_), "GET") => json!([header("If-None-Match", tag)]),
        (Target::Entity(..) | Target::User(_), _) => json!([header("If-Match", tag)]),
        _ => json!([]),
    }
}

fn responses(target: Target, method: &Method, answer: Option<Value>) -> Value {
    let problem = json!({"application/problem+json": {"schema": reference("Problem")}});
    let content_type =
        if target == Target::Metrics { "application/openmetrics-text" } else { "application/json" };
    let created =
        matches!((target, method.as_str()), (Target::Collection(_) | Target::Users, "POST"));
    let good = match answer {
        Some(_) if created => "201",
        Some(_) => "200",
        None => "204",
    };
    let mut responses = Map::new();
    let mut done = json!({"description": "Done"});
    if let Some(schema) = answer {
        done["content"][content_type]["schema"] = schema;
    }
    responses.insert(good.into(), done);
    if method == Method::GET && matches!(target, Target::Entity(..) | Target::User(_)) {
        responses.insert("304".into(), json!({"description": "Not modified"}));
    }
    responses.insert("default".into(), json!({"description": "A problem", "content": problem}));
    Value::Object(responses)
}
