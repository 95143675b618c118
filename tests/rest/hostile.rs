//! Guards the server against hostile input: no panic, no `500`, no connection lost over a merely wrong
//! message, and a shop that still sells afterwards.
//!
//! Ten thousand generated cases: valid, nearly valid, garbage; requests here, frames in `frames`.

mod cases;
mod frames;
mod requests;
mod smuggling;
mod words;

use crate::common::{
    Answer, Client, Raw, Server, customer, order, outside_order, pay, product, seed, shipment,
};
use cases::Cases;
use proptest::collection::vec;
use requests::{Asked, asked, broken};
use serde_json::json;
use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream};

const THREADS: u64 = 4;
/// Cases for each thread; with those of `frames`, ten thousand in all.
const WELL_FORMED: usize = 1_050;
const PIPELINES: usize = 50;
const BROKEN: usize = 400;

/// A shop with a few entities, so that nearly valid input can refer to them.
fn shop() -> (Server, Client, Client) {
    let server = Server::with_users(&["staff"], &[]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    for _ in 0..4 {
        let product = product(&staff, 2.5, 1_000_000);
        order(&staff, product, 1);
        customer(&staff);
        let order = outside_order(&staff, 5.25);
        shipment(&staff, order);
        pay(&staff, order, 1.25);
    }
    (server, admin, staff)
}

/// Checks that the shop still sells and sends events, and has had no panic.
fn still_sells(server: &Server, admin: &Client) {
    let mut socket = admin.ws();
    socket.subscribe("order_changes");
    let product = product(admin, 2.5, 10);
    let order = order(admin, product, 1);
    assert_eq!(socket.recv_event()["data"]["id"], order["id"]);
    let metrics = server.anonymous().get("/metrics").expect(200).text();
    let panics = metrics.lines().find(|line| line.starts_with("tillcast_panics_total "));
    assert_eq!(panics, Some("tillcast_panics_total 0"));
    assert!(!server.log().contains("panicked"));
    assert!(server.cli(&["check"], "").status.success());
}

/// Checks what must hold for every reply.
fn check_answer(asked: &Asked, answer: &Answer) {
    let status = answer.status;
    assert!(status < 500 || status == 503, "{status} to {asked:#?}: {}", answer.text());
    if asked.method == "HEAD" || status == 204 || status == 304 {
        assert!(answer.body.is_empty(), "{asked:#?}");
    } else if status >= 400 {
        answer.problem(status);
    } else if answer.header("content-type").contains("json") {
        answer.json();
    }
}

/// A connection that is reopened only after the server announced that it would close it.
struct KeptAlive {
    address: SocketAddr,
    raw: Raw,
    /// The last reply, for the message of a failure.
    before: String,
}

impl KeptAlive {
    fn new(address: SocketAddr) -> Self {
        Self { address, raw: Raw::connect(address).unwrap(), before: String::new() }
    }

    /// Sends all requests at once, and reads their replies in order.
    fn ask(&mut self, asked: &[Asked], cookie: &str) {
        let bytes: Vec<u8> = asked.iter().flat_map(|asked| asked.bytes(cookie)).collect();
        let failed = |before: &str, what: &str| panic!("{what} at {asked:#?} behind {before}");
        if let Err(error) = self.raw.send(&bytes) {
            failed(&self.before, &error.to_string());
        }
        for one in asked {
            let answer = match self.raw.answer(one.method == "HEAD") {
                Ok(Some(answer)) => answer,
                Ok(None) => failed(&self.before, "the connection ended"),
                Err(error) => failed(&self.before, &error.to_string()),
            };
            check_answer(one, &answer);
            self.before = format!("the {} to {one:?}", answer.status);
            if answer.header("connection").eq_ignore_ascii_case("close") {
                // Only a body that it did not read to the end may cost the connection.
                assert!(answer.status >= 400, "{} and closed: {asked:#?}", answer.status);
                self.raw = Raw::connect(self.address).unwrap();
                return;
            }
        }
    }
}

#[test]
fn well_formed_requests_are_answered_on_the_same_connection() {
    let (server, admin, staff) = shop();
    let seed = seed();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (server, cookies) = (&server, [&staff, &admin].map(|who| who.cookie().unwrap()));
            scope.spawn(move || {
                let mut cases = Cases::new(seed, thread);
                let mut connection = KeptAlive::new(server.address());
                let strategy = asked();
                for _ in 0..WELL_FORMED {
                    let asked = cases.next(&strategy);
                    let users = asked.target.starts_with("/api/users");
                    connection.ask(&[asked], cookies[usize::from(users)]);
                }
                let strategy = vec(asked(), 2..9);
                for _ in 0..PIPELINES {
                    connection.ask(&cases.next(&strategy), cookies[0]);
                }
            });
        }
    });
    staff.get("/api/auth/me").expect(200);
    still_sells(&server, &admin);
}

/// Writes to a peer that may have closed already.
fn write_all(stream: &mut TcpStream, bytes: &[u8]) {
    if let Err(error) = stream.write_all(bytes) {
        let gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        assert!(gone.contains(&error.kind()), "{error}");
    }
}

/// The statuses of all replies that a server sent until it closed.
fn statuses(sent: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(sent);
    let heads = text
        .match_indices("HTTP/1.")
        .filter(|(at, _)| *at == 0 || text[..*at].ends_with(['\n', '}']));
    heads.filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok()).collect()
}

#[test]
fn bytes_that_are_no_request_are_refused_and_the_connection_ends() {
    let (server, admin, _) = shop();
    let seed = seed();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let server = &server;
            scope.spawn(move || {
                let mut cases = Cases::new(seed, thread + THREADS);
                let strategy = broken();
                for _ in 0..BROKEN {
                    let bytes = cases.next(&strategy);
                    let shown = || String::from_utf8_lossy(&bytes).into_owned();
                    let mut raw = Raw::connect(server.address()).unwrap();
                    // A server that has seen enough may close before it has read all of it.
                    let sent = raw.send(&bytes).and_then(|()| raw.end());
                    let answered = raw.rest();
                    let answered =
                        answered.unwrap_or_else(|error| panic!("{sent:?}, {error}: {}", shown()));
                    for status in statuses(&answered) {
                        assert!(status < 500 || status == 503, "{status} to {}", shown());
                    }
                }
            });
        }
    });
    still_sells(&server, &admin);
}

#[test]
fn a_pipeline_is_answered_in_its_order() {
    let (server, admin, _) = shop();
    let line = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: shop\r\n\r\n");
    let pipeline = [line("/healthz"), line("/nothing"), line("/api/orders"), line("/openapi.json")];
    let mut raw = Raw::connect(server.address()).unwrap();
    raw.send(pipeline.concat().as_bytes()).unwrap();
    let statuses = [(); 4].map(|()| raw.answer(false).unwrap().unwrap().status);
    assert_eq!(statuses, [200, 404, 401, 200]);
    let listed = admin.get("/api/orders?limit=1").expect(200).json();
    assert_ne!(listed["data"], json!([]));
}

/// If a server closes without announcing it, the client's next request fails.
#[test]
fn an_unread_body_does_not_cost_the_next_request() {
    let server = Server::start();
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let bodies = [
        format!("Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(3)),
        format!("Content-Length: 20000\r\n\r\n{}", "x".repeat(20_000)),
    ];
    for target in ["/healthz", "/nothing", "/ws", "/api/orders", "/api/auth/me", "/api/auth/login"]
    {
        for (method, body) in
            ["GET", "POST", "PATCH"].iter().flat_map(|m| bodies.iter().map(move |b| (m, b)))
        {
            let mut raw = Raw::connect(server.address()).unwrap();
            raw.send(format!("{method} {target} HTTP/1.1\r\nHost: shop\r\n{body}").as_bytes())
                .unwrap();
            let first = raw.answer(false).unwrap().unwrap();
            if first.header("connection").eq_ignore_ascii_case("close") {
                continue;
            }
            raw.send(b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n").unwrap();
            let next = raw.answer(false).ok().flatten().map(|next| next.status);
            assert_eq!(next, Some(200), "after the {} to {method} {target}", first.status);
        }
    }
}
