//! Guards conditional requests: a client that names the version that it changes never overwrites another
//! one, even if its header is split over lines or malformed.

use crate::common::{Answer, Client, Raw, Server, customer, outside_order};
use serde_json::json;

/// The paths of an order, a customer and a user, and a patch for each.
fn subjects(admin: &Client) -> [(String, serde_json::Value); 3] {
    let user = json!({"username": "mara", "password": "long enough 1", "role": "staff"});
    let user = admin.post("/api/users", &user).expect(201).id();
    [
        (format!("/api/orders/{}", outside_order(admin, 5.25)), json!({"notes": "x"})),
        (format!("/api/customers/{}", customer(admin)), json!({"phone": "5"})),
        (format!("/api/users/{user}"), json!({"role": "kiosk"})),
    ]
}

/// Sends raw header lines, of any bytes.
fn send(server: &Server, client: &Client, method: &str, path: &str, lines: &[&[u8]]) -> Answer {
    let body: &[u8] = if method == "PATCH" { b"{}" } else { b"" };
    let mut raw = format!(
        "{method} {path} HTTP/1.1\r\nhost: shop\r\ncookie: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n",
        client.cookie().unwrap(),
        body.len()
    )
    .into_bytes();
    for line in lines {
        raw.extend([line, &b"\r\n"[..]].concat());
    }
    raw.extend([&b"\r\n"[..], body].concat());
    let mut connection = Raw::connect(server.address()).unwrap();
    connection.send(&raw).unwrap();
    connection.answer(false).unwrap().unwrap()
}

#[test]
fn an_unreadable_condition_does_not_count_as_absent() {
    let server = Server::start();
    let admin = server.admin();
    for (path, patch) in subjects(&admin) {
        let etag = admin.get(&path).expect(200).header("etag").to_owned();
        let version = etag.trim_matches('"').to_owned();
        let padded = format!("if-match: \"0{version}\"");
        for method in ["PATCH", "DELETE"] {
            for line in [&b"if-match: \"\xc3\xa9\""[..], b"if-match: \xff", padded.as_bytes()] {
                let answer = send(&server, &admin, method, &path, &[line]);
                assert_eq!(answer.problem(412)["code"], "precondition_failed", "{method} {path}");
            }
            for other in [format!("W/{etag}"), version.clone(), String::new()] {
                let line = format!("if-match: {other}");
                send(&server, &admin, method, &path, &[line.as_bytes()]).problem(412);
            }
        }
        assert_eq!(admin.get(&path).expect(200).header("etag"), etag, "nothing was done");
        // Any of several, on any line.
        let second = format!("if-match: \"999\", {etag}");
        let lines = [&b"if-match: \"998\""[..], second.as_bytes()];
        send(&server, &admin, "PATCH", &path, &lines).expect(200);
        admin.patch_with(&path, &patch, &[("if-match", "*")]).expect(200);
        admin.delete_with(&path, &[("if-match", etag.as_str())]).problem(412);
        let now = admin.get(&path).header("etag").to_owned();
        admin.delete_with(&path, &[("if-match", now.as_str())]).expect(204);
    }
}

#[test]
fn if_none_match_prevents_a_transfer_and_a_change() {
    let server = Server::start();
    let admin = server.admin();
    for (path, patch) in subjects(&admin) {
        let etag = admin.get(&path).expect(200).header("etag").to_owned();
        for tag in [etag.clone(), format!("W/{etag}"), format!("\"999\", {etag}"), "*".to_owned()] {
            let answer = admin.get_with(&path, &[("if-none-match", &tag)]).expect(304);
            assert_eq!(answer.header("etag"), etag, "{path} {tag}");
            admin.patch_with(&path, &patch, &[("if-none-match", &tag)]).problem(412);
            admin.delete_with(&path, &[("if-none-match", &tag)]).problem(412);
        }
        let second = format!("if-none-match: {etag}");
        let lines = [&b"if-none-match: \"999\""[..], second.as_bytes()];
        send(&server, &admin, "GET", &path, &lines).expect(304);
        send(&server, &admin, "PATCH", &path, &lines).problem(412);
        admin.patch_with(&path, &patch, &[("if-none-match", "\"999\"")]).expect(200);
    }
}
