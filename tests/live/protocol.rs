//! Guards the messages of the WebSocket: a message that changes, an error that names nothing or closes the
//! connection, an event that a role must not see, or one after its channel was unsubscribed.

use crate::common::{Server, customer, order, outside_order, product};
use serde_json::{Value, json};
use tungstenite::Message;

const CHANNELS: [&str; 5] = [
    "order_changes",
    "product_changes",
    "customer_changes",
    "shipment_changes",
    "transaction_changes",
];

/// The position of the log's end.
fn head(client: &crate::common::Client) -> u64 {
    let page = client.get("/api/events?limit=1").expect(200).json();
    page["head"].as_u64().unwrap()
}

#[test]
fn the_first_message_is_connected_with_the_user() {
    let server = Server::with_users(&["staff"], &[]);
    for name in ["admin", "staff"] {
        let client = server.login(name);
        let me = client.get("/api/auth/me").expect(200).json();
        let mut socket = client.upgrade(&[]).unwrap();
        let expected = format!(
            r#"{{"type":"connected","message":"WebSocket connection established","userId":{}}}"#,
            me["user"]["id"]
        );
        assert_eq!(socket.recv_text(), expected);
    }
}

#[test]
fn a_subscription_is_acknowledged_with_its_position() {
    let server = Server::start();
    let admin = server.admin();
    outside_order(&admin, 9.99);
    let mut socket = admin.ws();
    for channel in CHANNELS {
        let seq = head(&admin);
        socket.send(&json!({"type": "subscribe", "channel": channel}));
        let expected = format!(r#"{{"type":"subscribed","channel":"{channel}","seq":{seq}}}"#);
        assert_eq!(socket.recv_text_with_log(), expected);
    }
    outside_order(&admin, 9.99);
    assert_eq!(socket.recv_event()["seq"], head(&admin));
}

#[test]
fn an_order_placed_over_rest_arrives_at_every_subscriber() {
    let server = Server::with_users(&["staff", "kiosk", "display"], &[]);
    let admin = server.admin();
    let product = product(&admin, 4.5, 10);
    let mut sockets = ["staff", "kiosk", "display"].map(|name| server.login(name).ws());
    for socket in &mut sockets {
        socket.subscribe("order_changes");
    }
    let order = order(&server.login("kiosk"), product, 2);
    for socket in &mut sockets {
        let event = socket.recv_event();
        assert_eq!(event["event"], "order:created");
        assert_eq!(event["data"]["id"], order["id"]);
        assert_eq!(event["data"]["order_number"], order["order_number"]);
    }
}

#[test]
fn subscribing_twice_still_delivers_once() {
    let server = Server::start();
    let admin = server.admin();
    let mut socket = admin.ws();
    let first = socket.subscribe("order_changes");
    outside_order(&admin, 9.99);
    let event = socket.recv_event();
    let second = socket.subscribe("order_changes");
    assert!(second > first);
    outside_order(&admin, 9.99);
    assert_eq!(socket.recv_event()["seq"].as_u64(), event["seq"].as_u64().map(|seq| seq + 1));
    socket.expect_quiet();
}

#[test]
fn subscribing_again_while_events_stream_neither_loses_nor_repeats_one() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 9.99);
    let mut socket = admin.ws();
    let mut last = socket.subscribe("order_changes");
    std::thread::scope(|scope| {
        scope.spawn(|| crate::common::cheap_events(&admin, order, 300));
        while last < 301 {
            let message = socket.recv();
            if message["type"] != "subscribed" {
                last += 1;
                assert_eq!(message["seq"], last, "{message}");
                socket.send(&json!({"type": "subscribe", "channel": "order_changes"}));
            }
        }
    });
}

#[test]
fn after_unsubscribing_nothing_more_comes() {
    let server = Server::start();
    let admin = server.admin();
    let mut socket = admin.ws();
    socket.subscribe("order_changes");
    socket.subscribe("product_changes");
    outside_order(&admin, 9.99);
    assert_eq!(socket.recv_event()["event"], "order:created");

    socket.send(&json!({"type": "unsubscribe", "channel": "order_changes"}));
    let expected = r#"{"type":"unsubscribed","channel":"order_changes"}"#;
    assert_eq!(socket.recv_text(), expected);
    outside_order(&admin, 9.99);
    // The product's event is after the order's in the log, and comes alone.
    product(&admin, 1.5, 1);
    assert_eq!(socket.recv_event()["event"], "product:created");

    socket.send(&json!({"type": "unsubscribe", "channel": "order_changes"}));
    assert_eq!(socket.recv_text(), expected);
    let seq = socket.subscribe("order_changes");
    assert_eq!(seq, head(&admin));
    socket.expect_quiet();
}

#[test]
fn unsubscribing_while_events_stream_stops_them_at_the_ack() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 9.99);
    let mut socket = admin.ws();
    socket.subscribe("order_changes");
    std::thread::scope(|scope| {
        scope.spawn(|| crate::common::cheap_events(&admin, order, 200));
        socket.recv_events(20);
        socket.send(&json!({"type": "unsubscribe", "channel": "order_changes"}));
        while socket.recv()["type"] != "unsubscribed" {}
    });
    socket.expect_quiet();
}

/// Unasked, no turn is told: clients that do not know it see nothing new.
#[test]
fn a_client_that_asks_has_a_turn_of_its_own_and_hears_of_another_crowd() {
    let server = Server::start();
    let admin = server.admin();
    let mut sockets: Vec<_> = (0..4).map(|_| admin.ws()).collect();
    for (place, socket) in sockets.iter_mut().enumerate().skip(1) {
        socket.send(&json!({"type": "turn"}));
        assert_eq!(socket.recv(), json!({"type": "turn", "at": 20 * place, "every": 80}));
    }
    sockets.push(admin.ws());
    for (place, socket) in sockets.iter_mut().enumerate().skip(1).take(3) {
        assert_eq!(socket.recv(), json!({"type": "turn", "at": 20 * place, "every": 160}));
    }
    sockets.truncate(2);
    assert_eq!(sockets[1].recv(), json!({"type": "turn", "at": 20, "every": 40}));
    sockets[0].expect_quiet();
}

#[test]
fn a_ping_message_is_answered() {
    let server = Server::start();
    let mut socket = server.admin().ws();
    for _ in 0..50 {
        socket.send(&json!({"type": "ping"}));
    }
    for _ in 0..50 {
        assert_eq!(socket.recv_text(), r#"{"type":"pong"}"#);
    }
}

#[test]
fn every_bad_message_is_named_and_the_connection_stays() {
    let server = Server::start();
    let admin = server.admin();
    let bad = [
        ("", "json"),
        ("hello", "json"),
        (r#"{"type":"ping""#, "json"),
        (r#"{"type":"ping"} {}"#, "json"),
        ("[]", "object"),
        (r#""ping""#, "object"),
        ("42", "object"),
        ("null", "object"),
        ("{}", "type"),
        (r#"{"type":7}"#, "type"),
        (r#"{"type":null}"#, "type"),
        (r#"{"type":"dance"}"#, "dance"),
        (r#"{"type":"PING"}"#, "PING"),
        (r#"{"type":"connected"}"#, "connected"),
        (r#"{"type":"subscribe"}"#, "channel"),
        (r#"{"type":"subscribe","channel":5}"#, "channel"),
        (r#"{"type":"subscribe","channel":"cat_changes"}"#, "cat_changes"),
        (r#"{"type":"unsubscribe","channel":"cat_changes"}"#, "cat_changes"),
        (r#"{"type":"unsubscribe"}"#, "channel"),
        (r#"{"type":"subscribe","channel":"order_changes","since":"x"}"#, "since"),
        (r#"{"type":"subscribe","channel":"order_changes","since":-1}"#, "since"),
        (r#"{"type":"subscribe","channel":"order_changes","since":1.5}"#, "since"),
        (r#"{"type":"subscribe","channel":"order_changes","since":1e99}"#, "since"),
    ];
    // Fewer than 20 errors a connection.
    for part in bad.chunks(12) {
        let mut socket = admin.ws();
        for (text, named) in part {
            socket.send_text(text);
            let message = socket.recv_error();
            let found = message.to_lowercase().contains(&named.to_lowercase());
            assert!(found, "{text:?} was answered with {message:?}, without {named:?}");
            socket.expect_quiet();
        }
        outside_order(&admin, 9.99);
        socket.expect_quiet();
    }
}

#[test]
fn deep_nesting_is_an_error_like_any_other() {
    let server = Server::start();
    let mut socket = server.admin().ws();
    for text in ["[".repeat(4000), r#"{"type":"#.repeat(400)] {
        socket.send_text(&text);
        socket.recv_error();
    }
    socket.expect_quiet();
}

#[test]
fn a_binary_message_is_an_error() {
    let server = Server::start();
    let mut socket = server.admin().ws();
    socket.send_message(Message::binary(r#"{"type":"ping"}"#));
    let message = socket.recv_error();
    assert!(message.to_lowercase().contains("binary"), "{message}");
    socket.expect_quiet();
}

#[test]
fn twenty_errors_close_the_connection() {
    let server = Server::start();
    let mut socket = server.admin().ws();
    for _ in 0..19 {
        socket.send_text("{}");
        socket.recv_error();
    }
    socket.expect_quiet();
    socket.send_text("{}");
    // The last error may still come before the close.
    let (code, reason) = socket.drain_until_close();
    assert_eq!(code, 1008);
    assert!(!reason.is_empty());
}

#[test]
fn each_role_may_subscribe_to_its_channels_only() {
    let server = Server::with_users(&["staff", "kiosk", "display"], &[]);
    let admin = server.admin();
    let allowed: [(&str, &[&str]); 4] = [
        ("admin", &CHANNELS),
        ("staff", &CHANNELS),
        ("kiosk", &["order_changes", "product_changes"]),
        ("display", &["order_changes", "product_changes", "shipment_changes"]),
    ];
    let mut sockets = Vec::new();
    for (role, allowed) in allowed {
        let mut socket = server.login(role).ws();
        for channel in CHANNELS {
            socket.send(&json!({"type": "subscribe", "channel": channel, "since": 0}));
            let answer = socket.recv();
            if allowed.contains(&channel) {
                assert_eq!(answer["type"], "subscribed", "{role}: {answer}");
            } else {
                assert_eq!(answer["type"], "error", "{role}: {answer}");
                let message = answer["message"].as_str().unwrap();
                assert!(message.contains(channel), "{role}: {message}");
            }
        }
        sockets.push((allowed.contains(&"customer_changes"), socket));
    }
    customer(&admin);
    outside_order(&admin, 9.99);
    for (sees_customers, mut socket) in sockets {
        let events: Vec<Value> = socket.recv_events(1 + usize::from(sees_customers));
        assert_eq!(events.last().unwrap()["event"], "order:created");
        socket.expect_quiet();
    }
}
