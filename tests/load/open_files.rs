//! Guards the shop without file descriptors: the server must not crash, spin, or drop its connections, and
//! must accept connections again later.

use crate::common::{Raw, Server, Socket, outside_order};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Files that the server may open beyond those that it has.
const LEFT: u64 = 40;
/// How long the server is watched while it has none.
const WATCHED: Duration = Duration::from_secs(2);

#[test]
fn without_file_descriptors_the_shop_continues_and_later_accepts_again() {
    let server = Server::start();
    let admin = server.admin();
    let mut socket = admin.ws();
    socket.subscribe("order_changes");
    let files = server.open_files() + LEFT;
    let limit = Rlimit { current: Some(files), maximum: Some(files) };
    prlimit(Pid::from_raw(i32::try_from(server.pid()).unwrap()), Resource::Nofile, limit).unwrap();
    let crowd: Vec<TcpStream> =
        (0..2 * LEFT).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    server.wait_for_log("cannot accept connections");

    let (before, begun) = (ticks(&server), Instant::now());
    let mut orders = 0;
    while begun.elapsed() < WATCHED {
        let order = outside_order(&admin, 9.99);
        assert_eq!(socket.recv_event()["data"]["id"], order);
        admin.get("/api/orders?limit=200").expect(200);
        admin.get("/api/events?limit=200").expect(200);
        orders += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    let busy = ticks(&server) - before;
    // A tick is a hundredth of a second; a thread that spins uses all of them.
    assert!(busy < 100, "{busy} ticks for {orders} orders in {WATCHED:?}");

    let begun = Instant::now();
    drop(crowd);
    let mut raw = Raw::connect(server.address()).unwrap();
    raw.send(b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n").unwrap();
    assert_eq!(raw.answer(false).unwrap().expect("an answer").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    admin.ws().expect_quiet();
    let complaints = server.log().matches("cannot accept").count();
    assert!(complaints <= 2, "it complained {complaints} times");
}

#[test]
fn a_low_limit_of_open_files_lowers_the_limit_of_connections() {
    let server = Server::under(&["prlimit", "--nofile=300"], &["--max-connections", "5000"]);
    let told = server.wait_for_log("--max-connections");
    assert!(told.contains("300") && told.contains("172") && told.contains("5128"), "{told}");
    let admin = server.admin();
    let mut sockets: Vec<Socket> = Vec::new();
    let refused = loop {
        match admin.upgrade(&[]) {
            Ok(mut socket) => {
                assert_eq!(socket.recv()["type"], "connected");
                sockets.push(socket);
            }
            Err(answer) => break answer,
        }
    };
    refused.problem(429);
    assert_eq!(sockets.len(), 171, "and one is the connection of the login");
    assert!(!server.log().contains("cannot accept"));
}

/// The CPU time of the server, in hundredths of a second (proc(5): utime and stime).
fn ticks(server: &Server) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    let (_, behind_name) = stat.rsplit_once(')').unwrap();
    let numbers = behind_name.split_whitespace().skip(11).take(2);
    numbers.map(|number| number.parse::<u64>().unwrap()).sum()
}
