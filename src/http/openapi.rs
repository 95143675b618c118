//! `/openapi.json`: generated from the routes and the entities' schemas, so that it cannot contradict them.
//!
//! The program serves the text that this made for `docs/openapi.json`, and has none of this code.

mod components;
mod names;
mod operation;

use serde_json::{Map, Value};

use crate::domain::EntityKind;
use crate::domain::json_literal::json;
use crate::http::openapi::components::Problems;
use crate::http::openapi::names::path_of;
use crate::http::route::{ResponseBody, Route};
use crate::http::routes::ROUTES;

/// The document, OpenAPI 3.1, for a server whose session cookie has this name.
pub fn document(cookie_name: &str) -> Value {
    let shared = shared_problems();
    let mut paths = Map::new();
    for route in described() {
        for kind in route.kinds() {
            let item = paths.entry(path_of(route, kind)).or_insert_with(|| path_item(route));
            let method = route.method.as_str().to_ascii_lowercase();
            item[method] = operation::operation(route, kind, &shared);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tillcast",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT", "identifier": "MIT"},
            "contact": {"name": "The Tillcast authors"},
            "description": "A shop's orders, products, customers, shipments and transactions. \
                            Every change is an event, on /ws and in /api/events. Log in first: the \
                            reply sets the cookie that the other requests need. Programs send the token of a device.",
        },
        "servers": [{"url": "/", "description": "The server that this document comes from"}],
        "security": [{"session": []}, {"token": []}],
        "tags": tags(),
        "paths": paths,
        "components": components::components(cookie_name, &shared),
    })
}

/// The routes that are no pages.
fn described() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.response != ResponseBody::Page)
}

/// For each status the codes that the response of a problem has unless an operation names others.
fn shared_problems() -> Problems {
    let mut shared = Problems::new();
    for (status, codes) in described().flat_map(operation::problems) {
        shared.entry(status).or_insert(codes);
    }
    shared
}

fn path_item(route: &Route) -> Value {
    let named = [("{id}", "Id"), ("{sku}", "Sku"), ("{code}", "Code")];
    match named.into_iter().find(|(place, _)| route.path.contains(place)) {
        Some((_, name)) => {
            json!({"parameters": [{"$ref": format!("#/components/parameters/{name}")}]})
        }
        None => json!({}),
    }
}

fn tags() -> Value {
    let kinds = EntityKind::ALL.map(|kind| {
        let plural = kind.schema().plural;
        (
            plural,
            format!("The shop's {plural}. Every change is an event on {}.", kind.schema().channel),
        )
    });
    let others = [
        ("sales", "Orders with their payments, each in one request."),
        ("shop", "The shop as a whole: its name, its currency and its tax mode."),
        ("events", "The log of all changes, in the order in which they were made."),
        ("session", "Logging in and out, and your own password."),
        ("users", "The users who may log in, for admins."),
        ("devices", "Screens, handhelds and programs that stay logged in, for admins."),
        ("audit", "The audit trail of all changes: user, address, entity and fields, for admins."),
        ("server", "Endpoints for monitors and tools."),
    ];
    let others = others.map(|(name, about)| (name, about.to_owned()));
    let tag = |(name, about)| json!({"name": name, "description": about});
    kinds.into_iter().chain(others).map(tag).collect()
}
