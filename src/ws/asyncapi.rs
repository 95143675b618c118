//! `/asyncapi.json`: the messages of the WebSocket and the events, AsyncAPI 3.0.
//!
//! The program serves the text that this made for `docs/asyncapi.json`, and has none of this code.

use serde_json::{Map, Value};

use crate::domain::EntityKind;
use crate::domain::json_literal::json;
use crate::domain::json_schema::{
    self, VERBS, choice, closed, event_name, members, reference, seq, title,
};
use crate::limits::{CLIENT_ERROR_WINDOW, CLIENT_ERRORS_MAX, MESSAGE_BYTES_MAX};
use crate::ws::handshake::SUBPROTOCOL;
use crate::ws::message_rows::{CLIENT_MESSAGES, FieldType, MessageRow, SERVER_MESSAGES};

/// The document, for a server whose session cookie has this name.
pub fn document(cookie_name: &str) -> Value {
    let client: Vec<String> = CLIENT_MESSAGES.iter().map(schema_name).collect();
    let events =
        EntityKind::ALL.into_iter().flat_map(|kind| VERBS.map(|verb| event_name(kind, verb)));
    let server: Vec<String> = SERVER_MESSAGES.iter().map(schema_name).chain(events).collect();
    let all = client
        .iter()
        .chain(&server)
        .map(|name| (name.clone(), json!({"$ref": format!("#/components/messages/{name}")})));
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:tillcast",
        "info": {
            "title": "Tillcast", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "MIT"},
            "description": ABOUT,
            "tags": [{"name": "events", "description": "Every change in the shop."}],
        },
        "defaultContentType": "application/json",
        "servers": {
            "plain": server_at("ws", "3000"),
            "tls": server_at("wss", "443"),
        },
        "channels": {"socket": {
            "address": "/ws",
            "title": "The WebSocket",
            "description": about_the_socket(),
            "messages": members(all),
            "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
        }},
        "operations": {
            "receiveFromClient": operation("receive", "What a client sends.", &client),
            "sendToClient": operation("send", "What the server sends.", &server),
        },
        "components": {
            "messages": messages(),
            "schemas": schemas(),
            "securitySchemes": {"session": {
                "type": "httpApiKey", "in": "cookie", "name": cookie_name,
                "description": "The cookie of a login: POST /api/auth/login, see /openapi.json.",
            }, "token": {
                "type": "http", "scheme": "bearer",
                "description": "The token of a device: POST /api/devices, see /openapi.json.",
            }},
        },
    })
}

const ABOUT: &str = "\
    Every change in the shop as an event on one WebSocket, in the order of its `seq`, each exactly once \
    per connection. An event is sent only after its change is on disk. A client that reconnects with \
    its last `seq` misses nothing that the log still holds, and is told where the log no longer \
    reaches back.";

fn about_the_socket() -> String {
    let (errors, seconds) = (CLIENT_ERRORS_MAX, CLIENT_ERROR_WINDOW.as_secs());
    format!(
        "Log in over HTTP first: the session's cookie is the ticket. The handshake may offer the \
         subprotocol `{SUBPROTOCOL}`. A device sends its token instead: in `Authorization: Bearer`, or as a \
         second subprotocol `bearer.TOKEN` where a header cannot be set. An invalid handshake gets \
         `400`, a page of another origin `403`, \
         one connection too many `429` with `Retry-After`, another version of the protocol `426`.\n\n\
         Messages are text frames of at most {MESSAGE_BYTES_MAX} bytes, one JSON object each. A wrong \
         message gets an error that names what is wrong. After {errors} errors within {seconds} s, the \
         server closes the connection.\n\n\
         Close codes: `1001` the server stops, so reconnect later; `1002`, `1007`, `1009` as in RFC 6455; \
         `1008` there is no valid session, it has ended, or there were too many errors; `1013` the \
         client read nothing for a minute, or there are too many connections."
    )
}

fn server_at(protocol: &str, port: &str) -> Value {
    json!({
        "host": "{host}:{port}", "protocol": protocol,
        "description": if protocol == "wss" { "Over TLS." } else { "In the shop's own network." },
        "variables": {
            "host": {"default": "localhost", "description": "The server's name or address."},
            "port": {"default": port, "description": "See --listen."},
        },
        "security": [
            {"$ref": "#/components/securitySchemes/session"},
            {"$ref": "#/components/securitySchemes/token"},
        ],
    })
}

fn operation(action: &str, summary: &str, names: &[String]) -> Value {
    let messages =
        names.iter().map(|name| json!({"$ref": format!("#/channels/socket/messages/{name}")}));
    json!({
        "action": action, "summary": summary, "channel": {"$ref": "#/channels/socket"},
        "messages": messages.collect::<Vec<_>>(),
    })
}

/// The name of a message and of its schema, such as `SubscribeMessage`.
fn schema_name(row: &MessageRow) -> String {
    format!("{}Message", title(row.name))
}

fn messages() -> Map<String, Value> {
    let message = |name: &str, summary: &str| {
        json!({
            "name": name, "title": name, "summary": summary, "contentType": "application/json",
            "payload": reference(name),
        })
    };
    let rows = CLIENT_MESSAGES.iter().chain(&SERVER_MESSAGES);
    let mut messages =
        members(rows.map(|row| (schema_name(row), message(&schema_name(row), row.about))));
    for kind in EntityKind::ALL {
        let schema = kind.schema();
        for verb in VERBS {
            let article = if schema.noun.starts_with('o') { "An" } else { "A" };
            let summary = format!("{article} {} was {verb}; on {}.", schema.noun, schema.channel);
            let name = event_name(kind, verb);
            messages.insert(name.clone(), message(&name, &summary));
        }
    }
    messages
}

fn schemas() -> Map<String, Value> {
    let mut schemas = json_schema::events();
    schemas.extend(json_schema::choices());
    schemas.insert("Channel".to_owned(), choice(EntityKind::ALL.map(|kind| kind.schema().channel)));
    for row in CLIENT_MESSAGES.iter().chain(&SERVER_MESSAGES) {
        schemas.insert(schema_name(row), schema(row));
    }
    schemas
}

fn schema(row: &MessageRow) -> Value {
    let mut members = members([("type", json!({"type": "string", "const": row.name}))]);
    let mut required = vec!["type".to_owned()];
    for field in row.fields {
        let mut schema = match field.ty {
            FieldType::Channel => reference("Channel"),
            FieldType::Seq => seq(),
            FieldType::Log => json!({"type": "string", "minLength": 12, "maxLength": 12}),
            FieldType::Text => json!({"type": "string"}),
            FieldType::Milliseconds | FieldType::Count => json!({"type": "integer", "minimum": 0}),
            FieldType::UserId => json!({"type": ["integer", "null"], "format": "int64"}),
        };
        schema["description"] = json!(field.about);
        members.insert(field.name.to_owned(), schema);
        required.extend(field.required.then(|| field.name.to_owned()));
    }
    let mut schema = closed(members, &required);
    schema["description"] = json!(row.about);
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator would have to invent a name for an object or a choice inside another schema.
    #[test]
    fn every_object_and_choice_has_a_name() {
        fn check(name: &str, schema: &Value, is_inner: bool) {
            match schema {
                Value::Object(members) => {
                    let needs_name = ["properties", "enum", "oneOf"];
                    let is_nameless = needs_name.iter().any(|key| members.contains_key(*key));
                    assert!(!(is_inner && is_nameless), "inside {name}: {schema}");
                    for (key, member) in members {
                        if key == "properties" {
                            let properties = member.as_object().into_iter().flatten();
                            properties.for_each(|(_, inner)| check(name, inner, true));
                        } else if key != "enum" {
                            check(name, member, true);
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| check(name, item, true)),
                _ => {}
            }
        }
        for (name, schema) in schemas() {
            check(&name, &schema, false);
        }
        assert!(schemas().contains_key("SubscribeMessage"));
    }
}
