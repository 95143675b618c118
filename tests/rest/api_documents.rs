//! Guards the documents that clients are generated from: a missing path, a field that the real reply does not
//! have, an event that the document leaves out.

mod schema;

use super::matrix;
use crate::common::{
    Answer, Client, Server, customer, events_after, order, outside_order, product, shipment,
    transaction, unique,
};
use schema::{check, resolved};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tillcast::limits::DESCRIPTIONS_BYTES;

const PLURALS: [&str; 7] =
    ["orders", "products", "customers", "shipments", "transactions", "users", "devices"];

/// The routes that are no part of the API.
const PAGES: [&str; 2] = ["GET /ca.pem", "GET /api/pairing/qr.svg"];

fn openapi(server: &Server) -> Value {
    server.anonymous().get("/openapi.json").expect(200).json()
}

/// Creates an entity; returns its path.
fn make(admin: &Client, plural: &str) -> String {
    let id = match plural {
        "orders" => outside_order(admin, 5.25),
        "products" => product(admin, 2.5, 10),
        "customers" => customer(admin),
        "shipments" => shipment(admin, outside_order(admin, 5.25)),
        "transactions" => {
            transaction(admin, outside_order(admin, 5.25), "payment", "pending", 5.25)
        }
        "users" => {
            let body =
                json!({"username": unique("user"), "password": "long enough 1", "role": "staff"});
            admin.post("/api/users", &body).expect(201).id()
        }
        "devices" => {
            let body = json!({"name": unique("screen"), "role": "display"});
            admin.post("/api/devices", &body).expect(201).id()
        }
        other => panic!("no sample of {other}"),
    };
    format!("/api/{plural}/{id}")
}

/// The schema of a reply of this operation, according to the document.
#[track_caller]
fn schema_of<'doc>(
    document: &'doc Value,
    operation: &'doc Value,
    answer: &Answer,
) -> Option<&'doc Value> {
    let responses = &operation["responses"];
    let status = answer.status.to_string();
    let response = responses.get(&status).unwrap_or(&responses["default"]);
    let own_description = response["description"].as_str();
    let response = resolved(document, response);
    let description = own_description.or(response["description"].as_str());
    let description =
        description.unwrap_or_else(|| panic!("{status} is in no way foreseen in {operation}"));
    if answer.status >= 400 {
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        let mut named = description.split([' ', ',', '.']);
        assert!(named.any(|name| name == code), "{code} is not foreseen in {operation}");
    }
    let media = answer.header("content-type").split(';').next().unwrap();
    let Some(content) = response.get("content") else {
        assert!(answer.body.is_empty(), "{status} has an unforeseen body: {}", answer.text());
        return None;
    };
    let content = content.get(media).unwrap_or_else(|| panic!("{media} is not among {content}"));
    content.get("schema").filter(|_| media.ends_with("json"))
}

#[test]
fn the_document_has_every_route() {
    let server = Server::start();
    let document = openapi(&server);
    let version = document["openapi"].as_str().unwrap();
    assert!(version.starts_with("3.1."), "{version}");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let (mut ids, mut described) = (BTreeSet::new(), BTreeSet::new());
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if method != "parameters" {
                assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let mut parameters = operations["parameters"].as_array().into_iter().flatten();
        let named = parameters.any(|parameter| resolved(&document, parameter)["in"] == "path");
        assert_eq!(named, path.contains('{'), "{path}");
    }
    let mut routes = matrix::routes();
    routes.retain(|route| !PAGES.contains(&&**route));
    assert_eq!(described, routes);
}

/// `tillcast limits` counts them; over TLS, the cookie's name is longer.
#[test]
fn the_documents_are_no_longer_than_their_bound() {
    let server = Server::with(&["--trusted-proxy", "127.0.0.1"]);
    let length = |path: &str| {
        let tls = [("x-forwarded-proto", "https")];
        server.anonymous().get_with(path, &tls).expect(200).body.len()
    };
    let both = length("/openapi.json") + length("/asyncapi.json");
    assert!(both <= DESCRIPTIONS_BYTES, "{both}");
}

#[test]
fn every_operation_of_the_document_exists_and_answers_as_it_says() {
    let server = Server::start();
    let document = openapi(&server);
    let admin = server.admin();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            let plural = path.split('/').nth(2).unwrap_or_default();
            let target = match (path.split_once("/{id}"), path.strip_suffix("/{code}")) {
                (Some((_, rest)), _) => make(&admin, plural) + rest,
                (_, Some(pairing)) => {
                    let opened = admin.post(pairing, &json!({})).expect(201).json();
                    format!("{pairing}/{}", opened["code"].as_str().unwrap())
                }
                _ => path.clone(),
            };
            // Logging out comes last, because it ends the session.
            let client = if path == "/api/auth/logout" { server.admin() } else { admin.clone() };
            let body = ["post", "patch"].contains(&method.as_str()).then_some(&b"{}"[..]);
            let headers = [("content-type", "application/json")];
            let answer = client.request(&method.to_uppercase(), &target, &headers, body);
            assert!(
                ![404, 405, 415].contains(&answer.status),
                "{method} {target}: {}",
                answer.status
            );
            assert!(answer.status < 500, "{method} {target}: {}", answer.text());
            if let Some(schema) = schema_of(&document, operation, &answer) {
                check(&document, schema, &answer.json());
            }
        }
    }
}

#[test]
fn real_entities_have_the_keys_of_the_document() {
    let server = Server::start();
    let document = openapi(&server);
    let admin = server.admin();
    let product = product(&admin, 2.5, 10);
    order(&admin, product, 2);
    for plural in PLURALS {
        let path = make(&admin, plural);
        let operation = &document["paths"][format!("/api/{plural}/{{id}}")]["get"];
        let answer = admin.get(&path).expect(200);
        let schema = resolved(&document, schema_of(&document, operation, &answer).unwrap());
        let keys = |value: &Value| -> BTreeSet<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(keys(&answer.json()), keys(&schema["properties"]), "{plural}");
        check(&document, schema, &answer.json());

        let listed = admin.get(&format!("/api/{plural}")).expect(200);
        let operation = &document["paths"][format!("/api/{plural}")]["get"];
        check(&document, schema_of(&document, operation, &listed).unwrap(), &listed.json());
    }
}

#[test]
fn the_fields_that_the_document_lets_a_client_send_are_read() {
    let server = Server::start();
    let document = openapi(&server);
    let admin = server.admin();
    for plural in PLURALS {
        let one = make(&admin, plural);
        for (path, method, target) in [
            (format!("/api/{plural}"), "post", format!("/api/{plural}")),
            (format!("/api/{plural}/{{id}}"), "patch", one),
        ] {
            let content =
                document["paths"][&path][method]["requestBody"]["content"].as_object().unwrap();
            let mut schema = resolved(&document, &content.values().next().unwrap()["schema"]);
            // A new order is one of two, the first of which has every field.
            if let Some(variants) = schema["oneOf"].as_array() {
                schema = resolved(&document, &variants[0]);
            }
            let properties = schema["properties"].as_object().unwrap();
            assert_eq!(schema["additionalProperties"], false, "{method} {path}");
            // No field takes an object, so every one is a wrong type.
            let body: Value = properties.keys().map(|name| (name.clone(), json!({}))).collect();
            let media = content.keys().next().unwrap();
            let headers = [("content-type", media.as_str())];
            let text = body.to_string();
            let answer =
                admin.request(&method.to_uppercase(), &target, &headers, Some(text.as_bytes()));
            let names: Vec<String> = properties.keys().cloned().collect();
            assert_eq!(answer.wrong_fields(), names, "{method} {path}");
            for error in answer.json()["errors"].as_array().unwrap() {
                let message = error["message"].as_str().unwrap();
                assert!(message.starts_with("must"), "{method} {path}: {error}");
            }
        }
    }
}

/// Causes each of the fifteen events.
fn all_events(admin: &Client) -> Vec<Value> {
    let tea = product(admin, 2.5, 10);
    order(admin, tea, 1);
    for (plural, patch) in [
        ("orders", json!({"status": "ready"})),
        ("products", json!({"price": 3.25})),
        ("customers", json!({"phone": "5"})),
        ("shipments", json!({"carrier": "DHL"})),
        ("transactions", json!({"gateway": "card"})),
    ] {
        let path = make(admin, plural);
        admin.patch(&path, &patch).expect(200);
        admin.delete(&path).expect(204);
    }
    events_after(admin, 0)
}

#[test]
fn the_document_of_the_socket_has_all_channels_and_events() {
    let server = Server::start();
    let document = server.anonymous().get("/asyncapi.json").expect(200).json();
    assert!(document["asyncapi"].as_str().unwrap().starts_with("3.0."));
    let admin = server.admin();
    let messages = document["components"]["messages"].as_object().unwrap();
    let payload_of = |event: &str| {
        let payloads = messages.values().map(|message| resolved(&document, &message["payload"]));
        let mut found =
            payloads.filter(|payload| payload["properties"]["event"]["const"] == *event);
        found.next().unwrap_or_else(|| panic!("no message for {event}"))
    };
    let mut seen = BTreeSet::new();
    for event in all_events(&admin) {
        let name = event["event"].as_str().unwrap();
        let payload = payload_of(name);
        check(&document, payload, &event);
        let data = resolved(&document, &payload["properties"]["data"]);
        let keys = |value: &Value| -> BTreeSet<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(keys(&event["data"]), keys(&data["properties"]), "{name}");
        seen.insert(name.to_owned());
    }
    assert_eq!(seen.len(), 15, "{seen:?}");
    let text = document.to_string();
    for noun in ["order", "product", "customer", "shipment", "transaction"] {
        assert!(text.contains(&format!("\"{noun}_changes\"")), "no channel of {noun}s");
    }
}

#[test]
fn every_message_of_the_socket_is_in_its_document() {
    let server = Server::start();
    let document = server.anonymous().get("/asyncapi.json").expect(200).json();
    let messages = document["components"]["messages"].as_object().unwrap();
    let mut socket = server.admin().upgrade(&[]).map_err(|answer| answer.text()).unwrap();
    let mut answers = vec![socket.recv()];
    for message in [
        json!({"type": "subscribe", "channel": "order_changes"}),
        json!({"type": "unsubscribe", "channel": "order_changes"}),
        json!({"type": "ping"}),
        json!({"type": "nonsense"}),
    ] {
        socket.send(&message);
        answers.push(socket.recv());
    }
    for answer in answers {
        let of_type = |payload: &&Value| payload["properties"]["type"]["const"] == answer["type"];
        let payloads = messages.values().map(|message| resolved(&document, &message["payload"]));
        let mut payloads = payloads.filter(of_type);
        // The first message with the type is the right one.
        let payload = payloads.next().unwrap_or_else(|| panic!("no message for {answer}"));
        check(&document, payload, &answer);
    }
}
