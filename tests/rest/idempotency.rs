//! Guards repeats: a till without a reply sends its request again, and the customer must not pay twice, the
//! goods must not leave twice, and the second reply must be the first one.

use crate::common::{
    Answer, Client, Server, happened, head, outside_order, password_of, product, unique,
};
use rusqlite::Connection;
use serde_json::{Value, json};

/// A creation with a key.
fn post(client: &Client, path: &str, body: &Value, key: &str) -> Answer {
    client.post_with(path, body, &[("idempotency-key", key)])
}

/// Checks that two replies are the same to a client: status, body, and the headers about the entity.
#[track_caller]
fn are_the_same(first: &Answer, again: &Answer) {
    assert_eq!(again.status, first.status, "{}", again.text());
    assert_eq!(again.text(), first.text());
    for header in ["etag", "location", "content-type"] {
        assert_eq!(again.header(header), first.header(header), "{header}");
    }
}

#[track_caller]
fn rows(client: &Client, path: &str) -> usize {
    let list = client.get(&format!("{path}?limit=200")).expect(200).json();
    list["data"].as_array().unwrap().len()
}

#[test]
fn a_repeat_gets_the_first_answer_and_does_nothing() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    let body = json!({"items": [{"product_id": tea, "quantity": 1}], "notes": "grün"});
    let seq = head(&admin);
    let first = post(&admin, "/api/orders", &body, "till-1").expect(201);
    are_the_same(&first, &post(&admin, "/api/orders", &body, "till-1"));
    are_the_same(&first, &post(&admin.separate(), "/api/orders", &body, "till-1"));
    assert_eq!(rows(&admin, "/api/orders"), 1);
    let once = json!([["order:created"], ["product:updated", {"stock": 9}]]);
    assert_eq!(happened(&admin, seq), once);
}

#[test]
fn a_repeat_gets_the_first_reply_after_the_order_changed() {
    let server = Server::start();
    let admin = server.admin();
    let body = json!({"total": 5.25});
    let first = post(&admin, "/api/orders", &body, "till-1").expect(201);
    let path = first.header("location");
    admin.patch(path, &json!({"status": "ready"})).expect(200);
    are_the_same(&first, &post(&admin, "/api/orders", &body, "till-1"));
    admin.delete(path).expect(204);
    are_the_same(&first, &post(&admin, "/api/orders", &body, "till-1"));
    admin.get(path).expect(404);
}

#[test]
fn a_key_is_for_one_request_only() {
    let server = Server::start();
    let admin = server.admin();
    post(&admin, "/api/orders", &json!({"total": 5.25}), "till-1").expect(201);
    let seq = head(&admin);
    post(&admin, "/api/orders", &json!({"total": 6.25}), "till-1").problem(422);
    let tea = json!({"name": "Tea", "sku": unique("TEA"), "price": 1});
    post(&admin, "/api/products", &tea, "till-1").problem(422);
    assert_eq!(head(&admin), seq);
    post(&admin, "/api/orders", &json!({"total": 6.25}), "till-2").expect(201);
    admin.post("/api/orders", &json!({"total": 5.25})).expect(201);
    admin.post("/api/orders", &json!({"total": 5.25})).expect(201);
    assert_eq!(rows(&admin, "/api/orders"), 4);
}

#[test]
fn a_key_belongs_to_its_user() {
    let server = Server::with_users(&["staff", "kiosk"], &[]);
    let (admin, staff, kiosk) = (server.admin(), server.login("staff"), server.login("kiosk"));
    let tea = product(&admin, 2.5, 10);
    let body = json!({"items": [{"product_id": tea, "quantity": 1}]});
    let of_admin = post(&admin, "/api/orders", &body, "till-1").expect(201);
    let of_staff = post(&staff, "/api/orders", &body, "till-1").expect(201);
    let of_kiosk = post(&kiosk, "/api/orders", &body, "till-1").expect(201);
    assert_eq!(rows(&admin, "/api/orders"), 3);
    are_the_same(&of_admin, &post(&admin, "/api/orders", &body, "till-1"));
    // It is the user's, not the session's: a till that logs in again still knows its requests.
    are_the_same(&of_staff, &post(&server.login("staff"), "/api/orders", &body, "till-1"));
    are_the_same(&of_kiosk, &post(&kiosk, "/api/orders", &body, "till-1"));
    assert_eq!(rows(&admin, "/api/orders"), 3);
}

#[test]
fn a_refusal_leaves_the_key_free() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 0);
    let body = json!({"items": [{"product_id": tea, "quantity": 1}]});
    post(&admin, "/api/orders", &body, "till-1").problem(409);
    post(&admin, "/api/orders", &json!({"total": -1}), "till-1").problem(422);
    admin.patch(&format!("/api/products/{tea}"), &json!({"stock": 1})).expect(200);
    let first = post(&admin, "/api/orders", &body, "till-1").expect(201);
    are_the_same(&first, &post(&admin, "/api/orders", &body, "till-1"));
}

#[test]
fn an_invalid_key_is_refused() {
    let server = Server::start();
    let admin = server.admin();
    let body = json!({"total": 5.25});
    post(&admin, "/api/orders", &body, &"k".repeat(129)).problem(422);
    post(&admin, "/api/orders", &body, "").problem(422);
    post(&admin, "/api/orders", &body, "a\tb").problem(422);
    assert_eq!(head(&admin), 0);
    post(&admin, "/api/orders", &body, &"k".repeat(128)).expect(201);
    post(&admin, "/api/orders", &body, "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"").expect(201);
}

#[test]
fn twenty_at_once_make_one_order() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 100);
    let body = json!({"items": [{"product_id": tea, "quantity": 1}]});
    for round in 0..5 {
        let key = format!("round-{round}");
        let seq = head(&admin);
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let askers: Vec<_> = (0..20)
                .map(|_| {
                    let (client, body, key) = (admin.separate(), &body, &key);
                    scope.spawn(move || post(&client, "/api/orders", body, key).expect(201))
                })
                .collect();
            askers.into_iter().map(|asker| asker.join().unwrap()).collect()
        });
        for again in &answers[1..] {
            are_the_same(&answers[0], again);
        }
        let stock = 99 - round;
        let once = json!([["order:created"], ["product:updated", {"stock": stock}]]);
        assert_eq!(happened(&admin, seq), once);
    }
}

#[test]
fn a_repeat_after_a_restart_gets_the_first_answer() {
    let mut server = Server::start();
    let admin = server.admin();
    let body = json!({"total": 5.25});
    let first = post(&admin, "/api/orders", &body, "till-1").expect(201);
    assert_eq!(server.stop(), Some(0));
    let mut server = server.again();
    let admin = server.adopt(&admin);
    are_the_same(&first, &post(&admin, "/api/orders", &body, "till-1"));
    let second = post(&admin, "/api/orders", &body, "till-2").expect(201);
    server.kill();
    let server = server.again();
    let admin = server.adopt(&admin);
    are_the_same(&first, &post(&admin, "/api/orders", &body, "till-1"));
    are_the_same(&second, &post(&admin, "/api/orders", &body, "till-2"));
    post(&admin, "/api/orders", &json!({"total": 1}), "till-1").problem(422);
    assert_eq!(rows(&admin, "/api/orders"), 2);
    assert_eq!(head(&admin), 2);
}

#[test]
fn every_creation_takes_a_key() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    let seq = head(&admin);
    let payment =
        json!({"order_id": order, "type": "payment", "status": "completed", "amount": 5.25});
    let bodies = [
        ("/api/transactions", payment),
        ("/api/shipments", json!({"order_id": order})),
        ("/api/products", json!({"name": "Tea", "sku": unique("TEA"), "price": 1})),
        ("/api/customers", json!({"email": "a@example.com", "first_name": "A", "last_name": "B"})),
    ];
    for (path, body) in &bodies {
        let first = post(&admin, path, body, path).expect(201);
        are_the_same(&first, &post(&admin, path, body, path));
        assert_eq!(rows(&admin, path), 1);
    }
    let once = json!([
        ["transaction:created"],
        ["order:updated", {"status": "processing", "payment_status": "paid"}],
        ["shipment:created"],
        ["product:created"],
        ["customer:created"],
    ]);
    assert_eq!(happened(&admin, seq), once);
}

#[test]
fn a_user_is_made_once_and_the_password_is_in_no_answer() {
    let server = Server::start();
    let admin = server.admin();
    let password = password_of("eva");
    let body = json!({"username": "eva", "password": password, "role": "staff"});
    let first = post(&admin, "/api/users", &body, "eva").expect(201);
    are_the_same(&first, &post(&admin, "/api/users", &body, "eva"));
    assert!(!first.text().contains(&password) && !first.text().contains("argon2"));
    assert_eq!(rows(&admin, "/api/users"), 2);
    let other = json!({"username": "eva", "password": "another one 1", "role": "staff"});
    post(&admin, "/api/users", &other, "eva").problem(422);
    server.login("eva");
}

/// Otherwise a device could fill the disk with responses, and the shop would be closed for all.
#[test]
fn what_is_kept_for_a_user_is_bounded() {
    let mut server = Server::with_users(&["staff"], &[]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    let body = json!({"total": 5.25});
    let first = post(&staff, "/api/orders", &body, "first").expect(201);
    let path = server.data_dir().join("tillcast.db");
    let database = || Connection::open(&path).unwrap();
    let counted: u32 = database()
        .query_row("SELECT bytes FROM responses WHERE key = 'first'", [], |row| row.get(0))
        .unwrap();
    let body_bytes = u32::try_from(first.body.len()).unwrap();
    assert!((body_bytes..body_bytes + 200).contains(&counted), "{counted}");
    let fill = "UPDATE responses SET bytes = 64 << 20 WHERE key = 'first'";
    assert_eq!(database().execute(fill, []).unwrap(), 1);
    let before = head(&admin);
    let refused = post(&staff, "/api/orders", &body, "second");
    assert_eq!(refused.problem(429)["code"], "too_many_responses");
    let seconds: u32 = refused.header("retry-after").parse().unwrap();
    assert!((86_000..=86_400).contains(&seconds), "{seconds}");
    assert_eq!(head(&admin), before);
    are_the_same(&first, &post(&staff, "/api/orders", &body, "first"));
    staff.post("/api/orders", &body).expect(201);
    post(&admin, "/api/orders", &body, "second").expect(201);
    // A day later there is room again.
    assert_eq!(server.stop(), Some(0));
    let day = "UPDATE responses SET at = at - 24 * 60 * 60 * 1000 WHERE key = 'first'";
    assert_eq!(database().execute(day, []).unwrap(), 1);
    let server = server.again();
    let staff = server.adopt(&staff);
    post(&staff, "/api/orders", &body, "second").expect(201);
    let again = post(&staff, "/api/orders", &body, "first").expect(201);
    assert_ne!(again.header("location"), first.header("location"), "it is a new request now");
}

/// The bytes of the kept responses.
fn kept_bytes(server: &Server) -> usize {
    let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let sql = "SELECT sum(length(CAST(body AS BLOB))) FROM responses";
    let bytes: u32 = database.query_row(sql, [], |row| row.get(0)).unwrap();
    bytes.try_into().unwrap()
}

/// Otherwise each large order is on the disk twice.
#[test]
fn a_large_order_is_kept_once_and_repeated_byte_for_byte() {
    let mut server = Server::start();
    let admin = server.admin();
    let tea = |number: usize| {
        let name = format!(r#"{number}: "}},]\ {}"#, "🫖".repeat(150));
        let body = json!({"name": name, "sku": unique("TEA"), "price": 1.25, "stock": 1_000});
        admin.post("/api/products", &body).expect(201).id()
    };
    let teas: Vec<i64> = (0..50).map(tea).collect();
    let lines: Vec<Value> = teas
        .iter()
        .cycle()
        .take(100)
        .map(|tea| json!({"product_id": tea, "quantity": 2}))
        .collect();
    let body = json!({"items": lines, "notes": r#"grün, "items":[]"#});
    let made: Vec<Answer> = (0..3)
        .map(|number| post(&admin, "/api/orders", &body, &format!("large-{number}")).expect(201))
        .collect();
    let whole: usize = made.iter().map(|answer| answer.body.len()).sum();
    assert!(kept_bytes(&server) < whole / 50, "{} of {whole}", kept_bytes(&server));
    // What comes later changes nothing of the first answer: work, other names, the end of the order.
    let [path, gone] = [0, 1].map(|at: usize| made[at].header("location").to_owned());
    admin.patch(&path, &json!({"status": "ready", "notes": null})).expect(200);
    admin.patch(&format!("/api/products/{}", teas[0]), &json!({"name": "Tea"})).expect(200);
    admin.delete(&gone).expect(204);
    for _ in 0..2 {
        let again = server.adopt(&admin);
        for (number, first) in made.iter().enumerate() {
            are_the_same(first, &post(&again, "/api/orders", &body, &format!("large-{number}")));
        }
        again.get(&gone).expect(404);
        assert_eq!(server.stop(), Some(0));
        server = server.again();
    }
}
