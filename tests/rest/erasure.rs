//! Guards erasure: a name that stays in the log, in a stored response or in memory, and orders that are lost
//! with the customer.

use crate::common::{Client, Server, happened, head, outside_order};
use serde_json::{Value, json};

/// Texts that occur nowhere else.
const PERSONAL: [&str; 5] = [
    "ottilie@example.com",
    "Ottilie",
    "Quastenflosser",
    "+49 1579 2345678",
    "ottilie.new@example.com",
];
const KEY: [(&str, &str); 1] = [("idempotency-key", "ottilie")];

fn ottilie() -> Value {
    json!({
        "email": PERSONAL[0], "first_name": PERSONAL[1], "last_name": PERSONAL[2],
        "phone": PERSONAL[3],
    })
}

fn nothing() -> Value {
    json!({"email": null, "first_name": null, "last_name": null, "phone": null})
}

/// Creates a customer with an order, and changes the customer's address once.
fn buy(admin: &Client) -> (i64, i64) {
    let made = admin.post_with("/api/customers", &ottilie(), &KEY).expect(201);
    admin.patch(made.header("location"), &json!({"email": PERSONAL[4]})).expect(200);
    let body = json!({"total": 5.25, "customer_id": made.id()});
    (made.id(), admin.post("/api/orders", &body).expect(201).id())
}

fn erase(client: &Client, customer: i64) -> crate::common::Answer {
    client.post(&format!("/api/customers/{customer}/erase"), &json!({}))
}

#[track_caller]
fn is_forgotten(text: &str) {
    for personal in PERSONAL {
        assert!(!text.contains(personal), "{personal} is in {text}");
    }
}

#[test]
fn an_erased_customer_is_in_no_file_and_the_orders_stay() {
    let mut server = Server::start();
    let admin = server.admin();
    let (customer, order) = buy(&admin);
    let path = format!("/api/customers/{customer}");
    let problem = admin.delete(&path).problem(409);
    assert_eq!(problem["code"], "in_use");
    let way_out = format!("POST {path}/erase");
    assert!(problem["detail"].as_str().unwrap().contains(&way_out), "{problem}");

    let (seq, order_before) = (head(&admin), admin.get(&format!("/api/orders/{order}")).text());
    let erased = erase(&admin, customer).expect(200);
    for (field, null) in nothing().as_object().unwrap() {
        assert_eq!(erased.json()[field], *null);
    }
    let names = json!({"email": null, "first_name": null, "last_name": null});
    assert_eq!(happened(&admin, seq), json!([["customer:updated", names]]));
    let read = admin.get(&path).expect(200);
    assert_eq!((read.text(), read.header("etag")), (erased.text(), erased.header("etag")));
    assert_eq!(admin.get(&format!("/api/orders/{order}")).expect(200).text(), order_before);

    is_forgotten(&admin.get("/api/events?after=0&limit=200").expect(200).text());
    is_forgotten(&admin.get("/api/customers").expect(200).text());
    is_forgotten(&admin.post_with("/api/customers", &ottilie(), &KEY).expect(201).text());
    let trail = admin.get("/api/audit?entity=customer").expect(200).json();
    let entry = &trail["data"][0];
    let expected = json!(["erase", "customer", customer, []]);
    assert_eq!(
        json!([entry["action"], entry["entity"], entry["row_id"], entry["fields"]]),
        expected
    );

    // Once is enough, and the address is free for another customer.
    let seq = head(&admin);
    erase(&admin, customer).expect(200);
    assert_eq!(head(&admin), seq);
    assert_eq!(server.stop(), Some(0));
    is_forgotten(&String::from_utf8_lossy(
        &std::fs::read(server.data_dir().join("tillcast.db")).unwrap(),
    ));
    let checked = server.cli(&["check"], "");
    assert!(checked.status.success(), "{checked:?}");
    let server = server.again();
    server.admin().post("/api/customers", &ottilie()).expect(201);
}

/// The ring still has the frames of the customer's earlier changes.
#[test]
fn no_socket_is_sent_what_was_erased() {
    let server = Server::start();
    let admin = server.admin();
    let before = head(&admin);
    let mut live = admin.ws();
    live.subscribe("customer_changes");
    let (customer, _) = buy(&admin);
    assert!(live.recv_text().contains(PERSONAL[0]));
    assert!(live.recv_text().contains(PERSONAL[4]));
    erase(&admin, customer).expect(200);
    is_forgotten(&live.recv_text());

    let mut late = admin.ws();
    late.subscribe_since("customer_changes", before);
    let (created, changed, erased) = (late.recv_text(), late.recv_text(), late.recv_text());
    let created_data = serde_json::from_str::<Value>(&created).unwrap()["data"].clone();
    let expected = json!({"id": customer, "email": null, "first_name": null, "last_name": null});
    assert_eq!(created_data, expected);
    is_forgotten(&format!("{created}{changed}{erased}"));
    outside_order(&admin, 1.25);
    late.expect_quiet();
}

#[test]
fn erasing_needs_a_customer_and_the_right_to_change_it() {
    let server = Server::with_users(&["staff", "kiosk", "display"], &[]);
    let admin = server.admin();
    let (customer, order) = buy(&admin);
    for role in ["kiosk", "display"] {
        erase(&server.login(role), customer).problem(403);
    }
    erase(&admin, 999).problem(404);
    admin.post(&format!("/api/orders/{order}/erase"), &json!({})).problem(404);
    admin.get(&format!("/api/customers/{customer}/erase")).problem(405);
    let path = format!("/api/customers/{customer}/erase");
    admin.post_with(&path, &json!({}), &[("if-match", "\"999\"")]).problem(412);
    assert!(admin.get("/api/customers").expect(200).text().contains(PERSONAL[1]));
    erase(&server.login("staff"), customer).expect(200);
}
