//! Guards the way of a parcel: an order that stays behind its parcels, runs ahead of them, or goes
//! back in its life.

use crate::common::{Client, Server, happened, head, outside_order, shipment};
use serde_json::{Value, json};

fn status_of(client: &Client, order: i64) -> Value {
    let order = client.get(&format!("/api/orders/{order}")).expect(200);
    order.json()["status"].clone()
}

#[track_caller]
fn set(client: &Client, shipment: i64, status: &str) {
    let path = format!("/api/shipments/{shipment}");
    client.patch(&path, &json!({"status": status})).expect(200);
}

#[test]
fn a_parcel_takes_its_order_along() {
    let server = Server::start();
    let admin = server.admin();
    for status in ["pending", "processing", "ready"] {
        let order = outside_order(&admin, 5.25);
        admin.patch(&format!("/api/orders/{order}"), &json!({"status": status})).expect(200);
        let seq = head(&admin);
        let parcel = shipment(&admin, order);
        assert_eq!(status_of(&admin, order), status);
        set(&admin, parcel, "shipped");
        set(&admin, parcel, "in_transit");
        set(&admin, parcel, "delivered");
        let expected = json!([
            ["shipment:created"],
            ["shipment:updated", {"status": "shipped"}],
            ["order:updated", {"status": "shipped"}],
            ["shipment:updated", {"status": "in_transit"}],
            ["shipment:updated", {"status": "delivered"}],
            ["order:updated", {"status": "completed"}],
        ]);
        assert_eq!(happened(&admin, seq), expected);
    }
}

#[test]
fn a_parcel_may_be_under_way_when_it_is_made() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    let seq = head(&admin);
    let body = json!({"order_id": order, "status": "shipped", "carrier": "UPS"});
    admin.post("/api/shipments", &body).expect(201);
    let expected = json!([["shipment:created"], ["order:updated", {"status": "shipped"}]]);
    assert_eq!(happened(&admin, seq), expected);
}

#[test]
fn the_last_parcel_completes_the_order() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    let parcels = [shipment(&admin, order), shipment(&admin, order), shipment(&admin, order)];
    for parcel in parcels {
        set(&admin, parcel, "shipped");
    }
    let seq = head(&admin);
    set(&admin, parcels[1], "delivered");
    set(&admin, parcels[0], "delivered");
    assert_eq!(status_of(&admin, order), "shipped");
    set(&admin, parcels[2], "delivered");
    let delivered = json!(["shipment:updated", {"status": "delivered"}]);
    let completed = json!(["order:updated", {"status": "completed"}]);
    let expected = json!([delivered, delivered, delivered, completed]);
    assert_eq!(happened(&admin, seq), expected);
}

#[test]
fn a_parcel_does_not_take_its_order_back() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    let (first, late) = (shipment(&admin, order), shipment(&admin, order));
    admin.patch(&format!("/api/orders/{order}"), &json!({"status": "completed"})).expect(200);
    for (parcel, status) in
        [(first, "shipped"), (first, "delivered"), (first, "returned"), (late, "shipped")]
    {
        set(&admin, parcel, status);
        assert_eq!(status_of(&admin, order), "completed", "after {status}");
    }
}

#[test]
fn nothing_is_sent_of_a_cancelled_order() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    let parcel = shipment(&admin, order);
    admin.patch(&format!("/api/orders/{order}"), &json!({"status": "cancelled"})).expect(200);
    let seq = head(&admin);
    let path = format!("/api/shipments/{parcel}");
    for status in ["shipped", "in_transit", "delivered"] {
        admin.patch(&path, &json!({"status": status})).problem(409);
    }
    let body = json!({"order_id": order, "status": "shipped"});
    admin.post("/api/shipments", &body).problem(409);
    assert_eq!(head(&admin), seq);
    assert_eq!(admin.get(&path).expect(200).json()["status"], "pending");
    assert_eq!(status_of(&admin, order), "cancelled");
}

#[test]
fn a_parcel_does_not_travel_backwards() {
    let server = Server::start();
    let admin = server.admin();
    let parcel = shipment(&admin, outside_order(&admin, 5.25));
    let path = format!("/api/shipments/{parcel}");
    for (reached, senseless) in [
        ("shipped", &["pending"][..]),
        ("delivered", &["pending", "shipped", "in_transit"]),
        ("returned", &["pending", "delivered"]),
    ] {
        set(&admin, parcel, reached);
        let seq = head(&admin);
        for status in senseless {
            let problem = admin.patch(&path, &json!({"status": status})).problem(409);
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(reached) && detail.contains(status), "{detail}");
        }
        assert_eq!(head(&admin), seq);
    }
}
