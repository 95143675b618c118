//! Guards the entries of the audit trail about logins: an attack that nobody sees, a session that ends without a
//! trace, a stranger who is taken for somebody with a right.

use std::time::UNIX_EPOCH;

use crate::common::{Client, Server, password_of};
use rusqlite::Connection;
use serde_json::{Value, json};

/// The entries about logins, oldest first: the action, the id of whoever acted, and the user.
#[track_caller]
fn entries(admin: &Client) -> Vec<(String, Option<i64>, i64)> {
    let page = admin.get("/api/audit?limit=200&entity=session").expect(200).json();
    assert_eq!(page["next"], Value::Null);
    let told = |entry: &Value| {
        assert_eq!(entry["fields"], json!([]));
        let action = entry["action"].as_str().unwrap().to_owned();
        (action, entry["user_id"].as_i64(), entry["row_id"].as_i64().unwrap())
    };
    page["data"].as_array().unwrap().iter().rev().map(told).collect()
}

fn entry(action: &str, user_id: Option<i64>, row_id: i64) -> (String, Option<i64>, i64) {
    (action.to_owned(), user_id, row_id)
}

#[test]
fn logins_and_wrong_passwords_have_entries() {
    let server = Server::with_users(&["staff"], &[]);
    let staff = server.login("staff");
    staff.post("/api/auth/logout", &json!({})).expect(204);
    for name in ["staff", "a password in the wrong field"] {
        for _ in 0..6 {
            server.anonymous().try_login(name, "a guess of mine");
        }
    }
    let admin = server.admin();
    let failed = entry("failed_login", None, 2);
    let mut expected = vec![entry("login", Some(2), 2), entry("logout", Some(2), 2)];
    expected.extend(std::iter::repeat_n(failed, 5));
    expected.extend([entry("lockout", None, 2), entry("login", Some(1), 1)]);
    assert_eq!(entries(&admin), expected);
    let text = admin.get("/api/audit?limit=200").expect(200).text();
    assert!(!text.contains("wrong field") && !text.contains("guess"), "{text}");
    let own = admin.get("/api/audit?entity=session&user_id=1").expect(200).json();
    let [login] = &own["data"].as_array().unwrap()[..] else { panic!("{own}") };
    assert_eq!(login["address"], "127.0.0.1");
}

/// Whoever changes a password is logged in, and guesses at the session's own user.
#[test]
fn a_wrong_password_at_a_session_names_its_user() {
    let server = Server::with_users(&["staff"], &[]);
    let (staff, admin) = (server.login("staff"), server.admin());
    let change = json!({"current_password": "a guess of mine", "new_password": "a new password"});
    staff.post("/api/auth/password", &change).expect(401);
    assert_eq!(entries(&admin).pop(), Some(entry("failed_login", Some(2), 2)));
}

#[test]
fn wrong_passwords_from_everywhere_have_one_entry_when_the_delay_begins() {
    let server = Server::with_users(&["staff"], &["--trusted-proxy", "127.0.0.1"]);
    for number in 0..51 {
        let from = format!("192.0.2.{number}");
        let guess = json!({"username": "staff", "password": "a guess of mine"});
        let answer =
            server.anonymous().post_with("/api/auth/login", &guess, &[("x-forwarded-for", &from)]);
        answer.expect(401);
    }
    let admin = server.admin();
    let found: Vec<_> =
        entries(&admin).into_iter().filter(|(action, ..)| action != "failed_login").collect();
    assert_eq!(found, [entry("delay", None, 2), entry("login", Some(1), 1)]);
    server.wait_for_log("too many wrong passwords from everywhere");
}

#[test]
fn a_session_that_a_login_displaces_has_an_entry() {
    let server = Server::with_users(&["staff"], &[]);
    let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let sql = "
        WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 64)
        INSERT INTO sessions (token_hash, user_id, created_at, used_at)
            SELECT randomblob(32), 2, ?1, ?1 FROM n";
    let now = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    assert_eq!(database.execute(sql, [now]), Ok(64));
    for _ in 0..2 {
        server.anonymous().login("staff", &password_of("staff"));
    }
    let ended = [entry("login", Some(2), 2), entry("displace", Some(2), 2)];
    let mut expected = [&ended[..], &ended].concat();
    expected.push(entry("login", Some(1), 1));
    assert_eq!(entries(&server.admin()), expected);
}
