//! Slow heads, silent connections and slow bodies, all at the same time.

use crate::common::{Answer, PATIENCE, Raw, Server, head, json_request};
use std::io::ErrorKind;
use std::ops::Range;
use std::thread::scope;
use std::time::{Duration, Instant};

/// The seconds after which a connection without a whole head has to end, and one whose body stands still.
const HEAD: Range<f32> = 9.5..14.0;
const BODY: Range<f32> = 1.9..6.0;

const HALF_A_HEAD: &str = "GET /healthz HTTP/1.1\r\nHost: shop\r\n";
const KEPT_ALIVE: &str = "GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n";
const LOGIN: &str = r#"{"username":"admin","password":"a wrong one"}"#;
const ORDER: &str = r#"{"total":9.99,"currency":"USD"}"#;
/// No head or body here has as many bytes as it may take seconds.
const PACE: Duration = Duration::from_secs(1);

#[test]
fn a_request_that_comes_too_slowly_is_cut() {
    let server = Server::start();
    let admin = server.admin();
    let login = request("/api/auth/login", None, LOGIN);
    let order = request("/api/orders", admin.cookie(), ORDER);
    let chunks = order.replace("Content-Length: 31", "Transfer-Encoding: chunked");
    let (chunked, _) = chunks.split_once('{').unwrap();
    let chunked = format!("{chunked}1f\r\n{ORDER}");
    scope(|threads| {
        for (first, slowly) in [
            ("", ""),
            (HALF_A_HEAD, ""),
            ("", HALF_A_HEAD),
            (HALF_A_HEAD, "X-Slow: a very slow header field indeed"),
        ] {
            let server = &server;
            threads.spawn(move || is_cut(server, first, slowly));
            threads.spawn(move || is_cut_after_an_answer(server, first, slowly));
        }
        for whole in [&login, &order, &chunked] {
            let server = &server;
            let body = whole.find('{').unwrap();
            for now in [whole.len() - 1, body + 1, body] {
                threads.spawn(move || is_told(server, &whole[..now], ""));
            }
            // The last byte never comes.
            threads.spawn(move || is_told(server, &whole[..body], &whole[body..whole.len() - 1]));
        }
    });
    assert_eq!(head(&admin), 0, "half an order became one");
}

fn request(path: &str, cookie: Option<&str>, body: &str) -> String {
    String::from_utf8(json_request("POST", path, cookie, "", body)).unwrap()
}

/// Checks that a connection that sends `first` at once and `slowly` byte by byte ends in time, without a reply.
fn is_cut(server: &Server, first: &str, slowly: &str) {
    let raw = Raw::connect(server.address()).unwrap();
    ends(raw, first, slowly, &HEAD, |answer| assert!(answer.is_none(), "{answer:?}"));
}

/// The same after a request that got a reply.
fn is_cut_after_an_answer(server: &Server, first: &str, slowly: &str) {
    let mut raw = Raw::connect(server.address()).unwrap();
    raw.send(KEPT_ALIVE.as_bytes()).unwrap();
    assert_eq!(raw.answer(false).unwrap().expect("an answer").status, 200);
    ends(raw, first, slowly, &HEAD, |answer| assert!(answer.is_none(), "{answer:?}"));
}

/// Checks that a body that never ends gets `408`, and that its connection ends.
fn is_told(server: &Server, first: &str, slowly: &str) {
    let raw = Raw::connect(server.address()).unwrap();
    ends(raw, first, slowly, &BODY, |answer| drop(answer.expect("an answer").problem(408)));
}

fn ends(
    mut raw: Raw,
    first: &str,
    slowly: &str,
    when: &Range<f32>,
    check: impl FnOnce(Option<Answer>),
) {
    let begun = Instant::now();
    let told = format!("{first:?}, then slowly {slowly:?}");
    raw.send(first.as_bytes()).unwrap();
    raw.set_patience(PACE);
    let mut bytes = slowly.bytes();
    let answer = loop {
        match raw.answer(false) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(begun.elapsed().as_secs_f32() < when.end, "{told} goes on and on");
                // A client learns of the end when it reads.
                drop(bytes.next().map(|byte| raw.send(&[byte])));
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break None,
            answer => break answer.unwrap(),
        }
    };
    let took = begun.elapsed().as_secs_f32();
    assert!(when.contains(&took), "{told} took {took} s");
    check(answer);
    raw.set_patience(PATIENCE);
    assert!(raw.rest().unwrap().is_empty(), "{told}");
}
