//! WebSocket frames: valid, nearly valid, and garbage; each broken rule costs the connection with
//! the code that RFC 6455 has for it, and nothing else does.

use super::cases::Cases;
use super::words::{WEIRD, text};
use super::{THREADS, shop, still_sells};
use crate::common::{
    Client, PATIENCE, Server, Socket, close_frame, frame, seed, text_frame, unmasked,
};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use std::io::Read as _;
use std::net::Shutdown;
use tungstenite::Message;

/// Cases for each thread; the messages of one socket stay below 20 errors in 10 s.
const SOCKETS: usize = 70;
const MESSAGES: usize = 10;
const BROKEN: usize = 180;
const GARBAGE: usize = 120;
/// The longest message that a client may send.
const MESSAGE_BYTES_MAX: usize = 4096;

/// A message of a client that follows RFC 6455.
#[derive(Debug)]
enum Sent {
    /// A message with one answer; in one frame, or cut here and there, with pings in between.
    Text { text: String, cuts: Vec<Index>, pings: bool },
    /// Gets one error.
    Binary(Vec<u8>),
    /// Gets a pong with the same payload, which the test library takes.
    Ping(Vec<u8>),
    /// Gets no answer.
    Pong(Vec<u8>),
}

fn channel() -> impl Strategy<Value = Value> {
    let nouns = ["order", "product", "customer", "shipment", "transaction", "user", "ORDER"];
    prop_oneof![
        8 => select(nouns.to_vec()).prop_map(|noun| json!(format!("{noun}_changes"))),
        1 => text(&WEIRD).prop_map(Value::from),
        1 => select(vec![json!(null), json!(1), json!(["order_changes"]), json!({})]),
    ]
}

/// A message as JSON: valid, or nearly valid.
fn message() -> impl Strategy<Value = String> {
    let types =
        ["subscribe", "subscribe", "subscribe", "unsubscribe", "ping", "pong", "Subscribe", ""];
    let since = [
        "0",
        "1",
        "5",
        "17",
        "18",
        "1000",
        "-1",
        "1.5",
        "1e2",
        "null",
        "\"5\"",
        "9223372036854775807",
        "18446744073709551615",
        "1e400",
        "[]",
    ];
    let since = proptest::option::weighted(0.4, select(since.to_vec()));
    let extra = proptest::option::weighted(0.1, any::<String>());
    let parts = (select(types.to_vec()), proptest::option::weighted(0.8, channel()), since, extra);
    parts.prop_map(|(kind, channel, since, extra)| {
        let mut members = vec![format!(r#""type":{}"#, json!(kind))];
        members.extend(channel.map(|channel| format!(r#""channel":{channel}"#)));
        members.extend(since.map(|since| format!(r#""since":{since}"#)));
        members.extend(extra.map(|extra| format!("{}:1", json!(extra))));
        format!("{{{}}}", members.join(","))
    })
}

fn any_text() -> impl Strategy<Value = String> {
    let damaged = (message(), any::<Index>(), any::<char>()).prop_map(|(message, at, new)| {
        let mut letters: Vec<char> = message.chars().collect();
        letters.insert(at.index(letters.len() + 1), new);
        letters.into_iter().collect::<String>()
    });
    let cut = (message(), any::<Index>()).prop_map(|(message, at)| {
        let letters = message.chars().count();
        message.chars().take(at.index(letters)).collect::<String>()
    });
    let odd = [
        "",
        " ",
        "null",
        "5",
        "[]",
        "{}",
        "\"ping\"",
        "[{\"type\":\"ping\"}]",
        "{\"type\":[\"ping\"]}",
        "ping",
        "\u{feff}{\"type\":\"ping\"}",
    ];
    prop_oneof![
        8 => message(),
        3 => damaged.prop_filter("a message has its bound", |text| text.len() <= MESSAGE_BYTES_MAX),
        2 => cut,
        2 => select(odd.to_vec()).prop_map(ToOwned::to_owned),
        1 => any::<String>(),
        1 => (1..MESSAGE_BYTES_MAX / 2).prop_map(|depth| "[".repeat(depth)),
        1 => (1..=MESSAGE_BYTES_MAX).prop_map(|length| "x".repeat(length)),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    let cuts = prop_oneof![3 => Just(Vec::new()), 1 => vec(any::<Index>(), 1..5)];
    let bytes = || vec(any::<u8>(), 0..126);
    prop_oneof![
        12 => (any_text(), cuts, any::<bool>()).prop_map(|(text, cuts, pings)| Sent::Text { text, cuts, pings }),
        1 => vec(any::<u8>(), 0..=MESSAGE_BYTES_MAX).prop_map(Sent::Binary),
        1 => bytes().prop_map(Sent::Ping),
        1 => bytes().prop_map(Sent::Pong),
    ]
}

/// The frames of a message, and how many answers it gets.
fn frames(sent: &Sent) -> (Vec<u8>, usize) {
    match sent {
        Sent::Text { text, cuts, pings } => (fragments(text.as_bytes(), cuts, *pings), 1),
        Sent::Binary(bytes) => (frame(0x82, bytes), 1),
        Sent::Ping(bytes) => (frame(0x89, bytes), 0),
        Sent::Pong(bytes) => (frame(0x8a, bytes), 0),
    }
}

/// A text in several frames (RFC 6455, section 5.4), cut anywhere, within a character too.
fn fragments(text: &[u8], cuts: &[Index], pings: bool) -> Vec<u8> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.sort_unstable();
    let ends = places.iter().copied().chain([text.len()]);
    let (mut bytes, mut start) = (Vec::new(), 0);
    for (at, end) in ends.enumerate() {
        let opcode = u8::from(at == 0); // a text, then its continuations
        let last = if at == places.len() { 0x80 } else { 0x00 };
        bytes.extend(frame(opcode | last, &text[start..end]));
        if pings && last == 0 {
            bytes.extend(frame(0x89, b"between"));
        }
        start = end;
    }
    bytes
}

/// Reads so many answers and the pong behind them, and nothing else but events. Only the answer to a
/// position that is still to come may be overtaken by the pong: it waits for that position.
fn check_answers(socket: &mut Socket, answers: usize, sent: &Sent) {
    let messages = std::iter::repeat_with(|| socket.recv());
    let messages = messages.filter(|message| !message["event"].is_string());
    let mut kinds = Vec::new();
    for message in messages.take(answers + 1) {
        let kind = message["type"].as_str().unwrap_or_default().to_owned();
        let known = ["subscribed", "unsubscribed", "reset", "pong", "error"];
        assert!(known.contains(&kind.as_str()), "{message} to {sent:?}");
        if kind == "error" {
            assert!(!message["message"].as_str().unwrap_or_default().is_empty(), "{message}");
        }
        kinds.push(kind);
    }
    let names_a_position = matches!(sent, Sent::Text { text, .. } if text.contains("since"));
    if names_a_position && kinds.last().is_some_and(|kind| kind == "reset") {
        kinds.reverse();
    }
    assert_eq!(kinds.last().map(String::as_str), Some("pong"), "after {sent:?}");
}

/// Runs `work` in several threads, each with a source of cases of its own.
fn in_threads(part: u64, client: &Client, work: impl Fn(&mut Cases, &Client) + Sync) {
    let seed = seed();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(&mut Cases::new(seed, part * THREADS + thread), client));
        }
    });
}

#[test]
fn every_message_is_answered_and_the_socket_stays() {
    let (server, admin, staff) = shop();
    in_threads(2, &staff, |cases, client| {
        let strategy = sent();
        for _ in 0..SOCKETS {
            let mut socket = client.ws();
            for _ in 0..MESSAGES {
                let sent = cases.next(&strategy);
                let (bytes, answers) = frames(&sent);
                socket.send_raw(&bytes);
                socket.send_raw(&text_frame(r#"{"type":"ping"}"#));
                check_answers(&mut socket, answers, &sent);
            }
        }
    });
    still_sells(&server, &admin);
}

/// Frames that break a rule, and the close code that follows.
fn violation() -> impl Strategy<Value = (Vec<u8>, u16)> {
    let payload = || vec(any::<u8>(), 0..126);
    let letters = || "[ -~]{1,60}".prop_map(String::into_bytes);
    let opcode = select(vec![3_u8, 4, 5, 6, 7, 11, 12, 13, 14, 15]);
    let control = select(vec![0x88_u8, 0x89, 0x8a]);
    let reserved = (select(vec![0x10_u8, 0x20, 0x40, 0x70]), letters());
    let bad_utf8 =
        select(vec![&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"]);
    let bad_utf8 = (letters(), bad_utf8).prop_map(|(before, bad)| [&before, bad].concat());
    let bad_code =
        prop_oneof![0..1000_u16, Just(1004), Just(1005), Just(1006), Just(1015), 5000..=u16::MAX];
    prop_oneof![
        (opcode, payload()).prop_map(|(opcode, payload)| (frame(0x80 | opcode, &payload), 1002)),
        reserved.prop_map(|(bits, payload)| (frame(0x81 | bits, &payload), 1002)),
        letters().prop_map(|payload| (unmasked(0x81, &payload), 1002)),
        payload().prop_map(|payload| (frame(0x80, &payload), 1002)),
        letters().prop_map(|text| ([frame(0x01, &text), frame(0x81, &text)].concat(), 1002)),
        (control.clone(), payload())
            .prop_map(|(first, payload)| (frame(first & 0x0f, &payload), 1002)),
        (control, 126..300_usize)
            .prop_map(|(first, length)| (frame(first, &vec![b'x'; length]), 1002)),
        any::<u8>().prop_map(|byte| (frame(0x88, &[byte]), 1002)),
        bad_code.prop_map(|code| (close_frame(code, ""), 1002)),
        bad_utf8.clone().prop_map(|reason| (
            frame(0x88, &[&1000_u16.to_be_bytes()[..], &reason].concat()),
            1007
        )),
        bad_utf8.prop_map(|text| (frame(0x81, &text), 1007)),
        (MESSAGE_BYTES_MAX + 1..20_000).prop_map(|length| (frame(0x81, &vec![b'x'; length]), 1009)),
        (3..9_usize).prop_map(|count| {
            let head = frame(0x01, &[b'x'; 1_000]);
            let more = frame(0x00, &[b'x'; 1_000]).repeat(count + 1);
            ([head, more].concat(), 1009)
        }),
    ]
}

#[test]
fn a_broken_rule_costs_the_socket_with_its_code() {
    let (server, admin, staff) = shop();
    in_threads(3, &staff, |cases, client| {
        let strategy = (violation(), proptest::option::of(message()));
        for _ in 0..BROKEN {
            let ((bytes, code), before) = cases.next(&strategy);
            let mut socket = client.ws();
            socket.send_raw(&before.map_or(Vec::new(), |text| text_frame(&text)));
            socket.send_raw(&bytes);
            let closed = closed(&mut socket);
            assert_eq!(closed, Some(code), "after {}", bytes.escape_ascii());
        }
    });
    still_sells(&server, &admin);
}

/// The code of the server's close frame; skips replies and events.
fn closed(socket: &mut Socket) -> Option<u16> {
    loop {
        match socket.recv_message() {
            Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

#[test]
fn garbage_ends_and_leaves_nothing_behind() {
    let (server, admin, staff) = shop();
    in_threads(4, &staff, |cases, client| {
        let strategy = prop_oneof![
            2 => vec(any::<u8>(), 1..600),
            1 => (sent(), any::<Index>()).prop_map(|(sent, at)| {
                let (mut bytes, _) = frames(&sent);
                bytes.truncate(at.index(bytes.len()) + 1);
                bytes
            }),
        ];
        for _ in 0..GARBAGE {
            let bytes = cases.next(&strategy);
            let mut stream = client.ws().into_stream();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            super::write_all(&mut stream, &bytes);
            // A server that has closed already makes this fail.
            drop(stream.shutdown(Shutdown::Write));
            let mut rest = Vec::new();
            let read = stream.read_to_end(&mut rest);
            let in_time =
                |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
            assert!(
                read.is_ok() || read.as_ref().is_err_and(in_time),
                "{read:?} after {}",
                bytes.escape_ascii()
            );
        }
    });
    still_sells(&server, &admin);
    no_socket_is_left(&server);
}

fn no_socket_is_left(server: &Server) {
    let open = || {
        let metrics = server.anonymous().get("/metrics").expect(200).text();
        let line = metrics.lines().find(|line| line.starts_with("tillcast_websockets "));
        line.unwrap_or_default().to_owned()
    };
    let deadline = std::time::Instant::now() + PATIENCE;
    while open() != "tillcast_websockets 0" {
        assert!(std::time::Instant::now() < deadline, "{}", open());
    }
}
