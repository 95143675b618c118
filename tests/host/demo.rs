//! Guards `tillcast demo`: a printed login that does not work, a shop in which nothing happens, or one that
//! leaves its files behind.

use crate::common::{Client, Running, order, product};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tempfile::tempdir;

/// Starts a demo whose files are all in this folder; returns its address and the password of each role.
fn demo(folder: &Path) -> (Running, SocketAddr, Vec<(&'static str, String)>) {
    let variables = [("TMPDIR", folder.to_str().unwrap())];
    let arguments = ["demo", "--listen", "127.0.0.1:0", "--rate", "100", "--drain", "1s"];
    let mut demo = Running::start(&arguments, &variables, folder);
    let line = demo.line_with("http://127.0.0.1:");
    let (_, rest) = line.split_once("http://").unwrap();
    let end =
        rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit()).unwrap_or(rest.len());
    let address = rest[..end].parse().unwrap();
    let logins = ["admin", "staff", "kiosk", "display", "kitchen", "picker"].map(|role| {
        let line = demo.line_with(role);
        (role, line.split_whitespace().last().unwrap().to_owned())
    });
    (demo, address, logins.to_vec())
}

#[test]
fn every_login_of_the_demo_works_and_its_shop_is_busy() {
    let folder = tempdir().unwrap();
    let (mut demo, address, logins) = demo(folder.path());
    let anonymous = Client::new(address, None);
    let clients: Vec<Client> = logins
        .iter()
        .map(|(role, password)| {
            let client = anonymous.login(role, password);
            let me = client.get("/api/auth/me").expect(200).json();
            assert_eq!(me["user"]["role"], *role);
            client
        })
        .collect();

    let mut socket = clients[1].ws();
    for channel in ["order_changes", "product_changes", "shipment_changes", "transaction_changes"] {
        socket.send(&json!({"type": "subscribe", "channel": channel, "since": 0}));
    }
    let mut missing = vec![
        "order:created",
        "order:updated",
        "product:updated",
        "shipment:created",
        "transaction:created",
    ];
    while !missing.is_empty() {
        let message = socket.recv();
        missing.retain(|name| message["event"] != *name);
    }
    let mut kiosk = clients[2].ws();
    kiosk.subscribe("product_changes");
    kiosk.recv_event();

    let product = product(&clients[0], 2.5, 10);
    order(&clients[1], product, 1);
    assert_eq!(demo.end(Signal::TERM), Some(0));
    assert_eq!(socket.drain_until_close().0, 1001);
}

/// What a demo shows, and how an order shows it.
type Sign<'s> = (&'s str, &'s dyn Fn(&Value) -> bool);

/// A reader who looks at the newest orders shall find all that the shop can do.
#[test]
fn a_demo_sells_in_every_way() {
    let folder = tempdir().unwrap();
    let (mut demo, address, logins) = demo(folder.path());
    let (role, password) = &logins[1];
    let staff = Client::new(address, None).login(role, password);
    let is = |value: &Value| !matches!(value, Value::Null) && *value != json!([]) && *value != 0.0;
    let signs: [Sign<'_>; 10] = [
        ("an order of a kiosk", &|order| !is(&order["client_id"]) && !is(&order["customer_id"])),
        ("an order of a customer", &|order| is(&order["customer_id"]) && is(&order["notes"])),
        ("a sale", &|order| is(&order["client_id"]) && !is(&order["sold_at"])),
        ("a sale that was made offline", &|order| is(&order["sold_at"]) && is(&order["rounding"])),
        ("oversold goods", &|order| is(&order["oversold"])),
        ("a discount", &|order| is(&order["discount"]) && is(&order["items"][0]["discount"])),
        ("a note", &|order| is(&order["items"][0]["note"])),
        ("two tax rates", &|order| order["taxes"].as_array().unwrap().len() == 2),
        ("a part that is done", &|order| is(&order["done"]) && order["status"] == "processing"),
        ("goods that came back", &|order| order["payment_status"] == "refunded"),
    ];
    let mut missing = signs.to_vec();
    let mut socket = staff.ws();
    socket.subscribe("order_changes");
    for _ in 0..1_000 {
        if missing.is_empty() {
            break;
        }
        socket.recv_event();
        let orders = staff.get("/api/orders?limit=100").expect(200).json();
        let orders = orders["data"].as_array().unwrap();
        missing.retain(|(_, sign)| !orders.iter().any(sign));
    }
    let missing: Vec<&str> = missing.into_iter().map(|(what, _)| what).collect();
    assert_eq!(missing, [""; 0]);
    let products = staff.get("/api/products").expect(200).json();
    let products = products["data"].as_array().unwrap();
    for unit in ["piece", "kg", "g", "l", "m"] {
        assert!(products.iter().any(|product| product["unit"] == unit), "{unit}");
    }
    assert!(products.iter().any(|product| product["stock"].is_null()), "not counted");
    let restocked = staff.get("/api/transactions?limit=100").expect(200).json();
    let restocked = restocked["data"].as_array().unwrap();
    assert!(restocked.iter().any(|refund| is(&refund["restock"])), "{restocked:?}");
    assert!(!demo.seen().contains("start again"), "{}", demo.seen());
    assert_eq!(demo.end(Signal::TERM), Some(0));
}

/// Every command that the demo prints must work as it is.
#[test]
fn the_commands_that_the_demo_prints_show_its_events() {
    let folder = tempdir().unwrap();
    let (mut demo, address, _) = demo(folder.path());
    let follow = demo.line_with(" events --follow --data-dir ");
    let arguments = follow.trim().split_once(' ').unwrap().1.split(' ').collect::<Vec<_>>();
    let mut follower = Running::start(&arguments, &[], folder.path());
    assert!(follower.line().contains("\"seq\":1}"));
    for _ in 0..3 {
        follower.line_with("order:created");
    }
    follower.end(Signal::TERM);

    demo.line_with("Log in");
    let lines: Vec<String> = std::iter::repeat_with(|| demo.line())
        .take_while(|line| !line.is_empty())
        .map(|line| line.replace("  curl ", "curl -sf "))
        .collect();
    let shell = |line: &str| {
        let output = Command::new("sh").args(["-c", line]).current_dir(folder.path()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    assert_eq!(shell(&lines[..2].join("\n"))["user"]["username"], "staff");
    let newest = &shell(&lines[2])["data"];
    assert!(newest[0]["seq"].as_i64() > newest[1]["seq"].as_i64(), "{newest}");
    assert_eq!(shell(&lines[3])["data"].as_array().unwrap().len(), 3);

    let as_device = demo.line_with("curl -H 'authorization: Bearer ");
    let oversold = &shell(&as_device.replace("  curl ", "curl -sf "))["data"];
    assert!(oversold.is_array(), "{oversold}");

    let wscat = demo.line_with("npx wscat -c ws://");
    assert!(wscat.contains(&format!("ws://{address}/ws")), "{wscat}");
    let cookie = wscat.split("Cookie: ").nth(1).unwrap().split('\'').next().unwrap();
    let message = demo.line_with("-x '");
    let message = message.split('\'').nth(1).unwrap();
    let mut socket = Client::new(address, Some(cookie.to_owned())).ws();
    socket.send(&serde_json::from_str(message).unwrap());
    let mut seen = socket.recv();
    while seen["event"] != "order:created" {
        seen = socket.recv();
    }
    assert_eq!(demo.end(Signal::TERM), Some(0));
}

/// What a person opens first: each screen that it prints, and a login of each role for the page's buttons.
#[test]
fn the_demo_names_its_screens_and_gives_its_logins() {
    let folder = tempdir().unwrap();
    let (mut demo, address, logins) = demo(folder.path());
    let anonymous = Client::new(address, None);
    let told = anonymous.get("/api/demo").expect(200).json();
    let expected =
        logins.iter().map(|(role, password)| json!({"username": role, "password": password}));
    assert_eq!(told["data"], expected.collect::<Value>());
    demo.line_with("Screens:");
    let screens: Vec<String> =
        std::iter::repeat_with(|| demo.line()).take_while(|line| !line.is_empty()).collect();
    assert!(screens.len() > 5, "{screens:?}");
    for screen in screens {
        let (_, url) = screen.split_once(&format!("http://{address}")).expect("its address");
        let path = url.split(' ').next().unwrap();
        assert!(anonymous.get(path).expect(200).text().starts_with("<!doctype html>"), "{path}");
    }
    assert_eq!(demo.end(Signal::TERM), Some(0));
}

#[test]
fn a_demo_leaves_nothing_behind() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempdir().unwrap();
        let count = || folder.path().read_dir().unwrap().count();
        let (mut demo, ..) = demo(folder.path());
        assert_eq!(count(), 1);
        assert_eq!(demo.end(signal), Some(0));
        assert_eq!(count(), 0);
    }
}

#[test]
fn a_second_demo_is_another_shop() {
    let folder = tempdir().unwrap();
    let (mut first, one, logins) = demo(folder.path());
    let (mut second, two, _) = demo(folder.path());
    assert_ne!(one, two);
    let (role, password) = &logins[0];
    Client::new(one, None).login(role, password);
    Client::new(two, None).try_login(role, password).expect(401);
    assert_eq!(first.end(Signal::TERM), Some(0));
    assert_eq!(second.end(Signal::TERM), Some(0));
}
