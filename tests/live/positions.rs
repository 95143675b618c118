//! Guards the positions that a client names: one whose events are gone, or of another log, must get a reset, and one
//! that the sockets have not reached yet must wait.

use super::resume::{extent, is_subscribed, seq};
use crate::common::{Client, PATIENCE, Server, Socket, cheap_events, outside_order, unique};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Makes events until the log is pruned, and waits until it has its final length.
fn prune(admin: &Client, kept: u64) -> (u64, u64) {
    let order = outside_order(admin, 9.99);
    cheap_events(admin, order, 200);
    // Pruning continues after the replies, and only the log shows how far it is.
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        let (oldest, head) = extent(admin);
        if oldest > 1 && head - oldest < kept {
            return (oldest, head);
        }
        assert!(Instant::now() < deadline, "the log still reaches from {oldest} to {head}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn is_reset(socket: &mut Socket, since: u64, head: u64) {
    socket.send(&json!({"type": "subscribe", "channel": "order_changes", "since": since}));
    let expected = format!(r#"{{"type":"reset","channel":"order_changes","seq":{head}}}"#);
    assert_eq!(socket.recv_text_with_log(), expected);
}

#[test]
fn a_gap_gets_a_reset_and_then_live_events() {
    let server = Server::with(&["--event-retention-count", "10"]);
    let admin = server.admin();
    let (oldest, head) = prune(&admin, 10);
    let (mut behind, mut just_behind, mut exact) = (admin.ws(), admin.ws(), admin.ws());
    is_reset(&mut behind, 0, head);
    is_reset(&mut just_behind, oldest - 2, head);
    is_subscribed(&exact.subscribe_since("order_changes", oldest - 1));
    for still_there in oldest..=head {
        assert_eq!(seq(&exact.recv_event()), still_there);
    }

    outside_order(&admin, 9.99);
    for socket in [&mut behind, &mut just_behind, &mut exact] {
        assert_eq!(seq(&socket.recv_event()), head + 1);
        socket.expect_quiet();
    }
}

#[test]
fn a_position_that_the_log_never_reached_gets_a_reset() {
    let server = Server::start();
    let admin = server.admin();
    outside_order(&admin, 9.99);
    for since in [2, 1_000_000, i64::MAX as u64] {
        let mut socket = admin.ws();
        is_reset(&mut socket, since, 1);
    }
    let mut socket = admin.ws();
    is_subscribed(&socket.subscribe_since("order_changes", 1));
    let mut ahead = admin.ws();
    is_reset(&mut ahead, 5, 1);
    outside_order(&admin, 9.99);
    assert_eq!(seq(&socket.recv_event()), 2);
    assert_eq!(seq(&ahead.recv_event()), 2);
}

#[test]
fn a_position_counts_only_in_its_own_log() {
    let server = Server::start();
    let admin = server.admin();
    outside_order(&admin, 9.99);
    let mut socket = admin.ws();
    let subscribe = |log: &str| json!({"type": "subscribe", "channel": "order_changes", "since": 0, "log": log});
    let ack = socket.subscribe_since("order_changes", 1);
    let log = ack["log"].as_str().unwrap();
    assert_eq!(log.len(), 12, "{ack}");
    socket.send(&subscribe(log));
    is_subscribed(&socket.recv());
    assert_eq!(seq(&socket.recv_event()), 1);
    for other in ["000000000000", "", "older"] {
        socket.send(&subscribe(other));
        let reset = socket.recv();
        assert_eq!((reset["type"].as_str(), seq(&reset)), (Some("reset"), 1), "{reset}");
        assert_eq!(reset["log"], log);
    }
    socket.expect_quiet();
}

/// A reply may show a commit before the sockets have its events.
#[test]
fn a_position_that_rest_has_shown_is_accepted_while_others_write() {
    const LOOKS: usize = 300;
    const WRITERS: usize = 4;
    let server = Server::start();
    let admin = server.admin();
    let path = format!("/api/orders/{}", outside_order(&admin, 9.99));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            let (till, path, done) = (admin.separate(), &path, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    till.patch(path, &json!({"notes": unique("note")})).expect(200);
                }
            });
        }
        let mut socket = admin.ws();
        let acks: Vec<(u64, Value)> = (0..LOOKS)
            .map(|_| {
                let (_, head) = extent(&admin);
                (head, socket.subscribe_since("customer_changes", head))
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        for (head, ack) in acks {
            is_subscribed(&ack);
            assert_eq!(seq(&ack), head);
        }
    });
}

#[test]
fn only_the_reply_to_a_future_position_waits() {
    let server = Server::start();
    let admin = server.admin();
    outside_order(&admin, 9.99);
    let mut socket = admin.ws();
    let subscribe = |channel: &str| json!({"type": "subscribe", "channel": channel, "since": 2});
    socket.send(&subscribe("order_changes"));
    socket.send(&subscribe("customer_changes"));
    socket.expect_quiet();
    outside_order(&admin, 9.99);
    for channel in ["order_changes", "customer_changes"] {
        let ack = socket.recv();
        is_subscribed(&ack);
        assert_eq!((seq(&ack), ack["channel"].as_str()), (2, Some(channel)));
    }
    outside_order(&admin, 9.99);
    assert_eq!(seq(&socket.recv_event()), 3);
}

#[test]
fn the_reply_to_a_future_position_waits_a_second_at_most() {
    let server = Server::start();
    let admin = server.admin();
    outside_order(&admin, 9.99);
    let mut socket = admin.ws();
    let started = Instant::now();
    is_reset(&mut socket, 5, 1);
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(990), "{waited:?}");
    assert!(waited < Duration::from_millis(1_500), "{waited:?}");
    // A newer message of the channel does not wait for the older one.
    let started = Instant::now();
    socket.send(&json!({"type": "subscribe", "channel": "order_changes", "since": 5}));
    socket.send(&json!({"type": "unsubscribe", "channel": "order_changes"}));
    assert_eq!(socket.recv()["type"], "reset");
    assert_eq!(socket.recv()["type"], "unsubscribed");
    assert!(started.elapsed() < Duration::from_millis(900));
    outside_order(&admin, 9.99);
    socket.expect_quiet();
}
