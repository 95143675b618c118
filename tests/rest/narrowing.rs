//! Guards what reaches a device by a side door: an order's notes in the event log of a kiosk, a draft in the
//! refusal of an order, or a field that no client may know of.

use crate::common::{Client, Server, events_after, head, order, product, unique};
use serde_json::{Value, json};

const SECRET: &str = "allergy: Mrs Smith, tel 0123";

/// A draft with a name that nobody may learn; its id.
fn draft(admin: &Client) -> i64 {
    let body =
        json!({"name": SECRET, "sku": unique("NEW"), "price": 77, "stock": 9, "status": "draft"});
    admin.post("/api/products", &body).expect(201).id()
}

/// The events after `seq` as a socket of this client gets them, up to `last`.
fn received(client: &Client, since: u64, last: u64) -> Vec<Value> {
    let mut socket = client.ws();
    socket.send(&json!({"type": "subscribe", "channel": "order_changes", "since": since}));
    assert_eq!(socket.recv()["type"], "subscribed");
    let mut events = vec![socket.recv()];
    while events.last().unwrap()["seq"] != last {
        events.push(socket.recv());
    }
    events
}

#[test]
fn the_notes_of_an_order_reach_only_who_may_read_it() {
    // All sockets of one thread, which makes the frames of an event once for those that get the same.
    let mut server = Server::with_users(&["staff", "kiosk", "display"], &["--workers", "1"]);
    let admin = server.admin();
    let clients = ["staff", "display", "kiosk"].map(|name| server.login(name));
    let path = format!("/api/orders/{}", order(&admin, product(&admin, 1.0, 9), 1)["id"]);
    let since = head(&admin);
    let mut live = clients.each_ref().map(|client| {
        let mut socket = client.ws();
        socket.subscribe("order_changes");
        socket
    });
    let notes = json!({"notes": SECRET});
    admin.patch(&path, &notes).expect(200);
    admin.patch(&path, &json!({"notes": null})).expect(200);
    admin.patch(&path, &json!({"status": "ready", "notes": SECRET})).expect(200);
    let changed = |events: &[Value]| {
        let changed = events.iter().map(|event| event["data"]["changed_fields"].clone());
        changed.collect::<Vec<_>>()
    };
    let whole = [notes, json!({"notes": null}), json!({"status": "ready"})];
    let narrow = [json!({}), json!({}), json!({"status": "ready"})];
    for (socket, expected) in live.iter_mut().zip([&whole, &whole, &narrow]) {
        assert_eq!(changed(&[(); 3].map(|()| socket.recv())), expected);
    }
    for from in ["ring", "log"] {
        let admin = server.adopt(&admin);
        let clients = clients.each_ref().map(|client| server.adopt(client));
        let all = events_after(&admin, since);
        for (client, expected) in clients.iter().zip([&whole, &whole, &narrow]) {
            let read = events_after(client, since);
            assert_eq!(changed(&read), expected, "{from}");
            assert_eq!(received(client, since, head(&admin)), read, "{from}");
            let newest = client.get("/api/events?order=desc&limit=3").expect(200).json();
            let newest: Vec<Value> =
                newest["data"].as_array().unwrap().iter().rev().cloned().collect();
            assert_eq!(newest, read, "{from}");
            // Nothing else is missing.
            let without = |events: &[Value]| {
                let mut events = events.to_vec();
                for event in &mut events {
                    event["data"]["changed_fields"] = json!({});
                }
                events
            };
            assert_eq!(without(&read), without(&all), "{from}");
        }
        if from == "ring" {
            assert_eq!(server.stop(), Some(0));
            server = server.again();
        }
    }
}

#[test]
fn a_draft_is_for_the_staff_only() {
    let server = Server::with_users(&["staff", "kiosk", "display"], &[]);
    let admin = server.admin();
    let (draft, shown) = (draft(&admin), product(&admin, 1.0, 9));
    let path = format!("/api/products/{draft}");
    let etag = admin.get(&path).expect(200).header("etag").to_owned();
    let listed = |client: &Client, path: &str| {
        let answer = client.get(path).expect(200);
        let page = answer.json();
        let ids = page["data"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap());
        (ids.collect::<Vec<_>>(), answer.text())
    };
    let sku = admin.get(&path).json()["sku"].as_str().unwrap().to_owned();
    let lists = [
        "/api/products".to_owned(),
        "/api/products?order=asc".to_owned(),
        format!("/api/products?ids={draft},{shown}"),
        "/api/products?updated_since=2000-01-01T00:00:00Z".to_owned(),
    ];
    let only_drafts = [format!("/api/products?sku={sku}"), "/api/products?status=draft".to_owned()];
    for role in ["kiosk", "display"] {
        let client = server.login(role);
        let missing = client.get("/api/products/99999");
        for conditions in [vec![], vec![("if-none-match", &*etag)], vec![("if-none-match", "*")]] {
            let answer = client.get_with(&path, &conditions);
            assert_eq!(answer.problem(404), missing.problem(404), "{role}");
        }
        client.request("HEAD", &path, &[], None).expect(404);
        for list in &lists {
            let (ids, text) = listed(&client, list);
            assert_eq!(ids, [shown], "{role} {list}");
            assert!(!text.contains(SECRET), "{role} {list}");
        }
        for list in &only_drafts {
            assert!(listed(&client, list).0.is_empty(), "{role} {list}");
        }
    }
    let staff = server.login("staff");
    staff.get(&path).expect(200);
    assert_eq!(listed(&staff, "/api/products").0, [shown, draft]);
    // The channel carries it as before.
    let log = server.login("kiosk").get("/api/events?channel=product_changes").expect(200).text();
    assert!(log.contains(SECRET), "{log}");
    admin.patch(&path, &json!({"status": "published"})).expect(200);
    server.login("display").get(&path).expect(200);
}

/// The refusal of an order must not tell that there is a draft, nor what it is called.
#[test]
fn a_kiosk_cannot_order_a_draft_nor_learn_of_it() {
    let server = Server::with_users(&["kiosk"], &[]);
    let (admin, kiosk) = (server.admin(), server.login("kiosk"));
    let id = draft(&admin);
    let refusal = |id: i64| {
        let body = json!({"items": [{"product_id": id, "quantity": 1}]});
        let answer = kiosk.post("/api/orders", &body);
        answer.expect_wrong(&["items[0].product_id"]);
        answer.text().replace(&id.to_string(), "ID")
    };
    let before = head(&admin);
    assert_eq!(refusal(id), refusal(99_999));
    assert_eq!(head(&admin), before);
    let sale = json!({"items": [{"product_id": id, "quantity": 1}]});
    assert_eq!(admin.post("/api/orders", &sale).problem(409)["code"], "not_for_sale");
}

/// Nobody learns from a refusal, or from none, which fields the server keeps for itself.
#[test]
fn a_hidden_field_is_an_unknown_field() {
    let server = Server::with_users(&["staff", "kiosk"], &[]);
    let (staff, kiosk) = (server.login("staff"), server.login("kiosk"));
    let tea = product(&staff, 1.0, 9);
    let path = format!("/api/orders/{}", order(&staff, tea, 1)["id"]);
    for (field, value) in [
        ("kiosk_id", json!(1)),
        ("kiosk_id", Value::Null),
        ("status_before", json!("ready")),
        ("stock_returned", json!(1)),
        ("no_such_field", json!(1)),
    ] {
        let mut new = json!({"items": [{"product_id": tea, "quantity": 1}]});
        new[field] = value.clone();
        let answers = [
            staff.post("/api/orders", &new),
            kiosk.post("/api/orders", &new),
            staff.patch(&path, &json!({field: value})),
        ];
        for answer in answers {
            answer.expect_wrong(&[field]);
            assert_eq!(answer.json()["errors"][0]["code"], "unknown_field", "{field}");
        }
    }
}
