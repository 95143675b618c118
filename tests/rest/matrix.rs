//! Guards the rights of every role, of its users as of its devices: `matrix.txt` has each answer once. A route of
//! `src/http/routes.rs` that is not in it fails here, as does a row without a route.

use crate::common::{
    Client, Server, Socket, customer, head, order, outside_order, password_of, product, shipment,
    transaction, unique,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

const TABLE: &str = include_str!("matrix.txt");
const ROUTES: &str = include_str!("../../src/http/routes.rs");
const ROLES: [&str; 6] = ["admin", "staff", "kiosk", "display", "kitchen", "picker"];
const KINDS: [&str; 5] = ["orders", "products", "customers", "shipments", "transactions"];

/// One line of the table.
struct Row {
    line: &'static str,
    method: &'static str,
    path: &'static str,
    cells: Vec<&'static str>,
    body: Option<&'static str>,
}

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (head, body) = line.split_at(line.find('{').unwrap_or(line.len()));
            let mut words = head.split_whitespace();
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            let cells: Vec<_> = words.collect();
            assert_eq!(cells.len(), ROLES.len() + 1, "{line}");
            Row { line, method, path, cells, body: Some(body).filter(|body| !body.is_empty()) }
        })
        .collect()
}

/// Somebody who sends requests: a user, a device, or nobody.
struct Principal {
    role: &'static str,
    is_device: bool,
    client: Client,
    bearer: Option<String>,
}

impl Principal {
    fn headers(&self) -> Vec<(&str, &str)> {
        let bearer = self.bearer.as_deref().map(|bearer| ("authorization", bearer));
        bearer.into_iter().chain([("content-type", "application/json")]).collect()
    }

    fn send(&self, method: &str, path: &str, body: Option<&str>) -> (u16, String) {
        let (mut headers, from) = (self.headers(), elsewhere());
        // Few devices of one address may ask to be paired.
        headers.extend(path.starts_with("/api/pairing").then_some(("x-forwarded-for", &*from)));
        let answer = self.client.request(method, path, &headers, body.map(str::as_bytes));
        (answer.status, answer.text())
    }

    /// Subscribes to a channel; returns the socket if that is allowed, else the status of the table.
    fn subscribe(&self, channel: &str) -> Result<Socket, u16> {
        let bearer = &self.headers()[..usize::from(self.bearer.is_some())];
        let mut socket = self.client.upgrade(bearer).unwrap();
        if self.role == "nobody" {
            assert_eq!(socket.expect_close().0, 1008);
            return Err(401);
        }
        assert_eq!(socket.recv()["type"], "connected");
        socket.send(&json!({"type": "subscribe", "channel": channel}));
        let answer = socket.recv();
        match answer["type"].as_str() {
            Some("subscribed") => Ok(socket),
            Some("error") if answer["message"].as_str().unwrap().contains(channel) => Err(403),
            _ => panic!("{answer}"),
        }
    }

    /// The cell of this principal in a row.
    fn expected(&self, row: &Row) -> u16 {
        let at = ROLES.iter().position(|role| *role == self.role).unwrap_or(ROLES.len());
        let (user, device) =
            row.cells[at].split_once('/').unwrap_or((row.cells[at], row.cells[at]));
        let cell = if self.is_device { device } else { user };
        cell.parse().unwrap_or_else(|_| panic!("{}", row.line))
    }
}

fn principals(server: &Server, admin: &Client) -> Vec<Principal> {
    let client = server.anonymous();
    let user =
        |role| Principal { role, is_device: false, client: server.login(role), bearer: None };
    let device = |role: &'static str| {
        let made = admin
            .post("/api/devices", &json!({"name": unique("device"), "role": role}))
            .expect(201);
        let bearer = format!("Bearer {}", made.json()["token"].as_str().unwrap());
        Principal { role, is_device: true, client: client.clone(), bearer: Some(bearer) }
    };
    let nobody =
        Principal { role: "nobody", is_device: false, client: client.clone(), bearer: None };
    ROLES
        .map(user)
        .into_iter()
        .chain(ROLES[1..].iter().map(|role| device(role)))
        .chain([nobody])
        .collect()
}

/// An address that no other request comes from.
fn elsewhere() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    Ipv4Addr::from_bits(0x0a00_0000 + COUNT.fetch_add(1, Ordering::Relaxed)).to_string()
}

/// A new entity for a placeholder of the table; its id.
fn sample(admin: &Client, principal: &Principal, name: &str) -> String {
    let sold = || order(admin, product(admin, 2.5, 9), 1)["id"].as_i64().unwrap();
    let id = match name {
        "n" => return unique("n"),
        "role" => return principal.role.to_owned(),
        "code" => {
            let from = elsewhere();
            let opened = admin.request("POST", "/api/pairing", &[("x-forwarded-for", &from)], None);
            return opened.expect(201).json()["code"].as_str().unwrap().to_owned();
        }
        "own" if principal.role == "kiosk" => {
            let body = json!({"items": [{"product_id": product(admin, 2.5, 9), "quantity": 1}]})
                .to_string();
            let (status, made) = principal.send("POST", "/api/orders", Some(&body));
            assert_eq!(status, 201, "{made}");
            serde_json::from_str::<Value>(&made).unwrap()["id"].as_i64().unwrap()
        }
        "order" | "own" => sold(),
        "outside" => outside_order(admin, 5.0),
        "product" => product(admin, 2.5, 9),
        "draft" => {
            let body =
                json!({"name": "Tea", "sku": unique("draft"), "price": 1, "status": "draft"});
            admin.post("/api/products", &body).expect(201).id()
        }
        "customer" => customer(admin),
        "shipment" => shipment(admin, outside_order(admin, 5.0)),
        "transaction" => transaction(admin, outside_order(admin, 5.0), "payment", "pending", 1.0),
        "user" => {
            let body =
                json!({"username": unique("user"), "password": "a password 1", "role": "staff"});
            admin.post("/api/users", &body).expect(201).id()
        }
        "device" => {
            let body = json!({"name": unique("device"), "role": "kiosk"});
            admin.post("/api/devices", &body).expect(201).id()
        }
        other => panic!("no sample of ${other}"),
    };
    id.to_string()
}

/// Fills in the placeholders; the same one stands for the same entity.
fn filled(text: &str, admin: &Client, principal: &Principal) -> String {
    let mut parts = text.split('$');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(part.len());
        out.push_str(&sample(admin, principal, &part[..end]));
        out.push_str(&part[end..]);
    }
    out
}

/// Whether a subscriber learns that this field has changed.
fn sees(admin: &Client, principal: &Principal, path: &str) -> u16 {
    let (kind, field) = path.split_once('.').unwrap();
    let noun = kind.strip_suffix('s').unwrap();
    let mut socket = match principal.subscribe(&format!("{noun}_changes")) {
        Ok(socket) => socket,
        Err(status) => return status,
    };
    let id = sample(admin, principal, noun);
    let number: u64 = id.parse().unwrap();
    let value = if field == "done" { json!([0]) } else { json!("x") };
    admin.patch(&format!("/api/{kind}/{id}"), &json!({field: value})).expect(200);
    loop {
        let event = socket.recv();
        if event["event"] == format!("{noun}:updated") && event["data"]["id"] == number {
            let changed = event["data"]["changed_fields"].as_object().unwrap();
            return if changed.contains_key(field) { 200 } else { 403 };
        }
    }
}

#[test]
fn every_principal_gets_the_answer_of_the_table() {
    let server = Server::with_users(&ROLES[1..], &["--trusted-proxy", "127.0.0.1"]);
    // A new password ends a user's other sessions, so the one who makes the entities is another admin.
    let boss = json!({"username": "boss", "password": password_of("boss"), "role": "admin"});
    server.admin().post("/api/users", &boss).expect(201);
    let admin = server.login("boss");
    let mut wrong = Vec::new();
    let rows = rows();
    for principal in principals(&server, &admin) {
        for row in &rows {
            let (status, answer) = match row.method {
                "WS" => match principal.subscribe(row.path) {
                    Ok(_) => (200, String::new()),
                    Err(status) => (status, String::new()),
                },
                "SEES" => (sees(&admin, &principal, row.path), String::new()),
                method => {
                    let path = filled(row.path, &admin, &principal);
                    let body = row.body.map(|body| filled(body, &admin, &principal));
                    let before = head(&admin);
                    let answer = principal.send(method, &path, body.as_deref());
                    assert!(answer.0 < 400 || head(&admin) == before, "refused: {}", row.line);
                    answer
                }
            };
            if status != principal.expected(row) {
                let kind = if principal.is_device { "device" } else { "user" };
                wrong.push(format!(
                    "{} {kind}: {status}: {}\n    {answer}",
                    principal.role, row.line
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The methods and paths of the source, for each kind of entity.
pub(crate) fn routes() -> BTreeSet<String> {
    let table = &ROUTES[..ROUTES.find("#[cfg(test)]").unwrap()];
    let quoted = |text: &str| text.split('"').nth(1).map(str::to_owned);
    let mut routes = BTreeSet::new();
    for line in table.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("method: Method::") {
            let (method, rest) = rest.split_once(',').unwrap();
            let Some(path) = quoted(rest) else { continue };
            for kind in KINDS {
                let named = path.replace("{kind}", kind).replace(&format!("{{{kind}}}"), kind);
                let is_of_kind = !named.contains("s}") && !named.contains("{kind}");
                routes.extend(is_of_kind.then(|| format!("{method} {named}")));
            }
        } else if let Some(page) = line.strip_prefix("page(") {
            let path = quoted(page).filter(|_| page.starts_with('"'));
            routes.insert(format!("GET {}", path.unwrap_or_else(|| "/ca.pem".to_owned())));
        }
    }
    routes
}

#[test]
fn every_route_is_in_the_table_and_every_row_has_a_route() {
    let template = |row: &Row| {
        let path = row.path.split('?').next().unwrap().split('/');
        let part = |part: &str| match part.strip_prefix('$') {
            Some("n") => "{sku}".to_owned(),
            Some("code") => "{code}".to_owned(),
            Some(_) => "{id}".to_owned(),
            None => part.to_owned(),
        };
        format!("{} {}", row.method, path.map(part).collect::<Vec<_>>().join("/"))
    };
    let rows = rows();
    let is_http = |row: &&Row| !["WS", "SEES"].contains(&row.method);
    let told: BTreeSet<String> = rows.iter().filter(is_http).map(template).collect();
    let routes = routes();
    let missing: Vec<_> = routes.difference(&told).collect();
    let unknown: Vec<_> = told.difference(&routes).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "no row for {missing:?}, no route for {unknown:?}"
    );
}
