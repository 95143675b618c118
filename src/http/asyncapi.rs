//! `/asyncapi.json`: the WebSocket protocol, made from the same schemas as its events.

use serde_json::{Map, Value, json};

use crate::domain::EntityKind;
use crate::domain::json_schema::{self, VERBS, event_name, reference};

/// The document, AsyncAPI 3.0.
pub(super) fn document() -> Value {
    let channels: Vec<&str> = EntityKind::ALL.iter().map(|kind| kind.schema().channel).collect();
    let mut messages = client_messages(&channels);
    messages.extend(server_messages(&channels));
    for kind in EntityKind::ALL {
        for verb in VERBS {
            let summary = format!("On {}.", kind.schema().channel);
            let message =
                json!({"payload": reference(&event_name(kind, verb)), "summary": summary});
            messages.insert(format!("{}_{verb}", kind.schema().noun), message);
        }
    }
    let names: Vec<String> = messages.keys().cloned().collect();
    let in_channel =
        |name: &String| (name.clone(), json!({"$ref": format!("#/components/messages/{name}")}));
    let of = |sends: bool| -> Vec<Value> {
        let chosen = names.iter().filter(|name| name.starts_with("client_") != sends);
        chosen.map(|name| json!({"$ref": format!("#/channels/ws/messages/{name}")})).collect()
    };
    let mut schemas = json_schema::events();
    schemas.extend(json_schema::choices());
    json!({
        "asyncapi": "3.0.0",
        "info": {"title": "Tillcast", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "MIT"}},
        "defaultContentType": "application/json",
        "channels": {"ws": {
            "address": "/ws",
            "description": "One WebSocket; log in over HTTP first, the cookie is the ticket.",
            "messages": names.iter().map(in_channel).collect::<Map<_, _>>(),
        }},
        "operations": {
            "receive": {"action": "receive", "channel": {"$ref": "#/channels/ws"}, "messages": of(false)},
            "send": {"action": "send", "channel": {"$ref": "#/channels/ws"}, "messages": of(true)},
        },
        "components": {"messages": messages, "schemas": schemas},
    })
}

fn client_messages(channels: &[&str]) -> Map<String, Value> {
    let channel = json!({"enum": channels});
    let since = json!({"type": "integer", "minimum": 0, "description": "Every event behind this seq first."});
    let subscribe = json!({"type": {"const": "subscribe"}, "channel": channel, "since": since});
    let unsubscribe = json!({"type": {"const": "unsubscribe"}, "channel": channel});
    [
        ("client_subscribe", message(&subscribe, &["type", "channel"])),
        ("client_unsubscribe", message(&unsubscribe, &["type", "channel"])),
        ("client_ping", message(&json!({"type": {"const": "ping"}}), &["type"])),
    ]
    .map(|(name, message)| (name.to_owned(), message))
    .into_iter()
    .collect()
}

fn server_messages(channels: &[&str]) -> Map<String, Value> {
    let (channel, text) = (json!({"enum": channels}), json!({"type": "string"}));
    let seq = json!({"type": "integer", "minimum": 0});
    let connected =
        json!({"type": {"const": "connected"}, "message": text, "userId": {"type": "integer"}});
    let subscribed = json!({"type": {"const": "subscribed"}, "channel": channel, "seq": seq});
    let reset = json!({"type": {"const": "reset"}, "channel": channel, "seq": seq});
    let unsubscribed = json!({"type": {"const": "unsubscribed"}, "channel": channel});
    let error = json!({"type": {"const": "error"}, "message": text});
    [
        ("connected", message(&connected, &["type", "message", "userId"])),
        ("subscribed", message(&subscribed, &["type", "channel", "seq"])),
        ("reset", message(&reset, &["type", "channel", "seq"])),
        ("unsubscribed", message(&unsubscribed, &["type", "channel"])),
        ("pong", message(&json!({"type": {"const": "pong"}}), &["type"])),
        ("error", message(&error, &["type", "message"])),
    ]
    .map(|(name, message)| (name.to_owned(), message))
    .into_iter()
    .collect()
}

fn message(properties: &Value, required: &[&str]) -> Value {
    json!({"payload": {"type": "object", "required": required, "properties": properties}})
}
