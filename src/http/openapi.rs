//! `/openapi.json`: made from the routes and the schemas, so that it cannot say anything else.

use hyper::Method;
use serde_json::{Map, Value, json};

use crate::domain::schema::Type;
use crate::domain::{EntityKind, Role};
use crate::http::audit;
use crate::http::entities::parameters;
use crate::http::route::Route;
use crate::http::schemas::{closed, field_schema, password_schema, schemas, title};
use crate::limits::{IDEMPOTENCY_KEY_CHARS_MAX, PAGE_DEFAULT, PAGE_MAX};

/// The document, OpenAPI 3.1.
pub(super) fn document(cookie_name: &str) -> Value {
    let mut paths = Map::new();
    for route in Route::all() {
        let mut item = Map::new();
        if matches!(route, Route::Entity(..) | Route::User(_)) {
            let id = json!({"type": "integer", "format": "int64", "minimum": 1});
            item.insert(
                "parameters".into(),
                json!([{"name": "id", "in": "path", "required": true, "schema": id}]),
            );
        }
        for method in route.methods() {
            item.insert(method.as_str().to_ascii_lowercase(), operation(route, method));
        }
        paths.insert(route.template(), Value::Object(item));
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
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": cookie_name}},
            "schemas": schemas(),
        },
    })
}

fn operation(route: Route, method: &Method) -> Value {
    let (summary, request, answer) = described(route, method);
    let mut operation = json!({
        "summary": summary,
        "operationId": operation_id(route, method),
        "parameters": operation_parameters(route, method),
        "responses": responses(route, method, answer),
    });
    if let Some(request) = request {
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": request}}});
    }
    if is_public(route) {
        operation["security"] = json!([]);
    }
    operation
}

fn operation_id(route: Route, method: &Method) -> String {
    let path = route.template().replace(['/', '{', '}', '.'], " ");
    let words = path.split_whitespace().collect::<Vec<_>>().join("_");
    format!("{}_{words}", method.as_str().to_ascii_lowercase())
}

fn is_public(route: Route) -> bool {
    matches!(
        route,
        Route::Login
            | Route::Health
            | Route::Ready
            | Route::Metrics
            | Route::OpenApi
            | Route::AsyncApi
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
fn described(route: Route, method: &Method) -> (String, Option<Value>, Option<Value>) {
    let text = json!({"type": "string"});
    let password = password_schema();
    let who = closed(
        json!({"user": closed(json!({"id": {"type": "integer"}, "username": {"type": "string"},
                                     "role": {"enum": Role::ALL.map(Role::name)}}), None)}),
        None,
    );
    let object = json!({"type": "object"});
    let (summary, request, answer) = match (route, method.as_str()) {
        (Route::Collection(kind), "POST") => {
            let name = title(kind);
            let summary = format!("Create: {}", kind.schema().noun);
            return (summary, Some(reference(&format!("New{name}"))), Some(reference(&name)));
        }
        (Route::Collection(kind), _) => {
            let summary = format!("List {}, newest first", kind.schema().plural);
            return (summary, None, Some(page_of(&reference(&title(kind)))));
        }
        (Route::Entity(kind, _), "PATCH") => {
            let name = title(kind);
            let summary = format!("Change with a merge patch: {}", kind.schema().noun);
            return (summary, Some(reference(&format!("{name}Patch"))), Some(reference(&name)));
        }
        (Route::Entity(kind, _), "DELETE") => {
            return (format!("Delete: {}", kind.schema().noun), None, None);
        }
        (Route::Entity(kind, _), _) => {
            return (format!("Read: {}", kind.schema().noun), None, Some(reference(&title(kind))));
        }
        (Route::Users, "POST") => {
            ("Create a user", Some(reference("NewUser")), Some(reference("User")))
        }
        (Route::Users, _) => ("List users", None, Some(page_of(&reference("User")))),
        (Route::User(_), "PATCH") => {
            ("Change a user", Some(reference("UserPatch")), Some(reference("User")))
        }
        (Route::User(_), "DELETE") => ("Delete a user", None, None),
        (Route::User(_), _) => ("Read a user", None, Some(reference("User"))),
        (Route::Events, _) => ("Read the event log, oldest first", None, Some(events_schema())),
        (Route::Audit, _) => {
            ("Read the audit trail, newest first", None, Some(page_of(&audit::schema())))
        }
        (Route::Login, _) => {
            ("Log in", Some(closed(json!({"username": text, "password": text}), None)), Some(who))
        }
        (Route::Logout, _) => ("Log out", None, None),
        (Route::Me, _) => ("Who is logged in", None, Some(who)),
        (Route::Password, _) => {
            let passwords = json!({"current_password": text, "new_password": password});
            ("Change the own password", Some(closed(passwords, None)), None)
        }
        (Route::Health, _) => ("The process lives", None, Some(object)),
        (Route::Ready, _) => ("The process can take orders", None, Some(object)),
        (Route::Metrics, _) => ("Numbers for a monitor", None, Some(object)),
        (Route::OpenApi, _) => ("This document", None, Some(object)),
        (Route::AsyncApi, _) => ("The description of the WebSocket", None, Some(object)),
        (Route::Home | Route::Problems | Route::Style | Route::Favicon, _) => {
            ("A page for people", None, Some(object))
        }
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

fn operation_parameters(route: Route, method: &Method) -> Value {
    let limit =
        json!({"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT});
    let after = json!({"type": "integer", "format": "int64", "minimum": 0});
    let query = |name: &str, schema: Value| json!({"name": name, "in": "query", "schema": schema});
    let header =
        |name: &str, schema: Value| json!({"name": name, "in": "header", "schema": schema});
    let list = |kind: EntityKind| {
        let schema = |name: &str| match name {
            "limit" => limit.clone(),
            "after" => after.clone(),
            "order" => json!({"enum": ["asc", "desc"], "default": "desc"}),
            "updated_since" => json!({"type": "string", "format": "date-time"}),
            name => kind.schema().fields.iter().find(|field| field.name == name).map_or(
                json!({}),
                |field| {
                    let mut schema = field_schema(field, true);
                    if let Type::Id(_) = field.ty {
                        schema["type"] = json!("integer");
                    } else if !matches!(field.ty, Type::Choice(_)) {
                        schema = json!({"type": "string"});
                    }
                    schema
                },
            ),
        };
        parameters(kind).into_iter().map(|name| query(name, schema(name))).collect()
    };
    let tag = json!({"type": "string"});
    match (route, method.as_str()) {
        (Route::Collection(_) | Route::Users, "POST") => {
            let key = json!({"type": "string", "pattern": "^[!-~]([ -~]*[!-~])?$", "minLength": 1,
                             "maxLength": IDEMPOTENCY_KEY_CHARS_MAX});
            json!([header("Idempotency-Key", key)])
        }
        (Route::Collection(kind), _) => Value::Array(list(kind)),
        (Route::Users, _) => json!([query("limit", limit), query("after", after)]),
        (Route::Events, _) => {
            let channels = EntityKind::ALL.map(|kind| kind.schema().channel);
            json!([
                query("limit", limit),
                query("after", after),
                query("channel", json!({"enum": channels}))
            ])
        }
        (Route::Audit, _) => json!([
            query("limit", limit),
            query("after", after.clone()),
            query("user_id", after.clone()),
            query("entity", audit::nouns()),
            query("row_id", after)
        ]),
        (Route::Entity(..) | Route::User(_), "GET") => json!([header("If-None-Match", tag)]),
        (Route::Entity(..) | Route::User(_), _) => json!([header("If-Match", tag)]),
        _ => json!([]),
    }
}

fn responses(route: Route, method: &Method, answer: Option<Value>) -> Value {
    let problem = json!({"application/problem+json": {"schema": reference("Problem")}});
    let content_type =
        if route == Route::Metrics { "application/openmetrics-text" } else { "application/json" };
    let created = matches!((route, method.as_str()), (Route::Collection(_) | Route::Users, "POST"));
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
    if created {
        done["links"] = links(route);
    }
    responses.insert(good.into(), done);
    if method == Method::GET && matches!(route, Route::Entity(..) | Route::User(_)) {
        responses.insert("304".into(), json!({"description": "Not modified"}));
    }
    responses.insert("default".into(), json!({"description": "A problem", "content": problem}));
    Value::Object(responses)
}

/// Where to go from what was created.
fn links(collection: Route) -> Value {
    let one = match collection {
        Route::Collection(kind) => Route::Entity(kind, 1),
        _ => Route::User(1),
    };
    let link = |method: &Method| {
        let id = json!({"id": "$response.body#/id"});
        let link = json!({"operationId": operation_id(one, method), "parameters": id});
        (method.as_str().to_ascii_lowercase(), link)
    };
    Value::Object(one.methods().iter().map(link).collect())
}
