//! Guards the shop of an older version against rows, events, logins or sessions that an upgrade
//! loses. For each released schema `tests/disk/frozen` has a database, and what the program of that
//! version returned for it.
//!
//! `TILLCAST_FREEZE=1 cargo test --test disk migrations` makes the files of a new schema, with the
//! present program; existing files are never made again.

use crate::common::{
    Client, Server, customer, head, order, outside_order, password_of, pay, product, shipment,
    transaction,
};
use rusqlite::Connection;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const USERS: [&str; 4] = ["admin", "staff", "kiosk", "display"];
/// Lists that show every table but the sessions and the stored responses.
const LISTS: [&str; 8] =
    ["orders", "products", "customers", "shipments", "transactions", "users", "devices", "audit"];
/// Nothing in the files expires, however old they become.
const FLAGS: [&str; 8] = [
    "--session-idle",
    "100years",
    "--session-max",
    "100years",
    "--event-retention",
    "100years",
    "--audit-retention",
    "100years",
];
/// The key of an order that can be repeated as long as its response is stored.
const KEY: [(&str, &str); 1] = [("idempotency-key", "frozen")];

fn file(version: usize, suffix: &str) -> PathBuf {
    Path::new("tests/disk/frozen").join(format!("{version:04}.{suffix}"))
}

/// The version of this program's schema.
fn newest(server: &Server) -> usize {
    let conn = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let version = conn.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    version.unwrap().try_into().unwrap()
}

/// What the API returns for the shop.
fn told(admin: &Client) -> Map<String, Value> {
    let list = |name: &str| {
        let page = admin.get(&format!("/api/{name}?limit=200")).expect(200).json();
        (name.to_owned(), page["data"].clone())
    };
    let events = admin.get("/api/events?after=0&limit=200").expect(200).json();
    let shop = admin.get("/api/shop").expect(200).json();
    let others = [("events".to_owned(), events["data"].clone()), ("shop".to_owned(), shop)];
    LISTS.into_iter().map(list).chain(others).collect()
}

fn repeat(client: &Client) -> Value {
    let body = json!({"total": 12.5, "currency": "USD"});
    client.post_with("/api/orders", &body, &KEY).expect(201).json()
}

/// Fills every table with at least one row, but that of the codes, which end with the first admin. Returns the token
/// of a device.
fn fill(admin: &Client) -> Value {
    let shop = json!({"name": "Eckladen", "currency": "EUR", "tax": "added"});
    admin.patch("/api/shop", &shop).expect(200);
    let tea = product(admin, 2.5, 100);
    let made = order(admin, tea, 2)["id"].as_i64().unwrap();
    pay(admin, made, 5.0);
    shipment(admin, made);
    let ana = customer(admin);
    let body = json!({"customer_id": ana, "total": 7.25, "currency": "EUR", "notes": "Grüße"});
    let other = admin.post("/api/orders", &body).expect(201).id();
    transaction(admin, other, "payment", "pending", 7.25);
    let gone = outside_order(admin, 1.0);
    admin.delete(&format!("/api/orders/{gone}")).expect(204);
    admin.patch(&format!("/api/products/{tea}"), &json!({"price": 2.75})).expect(200);
    let sold = json!({
        "client_id": "frozen", "items": [{"product_id": tea, "quantity": 120, "discount": 5, "note": "Grüße"}],
        "discount": 1.5, "payments": [{"gateway": "cash", "amount": 500}], "sold_at": "2026-01-25T10:30:00Z",
    });
    let sold = admin.post("/api/sales", &sold).expect(201).json()["order"]["id"].as_i64().unwrap();
    admin.patch(&format!("/api/orders/{sold}"), &json!({"done": [0]})).expect(200);
    let refund = json!({
        "order_id": sold, "type": "refund", "status": "completed", "amount": 2.5, "gateway": "cash",
        "restock": [{"line": 0, "quantity": 1}],
    });
    admin.post("/api/transactions", &refund).expect(201);
    let more = json!({"change": 3, "reason": "count", "note": "found"});
    admin.post(&format!("/api/products/{tea}/stock"), &more).expect(200);
    let screen = json!({"name": "Küche", "role": "kitchen"});
    admin.post("/api/devices", &screen).expect(201).json()["token"].take()
}

/// Stores a shop of this schema in the repository.
fn freeze(version: usize) {
    let mut server = Server::with_users(&USERS, &FLAGS);
    let admin = server.admin();
    let token = fill(&admin);
    let repeated = repeat(&admin);
    let session = admin.cookie().unwrap();
    let told =
        json!({"session": session, "token": token, "repeated": repeated, "told": told(&admin)});
    fs::write(file(version, "json"), format!("{told:#}\n")).unwrap();
    assert_eq!(server.stop(), Some(0));
    let copy = std::path::absolute(file(version, "db")).unwrap();
    assert!(server.cli(&["backup", copy.to_str().unwrap()], "").status.success());
}

/// Checks that everything in `then` is in `now`, unchanged; `now` may have more.
#[track_caller]
fn holds(now: &Value, then: &Value) {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => {
            then.iter().for_each(|(key, value)| holds(&now[key], value));
        }
        (Value::Array(now), Value::Array(then)) => {
            assert_eq!(now.len(), then.len());
            now.iter().zip(then).for_each(|(now, then)| holds(now, then));
        }
        _ => assert_eq!(now, then),
    }
}

fn survives_an_upgrade(version: usize) {
    let data = Arc::new(tempfile::tempdir().unwrap());
    fs::copy(file(version, "db"), data.path().join("tillcast.db")).unwrap();
    let then = fs::read_to_string(file(version, "json")).unwrap();
    let then: Value = serde_json::from_str(&then).unwrap();
    let mut server = Server::on(data, &FLAGS, Some(password_of("admin")));
    assert!(!server.log().contains("first start"), "{}", server.log());

    let anonymous = server.anonymous();
    let session = anonymous.with_cookie(then["session"].as_str()).at(anonymous.address());
    holds(&Value::from(told(&session)), &then["told"]);
    holds(&repeat(&session), &then["repeated"]);
    for user in USERS {
        server.login(user);
    }
    if let Some(token) = then["token"].as_str() {
        let authorization = format!("Bearer {token}");
        let me = anonymous.get_with("/api/auth/me", &[("authorization", &authorization)]);
        assert_eq!(me.expect(200).json()["device"]["role"], "kitchen");
    }
    let before = head(&session);
    assert_eq!(before, then["told"]["events"].as_array().unwrap().len() as u64);
    outside_order(&session, 3.0);
    assert_eq!(head(&session), before + 1);
    assert_eq!(server.stop(), Some(0));
    let checked = server.cli(&["check"], "");
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_shop_of_every_released_schema_survives_an_upgrade() {
    let newest = newest(&Server::start());
    if std::env::var_os("TILLCAST_FREEZE").is_some() && !file(newest, "db").exists() {
        freeze(newest);
    }
    for version in 1..=newest {
        survives_an_upgrade(version);
    }
    let kept = fs::read_dir("tests/disk/frozen").unwrap().count();
    assert_eq!(kept, 2 * newest, "each schema has two files");
}

/// Older versions did not store an order's status before its parcels left, nor that its goods had
/// come back. An upgrade that guesses wrong returns them twice, or reverts the order too far.
#[test]
fn an_upgrade_infers_the_earlier_status_of_older_orders() {
    let conn = Connection::open_in_memory().unwrap();
    for migration in
        [include_str!("../../sql/0001_shop.sql"), include_str!("../../sql/0002_clock.sql")]
    {
        conn.execute_batch(migration).unwrap();
    }
    let orders = [
        ("pending", "pending", None),
        ("shipped", "pending", Some("in_transit")),
        ("shipped", "paid", Some("returned")),
        ("shipped", "paid", None),
        ("completed", "paid", Some("delivered")),
        ("cancelled", "pending", None),
        ("refunded", "refunded", Some("shipped")),
    ];
    for (id, (status, payment_status, parcel)) in (1..).zip(orders) {
        let sql = "INSERT INTO orders (id, status, payment_status, total, currency, items, seq, created_at,
                                       updated_at) VALUES (?, ?, ?, 5, 'USD', '[]', 1, 1, 1)";
        conn.execute(sql, (id, status, payment_status)).unwrap();
        let sql = "INSERT INTO shipments (order_id, status, seq, created_at, updated_at)
                   VALUES (?, ?, 1, 1, 1)";
        if let Some(status) = parcel {
            conn.execute(sql, (id, status)).unwrap();
        }
    }
    conn.execute_batch(include_str!("../../sql/0003_kinds.sql")).unwrap();
    let sql = "SELECT status_before, stock_returned FROM orders ORDER BY id";
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let found: Vec<(Option<String>, i64)> = rows.map(Result::unwrap).collect();
    let expected = [
        (None, 0),
        (Some("pending"), 0),
        (Some("processing"), 0),
        (None, 0),
        (None, 0),
        (None, 1),
        (None, 1),
    ];
    assert_eq!(found, expected.map(|(status, back)| (status.map(str::to_owned), back)));
}
