//! Guards the status of orders with parcels: it must not lag behind them, run ahead of them, or go back.

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
fn an_order_follows_its_parcel() {
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
fn a_parcel_may_be_created_as_shipped() {
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

/// A parcel's status is recorded even if its order has ended, and the order stays as it is.
#[test]
fn the_parcels_of_an_ended_order_go_on() {
    let server = Server::start();
    let admin = server.admin();
    for (begun, end) in [("pending", "cancelled"), ("processing", "refunded")] {
        let order = outside_order(&admin, 5.25);
        let path = format!("/api/orders/{order}");
        let parcel = shipment(&admin, order);
        admin.patch(&path, &json!({"status": begun})).expect(200);
        admin.patch(&path, &json!({"status": end})).expect(200);
        let seq = head(&admin);
        set(&admin, parcel, "in_transit");
        set(&admin, parcel, "delivered");
        let body = json!({"order_id": order, "status": "shipped"});
        let late = admin.post("/api/shipments", &body).expect(201).id();
        admin
            .patch(&format!("/api/shipments/{late}"), &json!({"tracking_number": "42"}))
            .expect(200);
        admin.delete(&format!("/api/shipments/{late}")).expect(204);
        let expected = json!([
            ["shipment:updated", {"status": "in_transit"}],
            ["shipment:updated", {"status": "delivered"}],
            ["shipment:created"],
            ["shipment:updated", {"tracking_number": "42"}],
            ["shipment:deleted"],
        ]);
        assert_eq!(happened(&admin, seq), expected);
        assert_eq!(status_of(&admin, order), end);
    }
}

/// A carrier's report may come late, come twice, or be corrected.
#[test]
fn any_state_of_a_parcel_may_follow_any() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    let parcel = shipment(&admin, order);
    let seq = head(&admin);
    let mut expected = Vec::new();
    let mut before = ("pending", "pending");
    for (parcel_is, order_is) in [
        ("delivered", "completed"),
        ("returned", "shipped"),
        ("in_transit", "shipped"),
        ("delivered", "completed"),
        ("shipped", "shipped"),
        ("pending", "pending"),
        ("returned", "shipped"),
        ("delivered", "completed"),
        ("pending", "pending"),
    ] {
        set(&admin, parcel, parcel_is);
        assert_eq!(status_of(&admin, order), order_is, "{before:?} to {parcel_is}");
        expected.push(json!(["shipment:updated", {"status": parcel_is}]));
        if before.1 != order_is {
            expected.push(json!(["order:updated", {"status": order_is}]));
        }
        before = (parcel_is, order_is);
    }
    assert_eq!(happened(&admin, seq), json!(expected));
}

#[test]
fn an_order_follows_its_parcels_in_whatever_order_they_are_scanned() {
    let server = Server::start();
    let admin = server.admin();
    for scans in [["delivered", "returned"], ["returned", "delivered"]] {
        let order = outside_order(&admin, 5.25);
        let parcels = [shipment(&admin, order), shipment(&admin, order)];
        for (parcel, status) in parcels.into_iter().zip(scans) {
            set(&admin, parcel, status);
        }
        assert_eq!(status_of(&admin, order), "completed", "{scans:?}");
    }
}

/// Without the deletion, an order would wait forever for a parcel that was entered twice.
#[test]
fn a_deleted_parcel_is_as_if_it_had_never_been() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    admin.patch(&format!("/api/orders/{order}"), &json!({"status": "ready"})).expect(200);
    let (parcel, double) = (shipment(&admin, order), shipment(&admin, order));
    set(&admin, parcel, "delivered");
    set(&admin, double, "shipped");
    assert_eq!(status_of(&admin, order), "shipped");
    let seq = head(&admin);
    admin.delete(&format!("/api/shipments/{double}")).expect(204);
    admin.delete(&format!("/api/shipments/{parcel}")).expect(204);
    let expected = json!([
        ["shipment:deleted"],
        ["order:updated", {"status": "completed"}],
        ["shipment:deleted"],
        ["order:updated", {"status": "ready"}],
    ]);
    assert_eq!(happened(&admin, seq), expected);
}
