//! Guards the end of access: a socket that stays open after its user was logged out, disabled or
//! given another role goes on reading the shop's sales.
#![expect(clippy::unwrap_used, reason = "a helper that panics is a failed test")]

mod common;

use common::{Client, Server, Socket, outside_order, password_of};
use serde_json::json;
use std::time::{Duration, Instant};

/// A socket dies within one second; the rest is for a machine that is busy with other tests.
const AT_MOST: Duration = Duration::from_millis(1000 + 500);

/// The socket is closed with 1008 and a reason, soon enough after `since`.
#[track_caller]
fn dies(socket: &mut Socket, since: Instant) {
    let (code, reason) = socket.expect_close();
    assert_eq!(code, 1008);
    assert!(!reason.is_empty());
    let after = since.elapsed();
    assert!(after < AT_MOST, "closed only after {after:?}");
}

/// A socket of this session that is subscribed to orders.
fn subscribed(client: &Client) -> Socket {
    let mut socket = client.ws();
    socket.subscribe("order_changes");
    socket
}

fn id_of(client: &Client) -> i64 {
    let me = client.get("/api/auth/me").expect(200).json();
    me["user"]["id"].as_i64().unwrap()
}

#[test]
fn logout_closes_the_sockets_of_that_session_only() {
    let server = Server::start();
    let (leaving, staying) = (server.admin(), server.admin());
    let mut leaving_sockets = [subscribed(&leaving), subscribed(&leaving)];
    let mut staying_socket = subscribed(&staying);
    leaving.post("/api/auth/logout", &json!({})).expect(204);
    let since = Instant::now();
    for socket in &mut leaving_sockets {
        dies(socket, since);
    }
    outside_order(&staying, 9.99);
    staying_socket.recv_event();
}

#[test]
fn a_new_password_closes_the_sockets_of_the_other_sessions() {
    let server = Server::with_users(&["staff"], &[]);
    let (here, elsewhere) = (server.login("staff"), server.login("staff"));
    let (mut kept, mut ended) = (subscribed(&here), subscribed(&elsewhere));
    let old = password_of("staff");
    let body = json!({"current_password": old, "new_password": "another password"});
    here.post("/api/auth/password", &body).expect(204);
    dies(&mut ended, Instant::now());
    kept.expect_quiet();
}

#[test]
fn a_new_role_closes_the_sockets_of_the_old_one() {
    let server = Server::with_users(&["staff"], &[]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    let mut socket = subscribed(&staff);
    let path = format!("/api/users/{}", id_of(&staff));
    admin.patch(&path, &json!({"role": "display"})).expect(200);
    dies(&mut socket, Instant::now());

    let mut again = server.login("staff").ws();
    again.send(&json!({"type": "subscribe", "channel": "customer_changes"}));
    assert!(again.recv_error().contains("customer_changes"));
}

#[test]
fn a_password_set_by_the_administrator_closes_the_users_sockets() {
    let server = Server::with_users(&["staff"], &[]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    let mut socket = subscribed(&staff);
    let path = format!("/api/users/{}", id_of(&staff));
    admin.patch(&path, &json!({"password": "given by the boss"})).expect(200);
    dies(&mut socket, Instant::now());
    staff.get("/api/auth/me").expect(401);
    server.anonymous().try_login("staff", "given by the boss").expect(200);
}

#[test]
fn disabling_a_user_closes_its_sockets_and_its_door() {
    let server = Server::with_users(&["staff"], &[]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    let mut socket = subscribed(&staff);
    let path = format!("/api/users/{}", id_of(&staff));
    admin.patch(&path, &json!({"disabled": true})).expect(200);
    dies(&mut socket, Instant::now());
    staff.get("/api/orders").expect(401);
    server.anonymous().try_login("staff", &password_of("staff")).expect(401);
    let (code, _) = staff.upgrade(&[]).unwrap().expect_close();
    assert_eq!(code, 1008);

    admin.patch(&path, &json!({"disabled": false})).expect(200);
    server.login("staff").ws().expect_quiet();
}

#[test]
fn deleting_a_user_closes_its_sockets() {
    let server = Server::with_users(&["staff"], &[]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    let mut socket = subscribed(&staff);
    admin.delete(&format!("/api/users/{}", id_of(&staff))).expect(204);
    dies(&mut socket, Instant::now());
    staff.get("/api/auth/me").expect(401);
}

#[test]
fn the_command_line_reaches_into_the_running_server() {
    let server = Server::with_users(&["staff", "kiosk"], &[]);
    let (staff, kiosk) = (server.login("staff"), server.login("kiosk"));
    let (mut of_staff, mut of_kiosk) = (subscribed(&staff), subscribed(&kiosk));

    let output = server.cli(&["user", "disable", "staff"], "");
    let since = Instant::now();
    assert!(output.status.success(), "{output:?}");
    dies(&mut of_staff, since);
    staff.get("/api/auth/me").expect(401);
    of_kiosk.expect_quiet();

    let output = server.cli(&["user", "passwd", "kiosk"], "quite another one");
    let since = Instant::now();
    assert!(output.status.success(), "{output:?}");
    dies(&mut of_kiosk, since);
    server.anonymous().try_login("kiosk", "quite another one").expect(200);

    let output = server.cli(&["user", "add", "eva", "--role", "display"], "password of eva");
    assert!(output.status.success(), "{output:?}");
    server.anonymous().login("eva", "password of eva").ws().expect_quiet();
}

#[test]
fn a_login_survives_that_another_program_writes_users_at_that_moment() {
    let server = Server::start();
    std::thread::scope(|scope| {
        let adding = scope.spawn(|| {
            for name in ["ana", "ben", "eva"] {
                let output = server.cli(&["user", "add", name, "--role", "staff"], "a password");
                assert!(output.status.success(), "{output:?}");
            }
        });
        // The server looks for changes several times a second; each look meets a login.
        for _ in 0..50 {
            server.admin().get("/api/auth/me").expect(200);
        }
        adding.join().unwrap();
    });
}

#[test]
fn a_session_ends_at_its_absolute_age_even_while_connected() {
    let server = Server::with(&["--session-max", "3s"]);
    let since = Instant::now();
    let admin = server.admin();
    let mut socket = subscribed(&admin);
    let (code, reason) = socket.expect_close();
    assert_eq!(code, 1008);
    assert!(!reason.is_empty());
    let age = since.elapsed();
    let full = Duration::from_secs(3);
    // From before the login to after the close; the login itself takes a while.
    assert!(age >= full && age < full + AT_MOST + Duration::from_secs(1), "closed after {age:?}");
    admin.get("/api/auth/me").expect(401);
}

#[test]
fn an_open_socket_counts_as_use_and_an_idle_session_ends() {
    let server = Server::with(&["--session-idle", "2s"]);
    let (connected, idle) = (server.admin(), server.admin());
    let mut socket = subscribed(&connected);
    socket.set_patience(Duration::from_secs(4));
    let nothing = socket.recv_message();
    assert!(nothing.is_err(), "{nothing:?}");
    socket.expect_quiet();
    connected.get("/api/auth/me").expect(200);
    idle.get("/api/auth/me").expect(401);
    let (code, _) = idle.upgrade(&[]).unwrap().expect_close();
    assert_eq!(code, 1008);
}
