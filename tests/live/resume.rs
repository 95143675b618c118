//! Guards `since`: an event that is lost between the log and the live stream, comes twice, or is missing
//! after a restart, and a gap without a reset.

use crate::common::{
    Client, Reader, Server, cheap_events, customer, outside_order, pay, product, shipment,
};
use serde_json::{Value, json};

pub(super) fn seq(message: &Value) -> u64 {
    message["seq"].as_u64().unwrap()
}

/// The `oldest` and the `head` of the log.
pub(super) fn extent(client: &Client) -> (u64, u64) {
    let page = client.get("/api/events?limit=1").expect(200).json();
    (page["oldest"].as_u64().unwrap(), page["head"].as_u64().unwrap())
}

/// The `seq` of every event of a channel in the log.
fn logged(client: &Client, channel: &str) -> Vec<u64> {
    let mut seqs = Vec::new();
    let mut after = 0;
    loop {
        let path = format!("/api/events?after={after}&channel={channel}&limit=200");
        let page = client.get(&path).expect(200).json();
        seqs.extend(page["data"].as_array().unwrap().iter().map(seq));
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => return seqs,
        }
    }
}

#[track_caller]
pub(super) fn is_subscribed(ack: &Value) {
    assert_eq!(ack["type"], "subscribed", "{ack}");
}

#[test]
fn a_client_that_comes_and_goes_misses_nothing_while_writes_go_on() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 9.99);
    std::thread::scope(|scope| {
        scope.spawn(|| cheap_events(&admin, order, 1_000));
        for stay in [7, 60, 250] {
            let admin = &admin;
            scope.spawn(move || {
                let mut last = 0;
                while last < 1_001 {
                    let mut socket = admin.ws();
                    is_subscribed(&socket.subscribe_since("order_changes", last));
                    let left = 1_001 - last;
                    for _ in 0..left.min(stay) {
                        last += 1;
                        assert_eq!(seq(&socket.recv_event()), last);
                    }
                }
            });
        }
    });
    assert_eq!(extent(&admin), (1, 1_001));
}

#[test]
fn many_resume_at_once_in_the_middle_of_the_stream() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 9.99);
    cheap_events(&admin, order, 1_500);
    std::thread::scope(|scope| {
        scope.spawn(|| cheap_events(&admin, order, 500));
        for away in 0..40 {
            let admin = &admin;
            scope.spawn(move || {
                // Some positions are in the ring, some are far behind it.
                let since = away * 37;
                let mut socket = admin.ws();
                is_subscribed(&socket.subscribe_since("order_changes", since));
                for expected in since + 1..=2_001 {
                    let text = socket.recv_text();
                    let end = format!(r#","seq":{expected}}}"#);
                    assert!(text.ends_with(&end), "expected {expected}, got {text}");
                }
            });
        }
    });
}

/// A pong overtakes what is read from the log, so it cannot tell that a client has all.
#[test]
fn a_client_learns_how_far_it_is_behind() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 9.99);
    cheap_events(&admin, order, 1_500);
    let mut socket = admin.ws();
    let lag = json!({"type": "lag"});
    let none = json!({"type": "lag", "unsent": 0});
    socket.send(&lag);
    assert_eq!(socket.recv(), none, "it follows nothing");
    socket.send(&json!({"type": "subscribe", "channel": "order_changes", "since": 0}));
    socket.send(&lag);
    let mut events = 0;
    loop {
        let message = socket.recv();
        if message == none {
            break;
        }
        match message["type"].as_str() {
            None => events += 1,
            Some("lag") => {
                assert!(message["unsent"].as_i64().unwrap() > 0, "{message}");
                socket.send(&lag);
            }
            Some(other) => assert_eq!(other, "subscribed"),
        }
    }
    assert_eq!(events, 1_501, "not all had come");
}

#[test]
fn a_second_channel_resumes_while_the_first_is_live() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 9.99);
    let product = product(&admin, 1.5, 1);
    let change = |stock: u64| {
        let path = format!("/api/products/{product}");
        admin.patch(&path, &json!({"stock": stock})).expect(200);
    };
    cheap_events(&admin, order, 300);
    let mut socket = admin.ws();
    let live_from = socket.subscribe("product_changes");
    let (mut orders, mut products) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| cheap_events(&admin, order, 300));
        scope.spawn(|| (2..152).for_each(change));
        products.extend(socket.recv_events(20).iter().map(seq));
        socket.send(&json!({"type": "subscribe", "channel": "order_changes", "since": 0}));
        while orders.len() < 601 || products.len() < 150 {
            let message = socket.recv();
            match message["event"].as_str() {
                Some("product:updated") => products.push(seq(&message)),
                Some("order:created" | "order:updated") => orders.push(seq(&message)),
                _ => is_subscribed(&message),
            }
        }
    });
    socket.expect_quiet();
    assert_eq!(orders, logged(&admin, "order_changes"));
    let mut expected = logged(&admin, "product_changes");
    expected.retain(|seq| *seq > live_from);
    assert_eq!(products, expected);
}

#[test]
fn resuming_a_channel_again_goes_back_on_the_same_connection() {
    let server = Server::start();
    let admin = server.admin();
    for _ in 0..5 {
        outside_order(&admin, 9.99);
    }
    let mut socket = admin.ws();
    is_subscribed(&socket.subscribe_since("order_changes", 3));
    assert_eq!(socket.recv_events(2).iter().map(seq).collect::<Vec<_>>(), [4, 5]);
    socket.expect_quiet();
    socket.send(&json!({"type": "unsubscribe", "channel": "order_changes"}));
    assert_eq!(socket.recv()["type"], "unsubscribed");
    outside_order(&admin, 9.99);
    is_subscribed(&socket.subscribe_since("order_changes", 5));
    assert_eq!(seq(&socket.recv_event()), 6);
    socket.expect_quiet();
}

#[test]
fn an_old_position_is_valid_after_a_restart_and_after_a_crash() {
    let mut server = Server::start();
    let before = server.admin();
    let order = outside_order(&before, 9.99);
    let mut socket = before.ws();
    let mut last = socket.subscribe("order_changes");
    cheap_events(&before, order, 50);
    last = seq(socket.recv_events(20).last().unwrap()).max(last);

    server.stop();
    let mut server = server.again();
    let after_stop = server.adopt(&before);
    let mut reader = resumed(&after_stop, last);
    cheap_events(&after_stop, order, 50);
    let (_, head) = extent(&after_stop);
    assert_eq!(head, 101);
    reader.expect_all(last, head);

    server.kill();
    let server = server.again();
    let after_kill = server.adopt(&before);
    outside_order(&after_kill, 9.99);
    let mut reader = resumed(&after_kill, last);
    reader.expect_all(last, 102);
    // The position from before the crash is not beyond the head.
    resumed(&after_kill, 101).expect_all(101, 102);
}

/// A socket that is subscribed to the events after `since`.
fn resumed(client: &Client, since: u64) -> Reader {
    let mut socket = client.ws();
    socket.send(&json!({"type": "subscribe", "channel": "order_changes", "since": since}));
    let mut reader = Reader::new(socket);
    let ack = reader.next_text();
    assert!(ack.starts_with(r#"{"type":"subscribed""#), "{ack}");
    reader
}

#[test]
fn the_log_over_rest_is_the_stream() {
    let server = Server::start();
    let admin = server.admin();
    let mut socket = admin.ws();
    for channel in ["order", "product", "customer", "shipment", "transaction"] {
        socket.subscribe(&format!("{channel}_changes"));
    }
    let order = outside_order(&admin, 9.99);
    pay(&admin, order, 9.99);
    shipment(&admin, order);
    customer(&admin);
    let product = product(&admin, 1.5, 3);
    crate::common::order(&admin, product, 2);
    let (oldest, head) = extent(&admin);
    assert_eq!(oldest, 1);

    let (mut after, mut texts) = (0, Vec::new());
    loop {
        let answer = admin.get(&format!("/api/events?after={after}&limit=3")).expect(200);
        let page = answer.json();
        assert_eq!((page["oldest"].as_u64(), page["head"].as_u64()), (Some(1), Some(head)));
        for event in page["data"].as_array().unwrap() {
            after += 1;
            assert_eq!(seq(event), after, "a hole in {page}");
            let text = socket.recv_text();
            assert!(answer.text().contains(&text), "{text} is not in {page}");
            texts.push(text);
        }
        match page["next"].as_u64() {
            Some(next) => assert_eq!(next, after),
            None => break,
        }
    }
    assert_eq!(after, head);
    assert!(head >= 8, "{texts:?}");
    socket.expect_quiet();

    let products = logged(&admin, "product_changes");
    assert_eq!(products.len(), 2);
    let beyond = admin.get(&format!("/api/events?after={head}")).expect(200).json();
    assert_eq!((&beyond["data"], &beyond["next"]), (&json!([]), &json!(null)));
    for wrong in ["limit=0", "limit=201", "after=x", "channel=cats", "sort=up"] {
        admin.get(&format!("/api/events?{wrong}")).expect(422);
    }
}
