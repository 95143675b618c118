//! Guards `tillcast demo`: a printed login that does not work, a shop in which nothing happens, or one that
//! leaves its files behind.

use crate::common::{Client, Running, order, product};
use rustix::process::Signal;
use serde_json::json;
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
    let logins = ["admin", "staff", "kiosk", "display"].map(|role| {
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
