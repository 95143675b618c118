//! Guards the login: a reply that tells which user names exist, unlimited guesses at a password, a token
//! that is readable on the disk, a foreign page that acts in a user's name.

use crate::common::{Raw, Server, json_request, password_of};
use rusqlite::Connection;
use serde_json::json;
use std::path::PathBuf;

#[test]
fn login_me_and_logout_go_together() {
    let server = Server::with_users(&["staff"], &[]);
    let anonymous = server.anonymous();
    anonymous.get("/api/auth/me").expect(401);

    let answer = anonymous.try_login("staff", &password_of("staff")).expect(200);
    let body = answer.json();
    assert_eq!(body["user"]["username"], "staff");
    assert_eq!(body["user"]["role"], "staff");
    assert!(body["user"]["id"].is_i64());
    assert!(!answer.text().contains("hash"));

    let client = anonymous.with_cookie(Some(&answer.session_cookie()));
    let me = client.get("/api/auth/me").expect(200).json();
    assert_eq!(me, body);

    let answer = client.post("/api/auth/logout", &json!({})).expect(204);
    assert!(answer.body.is_empty());
    client.get("/api/auth/me").expect(401);
    client.get("/api/orders").expect(401);
}

#[test]
fn the_cookie_is_for_this_server_only_and_not_for_scripts() {
    let server = Server::with(&["--session-idle", "2h"]);
    let answer = server.anonymous().try_login("admin", server.admin_password()).expect(200);
    let cookie = answer.header("set-cookie").to_owned();
    let attributes: Vec<String> =
        cookie.split(';').skip(1).map(|part| part.trim().to_lowercase()).collect();
    for expected in ["httponly", "samesite=strict", "path=/"] {
        assert!(attributes.iter().any(|attribute| attribute == expected), "{cookie}");
    }
    assert!(attributes.iter().any(|attribute| attribute.starts_with("max-age=")), "{cookie}");
    // Plain HTTP: a browser would drop a `Secure` cookie.
    assert!(!attributes.contains(&"secure".to_owned()), "{cookie}");
    assert!(!attributes.iter().any(|attribute| attribute.starts_with("domain")), "{cookie}");
    let token = answer.session_cookie();
    let token = token.split_once('=').unwrap().1;
    assert!(token.len() >= 43, "{token} has fewer than 256 bits");
}

/// Another profile hashes at another cost. A user who logs in must not notice, in either direction.
#[test]
fn a_hash_of_another_profile_is_renewed_and_ends_no_session() {
    let mut server = Server::start();
    let stored = |server: &Server| -> String {
        let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
        let sql = "SELECT password_hash FROM users WHERE username = 'admin'";
        database.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    for (profile, cost) in [("default", "m=19456,t=2,"), ("tiny", "m=7168,t=5,")] {
        let before = server.admin();
        let mut socket = before.ws();
        assert!(stored(&server).contains(cost), "{}", stored(&server));
        let user = before.get("/api/users/1").expect(200);
        assert_eq!(server.stop(), Some(0));
        drop(socket);

        let other = if profile == "default" { "tiny" } else { "default" };
        server = server.again_with(&["--profile", other]);
        let before = server.adopt(&before);
        socket = before.ws();
        server.anonymous().try_login("admin", "not the password").expect(401);
        assert!(stored(&server).contains(cost), "a wrong password renewed the hash");
        server.admin().get("/api/auth/me").expect(200);
        assert!(!stored(&server).contains(cost), "{}", stored(&server));
        let renewed = stored(&server);
        server.admin();
        assert_eq!(stored(&server), renewed, "a hash of today was renewed");
        socket.expect_quiet();
        let after = before.get("/api/users/1").expect(200);
        assert_eq!((after.header("etag"), after.text()), (user.header("etag"), user.text()));
    }
}

#[test]
fn every_login_gives_another_token() {
    let server = Server::start();
    let (one, two) = (server.admin(), server.admin());
    assert_ne!(one.cookie(), two.cookie());
    one.post("/api/auth/logout", &json!({})).expect(204);
    two.get("/api/auth/me").expect(200);
}

#[test]
fn a_wrong_user_and_a_wrong_password_are_the_same_answer() {
    let server = Server::start();
    let anonymous = server.anonymous();
    let wrong_password = anonymous.try_login("admin", "not the password").expect(401);
    let wrong_user = anonymous.try_login("nobody", "not the password").expect(401);
    assert_eq!(wrong_password.text(), wrong_user.text());
    assert!(wrong_password.header("content-type").starts_with("application/problem+json"));
    for answer in [wrong_password, wrong_user] {
        assert_eq!(answer.header("set-cookie"), "");
    }
}

#[test]
fn a_bad_login_names_what_is_wrong_with_it() {
    let server = Server::start();
    let anonymous = server.anonymous();
    let answer = anonymous.post("/api/auth/login", &json!({"username": 7})).expect(422).json();
    let fields: Vec<&str> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["username", "password"]);
    let json = [("content-type", "application/json")];
    anonymous.request("POST", "/api/auth/login", &json, Some(b"{")).expect(400);
    anonymous.try_login("admin", &"x".repeat(100_000)).expect(413);
    anonymous.try_login("admin' OR 1=1 --", "wrong password").expect(401);
}

#[test]
fn a_new_password_replaces_the_old_one() {
    let server = Server::with_users(&["staff"], &[]);
    let staff = server.login("staff");
    let elsewhere = server.login("staff");
    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        staff.post("/api/auth/password", &body)
    };
    let old = password_of("staff");
    change("not the password", "a new password").expect(401);
    change(&old, "short").expect(422);
    elsewhere.get("/api/auth/me").expect(200);

    change(&old, "a new password").expect(204);
    staff.get("/api/auth/me").expect(200);
    elsewhere.get("/api/auth/me").expect(401);
    server.anonymous().try_login("staff", &old).expect(401);
    server.anonymous().try_login("staff", "a new password").expect(200);
}

/// An intruder who knows the password changes it at the moment in which an admin sets another.
#[test]
fn an_admins_new_password_wins_over_a_change_in_flight() {
    let server = Server::with_users(&["staff"], &[]);
    let admin = server.admin();
    let mut current = password_of("staff");
    for round in 0..50 {
        let intruder = server.anonymous().login("staff", &current);
        let (known, reset) = (format!("known to both {round}"), format!("from the admin {round}"));
        let change = json!({"current_password": current, "new_password": known}).to_string();
        let change = json_request("POST", "/api/auth/password", intruder.cookie(), "", &change);
        // From an address of its own: the intruder's failures must not keep the user from logging in.
        let mut raw = Raw::connect_from([127, 2, 0, round], server.address()).unwrap();
        raw.send(&change).unwrap();
        admin.patch("/api/users/2", &json!({"password": reset})).expect(200);
        raw.answer(false).unwrap().expect("an answer").status_is_one_of(&[204, 401]);
        intruder.get("/api/auth/me").expect(401);
        current = reset;
    }
    server.anonymous().try_login("staff", &current).expect(200);
}

#[test]
fn a_session_survives_a_restart_but_not_its_end() {
    let mut server = Server::start();
    let (kept, ended) = (server.admin(), server.admin());
    ended.post("/api/auth/logout", &json!({})).expect(204);
    server.kill();
    let server = server.again();
    server.adopt(&kept).get("/api/auth/me").expect(200);
    server.adopt(&kept).ws().expect_quiet();
    server.adopt(&ended).get("/api/auth/me").expect(401);
}

/// After a login, a token that was in the browser before is invalid, whether an attacker planted it or an
/// earlier user left it.
#[test]
fn a_login_ends_the_session_that_the_browser_had() {
    let server = Server::with_users(&["staff"], &[]);
    let (before, elsewhere) = (server.login("staff"), server.login("staff"));
    let mut socket = before.ws();
    before.try_login("staff", "not the password").expect(401);
    before.get("/api/auth/me").expect(200);

    let after = before.login("staff", &password_of("staff"));
    assert_ne!(after.cookie(), before.cookie());
    before.get("/api/auth/me").expect(401);
    assert_eq!(socket.expect_close().0, 1008);
    after.get("/api/auth/me").expect(200);
    elsewhere.get("/api/auth/me").expect(200);

    let other = after.login("admin", &password_of("admin"));
    after.get("/api/auth/me").expect(401);
    let planted = "tillcast_session=00000000000000000000000000000000";
    let fixed = server.anonymous().with_cookie(Some(planted));
    let fresh = fixed.login("staff", &password_of("staff"));
    assert_ne!(fresh.cookie(), Some(planted));
    fixed.get("/api/auth/me").expect(401);

    let mut server = server;
    server.kill();
    let server = server.again();
    for (client, status) in [(before, 401), (after, 401), (other, 200), (fresh, 200)] {
        server.adopt(&client).get("/api/auth/me").expect(status);
    }
}

/// A device that logs in again and again ends its own sessions, and nobody else's.
#[test]
fn a_user_has_at_most_64_sessions() {
    let mut server = Server::with_users(&["kiosk"], &["--profile", "tiny"]);
    let (admin, kiosk) = (server.admin(), server.login("kiosk"));
    server.kill();
    let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let plant = "
        WITH RECURSIVE n(number) AS (VALUES (1) UNION ALL SELECT number + 1 FROM n WHERE number < 63)
        INSERT INTO sessions (token_hash, user_id, created_at, used_at)
        SELECT randomblob(32), user_id, created_at, used_at + number FROM sessions, n WHERE user_id = 2";
    assert_eq!(database.execute(plant, []), Ok(63));
    drop(database);
    let server = server.again();
    let (admin, kiosk) = (server.adopt(&admin), server.adopt(&kiosk));
    kiosk.get("/api/auth/me").expect(200);
    for _ in 0..5 {
        server.login("kiosk").get("/api/auth/me").expect(200);
        let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
        let sql = "SELECT count(*) FROM sessions WHERE user_id = 2";
        assert_eq!(database.query_row(sql, [], |row| row.get::<_, i64>(0)), Ok(64));
    }
    // It was stored first of all, and used last.
    kiosk.get("/api/auth/me").expect(200);
    admin.get("/api/auth/me").expect(200);
}

/// A browser sends a host's cookies to all of its ports.
#[test]
fn two_shops_on_one_host_do_not_end_each_others_sessions() {
    let shops = [Server::start(), Server::start()];
    let mut jar = Vec::new();
    for shop in &shops {
        let name = format!("tillcast_session_{}", shop.address().port());
        let browser = shop.anonymous().with_cookie(Some(&jar.join("; ")));
        let pair = browser.try_login("admin", shop.admin_password()).expect(200).session_cookie();
        assert!(pair.starts_with(&format!("{name}=")), "{pair}");
        assert!(!jar.iter().any(|other: &String| other.starts_with(&name)));
        jar.push(pair);
    }
    let browsers = shops.each_ref().map(|shop| shop.anonymous().with_cookie(Some(&jar.join("; "))));
    for browser in &browsers {
        browser.get("/api/auth/me").expect(200);
    }
    browsers[0].post("/api/auth/logout", &json!({})).expect(204);
    browsers[0].get("/api/auth/me").expect(401);
    browsers[1].get("/api/auth/me").expect(200);
}

/// Every file of the data directory, as it is now.
fn files(server: &Server) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(server.data_dir()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn no_secret_is_readable_on_the_disk_or_in_the_log() {
    let mut server = Server::with_users(&["staff", "kiosk"], &["--log-level", "debug"]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    staff.ws().expect_quiet();
    server.anonymous().try_login("staff", "a password gone wrong").expect(401);
    let own = json!({"current_password": password_of("staff"), "new_password": "a new password 1"});
    staff.post("/api/auth/password", &own).expect(204);
    admin.patch("/api/users/3", &json!({"password": "from the admin 2"})).expect(200);
    let eva = json!({"username": "eva", "password": "password of eva 3", "role": "staff"});
    admin.post("/api/users", &eva).expect(201);
    staff.post("/api/auth/login", &json!({"username": "eva", "password": 5})).expect(422);

    let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let mut statement =
        database.prepare("SELECT lower(hex(token_hash)) FROM sessions WHERE user_id < 3").unwrap();
    let hashes: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(hashes.len(), 2);
    let tokens = [&admin, &staff].map(|client| client.cookie().unwrap()[17..].to_owned());
    let own = ["admin", "staff", "kiosk"].map(password_of);
    let passwords =
        ["a password gone wrong", "a new password 1", "from the admin 2", "password of eva 3"];
    let secrets = || own.iter().chain(&tokens).map(String::as_str).chain(passwords);

    let running = files(&server);
    let names: Vec<_> = running.iter().map(|(path, _)| path.file_name().unwrap()).collect();
    assert!(names.contains(&"tillcast.db-wal".as_ref()), "{names:?}");
    drop(statement);
    drop(database);
    assert_eq!(server.stop(), Some(0));
    for (path, bytes) in running.iter().chain(&files(&server)) {
        for secret in secrets() {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", path.display());
        }
    }
    let log = server.log();
    assert!(log.contains("answered"), "nothing was logged: {log}");
    for secret in secrets().chain(hashes.iter().map(String::as_str)).chain(["argon2id"]) {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

#[test]
fn a_foreign_page_cannot_act_with_the_cookie() {
    let server = Server::with(&["--allow-origin", "https://shop.example"]);
    let admin = server.admin();
    let here = format!("http://{}", server.address());
    let body = json!({"total": 9.99});
    let order = |headers: &[(&str, &str)]| admin.post_with("/api/orders", &body, headers);
    order(&[("origin", "https://evil.example")]).expect(403);
    order(&[("origin", "null")]).expect(403);
    order(&[("sec-fetch-site", "cross-site")]).expect(403);
    order(&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")]).expect(403);
    let id = order(&[("origin", &here), ("sec-fetch-site", "same-origin")]).expect(201).id();
    order(&[("origin", "https://shop.example"), ("sec-fetch-site", "cross-site")]).expect(201);

    let path = format!("/api/orders/{id}");
    let evil = [("origin", "https://evil.example")];
    admin.patch_with(&path, &json!({"notes": "x"}), &evil).expect(403);
    admin.delete_with(&path, &evil).expect(403);
    admin.post_with("/api/auth/logout", &json!({}), &evil).expect(403);
    admin.get("/api/orders").expect(200);
    let orders = admin.get("/api/orders").expect(200).json();
    assert_eq!(orders["data"].as_array().unwrap().len(), 2);
}

/// The logins of a demo are for everybody; those of a shop are for nobody.
#[test]
fn a_real_shop_gives_no_logins() {
    let server = Server::with_users(&["staff"], &[]);
    for client in [server.anonymous(), server.admin(), server.login("staff")] {
        assert_eq!(client.get("/api/demo").expect(200).json(), json!({"data": []}));
    }
}
