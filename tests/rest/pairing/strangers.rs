//! Guards against strangers in the pairing: codes that are tried, secrets that are forged, a table that is filled.

use super::{ask, begin, pair, token};
use crate::common::{Answer, Server, password_of};
use serde_json::json;

#[test]
fn nobody_but_an_admin_tries_codes() {
    let server = Server::with_users(&["staff", "kiosk"], &[]);
    let (admin, asking) = (server.admin(), ask(&server.anonymous(), &[]));
    let screen = ask(&server.anonymous(), &[]);
    screen.approve(&admin, "staff").expect(201);
    for (client, status) in [
        (server.anonymous(), 401),
        (asking.client.clone(), 401),
        (server.login("staff"), 403),
        (server.login("kiosk"), 403),
        (screen.paired(), 403),
    ] {
        for _ in 0..10 {
            client.get(&asking.path()).problem(status);
            asking.approve(&client, "kiosk").problem(status);
            client.get("/api/pairing/BBBB-BBBB").problem(status);
        }
    }
    asking.is_waiting();
    asking.approve(&admin, "kiosk").expect(201);
}

/// The secret of a cookie is worth nothing until the approval, and a code never is.
#[test]
fn a_device_shows_its_own_cookie() {
    let server = Server::start();
    let (admin, stranger) = (server.admin(), server.anonymous());
    let asking = ask(&stranger, &[]);
    let name = pair(asking.client.cookie().unwrap()).split_once('=').unwrap().0.to_owned();
    let secret = token(asking.client.cookie().unwrap()).to_owned();
    let session = name.replace("pairing", "session");
    for (cookie, status, code) in [
        (None, 401, "no_pairing"),
        (Some(format!("{name}=")), 401, "no_pairing"),
        (Some(format!("{name}={}", asking.code)), 401, "no_pairing"),
        (Some(format!("{name}={}", secret.to_uppercase())), 401, "no_pairing"),
        (Some(format!("{session}={secret}")), 401, "no_pairing"),
        (admin.cookie().map(ToOwned::to_owned), 401, "no_pairing"),
        (Some(format!("{name}={}", "0".repeat(64))), 410, "pairing_ended"),
        (Some(format!("{name}={}", token(admin.cookie().unwrap()))), 410, "pairing_ended"),
    ] {
        let answer = stranger.with_cookie(cookie.as_deref()).get("/api/pairing");
        assert_eq!(answer.problem(status)["code"], code, "{cookie:?}");
        assert_eq!(answer.header("set-cookie"), "");
    }
    let forged = stranger.with_cookie(Some(&format!("{session}={secret}")));
    forged.get("/api/auth/me").problem(401);
    let bearer = [("authorization", &*format!("Bearer {secret}"))];
    stranger.get_with("/api/auth/me", &bearer).problem(401);
    // A stale value of another path beside it does no harm.
    let both = format!("{name}={}; {}", "0".repeat(64), asking.client.cookie().unwrap());
    let both = stranger.with_cookie(Some(&both));
    assert_eq!(both.get("/api/pairing").expect(200).json()["status"], "waiting");
    let other = ask(&stranger, &[]);
    other.approve(&admin, "kiosk").expect(201);
    asking.is_waiting();
}

#[test]
fn a_page_of_another_origin_begins_nothing() {
    let server = Server::start();
    let foreign = [("origin", "http://attacker.example")];
    let answer = begin(&server.anonymous(), &foreign);
    assert_eq!(answer.problem(403)["code"], "origin_not_allowed");
    assert_eq!(answer.header("set-cookie"), "");
    let foreign = [("host", "attacker.example")];
    assert_eq!(begin(&server.anonymous(), &foreign).problem(421)["code"], "misdirected_request");
    let (admin, asking) = (server.admin(), ask(&server.anonymous(), &[]));
    let new = json!({"name": "x", "role": "staff"});
    let from = [("origin", "http://attacker.example")];
    admin.post_with(&asking.path(), &new, &from).problem(403);
    asking.is_waiting();
    // A body is nothing to the server.
    server.anonymous().post("/api/pairing", &json!({"code": "BBBB-BBBB"})).expect(201);
}

#[test]
fn eight_of_a_network_and_64_in_all_are_open() {
    let server = Server::with(&["--trusted-proxy", "127.0.0.1"]);
    let (admin, stranger) = (server.admin(), server.anonymous());
    let from = |address: &str| begin(&stranger, &[("x-forwarded-for", address)]);
    let is_full = |answer: Answer| {
        assert_eq!(answer.problem(429)["code"], "too_many_pairings");
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        assert!((570..=600).contains(&seconds), "{seconds}");
        assert_eq!(answer.header("set-cookie"), "");
    };
    let first = ask(&stranger, &[("x-forwarded-for", "2001:db8::1")]);
    for number in 2..=8 {
        from(&format!("2001:db8::{number}")).expect(201);
    }
    is_full(from("2001:db8::9"));
    // An approved one is no longer open.
    first.approve(&admin, "display").expect(201);
    from("2001:db8::9").expect(201);
    is_full(from("2001:db8::9"));
    for network in 1..8 {
        for _ in 0..8 {
            from(&format!("192.0.2.{network}")).expect(201);
        }
        is_full(from(&format!("192.0.2.{network}")));
    }
    is_full(from("192.0.2.100"));
    first.paired();
}

#[test]
fn five_wrong_codes_a_minute_are_an_admins() {
    let server = Server::start();
    let admin = server.admin();
    let new = json!({"username": "ben", "password": password_of("ben"), "role": "admin"});
    let ben_id = admin.post("/api/users", &new).expect(201).id();
    let (ben, asking) = (server.login("ben"), ask(&server.anonymous(), &[]));
    let wrong = ["BBBB-BBBB", "aaaa-aaaa", "x", "BCDF-GHJK-L", "%00%7f"];
    let body = json!({"name": "x", "role": "staff"});
    for (at, code) in wrong.iter().enumerate() {
        admin.get(&asking.path()).expect(200);
        let path = format!("/api/pairing/{code}");
        let answer = if at % 2 == 0 { admin.get(&path) } else { admin.post(&path, &body) };
        assert_eq!(answer.problem(404)["code"], "not_found", "{code}");
    }
    for answer in
        [admin.get(&asking.path()), asking.approve(&admin, "staff"), admin.get("/api/pairing/b")]
    {
        assert_eq!(answer.problem(429)["code"], "too_many_codes");
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
    // Another session of the same admin is the same admin.
    server.admin().get(&asking.path()).problem(429);
    asking.is_waiting();
    ben.get("/api/pairing/b").problem(404);
    asking.approve(&ben, "staff").expect(201);

    let entries = admin.get("/api/audit?limit=200&entity=session").expect(200).json();
    let of = |id: i64| {
        let entries = entries["data"].as_array().unwrap().iter();
        let wrong =
            entries.filter(|entry| entry["action"] == "wrong_code" && entry["user_id"] == id);
        wrong.map(|entry| assert_eq!(entry["row_id"], id)).count()
    };
    assert_eq!((of(1), of(ben_id)), (5, 1));
}

#[test]
fn an_admin_sees_a_browsers_name_that_is_text() {
    let server = Server::start();
    let admin = server.admin();
    let long = "Mozilla/5.0 ".repeat(40);
    for (given, shown) in [
        ("Firefox/1 (<b>\"'&)", Some("Firefox/1 (<b>\"'&)")),
        ("Tür\u{202e}3", Some("T??r???3")),
        ("a\tb", Some("a?b")),
        (&long, Some(&long[..160])),
        ("", None),
    ] {
        let asking = ask(&server.anonymous(), &[("user-agent", given)]);
        let device = admin.get(&asking.path()).expect(200).json();
        assert_eq!(device["user_agent"].as_str(), shown, "{given}");
    }
}
