//! Guards the WebSocket's handshake against a page of another origin that uses a user's cookie, a
//! connection without a session that stays open, and one that ends without a reason.

use crate::common::{Answer, Client, PATIENCE, Raw, Server, Socket, outside_order};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tungstenite::Message;

/// Checks that a connection without a valid session gets 101, then 1008 with a reason, and nothing before.
#[track_caller]
fn is_turned_away(client: &Client, what: &str) {
    let (code, reason) = client.upgrade(&[]).unwrap().expect_close();
    assert_eq!(code, 1008, "{what}");
    assert!(!reason.is_empty(), "{what}: no reason");
}

/// The status of a handshake from a page of this origin: 101, or that of the refusal.
fn from_origin(client: &Client, origin: &str) -> u16 {
    match client.upgrade(&[("origin", origin)]) {
        Ok(mut socket) => {
            assert_eq!(socket.recv()["type"], "connected", "{origin}");
            101
        }
        Err(answer) => answer.status,
    }
}

#[test]
fn without_a_session_the_connection_is_closed_with_1008() {
    let server = Server::start();
    let admin = server.admin();
    let anonymous = server.anonymous();
    is_turned_away(&anonymous, "no cookie");
    let good = admin.cookie().unwrap();
    let (name, token) = good.split_once('=').unwrap();
    let last = token.chars().last().unwrap();
    let other = if last == 'a' { 'b' } else { 'a' };
    let changed_at_front =
        format!("{name}={}{}", if token.starts_with('a') { 'b' } else { 'a' }, &token[1..]);
    for forged in [
        format!("{name}="),
        format!("{name}=x"),
        format!("{name}={}", &token[1..]),
        format!("{name}={token}{other}"),
        changed_at_front,
        format!("{name}={}", "A".repeat(token.len())),
        format!("{name}=' OR 1=1 --"),
        format!("{name}={}", "z".repeat(4000)),
        format!("other={token}"),
        token.to_owned(),
    ] {
        is_turned_away(&anonymous.with_cookie(Some(&forged)), &forged);
    }
    admin.post("/api/auth/logout", &serde_json::json!({})).expect(204);
    is_turned_away(&admin, "a revoked session");
}

/// Cookies of other programs on the same host, in any encoding, and stale ones of this server.
#[test]
fn the_session_cookie_is_found_among_others() {
    let server = Server::start();
    let admin = server.admin();
    let good = admin.cookie().unwrap();
    let stale = server.admin();
    stale.post("/api/auth/logout", &serde_json::json!({})).expect(204);
    let stale = stale.cookie().unwrap();
    let anonymous = server.anonymous();
    for lines in [
        vec![format!("theme=dark; {good}; tillcast_session_old=1; lang=de")],
        vec![format!("lang=Français; {good}")],
        vec![format!("{stale}; {good}")],
        vec!["theme=dark".to_owned(), good.to_owned()],
        vec![stale.to_owned(), good.to_owned()],
        vec![format!("tillcast_session={}; {good}", "0".repeat(64))],
    ] {
        let headers: Vec<_> = lines.iter().map(|line| ("cookie", line.as_str())).collect();
        anonymous.get_with("/api/auth/me", &headers).expect(200);
        assert_eq!(anonymous.upgrade(&headers).unwrap().recv()["type"], "connected");
    }
    anonymous.get_with("/api/auth/me", &[("cookie", stale)]).expect(401);
}

#[test]
fn a_page_from_elsewhere_is_refused_before_the_upgrade() {
    let server = Server::with(&["--allow-origin", "https://shop.example"]);
    let admin = server.admin();
    let here = format!("http://{}", server.address());
    for foreign in [
        "https://evil.example",
        "null",
        "https://shop.example.evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "http://127.0.0.1",
        &format!("{here}.evil.example"),
        &format!("http://evil.example/{}", server.address()),
        &format!("http://localhost:{}", server.address().port()),
    ] {
        assert_eq!(from_origin(&admin, foreign), 403, "{foreign:?}");
    }
    assert_eq!(from_origin(&admin, &here), 101);
    assert_eq!(from_origin(&admin, "https://shop.example"), 101);
    // A client that is no browser: no page can use its cookie.
    admin.ws().expect_quiet();
}

/// A page cannot see why it was refused, but the operator can.
#[test]
fn a_refused_origin_is_named_in_the_log_once() {
    let server = Server::start();
    let admin = server.admin();
    for _ in 0..3 {
        assert_eq!(from_origin(&admin, "http://localhost:5173"), 403);
    }
    assert_eq!(from_origin(&admin, "http://other.example"), 403);
    server.wait_for_log("http://other.example");
    let log = server.log();
    let mut named = log.lines().filter(|line| line.contains("http://localhost:5173"));
    let line = named.next().unwrap();
    assert!(line.contains("WARN") && line.contains("--allow-origin"), "{line}");
    assert_eq!(named.next(), None);
}

/// A handshake written by hand: its lines below the request line, and the answer.
fn shake_hands(client: &Client, version: &str, lines: &[&str]) -> Answer {
    let (host, cookie) = (client.address(), client.cookie().unwrap());
    let first = format!("GET /ws HTTP/{version}\r\nHost: {host}\r\nCookie: {cookie}");
    let request = [&[first.as_str()], lines, &["", ""]].concat().join("\r\n");
    let mut raw = Raw::connect(host).unwrap();
    raw.send(request.as_bytes()).unwrap();
    raw.answer(false).unwrap().unwrap()
}

const CONNECTION: &str = "Connection: Upgrade";
const UPGRADE: &str = "Upgrade: websocket";
const VERSION: &str = "Sec-WebSocket-Version: 13";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

#[test]
fn header_lines_are_lists() {
    let server = Server::start();
    let admin = server.admin();
    for lines in [
        &[CONNECTION, UPGRADE, VERSION, KEY][..],
        &["Connection: keep-alive", CONNECTION, UPGRADE, VERSION, KEY],
        &["Connection: Upgrade", "Connection: keep-alive", UPGRADE, VERSION, KEY],
        &[CONNECTION, "Upgrade: h2c", UPGRADE, VERSION, KEY],
        &["connection:UPGRADE,keep-alive", "upgrade: h2c ,WebSocket", VERSION, KEY],
    ] {
        let answer = shake_hands(&admin, "1.1", lines);
        assert_eq!(answer.status, 101, "{lines:?}: {}", answer.text());
        assert_eq!(answer.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!answer.headers.contains_key("sec-websocket-protocol"), "{lines:?}");
    }
}

#[test]
fn a_request_that_is_no_handshake_is_400_and_says_why() {
    let server = Server::start();
    let admin = server.admin();
    for (version, lines, named) in [
        ("1.0", &[CONNECTION, UPGRADE, VERSION, KEY][..], "HTTP/1.1"),
        ("1.1", &[], "Upgrade: websocket"),
        ("1.1", &[CONNECTION, VERSION, KEY], "Upgrade: websocket"),
        ("1.1", &["Connection: keep-alive", UPGRADE, VERSION, KEY], "Connection: Upgrade"),
        ("1.1", &[CONNECTION, UPGRADE, KEY], "Sec-WebSocket-Version"),
        ("1.1", &[CONNECTION, UPGRADE, VERSION, "Sec-WebSocket-Version: 25", KEY], "twice"),
        ("1.1", &[CONNECTION, UPGRADE, VERSION], "Sec-WebSocket-Key"),
        ("1.1", &[CONNECTION, UPGRADE, VERSION, "Sec-WebSocket-Key: AAAA"], "16 bytes"),
        (
            "1.1",
            &[CONNECTION, UPGRADE, VERSION, "Sec-WebSocket-Key: -_hlIHNhbXBsZSBub25jZQ=="],
            "16 bytes",
        ),
        ("1.1", &[CONNECTION, UPGRADE, VERSION, KEY, KEY], "twice"),
        (
            "1.1",
            &[CONNECTION, UPGRADE, VERSION, KEY, "Sec-WebSocket-Protocol: json"],
            "tillcast.v1",
        ),
    ] {
        let problem = shake_hands(&admin, version, lines).problem(400);
        assert_eq!(problem["code"], "no_handshake", "{lines:?}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(named), "{lines:?}: {detail}");
    }
    assert_eq!(admin.get("/ws").problem(400)["code"], "no_handshake");
    admin.ws().expect_quiet();
}

#[test]
fn another_version_is_426_and_told_which_one_is_spoken() {
    let server = Server::start();
    let admin = server.admin();
    for version in ["25", "8", "13, 8"] {
        let version = format!("Sec-WebSocket-Version: {version}");
        let answer = shake_hands(&admin, "1.1", &[CONNECTION, UPGRADE, &version, KEY]);
        assert_eq!(answer.problem(426)["code"], "upgrade_required");
        assert_eq!(answer.header("sec-websocket-version"), "13");
        assert_eq!(answer.header("upgrade"), "websocket");
    }
}

#[test]
fn the_servers_subprotocol_is_selected_among_others() {
    let server = Server::start();
    let admin = server.admin();
    for offered in ["tillcast.v1", "json, tillcast.v1", "tillcast.v1, bearer.abc"] {
        let offered = format!("Sec-WebSocket-Protocol: {offered}");
        let answer = shake_hands(&admin, "1.1", &[CONNECTION, UPGRADE, VERSION, KEY, &offered]);
        assert_eq!(answer.status, 101, "{offered}: {}", answer.text());
        assert_eq!(answer.header("sec-websocket-protocol"), "tillcast.v1");
    }
}

#[test]
fn a_silent_connection_is_pinged_within_30_seconds() {
    let server = Server::start();
    let mut socket = server.admin().ws();
    socket.set_patience(Duration::from_secs(35));
    let started = Instant::now();
    let message = socket.recv_message();
    assert!(matches!(message, Ok(Message::Ping(_))), "{message:?}");
    assert!(
        started.elapsed() > Duration::from_secs(10),
        "a ping too soon costs radios their sleep"
    );
    socket.expect_quiet();
}

#[test]
fn a_stop_closes_every_socket_with_1001_and_exits_with_0() {
    let mut server = Server::with(&["--drain", "2s"]);
    let admin = server.admin();
    let order = outside_order(&admin, 9.99);
    let mut sockets: Vec<Socket> = (0..50).map(|_| admin.ws()).collect();
    for socket in &mut sockets {
        socket.subscribe("order_changes");
    }
    crate::common::cheap_events(&admin, order, 8);
    server.signal(Signal::TERM);
    for socket in &mut sockets {
        socket.recv_events(8);
        let (code, reason) = socket.expect_close();
        assert_eq!(code, 1001);
        assert!(!reason.is_empty());
    }
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_stop_does_not_wait_for_a_client_that_does_not_answer() {
    let mut server = Server::with(&["--drain", "1s"]);
    let _silent = server.admin().ws();
    let started = Instant::now();
    assert_eq!(server.stop(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

/// Opens sockets until one is refused.
fn until_refused(client: &Client, held: &mut Vec<Socket>) -> Answer {
    for _ in 0..20 {
        match client.upgrade(&[]) {
            Ok(mut socket) => {
                assert_eq!(socket.recv()["type"], "connected");
                held.push(socket);
            }
            Err(answer) => return *answer,
        }
    }
    unreachable!("20 connections of 5 were let in");
}

#[test]
fn too_many_connections_are_told_when_to_come_back() {
    for flag in ["--max-connections-per-address", "--max-connections", "--max-connections-per-user"]
    {
        let server = Server::with(&[flag, "5"]);
        let admin = server.admin();
        let mut held = Vec::new();
        let answer = until_refused(&admin, &mut held);
        assert_eq!(answer.status, 429, "{flag}: {}", answer.text());
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        assert!(seconds > 0, "{flag}");
        assert!(held.len() >= 3, "{flag}: only {} of 5 were let in", held.len());
        for socket in &mut held {
            socket.expect_quiet();
        }
        held.clear();
        // The server learns of a closed connection when it reads: nothing else tells us when.
        let deadline = Instant::now() + PATIENCE;
        while admin.upgrade(&[]).is_err() {
            assert!(Instant::now() < deadline, "{flag}: the places never became free");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
