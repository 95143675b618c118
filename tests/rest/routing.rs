//! Guards routing: trailing slashes, methods, and unknown parameters.

use crate::common::{Server, outside_order};
use serde_json::json;

#[test]
fn a_trailing_slash_redirects_to_the_path_without_it() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    for (path, location) in [
        ("/api/orders/", "/api/orders".to_owned()),
        ("/api/orders/?limit=1&order=asc", "/api/orders?limit=1&order=asc".to_owned()),
        (&format!("/api/orders/{order}/"), format!("/api/orders/{order}")),
        ("/healthz/", "/healthz".to_owned()),
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = admin.request(method, path, &[], None).expect(308);
            assert_eq!(answer.header("location"), location, "{method} {path}");
        }
    }
    for nowhere in ["/api/orders//", "/api/", "//evil.example/", "/api/nothing/"] {
        admin.get(nowhere).problem(404);
    }
}

#[test]
fn a_wrong_method_gets_the_allowed_ones() {
    let server = Server::start();
    let admin = server.admin();
    for (method, path, allow) in [
        ("PUT", "/api/orders", "GET, POST, HEAD"),
        ("POST", "/api/orders/1", "GET, PATCH, DELETE, HEAD"),
        ("GET", "/api/auth/login", "POST"),
        ("DELETE", "/healthz", "GET, HEAD"),
    ] {
        let answer = admin.request(method, path, &[], None);
        let problem = answer.problem(405);
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        assert_eq!(problem["detail"], format!("allowed: {allow}"));
    }
}

#[test]
fn every_endpoint_names_the_parameters_that_it_does_not_have() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    for path in ["/api/orders", "/api/users", "/api/events", "/api/audit", "/api/auth/me"] {
        admin.get(&format!("{path}?colour=red")).expect_wrong(&["colour"]);
    }
    let one = format!("/api/orders/{order}?limit=1");
    admin.get(&one).expect_wrong(&["limit"]);
    admin.patch(&one, &json!({"notes": "x"})).expect_wrong(&["limit"]);
    let twice = admin.get("/api/orders?limit=1&status=pending&limit=2");
    twice.expect_wrong(&["limit"]);
    assert_eq!(twice.json()["errors"][0]["message"], "is given twice");
    // Links to a page often add parameters of their own.
    admin.get("/?utm_source=receipt").expect(200);
    admin.get("/healthz?from=monitor").expect(200);
}
