//! Guards a shop from 19 January 2038 on, when the seconds since 1970 no longer fit 32 bits,
//! against an event of 1901, a till that is logged out, a certificate that no client accepts, and a
//! program that dies.
//!
//! Every time from the program is compared with this test's own clock, whatever that shows.
//! `tests/arm` sets both to the year 2040, with the program on an emulated board.

use crate::common::{Keys, Server, curl, head, log_after, outside_order};
use serde_json::Value;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{Duration, OffsetDateTime};

/// The most by which clocks may differ; no step of a test takes as long.
const APART: Duration = Duration::minutes(2);

#[track_caller]
fn is_now(what: &str, time: OffsetDateTime) {
    let apart = (OffsetDateTime::now_utc() - time).abs();
    assert!(apart < APART, "{what} is {apart} off: {time}");
}

#[track_caller]
fn read(text: &Value) -> OffsetDateTime {
    let text = text.as_str().unwrap();
    OffsetDateTime::parse(text, &Rfc3339).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

#[test]
fn orders_and_backups_are_dated_today() {
    let backups = tempfile::tempdir().unwrap();
    let mut server = Server::with(&["--backup-dir", backups.path().to_str().unwrap()]);
    let line = server.wait_for_log("listening on");
    is_now("the log", read(&line.split_whitespace().next().unwrap().into()));

    let admin = server.admin();
    let mut socket = admin.ws();
    socket.subscribe("order_changes");
    let order = outside_order(&admin, 9.99);
    is_now("an event", read(&socket.recv_event()["timestamp"]));
    let answer = admin.get(&format!("/api/orders/{order}")).expect(200);
    is_now("an order", read(&answer.json()["created_at"]));
    is_now("an answer", OffsetDateTime::parse(answer.header("date"), &Rfc2822).unwrap());
    let trail = admin.get("/api/audit?limit=1").expect(200).json();
    is_now("the audit trail", read(&trail["data"][0]["at"]));
    server.wait_for_log("today's backup is");
    let backup = backups.path().read_dir().unwrap().next().unwrap().unwrap().file_name();
    let date = backup.to_str().unwrap().replace("tillcast-", "").replace(".db", "T00:00:00Z");
    assert!(OffsetDateTime::now_utc() - read(&date.into()) < Duration::DAY + APART, "{backup:?}");

    // The next start knows the login and continues the log.
    assert_eq!(server.stop(), Some(0));
    let server = server.again();
    let admin = server.adopt(&admin);
    outside_order(&admin, 9.99);
    assert_eq!(log_after(&admin, 0).len() as u64, head(&admin));
    let checked = server.cli(&["check"], "");
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_login_ends_when_its_time_is_up() {
    let server = Server::with(&["--session-max", "5s"]);
    let admin = server.admin();
    admin.get("/api/auth/me").expect(200);
    let (code, reason) = admin.ws().expect_close();
    assert_eq!(code, 1008, "{reason}");
    admin.get("/api/auth/me").expect(401);
}

#[test]
fn a_certificate_of_today_is_accepted() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    // curl may run in another year than this test; the WebSocket below checks the certificate.
    let url = format!("https://{}/api/auth/login", server.address());
    let login = format!(r#"{{"username":"admin","password":"{}"}}"#, server.admin_password());
    let answer = curl(&["-k", "-H", "content-type: application/json", "-d", &login, &url]);
    keys.ws(server.address(), &answer.expect(200).session_cookie()).expect_quiet();
    let log = server.log();
    assert!(!log.contains("the certificate"), "{log}");
}
