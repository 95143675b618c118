//! A network that loses every tenth packet: clients give up, reconnect, and repeat requests whose reply they
//! missed. Nothing is lost or duplicated on either side.

use crate::common::Network;
use crate::common::{Client, PATIENCE, Raw, Server, Socket, head, is_root, json_request};
use serde_json::json;
use std::net::TcpStream;
use std::thread::scope;
use std::time::Duration;

const WRITERS: usize = 4;
/// Orders of each writer.
const ORDERS: usize = 40;
const FOLLOWERS: usize = 4;
/// Events that a follower reads before its connection breaks.
const STAY: usize = 12;
/// The time that a writer waits for a reply: enough for two or three lost packets.
const HURRY: Duration = Duration::from_secs(1);

#[test]
fn a_connection_that_loses_packets_loses_no_event() {
    if !is_root() {
        return;
    }
    let network = Network::enter();
    let server = Server::start();
    let admin = server.admin();
    network.drop_packets("numgen random mod 100 < 10");
    let (mut sold, seen) = scope(|threads| {
        let admin = &admin;
        let followers = [(); FOLLOWERS].map(|()| threads.spawn(|| follow(admin)));
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| threads.spawn(move || sell(admin, writer))).collect();
        let sold = writers.into_iter().flat_map(|writer| writer.join().unwrap());
        (sold.collect::<Vec<i64>>(), followers.map(|follower| follower.join().unwrap()))
    });
    sold.sort_unstable();
    sold.dedup();
    assert_eq!(sold.len(), WRITERS * ORDERS, "two sales became one order");
    assert_eq!(head(&admin), sold.len() as u64, "a sale became two orders");
    for mut seen in seen {
        seen.sort_unstable();
        assert_eq!(seen, sold);
    }
    let dropped = network.dropped();
    assert!(dropped > 100, "only {dropped} packets were lost");
}

/// Sells with a key for each sale, and repeats a sale until it has a reply; returns the orders.
fn sell(admin: &Client, writer: usize) -> Vec<i64> {
    let body = json!({"total": 9.99, "currency": "USD"}).to_string();
    let sale = |number| {
        let key = format!("Idempotency-Key: sale-{writer}-{number}\r\n");
        let request = json_request("POST", "/api/orders", admin.cookie(), &key, &body);
        // Every fourth sale is sent once more than needed, and its reply is not read.
        if number % 4 == 0 {
            Raw::connect(admin.address()).and_then(|mut raw| raw.send(&request)).unwrap();
        }
        loop {
            let mut raw = Raw::connect(admin.address()).unwrap();
            raw.set_patience(HURRY);
            raw.send(&request).unwrap();
            if let Ok(answer) = raw.answer(false) {
                break answer.expect("an answer").expect(201).id();
            }
        }
    };
    (0..ORDERS).map(sale).collect()
}

/// Follows the orders until all have come, on a connection that breaks again and again.
fn follow(admin: &Client) -> Vec<i64> {
    let mut seen = Vec::new();
    while seen.len() < WRITERS * ORDERS {
        let stream = TcpStream::connect_timeout(&admin.address(), PATIENCE).unwrap();
        let mut socket = Socket::over(stream, admin.address(), admin.cookie(), &[]).unwrap();
        assert_eq!(socket.recv()["type"], "connected");
        let ack = socket.subscribe_since("order_changes", seen.len() as u64);
        assert_eq!(ack["type"], "subscribed");
        for _ in 0..STAY.min(WRITERS * ORDERS - seen.len()) {
            let event = socket.recv_event();
            assert_eq!(event["seq"], seen.len() + 1);
            seen.push(event["data"]["id"].as_i64().unwrap());
        }
    }
    seen
}
