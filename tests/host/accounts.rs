//! Guards `tillcast user`: a lost device must lose its access, no password may be in the list of processes,
//! and a new colleague must not need a stop of the shop.

use crate::common::{Client, PATIENCE, Running, Server, password_of, program, tillcast};
use rustix::process::Signal;
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::Output;
use std::time::Instant;

fn complaints(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn is_done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", complaints(output));
}

#[track_caller]
fn is_refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", complaints(output));
    complaints(output)
}

/// Sends requests until the session, which another process ended, is refused.
#[track_caller]
fn session_ends(client: &Client) {
    let deadline = Instant::now() + PATIENCE;
    while client.get("/api/auth/me").status != 401 {
        assert!(Instant::now() < deadline, "the session is still good");
    }
}

#[test]
fn a_user_who_is_added_while_it_serves_can_log_in() {
    let server = Server::start();
    let add = |name: &str, role: &str, password: &str| {
        server.cli(&["user", "add", name, "--role", role], password)
    };
    for role in ["admin", "staff", "kiosk", "display"] {
        let name = format!("new-{role}");
        is_done(&add(&name, role, &password_of(&name)));
        let me = server.login(&name).get("/api/auth/me").expect(200).json();
        assert_eq!((&me["user"]["username"], &me["user"]["role"]), (&name.into(), &role.into()));
    }
    assert!(is_refused(&add("new-staff", "staff", "another one 1")).contains("exists"));
    assert!(is_refused(&add("NEW-STAFF", "staff", "another one 1")).contains("exists"));
    let secret = "s3cret!";
    let short = is_refused(&add("eva", "staff", secret));
    assert!(short.contains('8') && !short.contains(secret), "{short}");
    is_refused(&add("eva", "staff", ""));
    is_refused(&add(" ", "staff", "long enough 1"));
    server.anonymous().try_login("eva", secret).expect(401);
}

#[test]
fn a_password_is_never_an_argument() {
    let server = Server::start();
    let secret = "visible to all";
    for arguments in [
        &["user", "add", "eva", secret, "--role", "staff"][..],
        &["user", "add", "eva", "--role", "staff", "--password", secret],
        &["user", "passwd", "admin", secret],
    ] {
        let output = server.cli(arguments, "long enough 1");
        assert_eq!(output.status.code(), Some(2));
        assert!(!complaints(&output).contains(secret), "{}", complaints(&output));
    }
    server.admin().get("/api/auth/me").expect(200);
}

#[test]
fn the_list_has_every_user_and_no_secret() {
    let server = Server::with_users(&["staff", "display"], &[]);
    is_done(&server.cli(&["user", "disable", "display"], ""));
    let output = server.cli(&["user", "list"], "");
    is_done(&output);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let words = |line: &&str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<_> = lines.iter().map(words).collect();
    assert_eq!(rows[0], ["ID", "ROLE", "STATE", "NAME"], "{text}");
    assert_eq!(rows[1], ["1", "admin", "active", "admin"], "{text}");
    assert_eq!(rows[2], ["2", "staff", "active", "staff"], "{text}");
    assert_eq!(rows[3], ["3", "display", "disabled", "display"], "{text}");
    assert_eq!(rows.len(), 4, "{text}");
}

#[test]
fn a_disabled_user_can_be_enabled_again() {
    let server = Server::with_users(&["staff"], &[]);
    is_done(&server.cli(&["user", "disable", "staff"], ""));
    let anonymous = server.anonymous();
    anonymous.try_login("staff", &password_of("staff")).expect(401);
    is_done(&server.cli(&["user", "enable", "staff"], ""));
    anonymous.login("staff", &password_of("staff")).get("/api/orders").expect(200);
    let missing = server.cli(&["user", "enable", "nobody"], "");
    assert!(complaints(&missing).contains("tillcast user list"), "{}", complaints(&missing));
}

#[test]
fn a_new_password_ends_the_sessions_of_the_old_one() {
    let server = Server::with_users(&["staff"], &[]);
    let staff = server.login("staff");
    is_done(&server.cli(&["user", "passwd", "staff"], "another one 1"));
    session_ends(&staff);
    staff.try_login("staff", &password_of("staff")).expect(401);
    let again = staff.login("staff", "another one 1");
    again.get("/api/orders").expect(200);
    let missing = server.cli(&["user", "passwd", "nobody"], "another one 1");
    assert!(is_refused(&missing).contains("nobody"));
    is_refused(&server.cli(&["user", "passwd", "staff"], "short"));
    again.get("/api/orders").expect(200);
}

#[test]
fn a_random_password_is_printed_once_and_works() {
    let server = Server::with_users(&["staff"], &[]);
    let set = || {
        let output = server.cli(&["user", "passwd", "staff", "--random"], "");
        is_done(&output);
        let text = String::from_utf8(output.stdout).unwrap();
        text.split([' ', ';']).find(|word| word.matches('-').count() == 3).unwrap().to_owned()
    };
    let (first, second) = (set(), set());
    assert!(first != second && second.len() >= 16);
    server.anonymous().try_login("staff", &first).expect(401);
    server.anonymous().login("staff", &second).get("/api/orders").expect(200);
    assert!(!server.log().contains(&second));
}

#[test]
fn a_disabled_user_is_logged_out_and_cannot_log_in() {
    let server = Server::with_users(&["staff"], &[]);
    let staff = server.login("staff");
    is_done(&server.cli(&["user", "disable", "staff"], ""));
    session_ends(&staff);
    staff.try_login("staff", &password_of("staff")).expect(401);
    assert!(is_refused(&server.cli(&["user", "disable", "nobody"], "")).contains("nobody"));
    // The last active admin cannot be disabled.
    is_refused(&server.cli(&["user", "disable", "admin"], ""));
    server.admin().get("/api/users").expect(200);
}

#[test]
fn users_can_be_added_before_the_first_start() {
    // `with_users` adds all of them with the command, the admin included.
    let server = Server::with_users(&["staff"], &[]);
    assert!(!server.log().contains("first start"));
    server.login("staff").get("/api/auth/me").expect(200);
    server.admin().get("/api/users").expect(200);
}

#[test]
fn a_link_that_is_asked_for_ends_the_others_and_none_works_beside_an_admin() {
    let (server, printed) = Server::first_start(&[]);
    let ask = || server.cli(&["setup", "--listen", "127.0.0.1:3000"], "");
    let mut last = String::new();
    for _ in 0..2 {
        let told = String::from_utf8(ask().stdout).unwrap();
        let code = told.strip_prefix("first start: http://127.0.0.1:3000/setup#").unwrap();
        assert_eq!(told.lines().count(), 1, "{told}");
        code.trim_end().clone_into(&mut last);
    }
    let guest = server.anonymous();
    let body = |code: &str| json!({"code": code, "username": "ana", "password": "a password 1"});
    guest.post("/api/setup", &body(&printed)).problem(401);
    guest.post("/api/setup", &body(&last)).expect(201);
    assert!(is_refused(&ask()).contains("user passwd"));

    // An admin of the console ends them, too.
    let (server, printed) = Server::first_start(&[]);
    is_done(&server.cli(&["user", "add", "kim", "--role", "admin"], "a password 1"));
    guest.at(server.address()).post("/api/setup", &body(&printed)).problem(410);
}

#[test]
fn a_link_can_be_had_before_the_first_start_and_without_a_standard_error() {
    let data = tempfile::tempdir().unwrap();
    let shop = data.path().join("shop");
    let told = tillcast(&shop, &["setup"], "");
    let told = String::from_utf8(told.stdout).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("new shop created: "), "{told}");
    let (address, code) =
        lines[1].strip_prefix("first start: http://").unwrap().split_once("/setup#").unwrap();
    let address: SocketAddr = address.parse().unwrap();
    assert!(address.port() == 3000 && !address.ip().is_unspecified(), "{told}");
    // The socket is open before the server is, so that the client can wait for it.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let guest = Client::new(socket.local_addr().unwrap(), None);
    let full = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 0</dev/null 2>/dev/full";
    let mut command = program(&["sh", "-c", full], data.path());
    command.args(["serve", "--data-dir"]).arg(&shop).stdin(OwnedFd::from(socket));
    let mut server = Running::of(&mut command);
    let body = json!({"code": code, "username": "ana", "password": "a password 1"});
    guest.post("/api/setup", &body).expect(201);
    assert_eq!(server.end(Signal::TERM), Some(0));
}
