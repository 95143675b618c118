//! Guards what a kiosk, which stands in the open, can take from the shop: the whole stock in orders that nobody
//! pays, the disk full of orders, or the knowledge of which customers there are.

use crate::common::{
    Client, PATIENCE, Server, customer, head, order, outside_order, pay, product, unique,
};
use serde_json::{Value, json};
use std::time::Instant;

/// A user with the role of a kiosk.
fn kiosk(server: &Server, admin: &Client) -> Client {
    let (name, password) = (unique("kiosk"), "password of a kiosk");
    let body = json!({"username": name, "password": password, "role": "kiosk"});
    admin.post("/api/users", &body).expect(201);
    server.anonymous().login(&name, password)
}

fn one_of(product: i64) -> Value {
    json!({"items": [{"product_id": product, "quantity": 1}]})
}

#[test]
fn a_kiosk_has_at_most_twenty_open_unpaid_orders() {
    let server = Server::start();
    let admin = server.admin();
    let (here, there) = (kiosk(&server, &admin), kiosk(&server, &admin));
    let tea = product(&admin, 2.5, 1_000);
    let key = [("idempotency-key", "first")];
    let first = here.post_with("/api/orders", &one_of(tea), &key).expect(201);
    let mut made: Vec<i64> = vec![first.id()];
    made.extend((1..20).map(|_| order(&here, tea, 1)["id"].as_i64().unwrap()));
    let full = |client: &Client| {
        let before = head(&admin);
        let problem = client.post("/api/orders", &one_of(tea)).problem(409);
        assert_eq!(problem["code"], "too_many_open_orders", "{problem}");
        assert_eq!(head(&admin), before);
    };
    full(&here);
    assert_eq!(here.post_with("/api/orders", &one_of(tea), &key).expect(201).text(), first.text());
    order(&there, tea, 1);
    for _ in 0..25 {
        order(&admin, tea, 1);
    }
    // Work on an order does not make room, its payment or its end does.
    let patch = |id: i64, body: Value| admin.patch(&format!("/api/orders/{id}"), &body).expect(200);
    patch(made[0], json!({"status": "ready"}));
    full(&here);
    pay(&admin, made[0], 2.5);
    order(&here, tea, 1);
    full(&here);
    patch(made[1], json!({"status": "completed"}));
    order(&here, tea, 1);
    patch(made[2], json!({"status": "cancelled"}));
    order(&here, tea, 1);
    full(&here);
    admin.delete(&format!("/api/orders/{}", made[3])).expect(204);
    order(&here, tea, 1);
    full(&here);
}

#[test]
fn many_at_once_do_not_pass_the_twenty() {
    let server = Server::start();
    let admin = server.admin();
    let kiosk = kiosk(&server, &admin);
    let tea = product(&admin, 2.5, 1_000);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let sending = (0..30).map(|_| {
            let client = kiosk.separate();
            scope.spawn(move || client.post("/api/orders", &one_of(tea)).status)
        });
        let sending: Vec<_> = sending.collect();
        sending.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 20, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
}

#[test]
fn an_order_of_a_kiosk_has_at_most_a_thousand_pieces() {
    let server = Server::start();
    let admin = server.admin();
    let kiosk = kiosk(&server, &admin);
    let (tea, cup) = (product(&admin, 2.5, 10_000), product(&admin, 1.0, 10_000));
    let order = |pieces: [u32; 3]| {
        let [first, second, third] = pieces;
        json!({"items": [
            {"product_id": tea, "quantity": first},
            {"product_id": cup, "quantity": second},
            {"product_id": tea, "quantity": third},
        ]})
    };
    let before = head(&admin);
    let refused = kiosk.post("/api/orders", &order([500, 500, 1]));
    refused.expect_wrong(&["items"]);
    assert_eq!(refused.json()["errors"][0]["code"], "too_large");
    assert_eq!(head(&admin), before);
    kiosk.post("/api/orders", &order([500, 499, 1])).expect(201);
    admin.post("/api/orders", &order([500, 500, 1])).expect(201);
}

#[test]
fn a_kiosk_makes_at_most_thirty_orders_a_minute() {
    let server = Server::start();
    let admin = server.admin();
    let (here, there) = (kiosk(&server, &admin), kiosk(&server, &admin));
    // What is free is paid from the start, so it is not among the open unpaid orders.
    let (water, gone) = (product(&admin, 0.0, 1_000), product(&admin, 1.0, 0));
    for _ in 0..29 {
        order(&here, water, 1);
        here.post("/api/orders", &one_of(gone)).problem(409); // what is refused does not count
    }
    here.post("/api/orders", &json!({"items": []})).problem(422);
    let last = here.post_with("/api/orders", &one_of(water), &[("idempotency-key", "last")]);
    last.expect(201);
    let before = head(&admin);
    let refused = here.post("/api/orders", &one_of(water));
    assert_eq!(refused.problem(429)["code"], "too_many_requests");
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(head(&admin), before);
    here.get("/api/orders").expect(200);
    order(&there, water, 1);
    for _ in 0..35 {
        order(&admin, water, 1);
    }
}

/// Neither the status nor the text may depend on whether there is such a customer.
#[test]
fn a_kiosk_cannot_find_out_which_customers_there_are() {
    let server = Server::start();
    let admin = server.admin();
    let kiosk = kiosk(&server, &admin);
    let (tea, ana) = (product(&admin, 2.5, 10), customer(&admin));
    outside_order(&admin, 1.0);
    let answers = [ana, ana + 1, 99_999].map(|customer| {
        let mut body = one_of(tea);
        body["customer_id"] = json!(customer);
        let answer = kiosk.post("/api/orders", &body);
        answer.expect_wrong(&["customer_id"]);
        answer.text()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let mut body = one_of(tea);
    body["customer_id"] = Value::Null;
    kiosk.post("/api/orders", &body).expect(201);
}

/// With a kiosk its orders must not stay for ever, nor the goods that they took.
#[test]
fn an_unpaid_order_expires_although_its_kiosk_is_gone() {
    let server = Server::with(&["--kiosk-order-expiry", "2s"]);
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    let gone = kiosk(&server, &admin);
    let id = order(&gone, tea, 1)["id"].clone();
    let user = gone.get("/api/auth/me").expect(200).json()["user"]["id"].clone();
    admin.delete(&format!("/api/users/{user}")).expect(204);
    let begun = Instant::now();
    while admin.get(&format!("/api/orders/{id}")).expect(200).json()["status"] != "cancelled" {
        assert!(begun.elapsed() < PATIENCE, "it stays");
    }
    assert_eq!(admin.get(&format!("/api/products/{tea}")).expect(200).json()["stock"], 10);
}

/// A guest who walks away must not keep the last piece.
#[test]
fn an_unpaid_order_of_a_kiosk_expires_and_no_other_does() {
    let flags = ["--kiosk-order-expiry", "1s"];
    let mut server = Server::with_users(&["staff", "kiosk"], &flags);
    let (admin, staff, kiosk) = (server.admin(), server.login("staff"), server.login("kiosk"));
    let tea = product(&admin, 2.5, 10);
    let by_staff = order(&staff, tea, 1)["id"].clone();
    let paid = order(&kiosk, tea, 1)["id"].clone();
    pay(&admin, paid.as_i64().unwrap(), 2.5);
    let left = order(&kiosk, tea, 1)["id"].clone();
    server.kill();
    let server = server.again_with(&flags);
    let admin = server.adopt(&admin);
    let status = |id: &Value| {
        admin.get(&format!("/api/orders/{id}")).expect(200).json()["status"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mut socket = admin.ws();
    socket.subscribe_since("order_changes", head(&admin));
    if status(&left) == "pending" {
        assert_eq!(socket.recv_event()["data"]["changed_fields"], json!({"status": "cancelled"}));
    }
    assert_eq!([&by_staff, &paid, &left].map(status), ["pending", "processing", "cancelled"]);
    assert_eq!(admin.get(&format!("/api/products/{tea}")).expect(200).json()["stock"], 8);
    let entry = &admin.get("/api/audit?entity=order&limit=1").expect(200).json()["data"][0];
    assert_eq!((&entry["action"], &entry["user_id"]), (&json!("update"), &Value::Null));
}
