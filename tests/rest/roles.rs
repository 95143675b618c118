//! Guards the rights of the roles: a kiosk that reads customers, a display that sells, or a shop that locks
//! out its last administrator.

use crate::common::{
    Client, Server, customer, order, outside_order, password_of, pay, product, shipment,
};
use serde_json::{Value, json};

const ENTITIES: [&str; 5] = ["orders", "products", "customers", "shipments", "transactions"];

/// One row of each entity, by its path.
fn rows(admin: &Client) -> [(&'static str, String); 5] {
    let order_id = outside_order(admin, 9.99);
    let ids = [
        order_id,
        product(admin, 2.5, 100),
        customer(admin),
        shipment(admin, order_id),
        pay(admin, order_id, 9.99),
    ];
    std::array::from_fn(|at| (ENTITIES[at], format!("/api/{}/{}", ENTITIES[at], ids[at])))
}

fn id_of(client: &Client) -> i64 {
    let me = client.get("/api/auth/me").expect(200).json();
    me["user"]["id"].as_i64().unwrap()
}

#[test]
fn staff_runs_the_shop_but_not_the_users() {
    let server = Server::with_users(&["staff"], &[]);
    let staff = server.login("staff");
    for (entity, path) in rows(&staff) {
        staff.get(&format!("/api/{entity}")).expect(200);
        staff.get(&path).expect(200);
    }
    staff.get("/api/events").expect(200);
    staff.get("/api/users").expect(403);
    staff.get(&format!("/api/users/{}", id_of(&staff))).expect(403);
    let eva = json!({"username": "eva", "password": "password of eva", "role": "admin"});
    staff.post("/api/users", &eva).expect(403);
    staff.patch(&format!("/api/users/{}", id_of(&staff)), &json!({"role": "admin"})).expect(403);
}

#[test]
fn a_display_reads_three_entities_and_writes_nothing() {
    let server = Server::with_users(&["display"], &[]);
    let (admin, display) = (server.admin(), server.login("display"));
    for (entity, path) in rows(&admin) {
        let readable = ["orders", "products", "shipments"].contains(&entity);
        let status = if readable { 200 } else { 403 };
        display.get(&format!("/api/{entity}")).expect(status);
        display.get(&path).expect(status);
        display.post(&format!("/api/{entity}"), &json!({})).expect(403);
        display.patch(&path, &json!({})).expect(403);
        display.delete(&path).expect(403);
    }
    display.get("/api/users").expect(403);
}

#[test]
fn a_kiosk_sells_and_sees_its_own_orders_only() {
    let server = Server::with_users(&["kiosk"], &[]);
    let (admin, kiosk) = (server.admin(), server.login("kiosk"));
    let rows = rows(&admin);
    let (_, product_path) = &rows[1];
    let product: i64 = product_path.rsplit('/').next().unwrap().parse().unwrap();
    kiosk.get("/api/products").expect(200);
    kiosk.get(product_path).expect(200);
    let own = order(&kiosk, product, 1);
    let own_path = format!("/api/orders/{}", own["id"]);
    assert_eq!(kiosk.get(&own_path).expect(200).json(), own);

    let listed = kiosk.get("/api/orders").expect(200).json();
    assert_eq!(listed["data"], json!([own]));
    // A kiosk does not even learn that another's order exists.
    kiosk.get(&rows[0].1).expect(404);

    for (entity, path) in &rows {
        if ["customers", "shipments", "transactions"].contains(entity) {
            kiosk.get(&format!("/api/{entity}")).expect(403);
            kiosk.get(path).expect(403);
        }
        if *entity != "orders" {
            kiosk.post(&format!("/api/{entity}"), &json!({})).expect(403);
        }
        let patched = kiosk.patch(path, &json!({})).status;
        assert!([403, 404].contains(&patched), "PATCH {path}: {patched}");
        let deleted = kiosk.delete(path).status;
        assert!([403, 404].contains(&deleted), "DELETE {path}: {deleted}");
    }
    kiosk.delete(&own_path).expect(403);
    kiosk.get("/api/users").expect(403);
}

#[test]
fn kitchen_and_picker_say_how_far_an_order_is() {
    let server = Server::with_users(&["kitchen", "picker"], &[]);
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    for role in ["kitchen", "picker"] {
        let client = server.login(role);
        let path = format!("/api/orders/{}", order(&admin, tea, 1)["id"]);
        for status in ["processing", "ready", "processing", "pending", "ready"] {
            let patched = client.patch(&path, &json!({"status": status, "done": [0]}));
            assert_eq!(patched.expect(200).json()["status"], status, "{role}");
        }
        let skipped = client.patch(&path, &json!({"status": "pending"})).problem(409);
        assert_eq!(skipped["code"], "status_skipped");
        for patch in [
            json!({"status": "completed"}),
            json!({"status": "cancelled"}),
            json!({"notes": "x"}),
            json!({"done": [], "total": 1}),
            json!({"discount": 1}),
        ] {
            let problem = client.patch(&path, &patch).problem(403);
            assert_eq!(problem["code"], "role_not_allowed", "{role}: {patch}");
        }
        assert_eq!(admin.get(&path).expect(200).json()["done"], json!([0]));
        client.delete(&path).problem(403);
        client.post("/api/orders", &json!({"total": 1})).problem(403);
        client.get("/api/customers").problem(403);
        client.get("/api/events?after=0&channel=transaction_changes").problem(403);
        client.patch(&format!("/api/products/{tea}"), &json!({"price": 1})).problem(403);
        client.get(&format!("/api/products/{tea}")).expect(200);
        let parcel = json!({"order_id": 1});
        let made = client.post("/api/shipments", &parcel);
        if role == "picker" {
            let path = made.expect(201).header("location").to_owned();
            client.patch(&path, &json!({"status": "shipped"})).expect(200);
            client.delete(&path).problem(403);
        } else {
            made.problem(403);
            client.get("/api/shipments").problem(403);
        }
    }
}

#[test]
fn the_event_log_shows_only_the_channels_of_the_role() {
    let server = Server::with_users(&["display"], &[]);
    let (admin, display) = (server.admin(), server.login("display"));
    rows(&admin);
    for (channel, status) in [
        ("order_changes", 200),
        ("product_changes", 200),
        ("shipment_changes", 200),
        ("customer_changes", 403),
        ("transaction_changes", 403),
    ] {
        let path = format!("/api/events?after=0&channel={channel}");
        display.get(&path).expect(status);
        admin.get(&path).expect(200);
    }
    let all = display.get("/api/events?after=0");
    if all.status == 200 {
        for event in all.json()["data"].as_array().unwrap() {
            let name = event["event"].as_str().unwrap();
            let secret = name.starts_with("customer") || name.starts_with("transaction");
            assert!(!secret, "{event}");
        }
    }
}

#[test]
fn without_a_session_only_the_public_pages_answer() {
    let server = Server::start();
    let anonymous = server.anonymous();
    for entity in ENTITIES.iter().chain(&["users", "events"]) {
        let answer = anonymous.get(&format!("/api/{entity}")).expect(401);
        assert!(answer.header("content-type").starts_with("application/problem+json"));
        anonymous.get(&format!("/api/{entity}/1")).status_is_one_of(&[401, 404]);
        anonymous.post(&format!("/api/{entity}"), &json!({})).status_is_one_of(&[401, 405]);
    }
    anonymous.post("/api/auth/logout", &json!({})).status_is_one_of(&[204, 401]);
    anonymous.post("/api/auth/password", &json!({})).expect(401);
    for public in ["/healthz", "/readyz", "/openapi.json", "/asyncapi.json"] {
        anonymous.get(public).expect(200);
    }
}

#[test]
fn an_administrator_makes_changes_and_removes_users() {
    let server = Server::start();
    let admin = server.admin();
    let eva = json!({"username": "eva", "password": "password of eva", "role": "staff"});
    let answer = admin.post("/api/users", &eva).expect(201);
    assert!(!answer.text().contains("password"), "{}", answer.text());
    let path = format!("/api/users/{}", answer.id());
    assert_eq!(answer.header("location"), path);
    assert_eq!(admin.get(&path).expect(200).json(), answer.json());
    admin.post("/api/users", &eva).expect(409);
    let bad = json!({"username": "", "password": "short", "role": "boss", "x": 1});
    let errors = admin.post("/api/users", &bad).expect(422).json();
    assert_eq!(errors["errors"].as_array().map(Vec::len), Some(4), "{errors}");

    let client = server.anonymous().login("eva", "password of eva");
    let users = admin.get("/api/users").expect(200).json();
    let names: Vec<&Value> =
        users["data"].as_array().unwrap().iter().map(|user| &user["username"]).collect();
    assert_eq!(names, ["eva", "admin"]);
    admin.delete(&path).expect(204);
    admin.get(&path).expect(404);
    client.get("/api/auth/me").expect(401);
}

#[test]
fn the_last_active_administrator_stays() {
    let server = Server::with_users(&["staff"], &[]);
    let admin = server.admin();
    let path = format!("/api/users/{}", id_of(&admin));
    let attempts = [json!({"disabled": true}), json!({"role": "staff"})];
    let refused = || {
        for attempt in &attempts {
            let answer = admin.patch(&path, attempt).expect(409);
            assert!(!answer.json()["detail"].as_str().unwrap().is_empty());
        }
        admin.delete(&path).expect(409);
    };
    refused();
    let second = json!({"username": "eva", "password": password_of("eva"), "role": "admin"});
    let second = format!("/api/users/{}", admin.post("/api/users", &second).expect(201).id());
    // A disabled administrator does not count.
    admin.patch(&second, &json!({"disabled": true})).expect(200);
    refused();
    let output = server.cli(&["user", "disable", "admin"], "");
    assert!(!output.status.success(), "{output:?}");

    admin.patch(&second, &json!({"disabled": false})).expect(200);
    admin.patch(&path, &json!({"role": "staff"})).expect(200);
    let eva = server.login("eva");
    eva.delete(&path).expect(204);
    eva.delete(&second).expect(409);
}
