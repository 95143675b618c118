//! Guards the headers for browsers: a reply must not be taken for a page, framed by another site, or kept
//! where the next user of the screen finds it.

use crate::common::{Answer, Raw, Server, outside_order};
use serde_json::json;

const LISTED: &str = "https://shop.example";
const FOREIGN: &str = "https://evil.example";

#[track_caller]
fn is_guarded(answer: &Answer, resource_policy: &str) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("cross-origin-resource-policy", resource_policy),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("tillcast-version", env!("CARGO_PKG_VERSION")),
    ] {
        let values: Vec<_> = answer.headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name} of {} {}", answer.status, answer.text());
    }
}

#[test]
fn every_answer_is_guarded() {
    let server = Server::with(&["--allow-origin", LISTED]);
    let (admin, anonymous) = (server.admin(), server.anonymous());
    let path = format!("/api/orders/{}", outside_order(&admin, 5.25));
    let etag = admin.get(&path).header("etag").to_owned();
    let preflight = [("origin", LISTED), ("access-control-request-method", "POST")];
    let own = [
        (200, anonymous.get("/healthz")),
        (200, anonymous.get("/readyz")),
        (200, anonymous.get("/metrics")),
        (200, anonymous.get("/openapi.json")),
        (200, anonymous.get("/asyncapi.json")),
        (200, anonymous.try_login("admin", server.admin_password())),
        (200, admin.get("/api/auth/me")),
        (200, admin.get("/api/orders")),
        (200, admin.get("/api/events")),
        (200, admin.get("/api/users/1")),
        (201, admin.post("/api/orders", &json!({"total": 5.25}))),
        (200, admin.patch(&path, &json!({}))),
        (200, admin.get(&path)),
        (304, admin.get_with(&path, &[("if-none-match", &etag)])),
        (204, admin.delete(&path)),
        (
            400,
            admin.request(
                "POST",
                "/api/orders",
                &[("content-type", "application/json")],
                Some(b"{"),
            ),
        ),
        (401, anonymous.get("/api/orders")),
        (403, admin.post_with("/api/orders", &json!({}), &[("origin", "null")])),
        (404, admin.get("/nothing")),
        (405, admin.delete("/healthz")),
        (413, anonymous.try_login("admin", &"x".repeat(100_000))),
        (415, admin.request("POST", "/api/orders", &[], Some(b"{}"))),
        (422, admin.post("/api/orders", &json!({}))),
        (400, admin.get("/ws")),
        (403, admin.get_with("/ws", &[("origin", "null")])),
    ];
    for (status, answer) in own {
        is_guarded(&answer.expect(status), "same-origin");
    }
    for (status, answer) in [
        (200, admin.get_with("/api/orders", &preflight[..1])),
        (422, admin.post_with("/api/orders", &json!({}), &preflight[..1])),
        (204, admin.request("OPTIONS", "/api/orders", &preflight, None)),
    ] {
        let answer = answer.expect(status);
        assert_eq!(answer.header("access-control-allow-origin"), LISTED);
        is_guarded(&answer, "cross-origin");
    }
}

/// A connection that is refused before its request is looked at. A page must be able to read why.
#[test]
fn a_refused_connection_gets_a_guarded_problem() {
    let server = Server::with(&["--max-connections", "1", "--allow-origin", LISTED]);
    let mut held = Raw::connect(server.address()).unwrap();
    held.send(b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n").unwrap();
    held.answer(false).unwrap().unwrap().expect(200);
    for (origin, resource_policy) in [(LISTED, "cross-origin"), (FOREIGN, "same-origin")] {
        let mut refused = Raw::connect(server.address()).unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: shop\r\nOrigin: {origin}\r\n\r\n");
        refused.send(request.as_bytes()).unwrap();
        let answer = refused.answer(false).unwrap().unwrap();
        assert_ne!(answer.header("retry-after"), "");
        assert_eq!(answer.header("access-control-allow-origin") == origin, origin == LISTED);
        is_guarded(&answer, resource_policy);
        assert_eq!(answer.problem(429)["code"], "too_many_requests");
    }
}

/// hyper refuses these before the server sees a request, as the first one of a connection or a later one.
#[test]
fn a_head_that_cannot_be_parsed_gets_a_guarded_problem() {
    let server = Server::with(&["--allow-origin", LISTED]);
    let origin = format!("Host: shop\r\nOrigin: {LISTED}\r\n");
    let good = format!("GET /healthz HTTP/1.1\r\n{origin}\r\n");
    for (head, status, code) in [
        (format!("GET / HTTP/1.1\r\n{origin}a b: c\r\n\r\n"), 400, "malformed_request"),
        (format!("GET / HTTP/7.1\r\n{origin}\r\n"), 400, "malformed_request"),
        (format!("G(T / HTTP/1.1\r\n{origin}\r\n"), 400, "malformed_request"),
        (
            format!("GET / HTTP/1.1\r\n{origin}x: {}\r\n\r\n", "x".repeat(9_000)),
            431,
            "headers_too_large",
        ),
    ] {
        for heads_before in [0, 1] {
            let mut connection = Raw::connect(server.address()).unwrap();
            for _ in 0..heads_before {
                connection.send(good.as_bytes()).unwrap();
                connection.answer(false).unwrap().unwrap().expect(200);
            }
            connection.send(head.as_bytes()).unwrap();
            let answer = connection.answer(false).unwrap().unwrap();
            assert_eq!(answer.header("access-control-allow-origin"), LISTED);
            assert_eq!(answer.header("connection"), "close");
            is_guarded(&answer, "cross-origin");
            assert_eq!(answer.problem(status)["code"], code);
            assert_eq!(connection.rest().unwrap(), b"");
        }
    }
}
