//! Guards against a page of another origin that acts with its visitor's cookie: every way to write, and the
//! handshake of the WebSocket.

use crate::common::{
    Client, Server, customer, head, outside_order, password_of, product, shipment, transaction,
    unique,
};
use serde_json::json;

const LISTED: &str = "https://shop.example";

type Headers<'h> = Vec<(&'static str, &'h str)>;

/// The headers that a browser sends for a page that may not act.
fn foreign(here: &str) -> Vec<Headers<'_>> {
    vec![
        vec![("origin", "null")],
        vec![("origin", "null"), ("sec-fetch-site", "same-origin")],
        vec![("origin", "https://evil.example")],
        vec![("origin", "https://evil.example"), ("sec-fetch-site", "none")],
        vec![("origin", "http://shop.example")],
        vec![("origin", "")],
        vec![("origin", here), ("origin", "https://evil.example")],
        vec![("origin", LISTED), ("origin", "null")],
        vec![("origin", here), ("sec-fetch-site", "cross-site")],
        vec![("origin", here), ("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
    ]
}

/// The headers that a browser sends for a page that may act, and those of another client.
fn own(here: &str) -> Vec<Headers<'_>> {
    vec![
        vec![],
        vec![("origin", here)],
        vec![("origin", here), ("sec-fetch-site", "same-origin")],
        vec![("sec-fetch-site", "none")],
        vec![("origin", LISTED)],
        vec![("origin", LISTED), ("sec-fetch-site", "cross-site")],
    ]
}

/// Every request that writes, with a valid body.
fn writes(admin: &Client) -> Vec<(&'static str, String, String)> {
    let (order, tea, ana) = (outside_order(admin, 9.5), product(admin, 2.5, 9), customer(admin));
    let parcel = shipment(admin, order);
    let paid = transaction(admin, order, "payment", "pending", 9.5);
    let other = json!({"username": unique("user"), "password": "long enough 1", "role": "staff"});
    let user = admin.post("/api/users", &other).expect(201).id();
    let new = |plural: &str, body: serde_json::Value| {
        ("POST", format!("/api/{plural}"), body.to_string())
    };
    let (sku, email, name) = (unique("SKU"), format!("{}@a.example", unique("a")), unique("user"));
    let mut writes = vec![
        new("orders", json!({"total": 9.5, "currency": "USD"})),
        new("products", json!({"name": "Tea", "sku": sku, "price": 1})),
        new("customers", json!({"email": email, "first_name": "A", "last_name": "B"})),
        new("shipments", json!({"order_id": order})),
        new(
            "transactions",
            json!({"order_id": order, "type": "payment", "status": "pending", "amount": 1, "gateway": "cash"}),
        ),
        new("users", json!({"username": name, "password": "long enough 1", "role": "staff"})),
    ];
    for (plural, id, patch) in [
        ("orders", order, json!({"notes": "x"})),
        ("products", tea, json!({"stock": 1})),
        ("customers", ana, json!({"phone": "1"})),
        ("shipments", parcel, json!({"carrier": "x"})),
        ("transactions", paid, json!({"gateway": "x"})),
        ("users", user, json!({"role": "admin"})),
    ] {
        writes.push(("PATCH", format!("/api/{plural}/{id}"), patch.to_string()));
        writes.push(("DELETE", format!("/api/{plural}/{id}"), String::new()));
    }
    let password = password_of("admin");
    let change = json!({"current_password": password, "new_password": "of the attacker"});
    writes.push(new("auth/password", change));
    writes.push(new("auth/login", json!({"username": "admin", "password": password})));
    writes.push(new("auth/logout", json!({})));
    writes
}

#[test]
fn a_foreign_page_writes_nothing() {
    let server = Server::with_users(&[], &["--allow-origin", LISTED]);
    let (admin, here) = (server.admin(), format!("http://{}", server.address()));
    let writes = writes(&admin);
    let trail = || admin.get("/api/audit?limit=1").expect(200).text();
    let before = (head(&admin), trail());
    for headers in foreign(&here) {
        for (method, path, body) in &writes {
            let all = [&[("content-type", "application/json")], &headers[..]].concat();
            let answer = admin.request(method, path, &all, Some(body.as_bytes()));
            assert_eq!(answer.status, 403, "{method} {path} {headers:?}: {}", answer.text());
            assert_eq!(answer.header("set-cookie"), "", "{method} {path} {headers:?}");
            answer.problem(403);
        }
    }
    assert_eq!((head(&admin), trail()), before);
}

#[test]
fn the_own_pages_and_the_listed_ones_write() {
    let server = Server::with_users(&[], &["--allow-origin", LISTED]);
    let (admin, here) = (server.admin(), format!("http://{}", server.address()));
    for headers in own(&here) {
        let body = json!({"total": 9.5, "currency": "USD"});
        let made = admin.post_with("/api/orders", &body, &headers).expect(201);
        let path = made.header("location");
        admin.patch_with(path, &json!({"notes": "x"}), &headers).expect(200);
        admin.delete_with(path, &headers).expect(204);
    }
}

#[test]
fn a_foreign_page_does_not_listen() {
    for flags in [&[][..], &["--allow-origin", LISTED]] {
        let server = Server::with(flags);
        let (admin, here) = (server.admin(), format!("http://{}", server.address()));
        for headers in foreign(&here) {
            // tungstenite's client sends one `Origin`; two go over a plain request.
            match admin.upgrade(&headers) {
                _ if headers.iter().filter(|(name, _)| *name == "origin").count() > 1 => {
                    admin.get_with("/ws", &headers).problem(403);
                }
                Ok(_) => unreachable!("{headers:?} got in"),
                Err(answer) => assert_eq!(answer.status, 403, "{headers:?}"),
            }
        }
    }
    let server = Server::with(&["--allow-origin", LISTED]);
    let (admin, here) = (server.admin(), format!("http://{}", server.address()));
    for headers in own(&here) {
        let mut socket = admin.upgrade(&headers).map_err(|answer| answer.text()).unwrap();
        assert_eq!(socket.recv()["type"], "connected", "{headers:?}");
    }
}

/// A developer whose page is refused finds the reason and the remedy in the log, once.
#[test]
fn a_refused_origin_is_logged_with_the_way_to_allow_it() {
    let server = Server::with(&["--allow-origin", LISTED]);
    let admin = server.admin();
    let page = "https://till.example";
    for _ in 0..10 {
        admin.post_with("/api/orders", &json!({"total": 1}), &[("origin", page)]).expect(403);
        admin.get_with("/api/orders", &[("origin", page)]).expect(200);
        assert!(admin.upgrade(&[("origin", page)]).is_err());
    }
    let here = format!("http://{}", server.address());
    for own in [LISTED, &here] {
        admin.get_with("/api/orders", &[("origin", own)]).expect(200);
    }
    let endless = format!("https://{}.example", "x".repeat(1_000));
    admin.get_with("/healthz", &[("origin", &endless)]).expect(200);
    server.wait_for_log("xxx");
    let log = server.log();
    let warned: Vec<_> = log.lines().filter(|line| line.contains("--allow-origin")).collect();
    assert!(
        matches!(&warned[..], [first, second] if first.contains(page) && second.len() < 400),
        "{log}"
    );
}
