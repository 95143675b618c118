//! Guards the end of access: a socket that stays open after its user logged out, was disabled or got another
//! role could still read the shop's sales.

use crate::common::{
    Client, PATIENCE, Raw, Server, Socket, customer, head, json_request, outside_order, password_of,
};
use rusqlite::{Connection, TransactionBehavior};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tungstenite::Message;

/// A socket is closed within one second; the rest is for a machine that is busy with other tests.
const AT_MOST: Duration = Duration::from_millis(1000 + 500);

/// Checks that the socket is closed with 1008 and a reason, soon enough after `since`.
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

/// Events reach a socket live, from the ring, or as a page of the log. None that was made after a change of
/// role may reach a user who lost the right to it.
#[test]
fn a_user_whose_role_narrows_gets_nothing_more() {
    let server = Server::with_users(&["staff"], &[]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    let past: Vec<i64> = (0..200).map(|_| customer(&admin)).collect();
    let mut sockets: Vec<Socket> = (0..20).map(|_| staff.ws()).collect();
    for (at, socket) in sockets.iter_mut().enumerate() {
        let ack = match at % 2 {
            0 => json!({"type": "subscribe", "channel": "customer_changes"}),
            _ => json!({"type": "subscribe", "channel": "customer_changes", "since": 0}),
        };
        socket.send(&ack);
        assert_eq!(socket.recv()["type"], "subscribed");
    }
    let path = format!("/api/users/{}", id_of(&staff));
    let changed = AtomicBool::new(false);
    let last = std::thread::scope(|scope| {
        // Sells meanwhile, so that an event is always on its way.
        let selling = scope.spawn(|| {
            let mut after = 0;
            while after < 50 {
                after += i32::from(changed.load(Ordering::Acquire));
                customer(&admin);
            }
        });
        admin.patch(&path, &json!({"role": "kiosk"})).expect(200);
        let last = head(&admin);
        changed.store(true, Ordering::Release);
        let since = Instant::now();
        for socket in &mut sockets {
            loop {
                match socket.recv_message() {
                    Ok(Message::Text(text)) => {
                        let event: Value = serde_json::from_str(&text).unwrap();
                        let seq = event["seq"].as_u64().unwrap();
                        assert!(seq <= last, "{seq} came after {last}");
                    }
                    Ok(Message::Close(Some(frame))) => {
                        break assert_eq!(u16::from(frame.code), 1008);
                    }
                    Ok(_) => {}
                    Err(error) => unreachable!("{error}"),
                }
            }
        }
        assert!(since.elapsed() < AT_MOST, "closed only after {:?}", since.elapsed());
        selling.join().unwrap();
        last
    });
    assert!(last >= past.len() as u64);

    let mut again = server.login("staff").ws();
    again.send(&json!({"type": "subscribe", "channel": "customer_changes", "since": 0}));
    assert!(again.recv_error().contains("customer_changes"));
    again.subscribe("product_changes");
    customer(&admin);
    again.expect_quiet();

    // More rights need a new session, too.
    admin.patch(&path, &json!({"role": "staff"})).expect(200);
    dies(&mut again, Instant::now());
    let mut promoted = server.login("staff").ws();
    promoted.subscribe("customer_changes");
    customer(&admin);
    promoted.recv_event();
}

/// An administrator's connection breaks right after the request was sent: the change happens, so its
/// consequences must, too.
#[test]
fn a_revocation_holds_when_its_client_hangs_up() {
    let server = Server::with_users(&["staff", "kiosk", "display"], &[]);
    let admin = server.admin();
    let of = ["staff", "kiosk", "display"].map(|name| server.login(name));
    let path = |client: &Client| format!("/api/users/{}", id_of(client));
    let [staff, kiosk, display] = of.each_ref().map(path);
    let leaving = server.admin();
    let requests = [
        (
            "PATCH",
            &*staff,
            &admin,
            r#"{"role":"display"}"#,
            "SELECT role = 'display' FROM users WHERE id = 2",
        ),
        (
            "PATCH",
            &*kiosk,
            &admin,
            r#"{"disabled":true}"#,
            "SELECT disabled FROM users WHERE id = 3",
        ),
        ("DELETE", &*display, &admin, "", "SELECT count(*) = 0 FROM users WHERE id = 4"),
        (
            "POST",
            "/api/auth/logout",
            &leaving,
            "{}",
            "SELECT count(*) = 1 FROM sessions WHERE user_id = 1",
        ),
    ];
    let mut database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    for (client, (method, path, by, body, is_done)) in of.iter().chain([&leaving]).zip(requests) {
        let mut socket = subscribed(client);
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Another program locks the database for a moment, so that no reply comes yet.
            let held = database.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
            let before = connections(&admin);
            let mut raw = Raw::connect(server.address()).unwrap();
            raw.send(&json_request(method, path, by.cookie(), "", body)).unwrap();
            connections_become(&admin, before + 1);
            drop(raw);
            connections_become(&admin, before);
            held.rollback().unwrap();
            outside_order(&admin, 9.99); // comes after what waited
            if database.query_row(is_done, [], |row| row.get(0)).unwrap() {
                break;
            }
            // It was gone before the request was read: then nothing happened at all.
            assert!(Instant::now() < deadline, "{method} {path} never happened");
        }
        let since = Instant::now();
        assert_eq!(socket.drain_until_close().0, 1008, "{method} {path}");
        assert!(since.elapsed() < AT_MOST, "{method} {path}: {:?}", since.elapsed());
        client.get("/api/auth/me").expect(401);
    }
}

fn connections(client: &Client) -> u64 {
    let text = client.get("/metrics").expect(200).text();
    let line = text.lines().find_map(|line| line.strip_prefix("tillcast_connections "));
    line.unwrap().parse().unwrap()
}

#[track_caller]
fn connections_become(client: &Client, count: u64) {
    let deadline = Instant::now() + PATIENCE;
    while connections(client) != count {
        assert!(Instant::now() < deadline, "{} connections", connections(client));
    }
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
fn disabling_a_user_closes_its_sockets_and_refuses_its_logins() {
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
fn the_command_line_ends_sessions_of_the_running_server() {
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
fn a_login_survives_a_simultaneous_change_by_another_program() {
    let server = Server::start();
    std::thread::scope(|scope| {
        let adding = scope.spawn(|| {
            for name in ["ana", "ben", "eva"] {
                let output = server.cli(&["user", "add", name, "--role", "staff"], "a password");
                assert!(output.status.success(), "{output:?}");
            }
        });
        // The server checks for changes several times a second, and each check meets a login.
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
