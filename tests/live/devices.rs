//! Guards the sockets of devices: one that stays open after its device was removed or got another role, one with more
//! than its role may see, a handshake that a browser refuses, or one that gives the token away.

use crate::common::{Client, PATIENCE, Raw, Server, Socket, cheap_events, outside_order};
use serde_json::json;
use std::time::{Duration, Instant};

/// A socket is closed within one second; the rest is for a machine that is busy with other tests.
const AT_MOST: Duration = Duration::from_millis(1000 + 500);

/// Adds a device; its path and its token.
fn add_device(admin: &Client, role: &str) -> (String, String) {
    let body = json!({"name": "screen", "role": role});
    let answer = admin.post("/api/devices", &body).expect(201);
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    (answer.header("location").to_owned(), token)
}

/// A socket of a device, by its header or as a page of another origin opens one.
fn device_socket(server: &Server, token: &str, as_page: bool) -> Socket {
    let (bearer, offer) = (format!("Bearer {token}"), format!("tillcast.v1, bearer.{token}"));
    let headers = if as_page {
        [("origin", "https://elsewhere.example"), ("sec-websocket-protocol", &*offer)]
    } else {
        [("user-agent", "till"), ("authorization", &*bearer)]
    };
    let mut socket = server.anonymous().upgrade(&headers).unwrap();
    let connected =
        r#"{"type":"connected","message":"WebSocket connection established","userId":null}"#;
    assert_eq!(socket.recv_text(), connected);
    socket
}

#[test]
fn the_sockets_of_a_device_end_with_its_role_and_with_the_device() {
    let server = Server::start();
    let admin = server.admin();
    let (path, token) = add_device(&admin, "staff");
    let (_, other) = add_device(&admin, "staff");
    let mut other_socket = device_socket(&server, &other, false);
    other_socket.subscribe("order_changes");
    for end in [Some(json!({"role": "display"})), Some(json!({"role": "kitchen"})), None] {
        let mut sockets = [false, true].map(|as_page| device_socket(&server, &token, as_page));
        for socket in &mut sockets {
            socket.subscribe("order_changes");
        }
        admin.patch(&path, &json!({"name": "renamed"})).expect(200);
        outside_order(&admin, 9.99);
        for socket in &mut sockets {
            socket.recv_event();
        }
        match &end {
            Some(role) => admin.patch(&path, role).expect(200),
            None => admin.delete(&path).expect(204),
        };
        let since = Instant::now();
        for socket in &mut sockets {
            assert_eq!(socket.expect_close().0, 1008);
            assert!(since.elapsed() < AT_MOST, "closed only after {:?}", since.elapsed());
        }
        other_socket.recv_event();
    }
    let bearer = format!("Bearer {token}");
    let refused = server.anonymous().upgrade(&[("authorization", &bearer)]);
    assert_eq!(refused.unwrap().expect_close().0, 1008);
    outside_order(&admin, 9.99);
    other_socket.recv_event();
}

/// The new role decides what a socket may follow, and which fields its events have.
#[test]
fn a_devices_next_socket_has_its_new_role() {
    let server = Server::start();
    let admin = server.admin();
    let (path, token) = add_device(&admin, "staff");
    let follow = |channel: &str| {
        let mut socket = device_socket(&server, &token, true);
        socket.send(&json!({"type": "subscribe", "channel": channel}));
        socket.recv()["type"].clone()
    };
    assert_eq!(follow("customer_changes"), "subscribed");
    admin.patch(&path, &json!({"role": "kiosk"})).expect(200);
    assert_eq!(follow("customer_changes"), "error");
    let mut socket = device_socket(&server, &token, false);
    socket.subscribe("order_changes");
    let id = outside_order(&admin, 9.99);
    socket.recv_event();
    admin.patch(&format!("/api/orders/{id}"), &json!({"notes": "secret"})).expect(200);
    assert_eq!(socket.recv_event()["data"]["changed_fields"], json!({}));
}

/// A browser accepts the handshake only with one of the protocols that it offered; a token is not one to repeat.
#[test]
fn a_token_as_a_subprotocol_is_not_given_back() {
    let server = Server::start();
    let admin = server.admin();
    let (_, token) = add_device(&admin, "display");
    let offer = |protocols: &str| {
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {protocols}\r\n\r\n",
            server.address()
        );
        let mut raw = Raw::connect(server.address()).unwrap();
        raw.send(request.as_bytes()).unwrap();
        raw.answer(false).unwrap().unwrap()
    };
    let accepted = offer(&format!("bearer.{token}, tillcast.v1"));
    assert_eq!((accepted.status, accepted.header("sec-websocket-protocol")), (101, "tillcast.v1"));
    let alone = offer(&format!("bearer.{token}"));
    assert_eq!(alone.status, 400);
    assert!(!alone.text().contains(&token) && alone.text().contains("tillcast.v1"));
    // Beside a token that is not valid, a cookie does not count.
    let headers = [("sec-websocket-protocol", "tillcast.v1, bearer.7")];
    assert_eq!(admin.upgrade(&headers).unwrap().expect_close().0, 1008);
}

#[test]
fn the_list_of_devices_shows_their_sockets_and_how_far_they_lag() {
    let server = Server::start();
    let admin = server.admin();
    let (path, token) = add_device(&admin, "display");
    let shown = || admin.get(&path).expect(200).json();
    let mut sockets = [false, true].map(|as_page| device_socket(&server, &token, as_page));
    assert_eq!((&shown()["sockets"], &shown()["unsent"]), (&json!(2), &json!(0)));
    // One of them stops reading.
    sockets[0].subscribe("order_changes");
    let order = outside_order(&admin, 9.99);
    let begun = Instant::now();
    while shown()["unsent"] == 0 {
        assert!(begun.elapsed() < PATIENCE, "it never lags");
        cheap_events(&admin, order, 1_000);
    }
    let [first, second] = sockets;
    drop(first);
    let begun = Instant::now();
    while (&shown()["sockets"], &shown()["unsent"]) != (&json!(1), &json!(0)) {
        assert!(begun.elapsed() < PATIENCE, "{}", shown());
    }
    drop(second);
}
