//! Guards the rules of an order: a senseless status, a reference to nothing, two currencies in one sum.

use crate::common::{
    Server, customer, happened, head, order, outside_order, pay, product, shipment, unique,
};
use serde_json::json;

#[test]
fn an_order_goes_forward_and_one_step_back_as_a_recall() {
    let server = Server::start();
    let admin = server.admin();
    let path = format!("/api/orders/{}", outside_order(&admin, 5.25));
    let seq = head(&admin);
    let way = ["processing", "ready", "shipped", "completed", "refunded"];
    for (at, status) in way.iter().enumerate() {
        admin.patch(&path, &json!({"status": status})).expect(200);
        let now = head(&admin);
        let earlier: Vec<_> = ["pending"].iter().chain(&way[..at]).collect();
        let recalls = usize::from(at < 2);
        for earlier in &earlier[..earlier.len() - recalls] {
            let problem = admin.patch(&path, &json!({"status": earlier})).problem(409);
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(status) && detail.contains(**earlier), "{detail}");
        }
        assert_eq!(head(&admin), now);
    }
    let expected = way.map(|status| json!(["order:updated", {"status": status}]));
    assert_eq!(happened(&admin, seq), json!(expected));
    let path = format!("/api/orders/{}", outside_order(&admin, 5.25));
    for status in ["processing", "ready", "processing", "pending", "processing"] {
        let recalled = admin.patch(&path, &json!({"status": status})).expect(200).json();
        assert_eq!(recalled["status"], status);
    }
}

#[test]
fn an_ended_order_stays_ended() {
    let server = Server::start();
    let admin = server.admin();
    for end in ["cancelled", "refunded"] {
        let path = format!("/api/orders/{}", outside_order(&admin, 5.25));
        admin.patch(&path, &json!({"status": "processing"})).expect(200);
        admin.patch(&path, &json!({"status": end})).expect(200);
        for status in ["pending", "processing", "ready", "shipped", "completed"] {
            // The notes are valid, and are not stored either.
            let change = json!({"status": status, "notes": "more"});
            admin.patch(&path, &change).problem(409);
        }
        let kept = admin.get(&path).expect(200).json();
        assert_eq!((&kept["status"], &kept["notes"]), (&json!(end), &json!(null)));
        admin.patch(&path, &json!({"notes": "still writable"})).expect(200);
    }
}

#[test]
fn an_order_whose_goods_have_left_is_not_cancelled() {
    let server = Server::start();
    let admin = server.admin();
    for status in ["shipped", "completed"] {
        let path = format!("/api/orders/{}", outside_order(&admin, 5.25));
        admin.patch(&path, &json!({"status": status})).expect(200);
        admin.patch(&path, &json!({"status": "cancelled"})).problem(409);
    }
}

#[test]
fn an_entity_in_use_stays_and_the_problem_says_what_to_do() {
    let server = Server::start();
    let admin = server.admin();
    let (ana, tea) = (customer(&admin), product(&admin, 2.5, 10));
    let body = json!({"customer_id": ana, "items": [{"product_id": tea, "quantity": 1}]});
    let sold = admin.post("/api/orders", &body).expect(201).id();
    let (paid, sent) = (outside_order(&admin, 5.25), outside_order(&admin, 5.25));
    let (payment, parcel) = (pay(&admin, paid, 5.25), shipment(&admin, sent));
    let seq = head(&admin);
    for (path, way_out) in [
        (format!("/api/customers/{ana}"), "instead"),
        (format!("/api/products/{tea}"), "archive"),
        (format!("/api/orders/{paid}"), "cancel"),
        (format!("/api/orders/{sent}"), "cancel"),
    ] {
        let problem = admin.delete(&path).problem(409);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(way_out), "{path}: {detail}");
        admin.get(&path).expect(200);
    }
    assert_eq!(head(&admin), seq);
    for path in [
        format!("/api/transactions/{payment}"),
        format!("/api/shipments/{parcel}"),
        format!("/api/orders/{sold}"),
        format!("/api/orders/{paid}"),
        format!("/api/orders/{sent}"),
        format!("/api/customers/{ana}"),
        format!("/api/products/{tea}"),
    ] {
        admin.delete(&path).expect(204);
    }
}

#[test]
fn an_order_is_in_one_currency() {
    let server = Server::start();
    let admin = server.admin();
    let euros =
        json!({"name": "Tea", "sku": unique("TEA"), "price": 1.25, "stock": 9, "currency": "EUR"});
    let euros = admin.post("/api/products", &euros).expect(201).id();
    let dollars = product(&admin, 2.5, 10);
    let seq = head(&admin);
    let mixed = json!({"items": [
        {"product_id": euros, "quantity": 1},
        {"product_id": dollars, "quantity": 1},
        {"product_id": euros, "quantity": 1},
    ]});
    admin.post("/api/orders", &mixed).expect_wrong(&["items[1].product_id"]);
    let wrong = json!({"currency": "USD", "items": [{"product_id": euros, "quantity": 1}]});
    admin.post("/api/orders", &wrong).expect_wrong(&["currency"]);
    assert_eq!(head(&admin), seq);
    let order = order(&admin, euros, 3);
    assert_eq!((&order["currency"], &order["total"]), (&json!("EUR"), &json!(3.75)));
}

#[test]
fn a_total_beside_items_is_refused() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    let items = json!([{"product_id": tea, "quantity": 3}]);
    let seq = head(&admin);
    for total in [json!(7.5), json!(7.49), json!(0), json!(75)] {
        let body = json!({"items": items, "total": total});
        admin.post("/api/orders", &body).expect_wrong(&["total"]);
    }
    assert_eq!(head(&admin), seq);
    let body = json!({"items": items, "currency": "USD"});
    let made = admin.post("/api/orders", &body).expect(201);
    let path = made.header("location");
    admin.patch(path, &json!({"total": 1})).expect_wrong(&["total"]);
    admin.patch(path, &json!({"total": 7.5})).expect(200);
}

#[test]
fn an_order_from_outside_says_what_it_costs() {
    let server = Server::start();
    let admin = server.admin();
    admin.post("/api/orders", &json!({"currency": "EUR"})).expect_wrong(&["total"]);
    let body = json!({"total": 12.5, "currency": "EUR", "status": "completed"});
    let made = admin.post("/api/orders", &body).expect(201);
    let order = made.json();
    assert_eq!((&order["items"], &order["status"]), (&json!([]), &json!("completed")));
    let seq = head(&admin);
    let patched = admin.patch(made.header("location"), &json!({"total": 13.25})).expect(200);
    assert_eq!(patched.json()["total"], json!(13.25));
    assert_eq!(happened(&admin, seq), json!([["order:updated", {"total": 13.25}]]));
}

#[test]
fn a_new_total_is_compared_with_what_was_paid() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 12.5);
    pay(&admin, order, 10.25);
    let path = format!("/api/orders/{order}");
    let seq = head(&admin);
    admin.patch(&path, &json!({"total": 10.25})).expect(200);
    admin.patch(&path, &json!({"total": 11.25})).expect(200);
    let paid = json!({"total": 10.25, "payment_status": "paid", "status": "processing"});
    let more = json!({"total": 11.25, "payment_status": "pending"});
    let expected = json!([["order:updated", paid], ["order:updated", more]]);
    assert_eq!(happened(&admin, seq), expected);
}

#[test]
fn an_order_may_have_any_customer_or_none() {
    let server = Server::start();
    let admin = server.admin();
    let (ana, ben) = (customer(&admin), customer(&admin));
    let body = json!({"total": 5.25, "customer_id": null});
    let made = admin.post("/api/orders", &body).expect(201);
    let path = made.header("location");
    assert_eq!(made.json()["customer_id"], json!(null));
    let seq = head(&admin);
    for customer in [json!(ana), json!(ben), json!(null)] {
        let patched = admin.patch(path, &json!({"customer_id": customer})).expect(200);
        assert_eq!(patched.json()["customer_id"], customer);
    }
    let told = [json!(ana), json!(ben), json!(null)]
        .map(|customer| json!(["order:updated", {"customer_id": customer}]));
    assert_eq!(happened(&admin, seq), json!(told));
    admin.patch(path, &json!({"customer_id": 999_999})).expect_wrong(&["customer_id"]);
    admin.delete(&format!("/api/customers/{ana}")).expect(204);
}

#[test]
fn a_customer_has_a_name_or_an_address() {
    let server = Server::start();
    let admin = server.admin();
    for body in [
        json!({"email": "ana@example.com"}),
        json!({"first_name": "Ana"}),
        json!({"last_name": "Silva", "phone": "1"}),
    ] {
        let made = admin.post("/api/customers", &body).expect(201);
        let nothing = json!({"email": null, "first_name": null, "last_name": null});
        admin.patch(made.header("location"), &nothing).expect_wrong(&["email"]);
        admin.patch(made.header("location"), &json!({"last_name": "S", "email": null})).expect(200);
    }
    for body in [json!({}), json!({"phone": "1"}), json!({"last_name": "", "email": null})] {
        admin.post("/api/customers", &body).expect_wrong(&["email"]);
    }
}

#[test]
fn what_is_completed_and_paid_is_refunded_and_not_deleted() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    let path = format!("/api/orders/{order}");
    let payment = format!("/api/transactions/{}", pay(&admin, order, 5.25));
    admin.patch(&path, &json!({"status": "completed"})).expect(200);
    for path in [&path, &payment] {
        assert_eq!(admin.delete(path).problem(409)["code"], "order_completed");
    }
    let refund =
        json!({"order_id": order, "type": "refund", "status": "completed", "amount": 5.25});
    let refund = admin.post("/api/transactions", &refund).expect(201).header("location").to_owned();
    admin.delete(&refund).expect(204);
    assert_eq!(admin.delete(&payment).problem(409)["code"], "order_completed");
}
