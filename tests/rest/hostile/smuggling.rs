//! Guards against request smuggling: a server that disagrees with the proxy in front about the end of a body
//! answers requests that no client sent.

use crate::common::{Raw, Server};

/// The bytes after each case. They are a request of their own only if the case has ended.
const NEXT: &str = "GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n";

/// The beginning of each case: a request line, whose headers and body follow.
const POST: &str =
    "POST /api/auth/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n";

/// Heads and bodies with an ambiguous length: they are refused, and nothing after them is read.
const REFUSED: &[&str] = &[
    // Lengths.
    "Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    "Content-Length: 5, 6\r\n\r\n12345",
    "Content-Length: -1\r\n\r\n",
    "Content-Length: +5\r\n\r\n12345",
    "Content-Length: 0x5\r\n\r\n12345",
    "Content-Length: 5 5\r\n\r\n12345",
    "Content-Length: 1e1\r\n\r\n12345",
    "Content-Length: 18446744073709551616\r\n\r\n12345",
    "Content-Length: 99999999999999999999999999\r\n\r\n12345",
    "Content-Length:\r\n\r\n12345",
    "Content-Length : 5\r\n\r\n12345",
    // A length and a coding.
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n\r\n12345",
    // Codings.
    "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    // Lines.
    "X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    " X: a\r\nContent-Length: 2\r\n\r\n{}",
    "X: a\rContent-Length: 5\r\n\r\n12345",
    "X: \0\r\nContent-Length: 2\r\n\r\n{}",
    "X\0: a\r\nContent-Length: 2\r\n\r\n{}",
    "X Y: a\r\nContent-Length: 2\r\n\r\n{}",
    ": a\r\nContent-Length: 2\r\n\r\n{}",
    "X\r\nContent-Length: 2\r\n\r\n{}",
    // Chunks.
    "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\n{}\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n",
];

/// The same with whole heads.
const REFUSED_HEADS: &[&str] = &[
    "GET /healthz HTTP/1.1\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "GET /ws HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET /healthz HTTP/1.1\rHost: shop\r\n\r\n",
    "GET /\0 HTTP/1.1\r\nHost: shop\r\n\r\n",
    "GET /healthz HTTP/1.1 \r\nHost: shop\r\n\r\n",
    "GET /healthz\r\nHost: shop\r\n\r\n",
    "POST /api/auth/login HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
];

/// Unusual requests with an unambiguous end and their status: the bytes after them are answered, too.
const ANSWERED: &[(&str, &str, u16)] = &[
    ("GET http://shop/healthz", "\r\n", 200),
    ("GET http://shop/api/orders", "\r\n", 401),
    ("GET /healthz", "X: y\n\n", 200),
    (
        "GET /healthz",
        "Content-Length: 40\r\n\r\nGET /api/orders HTTP/1.1\r\nHost: shop\r\n\r\n",
        200,
    ),
    ("POST /healthz", "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 405),
    ("POST /healthz", "Transfer-Encoding: CHUNKED\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n", 405),
    (
        "POST /healthz",
        "Transfer-Encoding: chunked\r\n\r\n002\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n",
        405,
    ),
    (
        "POST /healthz",
        "Transfer-Encoding: chunked\r\n\r\n28\r\nGET /api/orders HTTP/1.1\r\nHost: shop\r\n\r\n\r\n0\r\n\r\n",
        405,
    ),
];

/// The replies to a case and to the bytes after it: the status of each, and whether the server then closes.
fn answers(server: &Server, case: &str) -> Vec<(u16, bool)> {
    let mut raw = Raw::connect(server.address()).unwrap();
    let sent = raw.send(format!("{case}{NEXT}").as_bytes());
    let mut answers = Vec::new();
    // A refusal closes the connection, and unread bytes reset it.
    while answers.len() < 2
        && let Ok(Some(answer)) = raw.answer(false)
    {
        answers.push((answer.status, answer.header("connection") == "close"));
    }
    assert!(!answers.is_empty(), "no answer, {sent:?}: {}", case.escape_debug());
    answers
}

fn check_refused(server: &Server, case: &str) {
    let answers = answers(server, case);
    let refused = matches!(answers[..], [(400..=499, true)]);
    assert!(refused, "{answers:?} to {}", case.escape_debug());
}

#[test]
fn a_request_with_an_ambiguous_end_is_refused() {
    let server = Server::start();
    for case in REFUSED {
        check_refused(&server, &format!("{POST}{case}"));
    }
    for case in REFUSED_HEADS {
        check_refused(&server, case);
    }
}

#[test]
fn heads_and_bodies_that_are_too_long_are_refused() {
    let server = Server::start();
    let (long, many) = ("y".repeat(9_000), "X: y\r\n".repeat(150));
    for case in [
        format!("GET /{long} HTTP/1.1\r\nHost: shop\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: shop\r\nX: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: shop\r\n{long}: X\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: shop\r\n{many}\r\n"),
        format!("{POST}Transfer-Encoding: chunked\r\n\r\n7FFFFFFFFFFFFFFF\r\n{long}{long}"),
        format!("{POST}Transfer-Encoding: chunked\r\n\r\n2;{long}{long}\r\n{{}}\r\n0\r\n\r\n"),
        format!(
            "{POST}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\nX: {long}{long}\r\n\r\n"
        ),
    ] {
        check_refused(&server, &case);
    }
}

#[test]
fn a_request_with_one_possible_end_is_answered_once() {
    let server = Server::start();
    for (line, rest, status) in ANSWERED {
        let case = format!("{line} HTTP/1.1\r\nHost: shop\r\n{rest}");
        let answers = answers(&server, &case);
        assert_eq!(answers, [(*status, false), (200, false)], "{}", case.escape_debug());
    }
}
