//! Guards the roles beyond the answers in `matrix.txt`: a kiosk that sees another's orders, a shop that locks out its
//! last administrator.

use crate::common::{
    Client, Server, customer, order, outside_order, password_of, pay, product, shipment,
};
use serde_json::{Value, json};

fn id_of(client: &Client) -> i64 {
    let me = client.get("/api/auth/me").expect(200).json();
    me["user"]["id"].as_i64().unwrap()
}

#[test]
fn a_kiosk_sees_its_own_orders_only() {
    let server = Server::with_users(&["kiosk"], &[]);
    let (admin, kiosk) = (server.admin(), server.login("kiosk"));
    let tea = product(&admin, 2.5, 100);
    order(&admin, tea, 1);
    let own = order(&kiosk, tea, 1);
    assert_eq!(kiosk.get(&format!("/api/orders/{}", own["id"])).expect(200).json(), own);
    assert_eq!(kiosk.get("/api/orders").expect(200).json()["data"], json!([own]));
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
        let problem = client.patch(&path, &json!({"done": [], "total": 1})).problem(403);
        assert_eq!(problem["code"], "role_not_allowed", "{role}");
        assert_eq!(admin.get(&path).expect(200).json()["done"], json!([0]));
    }
}

#[test]
fn the_whole_event_log_shows_only_the_channels_of_the_role() {
    let server = Server::with_users(&["display"], &[]);
    let (admin, display) = (server.admin(), server.login("display"));
    let sale = outside_order(&admin, 9.99);
    product(&admin, 2.5, 1);
    customer(&admin);
    shipment(&admin, sale);
    pay(&admin, sale, 9.99);
    let page = display.get("/api/events?after=0").expect(200).json();
    let names = page["data"].as_array().unwrap().iter().map(|event| event["event"].clone());
    let names: Vec<_> = names.collect();
    let expected = ["order:created", "product:created", "shipment:created", "order:updated"];
    assert_eq!(names, expected);
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
