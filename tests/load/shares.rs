//! Guards the share of each: a device, or an address, that takes all that it can get takes its eighth, is
//! told so, and keeps nobody else from anything.

use crate::common::{Client, PATIENCE, Raw, Server, json_request, password_of, product};
use rusqlite::{Connection, TransactionBehavior};
use serde_json::json;
use socket2::{Domain, Type};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

/// More than there are places in the HTTP phase.
const MANY: usize = 260;
/// An eighth of the places of the default profile.
const SHARE: usize = 32;

/// The beginning of a request whose body of so many bytes has begun.
fn begun(path: &str, cookie: Option<&str>, length: usize, now: usize) -> Vec<u8> {
    let cookie = cookie.map_or(String::new(), |cookie| format!("Cookie: {cookie}\r\n"));
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: shop\r\n{cookie}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), &vec![b' '; now]].concat()
}

/// Connections that all sent this, and that are all open but for those that were told `429`: so many that
/// an eighth of the places is left to them.
fn flood(count: usize, from: impl Fn(usize) -> [u8; 4], to: SocketAddr, bytes: &[u8]) -> Vec<Raw> {
    let open = |at| {
        let mut raw = Raw::connect_from(from(at), to).unwrap();
        raw.set_patience(Duration::from_millis(1));
        raw.send(bytes).unwrap();
        raw
    };
    let mut held: Vec<Raw> = (0..count).map(open).collect();
    let begun = Instant::now();
    while held.len() > SHARE {
        held.retain_mut(|raw| match raw.answer(false) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            answer => {
                let answer = answer.unwrap().expect("an answer");
                assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
                answer.problem(429);
                false
            }
        });
        assert!(begun.elapsed() < PATIENCE, "{} are not told", held.len() - SHARE);
    }
    held
}

/// Nothing came on any of them until now but, at last, that they are too slow.
fn were_open_until_now(held: Vec<Raw>) {
    assert_eq!(held.len(), SHARE);
    for mut raw in held {
        raw.set_patience(PATIENCE);
        raw.answer(false).unwrap().expect("an answer").problem(408);
    }
}

/// A connection on which this was sent.
fn sent(server: &Server, bytes: &[u8]) -> Raw {
    let mut raw = Raw::connect(server.address()).unwrap();
    raw.send(bytes).unwrap();
    raw
}

/// Whatever others want is done.
fn others_are_served(server: &Server, staff: &Client, tea: i64) {
    let sale = json!({"items": [{"product_id": tea, "quantity": 1}]});
    staff.separate().post("/api/orders", &sale).expect(201);
    staff.separate().get("/api/orders?limit=200").expect(200);
    server.login("staff");
    for path in ["/healthz", "/readyz"] {
        server.anonymous().get(path).expect(200);
    }
}

#[test]
fn slow_bodies_of_one_kiosk_take_its_share_and_no_more() {
    let server = Server::with_users(&["staff", "kiosk"], &[]);
    let tea = product(&server.admin(), 2.5, 100);
    let (staff, kiosk) = (server.login("staff"), server.login("kiosk"));
    // From many addresses, so that what counts is the user.
    let from = |at: usize| [127, 9, 0, 1 + u8::try_from(at % 8).unwrap()];
    let slow = begun("/api/orders", kiosk.cookie(), 64 * 1024, 3 * 1024);
    let held = flood(MANY, from, server.address(), &slow);
    others_are_served(&server, &staff, tea);
    // The kiosk itself sends what it has at once, as ever.
    let sale = json!({"items": [{"product_id": tea, "quantity": 1}]});
    kiosk.separate().post("/api/orders", &sale).expect(201);
    were_open_until_now(held);
}

#[test]
fn slow_logins_of_one_address_take_its_share_and_no_more() {
    let server = Server::with_users(&["staff"], &[]);
    let tea = product(&server.admin(), 2.5, 100);
    let staff = server.login("staff");
    let slow = begun("/api/auth/login", None, 4 * 1024, 1024);
    let held = flood(200, |_| [127, 0, 0, 7], server.address(), &slow);
    others_are_served(&server, &staff, tea);
    were_open_until_now(held);
}

/// Anybody may send one, so it gets less time than a body of who is logged in.
#[test]
fn a_slow_login_ends_before_a_slow_order() {
    let server = Server::with_users(&["staff"], &[]);
    let staff = server.login("staff");
    let mut order = sent(&server, &begun("/api/orders", staff.cookie(), 4 * 1024, 3 * 1024));
    let mut login = sent(&server, &begun("/api/auth/login", None, 4 * 1024, 3 * 1024));
    login.answer(false).unwrap().expect("an answer").problem(408);
    order.set_patience(Duration::from_millis(1));
    assert_eq!(order.answer(false).unwrap_err().kind(), ErrorKind::WouldBlock);
    order.set_patience(PATIENCE);
    order.answer(false).unwrap().expect("an answer").problem(408);
}

#[test]
fn a_body_takes_its_memory_as_it_comes_and_gives_it_back() {
    let server = Server::with_users(&["staff", "kiosk"], &[]);
    let tea = product(&server.admin(), 2.5, 100);
    let (staff, kiosk) = (server.login("staff"), server.login("kiosk"));
    // The share is 112 KiB: of long bodies that have not begun there may be many.
    let announced = begun("/api/orders", kiosk.cookie(), 64 * 1024, 1);
    let half = begun("/api/orders", kiosk.cookie(), 64 * 1024, 60 * 1024);
    let connect = |bytes: &[u8]| {
        let raw = sent(&server, bytes);
        raw.set_patience(Duration::from_millis(1));
        raw
    };
    let announced: Vec<Raw> = (0..8).map(|_| connect(&announced)).collect();
    let mut halves = vec![connect(&half), connect(&half)];
    let begun = Instant::now();
    while halves.len() == 2 {
        halves.retain_mut(|raw| {
            let Ok(Some(answer)) = raw.answer(false) else {
                return true;
            };
            let told = answer.problem(429);
            assert!(told["detail"].as_str().unwrap().contains("memory"), "{told}");
            false
        });
        assert!(begun.elapsed() < PATIENCE, "two long bodies are more than a share");
    }
    // Those that came before are waited for, or were too slow in the end: none waited for memory.
    for mut raw in announced {
        match raw.answer(false) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            Ok(answer) => drop(answer.expect("an answer").problem(408)),
        }
    }
    others_are_served(&server, &staff, tea);
    let long = format!("{{\"total\":1,\"currency\":\"USD\"}}{}", " ".repeat(60 * 1024));
    // Two at once would be more than a share.
    for _ in 0..3 {
        let order = json_request("POST", "/api/orders", staff.cookie(), "", &long);
        let mut whole = sent(&server, &order);
        whole.answer(false).unwrap().expect("an answer").expect(201);
    }
}

/// Orders that make a page which the kernel does not hold for its reader.
fn fill(admin: &Client) {
    let note = json!({"total": 1, "currency": "USD", "notes": "x".repeat(1_500)});
    for _ in 0..150 {
        admin.post("/api/orders", &note).expect(201);
    }
}

/// Asks for a page, and reads no more than its first bytes.
fn stuck_reader(client: &Client) -> TcpStream {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.connect(&client.address().into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let cookie = client.cookie().unwrap();
    let request = format!("GET {PAGE} HTTP/1.1\r\nHost: shop\r\nCookie: {cookie}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

const PAGE: &str = "/api/orders?limit=200";
const READERS: usize = 50;

#[test]
fn readers_that_stop_keep_nobody_from_a_page() {
    for (profile, displays) in [("default", 1), ("tiny", 10)] {
        let server = Server::with_users(&["staff"], &["--profile", profile]);
        let admin = server.admin();
        let tea = product(&admin, 2.5, 100);
        fill(&admin);
        let displays: Vec<Client> = (0..displays)
            .map(|number| {
                let name = format!("display{number}");
                let user =
                    json!({"username": name, "password": password_of(&name), "role": "display"});
                admin.post("/api/users", &user).expect(201);
                server.login(&name)
            })
            .collect();
        let staff = server.login("staff");
        let mut stuck = VecDeque::new();
        for at in 0..READERS {
            stuck.push_back(stuck_reader(&displays[at % displays.len()]));
        }
        for at in 0..20 {
            others_are_served(&server, &staff, tea);
            staff.get("/api/events?limit=200").expect(200);
            // Whoever was closed comes again.
            stuck.pop_front();
            stuck.push_back(stuck_reader(&displays[at % displays.len()]));
        }
    }
}

/// A page takes four seconds.
const SLOW_READ_BYTES_PER_SECOND: u32 = 64 * 1024;

#[test]
fn a_slow_reader_has_its_page_while_nobody_waits_for_it() {
    let server = Server::with_users(&["staff", "display"], &[]);
    let admin = server.admin();
    let tea = product(&admin, 2.5, 100);
    fill(&admin);
    let (staff, display) = (server.login("staff"), server.login("display"));
    let whole = display.separate().get(PAGE).expect(200).body.len();
    let mut slow = stuck_reader(&display);
    slow.read_exact(&mut [0; 12]).unwrap();
    // Meanwhile it counts as slow, and others have the pages that are left.
    others_are_served(&server, &staff, tea);
    // It takes longer than a client that takes nothing may.
    let mut rest = [0; 4096];
    let (mut missing, begun) = (whole, Instant::now());
    while missing > 0 {
        let taken = u32::try_from(whole - missing).unwrap();
        while begun.elapsed() < Duration::from_secs(1) * taken / SLOW_READ_BYTES_PER_SECOND {
            admin.get("/healthz").expect(200);
        }
        let bytes = slow.read(&mut rest).unwrap();
        assert!(bytes > 0, "{missing} of {whole} bytes never came");
        missing = missing.saturating_sub(bytes);
    }
    assert!(begun.elapsed() > Duration::from_secs(3));
    // One that never reads on is not waited for.
    let mut stuck = stuck_reader(&display);
    let begun = Instant::now();
    while stuck.write_all(b"\n").is_ok() {
        admin.get("/healthz").expect(200);
        assert!(begun.elapsed() < PATIENCE, "it is still waited for");
    }
}

/// More logins at once than may wait for a hash.
const LOGINS: u8 = 40;

#[test]
fn logins_of_one_address_do_not_fill_the_queue_of_hashes() {
    let server = Server::with_users(&["staff"], &[]);
    let body = json!({"username": "staff", "password": password_of("staff")}).to_string();
    let login = json_request("POST", "/api/auth/login", None, "", &body);
    let logins: Vec<Raw> = (0..LOGINS)
        .map(|_| {
            let mut raw = Raw::connect_from([127, 0, 0, 7], server.address()).unwrap();
            raw.send(&login).unwrap();
            raw
        })
        .collect();
    // Another address comes last, and neither is refused nor waits for all of them.
    server.login("staff");
    let statuses = logins.into_iter().map(|mut raw| raw.answer(false).unwrap().unwrap().status);
    let statuses: Vec<u16> = statuses.collect();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    assert!(refused > usize::from(LOGINS) / 2, "{refused} of {LOGINS} were too many");
}

/// Checks that a probe which needs no place is answered for the server's own names alone.
#[track_caller]
fn probes_name_a_host_of_the_server(server: &Server, path: &str) {
    let ask = |from, version, lines: &str| {
        let mut raw = Raw::connect_from(from, server.address()).unwrap();
        raw.send(format!("GET {path} HTTP/{version}\r\n{lines}\r\n").as_bytes()).unwrap();
        raw.answer(false).unwrap().expect("an answer").status
    };
    let (client, proxy) = ([127, 0, 0, 8], [127, 0, 0, 9]);
    let (own, foreign) = ("Host: localhost:3000\r\n", "hOsT: attacker.example\r\n");
    let forwarded = "X-Forwarded-Host: localhost\r\n";
    assert_eq!(ask(client, "1.1", own), 200);
    assert_eq!(ask(client, "1.1", foreign), 421);
    assert_eq!(ask(client, "1.1", &[own, foreign].concat()), 400);
    assert_eq!(ask(client, "1.1", ""), 400);
    assert_eq!(ask(client, "1.0", ""), 200);
    assert_eq!(ask(client, "1.1", &[foreign, forwarded].concat()), 421);
    assert_eq!(ask(proxy, "1.1", &[foreign, forwarded].concat()), 200);
}

/// Requests that hold all places of the smallest profile, and some that wait for one.
const IN_FLIGHT: usize = 100;

#[test]
fn monitors_need_no_place() {
    let server = Server::with(&["--profile", "tiny", "--trusted-proxy", "127.0.0.9"]);
    let admin = server.admin();
    let order = json!({"total": 1, "currency": "USD"}).to_string();
    let order = json_request("POST", "/api/orders", admin.cookie(), "", &order);
    // A transaction of another program holds up the writer, and thus all who wait for it.
    let mut database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let mut waiting: Vec<Raw> = (0..IN_FLIGHT)
        .map(|_| {
            let raw = sent(&server, &order);
            raw.set_patience(Duration::from_millis(1));
            raw
        })
        .collect();
    for path in ["/healthz", "/readyz"] {
        server.anonymous().get(path).expect(200);
        probes_name_a_host_of_the_server(&server, path);
    }
    let unanswered = waiting.iter_mut().filter_map(|raw| raw.answer(false).err()).count();
    assert!(unanswered > 64, "only {unanswered} still wait, so there were places");
    drop(transaction);
}

/// Connections on which a display reads without a pause, more than there are places.
const LOOPS: usize = 280;

/// A read needs no page if its answer is small, but it holds a place in the HTTP phase while it waits. So the queue
/// of reads needs no share of its own.
#[test]
fn small_reads_without_a_pause_keep_nobody_from_reading() {
    let server = Server::with_users(&["staff", "display"], &[]);
    let tea = product(&server.admin(), 2.5, 100);
    let (staff, display) = (server.login("staff"), server.login("display"));
    let cookie = display.cookie().unwrap();
    let request =
        format!("GET /api/products/{tea} HTTP/1.1\r\nHost: shop\r\nCookie: {cookie}\r\n\r\n");
    let (address, read) = (server.address(), AtomicUsize::new(0));
    // Dropped also if a check fails, so that the display stops then.
    let asking = Arc::new(());
    let is_over = Arc::downgrade(&asking);
    let read_on = |from: u8| {
        let open = || {
            let mut raw = Raw::connect_from([127, 9, 0, from], address).unwrap();
            raw.send(request.as_bytes()).unwrap();
            raw
        };
        let mut connections: Vec<Raw> = (0..LOOPS / 4).map(|_| open()).collect();
        while is_over.strong_count() > 0 {
            for raw in &mut connections {
                // The connection is closed after its answer while places are scarce.
                if let Ok(Some(answer)) = raw.answer(false) {
                    answer.expect(200);
                    read.fetch_add(1, Ordering::Relaxed);
                }
                if raw.send(request.as_bytes()).is_err() {
                    *raw = open();
                }
            }
        }
    };
    let slowest = scope(|threads| {
        for from in 1..=4 {
            let read_on = &read_on;
            threads.spawn(move || read_on(from));
        }
        let begun = Instant::now();
        while read.load(Ordering::Relaxed) < LOOPS {
            assert!(begun.elapsed() < PATIENCE, "the display does not read");
        }
        let ask = |_| {
            let begun = Instant::now();
            others_are_served(&server, &staff, tea);
            begun.elapsed()
        };
        let slowest = (0..20).map(ask).max().unwrap();
        drop(asking);
        slowest
    });
    eprintln!("{slowest:?} beside {} reads", read.into_inner()); // for --nocapture
}
