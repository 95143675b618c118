//! Guards a board without a battery clock, whose time is a day off until the network sets it: a
//! login that is lost or comes back to life, a log whose times run backwards or whose `seq` breaks.
//!
//! A clock that goes back between two runs is the same as a file whose times all lie ahead.
#![expect(clippy::unwrap_used, reason = "a helper that panics is a failed test")]

mod common;

use common::{Server, head, log_after, outside_order};
use rusqlite::Connection;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// Sets the clock `hours` ahead while the server is away, or back.
fn set_clock_ahead(server: &Server, hours: i64) {
    let conn = database(server);
    for change in [
        "UPDATE events SET at = at - ?",
        "UPDATE answers SET at = at - ?",
        "UPDATE sessions SET created_at = created_at - ?1, used_at = used_at - ?1",
    ] {
        conn.execute(change, [hours * HOUR_MS]).unwrap();
    }
    conn.close().map_err(|(_, error)| error).unwrap();
}

fn database(server: &Server) -> Connection {
    Connection::open(server.data_dir().join("tillcast.db")).unwrap()
}

/// The log goes on behind this `seq`, in order and without a hole, and its times never run back.
#[track_caller]
fn goes_on(mut server: Server, before: u64) {
    let admin = server.admin();
    outside_order(&admin, 5.25);
    outside_order(&admin, 5.25);
    assert_eq!(head(&admin), before + 2);
    assert_eq!(log_after(&admin, 0).len() as u64, before + 2);
    assert_eq!(server.stop(), Some(0));
    let sql =
        "SELECT count(*) FROM events AS a JOIN events AS b ON b.seq = a.seq + 1 WHERE b.at < a.at";
    let back: i64 = database(&server).query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(back, 0);
    assert!(server.cli(&["check"], "").status.success());
}

#[test]
fn a_clock_that_went_back_a_day_loses_no_login() {
    let mut server = Server::start();
    let admin = server.admin();
    outside_order(&admin, 5.25);
    assert_eq!(server.stop(), Some(0));
    set_clock_ahead(&server, -24);
    let server = server.again();
    server.adopt(&admin).get("/api/auth/me").expect(200);
    goes_on(server, 1);
}

#[test]
fn a_clock_that_went_back_a_day_revives_no_login() {
    let mut server = Server::with(&["--session-max", "2h", "--session-idle", "1h"]);
    let (idle, old) = (server.admin(), server.admin());
    let busy = server.admin();
    outside_order(&busy, 5.25);
    assert_eq!(server.stop(), Some(0));
    // Three logins, told apart by when they were made: one was idle, one is too old.
    let conn = database(&server);
    let sql = "UPDATE sessions SET created_at = created_at - ?, used_at = used_at - ?
               WHERE created_at = (SELECT created_at FROM sessions ORDER BY created_at LIMIT 1 OFFSET ?)";
    assert_eq!(conn.execute(sql, [3 * HOUR_MS, 0, 1]).unwrap(), 1);
    assert_eq!(conn.execute(sql, [HOUR_MS * 3 / 2, HOUR_MS * 3 / 2, 1]).unwrap(), 1);
    conn.close().map_err(|(_, error)| error).unwrap();
    set_clock_ahead(&server, -24);
    let server = server.again();
    server.adopt(&idle).get("/api/auth/me").expect(401);
    server.adopt(&old).get("/api/auth/me").expect(401);
    server.adopt(&busy).get("/api/auth/me").expect(200);
    goes_on(server, 1);
}

#[test]
fn a_clock_that_went_ahead_a_day_ends_what_is_too_old_by_it() {
    for (idle, status) in [("12h", 401), ("3d", 200)] {
        let mut server = Server::with(&["--session-idle", idle]);
        let admin = server.admin();
        outside_order(&admin, 5.25);
        assert_eq!(server.stop(), Some(0));
        set_clock_ahead(&server, 24);
        let server = server.again();
        server.adopt(&admin).get("/api/auth/me").expect(status);
        goes_on(server, 1);
    }
}
