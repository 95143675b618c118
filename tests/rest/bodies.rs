//! Guards how bodies are read: an ambiguous body is refused, and all ways to write the same value are the
//! same.

use crate::common::{Answer, Client, Server, events_after, head, product, unique};
use serde_json::json;

fn send(client: &Client, method: &str, path: &str, body: &[u8]) -> Answer {
    client.request(method, path, &[("content-type", "application/json")], Some(body))
}

#[test]
fn a_key_that_is_given_twice_is_named() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    let seq = head(&admin);
    for (path, body, named) in [
        (
            "/api/orders",
            format!(r#"{{"items":[{{"product_id":{tea},"quantity":1,"quantity":5}}]}}"#),
            "items[0].quantity",
        ),
        ("/api/orders", r#"{"total":1,"notes":"a","total":1}"#.to_owned(), "total"),
        (
            "/api/users",
            r#"{"username":"x","password":"long enough 1","role":"kiosk","role":"admin"}"#
                .to_owned(),
            "role",
        ),
        (
            "/api/auth/login",
            format!(
                r#"{{"username":"admin","password":"x","password":"{}"}}"#,
                server.admin_password()
            ),
            "password",
        ),
    ] {
        let answer = send(&admin, "POST", path, body.as_bytes());
        answer.expect_wrong(&[named]);
        assert_eq!(answer.json()["errors"][0]["code"], "duplicate_key", "{}", answer.text());
    }
    let patched =
        send(&admin, "PATCH", &format!("/api/products/{tea}"), br#"{"stock":1,"stock":2}"#);
    patched.expect_wrong(&["stock"]);
    assert_eq!(events_after(&admin, seq).len(), 0);
}

#[test]
fn only_a_number_is_a_number() {
    let server = Server::start();
    let admin = server.admin();
    let disguised = br#"{"name":"Tea","sku":"T","price":{"$serde_json::private::Number":"7.77"}}"#;
    send(&admin, "POST", "/api/products", disguised).expect_wrong(&["price"]);
    let whole = br#"{"$serde_json::private::Number":"3"}"#;
    send(&admin, "POST", "/api/products", whole).expect_wrong(&[
        "$serde_json::private::Number",
        "name",
        "price",
        "sku",
    ]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_body() {
    let server = Server::start();
    let admin = server.admin();
    let body = json!({"name": "Tea", "sku": unique("T"), "price": 1}).to_string();
    send(&admin, "POST", "/api/products", format!("\u{feff}{body}").as_bytes()).expect(201);
}

#[test]
fn invalid_json_and_too_much_json_have_different_codes() {
    let server = Server::start();
    let admin = server.admin();
    for (body, status, code) in [
        ("{", 400, "not_json"),
        ("{\"total\":01}", 400, "not_json"),
        ("{\"total\":1,}", 400, "not_json"),
        ("[1]", 422, "not_an_object"),
        ("7", 422, "not_an_object"),
        (&format!("{{\"items\":[{}0]}}", "0,".repeat(5_000)), 422, "too_many_values"),
        (&format!("{}{}", "[".repeat(40), "]".repeat(40)), 400, "too_deep"),
    ] {
        let problem = send(&admin, "POST", "/api/orders", body.as_bytes()).problem(status);
        assert_eq!(problem["code"], code, "{problem}");
    }
}

#[test]
fn a_compressed_body_is_refused_with_its_own_code() {
    let server = Server::start();
    let admin = server.admin();
    let post = |encoding: &str| {
        let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
        admin.request("POST", "/api/orders", &headers, Some(br#"{"total":1}"#))
    };
    for encoding in ["gzip", "br", "identity, gzip"] {
        let answer = post(encoding);
        assert_eq!(answer.problem(415)["code"], "unsupported_encoding");
        assert_eq!(answer.header("accept-encoding"), "identity");
    }
    post("identity").expect(201);
    post("Identity").expect(201);
}
