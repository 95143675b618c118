//! Guards the programs in `examples/`: a till that loses a sale or sells it twice, a feed that misses an order, when
//! the server restarts or the program itself crashes.

use crate::common::{Client, Running, Server, free_address, order};
use serde_json::{Value, json};
use std::fs;
use std::io::{PipeWriter, Write as _, pipe};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// A server at an address that it has again after a restart, its admin, and the token of a new device.
fn shop(role: &str) -> (Server, Client, String) {
    let server = Server::with(&["--listen", &free_address().to_string()]);
    let admin = server.admin();
    let device = admin.post("/api/devices", &json!({"name": "Till", "role": role})).expect(201);
    let token = device.json()["token"].as_str().unwrap().to_owned();
    (server, admin, token)
}

/// A till with its standard input.
fn till(server: &Server, token: &str, outbox: &Path) -> (Running, PipeWriter) {
    let (input, keys) = pipe().unwrap();
    let mut command = Command::new("python3");
    command.arg("-u").arg(example("till.py")).arg(server.address().to_string()).arg(outbox);
    command.env("TILLCAST_TOKEN", token).stdin(Stdio::from(input));
    (Running::of(&mut command), keys)
}

fn sales(admin: &Client) -> Vec<Value> {
    let orders = admin.get("/api/orders?order=asc").expect(200).json();
    orders["data"].as_array().unwrap().clone()
}

#[test]
fn the_till_sells_without_the_server_and_survives_its_own_crash() {
    let (mut server, admin, token) = shop("staff");
    for (sku, price, unit) in [("TEA", 2.5, "piece"), ("HAM", 19.99, "kg")] {
        let body = json!({"name": sku, "sku": sku, "price": price, "stock": 3, "unit": unit});
        admin.post("/api/products", &body).expect(201);
    }
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("till.json");
    let (mut first, mut keys) = till(&server, &token, &outbox);
    assert!(first.line_with("goods").contains("'HAM': '19.99'"));
    writeln!(keys, "TEA 2 HAM 0.125 20").unwrap();
    // 5.00, and 2.49875, which is rounded.
    first.line_with("change 12.50");
    first.line_with("stored");

    server.kill();
    writeln!(keys, "TEA 2 10").unwrap();
    first.line_with("change 5.00");
    first.line_with("1 sales wait");
    writeln!(keys, "HAM 1 20.00").unwrap();
    first.line_with("change 0.01");
    first.line_with("2 sales wait");
    first.kill();
    let crashed = fs::read(&outbox).unwrap();

    let (mut second, keys) = till(&server, &token, &outbox);
    second.line_with("2 sales wait");
    let server = server.again();
    drop(keys);
    assert_eq!(second.wait(), Some(0));
    let stored = sales(&admin);
    let totals: Vec<_> = stored.iter().map(|sale| sale["total"].to_string()).collect();
    assert_eq!(totals, ["7.50", "5.00", "19.99"]);
    assert_eq!(stored[1]["oversold"], json!([{"product_id": 1, "quantity": 1}]));
    assert!(stored.iter().all(|sale| sale["payment_status"] == "paid"), "{stored:?}");

    // A till that crashed before it knew of its success sends its sales again.
    fs::write(&outbox, crashed).unwrap();
    let (mut third, keys) = till(&server, &token, &outbox);
    drop(keys);
    assert_eq!(third.wait(), Some(0));
    assert_eq!(third.seen().matches("stored").count(), 2);
    assert_eq!(sales(&admin), stored);
}

#[test]
fn the_feed_goes_on_behind_a_restart() {
    let (mut server, admin, token) = shop("kitchen");
    let tea = admin
        .post("/api/products", &json!({"name": "Tea", "sku": "TEA", "price": 2.5, "stock": 9}));
    let tea = tea.expect(201).id();
    let mut command = Command::new("node");
    // Before its version 22, Node.js has its WebSocket behind this.
    command.arg("--experimental-websocket").arg(example("feed.mjs"));
    command.arg(format!("http://{}", server.address())).env("TILLCAST_TOKEN", token);
    let mut feed = Running::of(command.stdin(Stdio::null()));
    feed.line_with("subscribed");
    let mut numbers = Vec::new();
    for round in 0..3 {
        let sold = order(&admin, tea, 1);
        feed.line_with(&format!(
            "order:created {} pending 2.5",
            sold["order_number"].as_str().unwrap()
        ));
        numbers.push(sold["order_number"].clone());
        if round == 0 {
            assert_eq!(server.stop(), Some(0));
        } else {
            server.kill();
        }
        server = server.again();
        // The feed may be away while this happens.
        let path = format!("/api/orders/{}", sold["id"]);
        admin.patch(&path, &json!({"status": "ready"})).expect(200);
        feed.line_with("order:updated");
    }
    let told: Vec<String> =
        feed.seen().lines().filter(|line| line.starts_with("order:")).map(str::to_owned).collect();
    let expected = numbers.iter().flat_map(|number| {
        let number = number.as_str().unwrap();
        [format!("order:created {number} pending 2.5"), format!("order:updated {number} ready 2.5")]
    });
    assert_eq!(told, expected.collect::<Vec<_>>());
}
