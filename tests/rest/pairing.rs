//! Guards the pairing of devices: a stranger who is let in, a code that works twice, an admin who cannot see what
//! is about to be let in, a device that is left outside because an answer was lost.

mod qr;
mod strangers;

use crate::common::{Answer, Client, PATIENCE, Raw, Server, json_request};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::thread;
use std::time::Instant;
use tillcast::domain::timestamp;

/// A device that has begun to be paired: its code, and a client with its cookie.
struct Asking {
    code: String,
    client: Client,
}

/// Begins at the client's server, with these headers.
#[track_caller]
fn ask(client: &Client, headers: &[(&str, &str)]) -> Asking {
    let answer = begin(client, headers).expect(201);
    let code = answer.json()["code"].as_str().unwrap().to_owned();
    Asking { code, client: client.with_cookie(Some(pair(answer.header("set-cookie")))) }
}

fn begin(client: &Client, headers: &[(&str, &str)]) -> Answer {
    client.request("POST", "/api/pairing", headers, None)
}

fn pair(cookie: &str) -> &str {
    cookie.split(';').next().unwrap()
}

fn token(pair: &str) -> &str {
    pair.split_once('=').unwrap().1
}

impl Asking {
    fn poll(&self) -> Answer {
        self.client.get("/api/pairing")
    }

    fn path(&self) -> String {
        format!("/api/pairing/{}", self.code)
    }

    fn approve(&self, admin: &Client, role: &str) -> Answer {
        admin.post(&self.path(), &json!({"name": "Till 3", "role": role}))
    }

    #[track_caller]
    fn is_waiting(&self) {
        assert_eq!(self.poll().expect(200).json(), json!({"status": "waiting"}));
    }

    /// The client with the session that the approval gives.
    #[track_caller]
    fn paired(&self) -> Client {
        let answer = self.poll().expect(200);
        assert_eq!(answer.json()["status"], "approved");
        self.client.with_cookie(Some(&answer.session_cookie()))
    }
}

#[test]
fn a_device_is_paired_by_its_code() {
    let server = Server::start();
    let (admin, stranger) = (server.admin(), server.anonymous());
    let answer = begin(&stranger, &[]).expect(201);
    let opened = answer.json();
    assert_eq!(opened.as_object().unwrap().len(), 3, "{opened}");
    let code = opened["code"].as_str().unwrap();
    let letters =
        |half: &str| half.len() == 4 && half.chars().all(|c| "BCDFGHJKLMNPQRSTVWXZ".contains(c));
    assert!(code.split_once('-').is_some_and(|(a, b)| letters(a) && letters(b)), "{code}");
    assert_eq!(opened["poll_after_ms"], 2000);
    let time = |value: &Value| timestamp::parse(value.as_str().unwrap()).unwrap();
    let expires_at = time(&opened["expires_at"]);
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("tillcast_pairing_") && !cookie.contains(code), "{cookie}");
    for attribute in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let code = code.to_owned();
    let asking = Asking { code, client: stranger.with_cookie(Some(pair(cookie))) };
    asking.is_waiting();

    let shown = admin.get(&asking.path()).expect(200).json();
    assert_eq!(time(&shown["created_at"]) + 600_000, expires_at);
    let user_agent = shown["user_agent"].as_str().unwrap();
    assert!(user_agent.starts_with("ureq"), "{shown}");
    assert_eq!((&shown["code"], &shown["address"]), (&json!(asking.code), &json!("127.0.0.1")));
    assert_eq!(shown.as_object().unwrap().len(), 4, "{shown}");
    asking.is_waiting();

    let typed = asking.code.to_lowercase().replace('-', "%20");
    let new = json!({"name": "Till 3", "role": "display"});
    let device = admin.post(&format!("/api/pairing/{typed}"), &new).expect(201).json();
    assert_eq!((&device["name"], &device["role"]), (&json!("Till 3"), &json!("display")));
    assert_eq!(device.get("token"), None, "only the device has it: {device}");
    let brief = json!({"id": device["id"], "name": "Till 3", "role": "display"});

    let answer = asking.poll().expect(200);
    assert_eq!(answer.json(), json!({"status": "approved", "device": brief}));
    let session = answer.header("set-cookie");
    assert!(session.contains("; HttpOnly") && session.contains("; SameSite=Strict"), "{session}");
    let screen = asking.paired();
    assert_eq!(asking.paired().cookie(), screen.cookie(), "a poll repeats the approval");
    assert_eq!(screen.get("/api/auth/me").expect(200).json(), json!({"device": brief}));
    // The browser keeps the cookie for 400 days from its last visit.
    let renewed = screen.get("/api/auth/me").header("set-cookie").to_owned();
    assert_eq!(pair(&renewed), screen.cookie().unwrap());
    assert!(renewed.contains("; Max-Age=34560000"), "{renewed}");
    assert_eq!(admin.get("/api/auth/me").header("set-cookie"), "");
    screen.get("/api/orders").expect(200);
    screen.get("/api/customers").problem(403);

    let entry = admin.get("/api/audit?limit=1&entity=device").expect(200).json()["data"][0].clone();
    assert_eq!((&entry["action"], &entry["row_id"]), (&json!("create"), &device["id"]));
    assert_eq!((&entry["user_id"], &entry["address"]), (&json!(1), &json!("127.0.0.1")));
}

/// The code stays used, also when its device has gone.
#[test]
fn a_code_is_used_once() {
    let server = Server::start();
    let (admin, asking) = (server.admin(), ask(&server.anonymous(), &[]));
    let id = asking.approve(&admin, "kitchen").expect(201).id();
    for _ in 0..2 {
        assert_eq!(admin.get(&asking.path()).problem(409)["code"], "code_used");
        assert_eq!(asking.approve(&admin, "kitchen").problem(409)["code"], "code_used");
    }
    let screen = asking.paired();
    let mut socket = screen.ws();
    admin.delete(&format!("/api/devices/{id}")).expect(204);
    assert_eq!(socket.expect_close(), (1008, "device removed".to_owned()));
    screen.get("/api/auth/me").problem(401);
    assert_eq!(asking.poll().problem(410)["code"], "pairing_ended");
    assert_eq!(asking.approve(&admin, "kitchen").problem(409)["code"], "code_used");
    assert_eq!(admin.get("/api/devices").expect(200).json()["data"], json!([]));

    let unseen = ask(&server.anonymous(), &[]);
    let id = unseen.approve(&admin, "kitchen").expect(201).id();
    admin.delete(&format!("/api/devices/{id}")).expect(204);
    unseen.poll().problem(410);
}

#[test]
fn of_two_admins_at_once_one_approves() {
    let server = Server::start();
    let admins = [server.admin(), server.admin()];
    for round in 1..=20 {
        let asking = ask(&server.anonymous(), &[]);
        let mut statuses = thread::scope(|threads| {
            let approvals = admins
                .each_ref()
                .map(|admin| threads.spawn(|| asking.approve(admin, "picker").status));
            approvals.map(|one| one.join().unwrap())
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
        asking.paired();
        let devices = admins[0].get("/api/devices?limit=200").expect(200).json();
        assert_eq!(devices["data"].as_array().unwrap().len(), round);
    }
}

/// The admin's connection ends before the reply: the device is let in, or the admin approves it again.
#[test]
fn an_approval_that_is_given_up_lets_in_one_device() {
    let server = Server::start();
    let admin = server.admin();
    let new = json!({"name": "Till 3", "role": "kiosk"}).to_string();
    for round in 1..=40 {
        let asking = ask(&server.anonymous(), &[]);
        let mut lost = Raw::connect(server.address()).unwrap();
        let request = json_request("POST", &asking.path(), admin.cookie(), "", &new);
        lost.send(&request).unwrap();
        drop(lost);
        asking.approve(&admin, "kiosk").status_is_one_of(&[201, 409]);
        let begun = Instant::now();
        while asking.poll().expect(200).json()["status"] != "approved" {
            assert!(begun.elapsed() < PATIENCE, "it waits for ever");
        }
        let devices = admin.get("/api/devices?limit=200").expect(200).json();
        assert_eq!(devices["data"].as_array().unwrap().len(), round);
    }
}

/// Neither a refused approval nor a wrong body uses up the code.
#[test]
fn an_approval_that_fails_leaves_the_device_waiting() {
    let server = Server::start();
    let (admin, asking) = (server.admin(), ask(&server.anonymous(), &[]));
    for (body, wrong) in [
        (json!({}), &["name", "role"][..]),
        (json!({"name": "", "role": "admin"}), &["name", "role"]),
        (json!({"name": "x", "role": "kiosk", "code": "x"}), &["code"]),
    ] {
        admin.post(&asking.path(), &body).expect_wrong(wrong);
    }
    let most = tillcast::limits::DEVICES_MAX;
    let new = json!({"name": "Screen", "role": "display"});
    let ids: Vec<i64> =
        (0..most).map(|_| admin.post("/api/devices", &new).expect(201).id()).collect();
    assert_eq!(asking.approve(&admin, "kiosk").problem(409)["code"], "too_many_devices");
    asking.is_waiting();
    admin.delete(&format!("/api/devices/{}", ids[0])).expect(204);
    asking.approve(&admin, "kiosk").expect(201);
    asking.paired();
}

/// Its codes are in memory only, and the sessions are not.
#[test]
fn a_restart_ends_what_is_open_and_no_session() {
    let moved = |server: &Server, client: &Client, name: &str| {
        let port = server.address().port();
        let cookie = format!("tillcast_{name}_{port}={}", token(client.cookie().unwrap()));
        server.anonymous().with_cookie(Some(&cookie))
    };
    let mut server = Server::start();
    let admin = server.admin();
    let (waiting, approved) = (ask(&server.anonymous(), &[]), ask(&server.anonymous(), &[]));
    approved.approve(&admin, "display").expect(201);
    server.kill();
    let mut server = server.again();
    let answer = moved(&server, &waiting.client, "pairing").get("/api/pairing");
    assert_eq!(answer.problem(410)["code"], "pairing_ended");
    for asking in [&waiting, &approved] {
        let answer = server.adopt(&admin).get(&asking.path());
        assert_eq!(answer.problem(404)["code"], "not_found");
    }
    // The power failed before the device learned of its approval.
    let answer = moved(&server, &approved.client, "pairing").get("/api/pairing").expect(200);
    assert_eq!(answer.json()["status"], "approved");
    let session = server.anonymous().with_cookie(Some(&answer.session_cookie()));
    session.get("/api/auth/me").expect(200);
    // Ten minutes later that cookie is worth nothing.
    server.kill();
    let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let earlier = "UPDATE sessions SET created_at = created_at - 600000";
    database.execute(earlier, []).unwrap();
    drop(database);
    let server = server.again();
    moved(&server, &session, "session").get("/api/auth/me").expect(200);
    let answer = moved(&server, &approved.client, "pairing").get("/api/pairing");
    assert_eq!(answer.problem(410)["code"], "pairing_ended");
}

/// A browser that is paired forgets its old session's cookie, so that session ends.
#[test]
fn a_browser_that_is_paired_loses_its_earlier_session() {
    let server = Server::with_users(&["staff"], &[]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    let elsewhere = server.login("staff");
    let asking = ask(&server.anonymous(), &[]);
    asking.approve(&admin, "kiosk").expect(201);
    let both = format!("{}; {}", staff.cookie().unwrap(), asking.client.cookie().unwrap());
    let browser = server.anonymous().with_cookie(Some(&both));
    let session = browser.get("/api/pairing").expect(200).session_cookie();
    staff.get("/api/auth/me").problem(401);
    elsewhere.get("/api/auth/me").expect(200);
    // A repeated poll with the new cookie ends nothing.
    let both = format!("{session}; {}", asking.client.cookie().unwrap());
    server.anonymous().with_cookie(Some(&both)).get("/api/pairing").expect(200);
    server.anonymous().with_cookie(Some(&session)).get("/api/auth/me").expect(200);
}

#[test]
fn over_tls_both_cookies_are_the_hosts_own() {
    let server = Server::with(&["--trusted-proxy", "127.0.0.1"]);
    let tls = [("x-forwarded-proto", "https")];
    let opened = begin(&server.anonymous(), &tls).expect(201);
    let cookie = opened.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-tillcast_pairing=") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    let client = server.anonymous().with_cookie(Some(pair(cookie)));
    let asking = Asking { code: opened.json()["code"].as_str().unwrap().to_owned(), client };
    asking.approve(&server.admin(), "kiosk").expect(201);
    asking.poll().problem(401);
    let answer = asking.client.get_with("/api/pairing", &tls).expect(200);
    let session = answer.header("set-cookie");
    assert!(
        session.starts_with("__Host-tillcast_session=") && session.ends_with("; Secure"),
        "{session}"
    );
}
