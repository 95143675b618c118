//! Guards the WebSocket's wire (RFC 6455): a peer that cuts its frames oddly must be understood,
//! one that breaks the protocol must be closed with the right code, and neither may harm the rest.

use crate::common::{Server, Socket, close_frame, frame, outside_order, text_frame, unmasked};
use serde_json::json;
use tungstenite::Message;

const PING: &str = r#"{"type":"ping"}"#;
const PONG: &str = r#"{"type":"pong"}"#;
const SUBSCRIBE: &str = r#"{"type":"subscribe","channel":"order_changes"}"#;

/// The largest message that the server takes.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Sends the bytes on a fresh connection, which has to be closed with this code.
#[track_caller]
fn closes_with(server: &Server, code: u16, bytes: &[u8], what: &str) {
    let mut socket = server.admin().ws();
    socket.send_raw(bytes);
    let (closed_with, reason) = socket.expect_close();
    assert_eq!(closed_with, code, "{what}: {reason:?}");
}

/// Checks that another client is still served.
#[track_caller]
fn still_serves(server: &Server, bystander: &mut Socket) {
    outside_order(&server.admin(), 9.99);
    bystander.recv_event();
    bystander.expect_quiet();
}

#[test]
fn breaking_the_protocol_closes_with_1002_and_harms_nobody() {
    let server = Server::start();
    let mut bystander = server.admin().ws();
    bystander.subscribe("order_changes");
    let text = PING.as_bytes();
    let cases: [(&str, Vec<u8>); 10] = [
        ("a frame without a mask", unmasked(0x81, text)),
        ("reserved bit 1", frame(0xc1, text)),
        ("reserved bit 2", frame(0xa1, text)),
        ("reserved bit 3", frame(0x91, text)),
        ("an unknown data opcode", frame(0x83, text)),
        ("an unknown control opcode", frame(0x8b, b"")),
        ("a ping in fragments", frame(0x09, b"")),
        ("a control frame over 125 bytes", frame(0x89, &[b'x'; 126])),
        ("a continuation of nothing", frame(0x80, text)),
        ("a text inside a fragmented text", [frame(0x01, b"{"), text_frame(PING)].concat()),
    ];
    for (what, bytes) in cases {
        closes_with(&server, 1002, &bytes, what);
    }
    closes_with(&server, 1002, &close_frame(1005, ""), "a code that is never sent");
    closes_with(&server, 1002, &frame(0x88, b"x"), "half a close code");
    still_serves(&server, &mut bystander);
}

#[test]
fn invalid_utf8_closes_with_1007() {
    let server = Server::start();
    let mut bystander = server.admin().ws();
    bystander.subscribe("order_changes");
    closes_with(&server, 1007, &frame(0x81, b"\"\xff\""), "a byte that is never UTF-8");
    closes_with(&server, 1007, &frame(0x81, b"\"\xed\xa0\x80\""), "a surrogate");
    closes_with(&server, 1007, &frame(0x81, b"\"\xe2\x82"), "half a character at the end");
    let halves = [frame(0x01, b"\"\xe2\x82"), frame(0x80, b"x\"")].concat();
    closes_with(&server, 1007, &halves, "half a character before a continuation");
    still_serves(&server, &mut bystander);
}

#[test]
fn a_message_over_4_kib_closes_with_1009() {
    let server = Server::start();
    let mut bystander = server.admin().ws();
    bystander.subscribe("order_changes");
    let long = " ".repeat(MESSAGE_BYTES_MAX + 1);
    closes_with(&server, 1009, &text_frame(&long), "one byte too many");
    let binary = frame(0x82, &[0; MESSAGE_BYTES_MAX + 1]);
    closes_with(&server, 1009, &binary, "binary, one byte too many");
    let head_only = [0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4];
    closes_with(&server, 1009, &head_only, "a head that announces 1 GiB");
    let parts = [frame(0x01, &[b' '; 3000]), frame(0x80, &[b' '; 3000])].concat();
    closes_with(&server, 1009, &parts, "too long in parts");
    still_serves(&server, &mut bystander);
}

#[test]
fn a_message_of_exactly_4_kib_is_read() {
    let server = Server::start();
    let mut socket = server.admin().ws();
    let padding = " ".repeat(MESSAGE_BYTES_MAX - PING.len());
    socket.send_raw(&text_frame(&format!("{PING}{padding}")));
    assert_eq!(socket.recv_text(), PONG);
}

#[test]
fn a_message_in_fragments_is_read_even_with_a_ping_between() {
    let server = Server::start();
    let mut socket = server.admin().ws();
    let (first, rest) = SUBSCRIBE.as_bytes().split_at(10);
    let (second, third) = rest.split_at(10);
    let whole = [frame(0x01, first), frame(0x00, second), frame(0x80, third)];
    socket.send_raw(&whole.concat());
    assert_eq!(socket.recv()["type"], "subscribed");

    socket.send_raw(&[frame(0x01, first), frame(0x89, b"between")].concat());
    let pong = socket.recv_message().unwrap();
    assert_eq!(pong, Message::Pong(b"between".as_slice().into()));
    socket.send_raw(&[frame(0x00, b""), frame(0x00, second), frame(0x80, third)].concat());
    assert_eq!(socket.recv()["type"], "subscribed");

    let euro = json!({"type": "€"}).to_string().into_bytes();
    let (first, second) = euro.split_at(10);
    socket.send_raw(&[frame(0x01, first), frame(0x80, second)].concat());
    let message = socket.recv_error();
    assert!(message.contains('€'), "{message}");
}

#[test]
fn frames_that_come_byte_by_byte_are_read() {
    let server = Server::start();
    let admin = server.admin();
    let mut socket = admin.ws();
    for byte in [text_frame(SUBSCRIBE), frame(0x89, b"tick"), text_frame(PING)].concat() {
        // Without Nagle each write is a segment of its own.
        socket.send_raw(&[byte]);
    }
    assert_eq!(socket.recv()["type"], "subscribed");
    assert_eq!(socket.recv_message().unwrap(), Message::Pong(b"tick".as_slice().into()));
    assert_eq!(socket.recv_text(), PONG);
    outside_order(&admin, 9.99);
    socket.recv_event();
}

#[test]
fn half_a_frame_does_not_stop_the_events() {
    let server = Server::start();
    let admin = server.admin();
    let mut socket = admin.ws();
    socket.subscribe("order_changes");
    let ping = text_frame(PING);
    let (first, second) = ping.split_at(ping.len() / 2);
    socket.send_raw(first);
    outside_order(&admin, 9.99);
    socket.recv_event();
    socket.send_raw(second);
    assert_eq!(socket.recv_text(), PONG);
}

#[test]
fn many_frames_in_one_segment_are_all_answered_in_order() {
    let server = Server::start();
    let mut socket = server.admin().ws();
    let channels = ["order_changes", "product_changes", "customer_changes"];
    let mut bytes = Vec::new();
    for round in 0..100 {
        let channel = channels[round % channels.len()];
        let subscribe = json!({"type": "subscribe", "channel": channel});
        bytes.extend(text_frame(&subscribe.to_string()));
        bytes.extend(text_frame(PING));
    }
    socket.send_raw(&bytes);
    for round in 0..100 {
        assert_eq!(socket.recv()["channel"], channels[round % channels.len()]);
        assert_eq!(socket.recv_text(), PONG);
    }
}

#[test]
fn frames_right_behind_the_handshake_are_not_lost() {
    let server = Server::start();
    let cookie = server.admin().cookie().unwrap().to_owned();
    let address = server.address();
    let mut bytes = format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Cookie: {cookie}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(text_frame(PING));
    let (head, mut socket) = Socket::with_own_handshake(address, &bytes);
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    assert_eq!(socket.recv()["type"], "connected");
    assert_eq!(socket.recv_text(), PONG);
}

#[test]
fn a_ping_frame_is_answered_with_its_payload() {
    let server = Server::start();
    let mut socket = server.admin().ws();
    for payload in [&b""[..], b"x", &[0xff; 125]] {
        socket.send_message(Message::Ping(payload.into()));
        assert_eq!(socket.recv_message().unwrap(), Message::Pong(payload.into()));
    }
    socket.send_message(Message::Pong(b"unasked".as_slice().into()));
    socket.expect_quiet();
}

#[test]
fn a_client_that_closes_gets_its_code_back() {
    let server = Server::start();
    for code in [1000, 1001, 4000] {
        let mut socket = server.admin().ws();
        socket.send_raw(&close_frame(code, "bye"));
        assert_eq!(socket.expect_close().0, code);
    }
}
