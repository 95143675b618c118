//! Guards what answers tell a browser: one that is taken for a page, framed by another site, or
//! kept where the next one at that screen finds it.

use crate::common::{Answer, Raw, Server, outside_order};
use serde_json::json;

const LISTED: &str = "https://shop.example";

#[track_caller]
fn is_guarded(answer: &Answer, resource_policy: &str) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("cross-origin-resource-policy", resource_policy),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
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
        (426, admin.get("/ws")),
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

/// Who is turned away before anything is read, and by a thread that hyper never meets.
#[test]
fn an_early_refusal_is_guarded_too() {
    let server = Server::with(&["--max-connections", "1"]);
    let mut held = Raw::connect(server.address()).unwrap();
    held.send(b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n").unwrap();
    held.answer(false).unwrap().unwrap().expect(200);
    let mut refused = Raw::connect(server.address()).unwrap();
    refused.send(b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n").unwrap();
    let answer = refused.answer(false).unwrap().unwrap();
    assert_ne!(answer.header("retry-after"), "");
    answer.problem(429);
    is_guarded(&answer, "same-origin");
}
