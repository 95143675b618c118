//! Guards the shop against clients that only use up connections: silent ones, logins that never end, devices
//! that connect in a loop. A client that is logged in can connect and is served.

use crate::common::{
    Answer, Client, Keys, Network, PATIENCE, Raw, Server, Socket, is_root, json_request,
};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use serde_json::json;
use socket2::{Domain, Type};
use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread::scope;
use std::time::{Duration, Instant};

/// A reply within this time waited for no timeout: the server's shortest one is longer.
const AT_ONCE: Duration = Duration::from_secs(1);
/// The age at which a half-open connection is replaced, before the server cuts it.
const RENEW: Duration = Duration::from_secs(9);
const HALF_A_HEAD: &[u8] = b"GET /ws HTTP/1.1\r\nHost: shop\r\n";
const LOGIN: &str = r#"{"username":"admin","password":"a wrong one"}"#;

/// Connects from one of the millions of loopback addresses.
fn connect_from(number: usize, server: &Server) -> TcpStream {
    let [_, b, c, d] = u32::try_from(number).unwrap().to_be_bytes();
    let from = SocketAddr::from((Ipv4Addr::new(127, 1 + b, c, d), 0));
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&server.address().into()).unwrap();
    socket.into()
}

/// Addresses of one IPv6 network, which count as one.
const NETWORK: &str = "fd00:7::/64";
const TINY_ON_BOTH: [&str; 6] =
    ["--profile", "tiny", "--listen", "127.0.0.1:0", "--listen", "[::1]:0"];

/// Connects from one of these.
fn connect_from_network(number: usize, to: SocketAddr) -> TcpStream {
    let from = Ipv6Addr::new(0xfd00, 7, 0, 0, 0, 0, 0, u16::try_from(number).unwrap());
    let socket = socket2::Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
    socket.set_freebind_v6(true).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

fn listens_on_ipv6(server: &Server) -> SocketAddr {
    let line = server.wait_for_log("listening on [::1]:");
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Opens a WebSocket from a loopback address.
fn upgrade_from(number: usize, server: &Server, client: &Client) -> Result<Socket, Box<Answer>> {
    let stream = connect_from(number, server);
    let mut socket = Socket::over(stream, server.address(), client.cookie(), &[])?;
    assert_eq!(socket.recv()["type"], "connected");
    Ok(socket)
}

/// Connections that never send a whole request, the oldest first.
struct HalfOpen<'s> {
    server: &'s Server,
    addresses: usize,
    opened: VecDeque<(Instant, TcpStream)>,
    came: usize,
}

impl<'s> HalfOpen<'s> {
    /// Opens `count` connections from `addresses` addresses.
    fn storm(server: &'s Server, count: usize, addresses: usize) -> Self {
        let mut storm = Self { server, addresses, opened: VecDeque::new(), came: 0 };
        (0..count).for_each(|_| storm.open());
        storm
    }

    fn open(&mut self) {
        let mut stream = connect_from(self.came % self.addresses, self.server);
        self.came += 1;
        // Some send nothing at all.
        if !self.came.is_multiple_of(4) {
            stream.write_all(HALF_A_HEAD).unwrap();
        }
        self.opened.push_back((Instant::now(), stream));
    }

    /// Replaces those that will soon be cut.
    fn renew(&mut self) {
        while self.opened.front().is_some_and(|(at, _)| at.elapsed() > RENEW) {
            self.open();
            self.opened.pop_front();
        }
    }
}

/// The reply to a request on a new connection.
fn ask(server: &Server, request: &[u8]) -> Answer {
    let mut raw = Raw::connect(server.address()).unwrap();
    raw.send(request).unwrap();
    raw.answer(false).unwrap().expect("an answer")
}

/// Checks that a client without a session is refused at once, with the time to come back.
#[track_caller]
fn is_full_for_strangers(server: &Server) {
    let login = json_request("POST", "/api/auth/login", None, "", LOGIN);
    for request in [login, b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n".to_vec()] {
        let begun = Instant::now();
        let answer = ask(server, &request);
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
        answer.problem(429);
        assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    }
    monitors_are_answered(server);
}

/// Checks that a monitor gets its answer, whatever else is refused.
#[track_caller]
fn monitors_are_answered(server: &Server) {
    for path in ["/healthz", "/readyz"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n");
        assert_eq!(
            ask(server, request.as_bytes()).expect(200).header("content-type"),
            "application/json"
        );
    }
}

const SOCKETS: usize = 5_000;
const HALF_OPEN: usize = 5_000;
const ORDERS: usize = 100;

/// The bounds are the defaults. The storm comes from many addresses, so that none of them is too fast.
#[test]
fn an_order_goes_through_beside_ten_thousand_connections_half_of_them_half_open() {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();

    let server = Server::with(&["--connect-rate", "20/s", "--max-connections-per-address", "256"]);
    let admin = server.admin();
    let mut sockets: Vec<Socket> =
        (0..SOCKETS).map(|at| upgrade_from(at % 100, &server, &admin).unwrap()).collect();
    for socket in sockets.iter_mut().step_by(10) {
        socket.subscribe("order_changes");
    }
    let mut storm = HalfOpen::storm(&server, HALF_OPEN, 100);
    let (stop, stopped) = sync_channel::<()>(0);
    let (mut took, most_bytes) = scope(|threads| {
        let server = &server;
        let raging = threads.spawn(move || {
            let (pace, mut most_bytes) = (Duration::from_millis(20), 0);
            while stopped.recv_timeout(pace) == Err(RecvTimeoutError::Timeout) {
                storm.renew();
                most_bytes = server.resident_bytes().max(most_bytes);
            }
            most_bytes
        });
        let stop = stop;
        let took = sell(server, &admin);
        is_full_for_strangers(server);
        upgrade_from(0, server, &admin).unwrap().expect_quiet();
        let connections = admin.metric("connections");
        assert!(connections > 9_900, "only {connections} connections were held");
        drop(stop);
        (took, raging.join().unwrap())
    });
    for socket in sockets.iter_mut().step_by(10) {
        let events = socket.recv_events(ORDERS);
        assert!((1..).zip(events).all(|(seq, event)| event["seq"] == seq));
    }
    took.sort();
    let p99 = took[ORDERS - ORDERS / 100 - 1];
    let sum = sum_of_limits(&server);
    eprintln!("p99 of an order {p99:?}, {} KiB of {sum} KiB", most_bytes / 1024); // for --nocapture
    assert!(p99 < Duration::from_secs(1), "p99 of an order: {p99:?}");
    assert!(most_bytes / 1024 <= sum, "{} KiB, `limits` says {sum}", most_bytes / 1024);
}

/// Places orders, each on a new connection; returns the time of each.
fn sell(server: &Server, admin: &Client) -> Vec<Duration> {
    let body = json!({"total": 9.99, "currency": "USD"}).to_string();
    let order = json_request("POST", "/api/orders", admin.cookie(), "", &body);
    let sell = |_| {
        let begun = Instant::now();
        ask(server, &order).expect(201);
        begun.elapsed()
    };
    (0..ORDERS).map(sell).collect()
}

fn sum_of_limits(server: &Server) -> u64 {
    let text = String::from_utf8(server.cli(&["limits"], "").stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("all together")).unwrap();
    line.split_whitespace().rev().find_map(|word| word.parse().ok()).unwrap()
}

/// The most connections, of which a sixteenth is reserved.
const PLACES: &str = "64";
const RESERVED: usize = 4;

#[test]
fn a_logged_in_client_can_connect_while_strangers_hold_connections() {
    let server = Server::with(&["--max-connections", PLACES]);
    let admin = server.admin();
    let mut storm = HalfOpen::storm(&server, 200, 10);
    // The connection of `admin` counts, too.
    let ordinary = 64 - RESERVED - 1;
    let mut sockets: Vec<Socket> = (0..ordinary)
        .map(|at| {
            storm.open();
            upgrade_from(at, &server, &admin).unwrap()
        })
        .collect();
    is_full_for_strangers(&server);
    assert_eq!(ask(&server, &get("/api/auth/me", &admin)).status, 200);
    // The connection of that reply may still be closing.
    let begun = Instant::now();
    while sockets.len() < ordinary + RESERVED {
        match upgrade_from(sockets.len(), &server, &admin) {
            Ok(socket) => sockets.push(socket),
            Err(refusal) => assert!(begun.elapsed() < PATIENCE, "{refusal:?}"),
        }
    }
    let refused = upgrade_from(0, &server, &admin).err().expect("all places are taken");
    assert_eq!(refused.problem(429)["title"], "Too Many Requests");
    sockets.iter_mut().for_each(Socket::expect_quiet);
}

/// Devices that one address connects to the shop, and that take a while to send their requests.
const DEVICES: usize = 20;
/// Thrice as many as may be half-open with the smallest profile.
const TOO_MANY: usize = 750;
const HALF_A_PAGE: &[u8] = b"GET / HTTP/1.1\r\nHost: shop\r\n";

/// Checks that devices which connected before a storm can still send their requests after it.
fn are_served_after_a_storm(
    devices: Vec<TcpStream>,
    storm: impl Fn(usize) -> TcpStream,
    server: &Server,
) {
    let begin = |stream| {
        let mut raw = Raw::over(stream).unwrap();
        raw.send(HALF_A_PAGE).unwrap();
        raw
    };
    let mut devices: Vec<Raw> = devices.into_iter().map(begin).collect();
    let storm: Vec<TcpStream> = (0..TOO_MANY).map(storm).collect();
    // Connections are accepted in their order: all of the storm were.
    monitors_are_answered(server);
    for device in &mut devices {
        device.send(b"\r\n").unwrap();
        device.answer(false).unwrap().expect("it was not replaced").expect(200);
    }
    drop(storm);
}

#[test]
fn half_open_connections_of_one_address_replace_each_other_alone() {
    let server = Server::with(&["--profile", "tiny"]);
    let mut devices: Vec<_> = (0..DEVICES).map(|_| connect_from(1, &server)).collect();
    devices.push(connect_from(2, &server));
    are_served_after_a_storm(devices, |_| connect_from(3, &server), &server);
}

#[test]
fn the_addresses_of_one_ipv6_network_replace_each_others_half_open_connections_alone() {
    if !is_root() {
        return;
    }
    let _network = Network::with_own(NETWORK);
    let server = Server::with(&TINY_ON_BOTH);
    let to = listens_on_ipv6(&server);
    let devices = (0..DEVICES).map(|_| TcpStream::connect(to).unwrap()).collect();
    are_served_after_a_storm(devices, |at| connect_from_network(at, to), &server);
}

/// Handshakes that never end: more than there are permits for the HTTP phase.
const HANDSHAKES: usize = 200;

/// Checks that sales, logins and monitors go on beside handshakes of which half are not even begun whole.
fn are_served_beside_handshakes(
    keys: &Keys,
    server: &Server,
    connect: impl Fn(usize) -> TcpStream,
) {
    let cookie = keys.log_in(server);
    let name = ServerName::try_from("localhost").unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(keys.client(), name).unwrap().write_tls(&mut hello).unwrap();
    let handshake = |at: usize| {
        let mut stream = connect(at);
        let sent = if at.is_multiple_of(2) { hello.len() / 2 } else { hello.len() };
        stream.write_all(&hello[..sent]).unwrap();
        stream
    };
    let handshakes: Vec<TcpStream> = (0..HANDSHAKES).map(handshake).collect();
    let order = ["POST", "/api/orders", r#"{"total":1,"currency":"USD"}"#];
    keys.send(server, &cookie, order).expect(201);
    keys.curl(server.address(), "/healthz", &[]).expect(200);
    keys.log_in(server);
    assert!(handshakes.iter().all(is_open), "they ended too early to be in the way");
}

/// Whether the server has not closed a connection.
fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    !matches!(stream.peek(&mut [0]), Ok(0))
}

#[test]
fn handshakes_that_never_end_keep_nobody_waiting() {
    let keys = Keys::make();
    let server = keys.server(&["--profile", "tiny"]);
    are_served_beside_handshakes(&keys, &server, |_| connect_from(7, &server));
}

#[test]
fn handshakes_of_one_ipv6_network_keep_nobody_waiting() {
    if !is_root() {
        return;
    }
    let _network = Network::with_own(NETWORK);
    let keys = Keys::make();
    let server = keys.server(&TINY_ON_BOTH);
    let to = listens_on_ipv6(&server);
    are_served_beside_handshakes(&keys, &server, |at| connect_from_network(at, to));
}

fn get(path: &str, client: &Client) -> Vec<u8> {
    let cookie = client.cookie().unwrap();
    format!("GET {path} HTTP/1.1\r\nHost: shop\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n")
        .into_bytes()
}

/// Logins that never end: far more than there are permits for the HTTP phase.
const ENDLESS: usize = 200;

#[test]
fn logins_that_never_end_do_not_keep_an_order_waiting() {
    let server = Server::with(&["--profile", "tiny"]);
    let admin = server.admin();
    let head = b"POST /api/auth/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n\
                 Content-Length: 45\r\n\r\n{";
    let _endless: Vec<TcpStream> = (0..ENDLESS)
        .map(|at| {
            let mut stream = connect_from(at, &server);
            stream.write_all(head).unwrap();
            stream
        })
        .collect();
    let took = sell(&server, &admin);
    // The server waits 30 s for a body.
    assert!(took.iter().all(|took| *took < Duration::from_secs(10)), "{took:?}");
}

#[test]
fn only_a_client_that_connects_in_a_loop_is_told_to_wait() {
    let server = Server::with(&["--connect-rate", "2/s"]);
    let get = |path: &str, number| {
        let mut raw = Raw::over(connect_from(number, &server)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
        raw.send(request.as_bytes()).unwrap();
        raw.answer(false).unwrap().expect("an answer")
    };
    let from = |number| get("/", number);
    // A burst of ten seconds' worth, and what the rate allows meanwhile.
    let begun = Instant::now();
    let refused = (0..).map(|_| from(1)).take(100).find(|answer| answer.status != 200);
    let refused = refused.expect("a burst of 100 is too much");
    refused.problem(429);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(get("/healthz", 1).status, 200, "a monitor at that address");
    assert_eq!(from(2).status, 200, "another address");
    while from(1).status == 429 {
        assert!(begun.elapsed() < PATIENCE, "it never gets in again");
        std::thread::sleep(Duration::from_millis(50));
    }
    // More addresses than fit the table: all are admitted, and take no memory.
    let crowd = |first| (first..first + 2_000).for_each(|at| drop(from(at).expect(200)));
    crowd(1_000);
    let before = server.resident_bytes();
    crowd(3_000);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 64 * 1024, "2,000 addresses took {grown} bytes");
}
