//! The notifications to a service manager: ready once the port is open and not before, the status only when
//! it has changed, and the stop.

use super::manager::Manager;
use crate::common::{Socket, cheap_events, outside_order, unique};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::json;
use std::net::TcpStream;
use std::time::Duration;

/// The watchdog's time in tests that need a message soon.
const SHORT: Duration = Duration::from_secs(2);

#[test]
fn it_is_ready_when_it_listens_and_says_when_it_stops() {
    for manager in [Manager::at_path(), Manager::abstract_one()] {
        let mut server = manager.start(None, &["--drain", "40s"]);
        let opening = manager.hears();
        assert!(opening.contains("EXTEND_TIMEOUT_USEC=90000000"), "{opening}");
        assert!(!opening.contains("READY"), "{opening}");
        let ready = manager.hears();
        assert!(ready.starts_with("READY=1\nSTATUS=0 connections, seq 0, 0 unsent"), "{ready}");
        assert!(TcpStream::connect(server.address()).is_ok());
        assert_eq!(server.stop(), Some(0));
        let stopping = manager.hears();
        assert!(stopping.starts_with("STOPPING=1\n"), "{stopping}");
        // The drain, and a minute for the work after it.
        assert!(stopping.contains("EXTEND_TIMEOUT_USEC=100000000"), "{stopping}");
        assert_eq!(manager.hears_within(Duration::from_millis(1)), None);
    }
}

#[test]
fn a_large_database_gets_time_for_its_check() {
    let manager = Manager::at_path();
    let mut server = manager.start(None, &[]);
    manager.hears_of("READY=1");
    assert_eq!(server.stop(), Some(0));
    let conn = rusqlite::Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    conn.execute_batch(
        "CREATE TABLE filler (bytes BLOB);
         INSERT INTO filler VALUES (zeroblob(20 * 1024 * 1024)); DROP TABLE filler;",
    )
    .unwrap();
    conn.close().map_err(|(_, error)| error).unwrap();
    manager.hears_of("STOPPING=1");
    let _server = server.again();
    let opening = manager.hears();
    assert!(opening.contains("opening a database of 20 MiB"), "{opening}");
    assert!(opening.contains("EXTEND_TIMEOUT_USEC=110000000"), "{opening}");
}

#[test]
fn the_status_is_sent_only_when_it_has_changed() {
    let manager = Manager::at_path();
    let server = manager.start(Some(SHORT), &[]);
    manager.hears_of("READY=1");
    for _ in 0..3 {
        assert_eq!(manager.hears(), "WATCHDOG=1\n");
    }
    let admin = server.admin();
    let mut socket = admin.ws();
    socket.subscribe("order_changes");
    outside_order(&admin, 9.99);
    let told = manager.hears_of("seq 1,");
    assert_eq!(told, "STATUS=2 connections, seq 1, 0 unsent\nWATCHDOG=1\n");
    for _ in 0..3 {
        assert_eq!(manager.hears(), "WATCHDOG=1\n");
    }
}

#[test]
fn unsent_events_of_a_client_are_counted() {
    let manager = Manager::at_path();
    let server = manager.start(Some(SHORT), &[]);
    let admin = server.admin();
    let stream = TcpStream::connect(server.address()).unwrap();
    set_socket_recv_buffer_size(&stream, 32 * 1024).unwrap();
    let mut socket = Socket::over(stream, server.address(), admin.cookie(), &[]).unwrap();
    assert_eq!(socket.recv()["type"], "connected");
    let from = socket.subscribe("order_changes");
    let order = outside_order(&admin, 9.99);
    cheap_events(&admin, order, 2_000);
    let told = manager.hears_of("seq 2001,");
    let unsent = |told: &str| {
        let line = told.lines().find_map(|line| line.strip_suffix(" unsent")).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let mut behind = unsent(&told);
    while behind == 0 {
        behind = unsent(&manager.hears_of("STATUS="));
    }
    // Its kernel's buffers hold the first ones.
    assert!((100..2_000).contains(&behind), "{behind} unsent");
    admin.patch(&format!("/api/orders/{order}"), &json!({"notes": unique("note")})).expect(200);
    for seq in from + 1..=from + 2_002 {
        assert_eq!(socket.recv_event()["seq"], seq);
    }
    manager.hears_of(" 0 unsent");
}
