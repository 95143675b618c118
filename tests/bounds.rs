//! Guards the sum of `tillcast limits`: a board that runs out of memory because some buffer was
//! never counted, or was counted once although each connection has one.
//!
//! The test drives a server to all of its bounds and measures its memory all the while.
#![expect(clippy::unwrap_used, reason = "a helper that panics is a failed test")]

mod common;

use common::{
    Client, PATIENCE, Raw, Server, Socket, json_request, outside_order, password_of, unique,
};
use rusqlite::Connection;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use socket2::{Domain, Type};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::scope;
use std::time::{Duration, Instant};

/// The bounds of a profile that the test has to reach.
struct Bounds {
    profile: &'static str,
    connections: usize,
    http_places: usize,
    bodies_kib: usize,
    pages: usize,
    sessions: usize,
}

impl Bounds {
    /// The connections that are not reserved for sessions.
    fn unreserved(&self) -> usize {
        self.connections - self.connections / 16
    }
}

#[test]
fn the_default_profile_keeps_to_its_sum() {
    hold(&Bounds {
        profile: "default",
        // There may be more, but they would only leave unused memory for the others.
        connections: 1_500,
        http_places: 256,
        bodies_kib: 896,
        pages: 8,
        sessions: 10_000,
    });
}

#[test]
fn the_tiny_profile_keeps_to_its_sum() {
    hold(&Bounds {
        profile: "tiny",
        connections: 500,
        http_places: 64,
        bodies_kib: 512,
        pages: 2,
        sessions: 1_000,
    });
}

/// Logins at the same time: one is hashed, 32 wait, the others are rejected.
const LOGINS: usize = 36;
/// HTTP permits that stay free for the test's own requests.
const SPARE: usize = 4;
/// Sockets that read the log from its beginning, again and again.
const CATCHERS: usize = 12;
/// How often all HTTP permits are used for writes.
const ROUNDS: usize = 3;
/// Clients that each use their whole share of a pool; together they fill it.
const TILLS: usize = 8;
/// Sessions of each user; the most is 64.
const SESSIONS_PER_USER: usize = 50;
/// Threads of this test that each serve a share of its connections.
const HANDS: usize = 4;

fn hold(bounds: &Bounds) {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();

    let most = bounds.connections.to_string();
    let flags = ["--profile", bounds.profile, "--max-connections", &most];
    let server = server_with_sessions(bounds, &flags);
    let sum = sum_of_limits(&server, &flags);
    let watch = Watch::default();
    let (stop, stopped) = sync_channel::<()>(0);
    scope(|threads| {
        let (server, watch) = (&server, &watch);
        threads.spawn(move || {
            let pace = Duration::from_millis(1);
            while stopped.recv_timeout(pace) == Err(RecvTimeoutError::Timeout) {
                watch.sample(server);
            }
        });
        let stop = stop;
        drive(bounds, server, watch);
        drop(stop);
    });
    watch.report(bounds.profile, sum);
}

/// Drives the server to all bounds, one after the other. Nothing is released before the end except
/// HTTP permits, which every step needs.
fn drive(bounds: &Bounds, server: &Server, watch: &Watch) {
    watch.step("a shop of large things");
    let admin = server.admin();
    let shop = Shop::fill(&admin, server);
    let sessions = admin.metric("sessions");
    assert_eq!(sessions, bounds.sessions, "sessions");

    let tills = tills(&admin, server);

    watch.step("sockets that do not read");
    let sockets = bounds.unreserved() - bounds.http_places - CATCHERS;
    let sockets = in_parallel(sockets, |_| stuck_socket(&admin));
    watch.step("pages that nobody reads");
    let pages = unread(&tills, bounds.pages, |_| ("GET", "/api/orders?limit=200", ""));

    // They take most of the server's time. They are read before others need it, so that all of them
    // are held together even if this machine is busy.
    watch.step("halves of bodies");
    let slow = bounds.http_places * 3 / 8;
    let halves = in_parallel(slow, |at| half_body(&tills[at % TILLS], bounds.bodies_kib / slow));
    wait_until_read(server);
    let connections = admin.metric("connections");
    // Readers that stop are not waited for, but have places of slow clients until then.
    let least = sockets.len() + slow - pages.len();
    assert!(connections >= least, "{connections} connections, expected {least} or more");

    let (over, turned_away) = (AtomicBool::new(false), AtomicUsize::new(0));
    scope(|threads| {
        let (_ended, ended) = sync_channel::<()>(0);
        threads.spawn(move || stay_alive(sockets, &ended));
        let _over = SetWhenDropped(&over);
        for _ in 0..LOGINS {
            threads.spawn(|| {
                while !over.load(Ordering::Acquire) {
                    turned_away.fetch_add(log_in(server), Ordering::AcqRel);
                }
            });
        }
        for _ in 0..CATCHERS {
            threads.spawn(|| {
                while !over.load(Ordering::Acquire) {
                    catch_up(&admin, shop.events);
                }
            });
        }
        watch.step("logins and catch-ups beside them");
        let places = bounds.http_places - bounds.pages - LOGINS - SPARE;
        write_at_once(&tills, &shop, SPARE);
        drop(halves);

        watch.step("writes in all places");
        for _ in 0..ROUNDS {
            write_at_once(&tills, &shop, places);
        }
        drop(pages);
        watch.step("answers that nobody reads");
        let path = format!("/api/orders/{}", shop.long_order);
        let note = json!({"notes": "read it"}).to_string();
        let orders = unread(&tills, places, |at| match at % 3 {
            0 => ("GET", path.as_str(), ""),
            1 => ("PATCH", path.as_str(), note.as_str()),
            _ => ("POST", "/api/orders", shop.long_lines.as_str()),
        });
        drop(orders);
        watch.step("lists of users that nobody reads");
        let users = unread(&tills, places, |_| ("GET", "/api/users?limit=200", ""));
        drop(users);
        watch.step("the end");
    });
    let turned_away = turned_away.into_inner();
    assert!(turned_away > 0, "no login was one too many, so their queue was never full");
}

/// The steps of the test, and the most memory that the server had during each.
#[derive(Default)]
struct Watch(Mutex<Vec<(&'static str, u64)>>);

impl Watch {
    fn step(&self, what: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((what, 0));
    }

    fn sample(&self, server: &Server) {
        let bytes = server.resident_bytes();
        if let Some((_, most)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).last_mut() {
            *most = bytes.max(*most);
        }
    }

    fn report(self, profile: &str, sum: u64) {
        let steps = self.0.into_inner().unwrap();
        let kib = |(what, bytes): &(&str, u64)| format!("{:>8} KiB  {what}", bytes / 1024);
        let lines = steps.iter().map(kib).collect::<Vec<_>>().join("\n");
        let most = steps.iter().map(|(_, bytes)| bytes / 1024).max().unwrap();
        let told = format!("{profile}: {most} KiB of the {sum} KiB that `limits` says\n{lines}");
        eprintln!("{told}"); // for --nocapture
        assert!(most <= sum, "{told}");
    }
}

/// Ends a flood, even if the test fails.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A server that finds more sessions in its database than it may keep.
fn server_with_sessions(bounds: &Bounds, flags: &[&str]) -> Server {
    let mut server = Server::with(flags);
    assert_eq!(server.stop(), Some(0));
    let mut database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let all = database.transaction().unwrap();
    let user = "INSERT INTO users (username, role, password_hash, created_at, updated_at)
                SELECT 'holder' || ?, 'display', '', updated_at, updated_at FROM users WHERE id = 1";
    let session = "INSERT INTO sessions SELECT randomblob(32), ?, updated_at, updated_at
                   FROM users WHERE id = 1";
    for number in 0..i64::try_from((bounds.sessions + 100).div_ceil(SESSIONS_PER_USER)).unwrap() {
        all.execute(user, [number]).unwrap();
        let id = all.last_insert_rowid();
        for _ in 0..SESSIONS_PER_USER {
            all.execute(session, [id]).unwrap();
        }
    }
    all.commit().unwrap();
    server.again()
}

fn sum_of_limits(server: &Server, flags: &[&str]) -> u64 {
    let output = server.cli(&[&["limits"], flags].concat(), "");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("all together")).unwrap();
    line.split_whitespace().rev().find_map(|word| word.parse().ok()).unwrap()
}

/// Runs `work` this many times on a few threads; returns the results.
fn in_parallel<T: Send>(times: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    scope(|threads| {
        let hands: Vec<_> = (0..HANDS)
            .map(|hand| {
                let work = &work;
                let share = move || (hand..times).step_by(HANDS).map(work).collect::<Vec<_>>();
                threads.spawn(share)
            })
            .collect();
        hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
    })
}

/// Entities as large as they may be.
struct Shop {
    orders: Vec<i64>,
    /// The order with the most and the longest lines, and the body that makes another.
    long_order: i64,
    long_lines: String,
    /// The number of events in the log, most of them large.
    events: usize,
}

/// Clients of `TILLS` users, who may read everything.
fn tills(admin: &Client, server: &Server) -> Vec<Client> {
    let log_in = |number| {
        let name = format!("till{number}");
        let user = json!({"username": name, "password": password_of(&name), "role": "admin"});
        admin.post("/api/users", &user).expect(201);
        server.login(&name)
    };
    (0..TILLS).map(log_in).collect()
}

/// The longest notes, with the longest characters: 8 KB.
fn long_note() -> String {
    let note = unique("note");
    "\u{1f375}".repeat(2_000 - note.len()) + &note
}

impl Shop {
    fn fill(admin: &Client, server: &Server) -> Self {
        let orders: Vec<i64> = (0..64).map(|_| outside_order(admin, 9.99)).collect();
        for round in 0..4 {
            in_parallel(orders.len(), |at| {
                let note = json!({"notes": format!("{round}{}", &long_note()[4..])});
                admin.patch(&format!("/api/orders/{}", orders[at]), &note).expect(200);
            });
        }
        let name = "\u{1f375}".repeat(200);
        let product = json!({"name": name, "sku": unique("SKU"), "price": 1, "stock": 1_000_000});
        let product = admin.post("/api/products", &product).expect(201).id();
        let line = json!({"product_id": product, "quantity": 1});
        let lines = json!({"items": vec![line; 100]});
        let long_order = admin.post("/api/orders", &lines).expect(201).id();
        let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
        let sql = "INSERT INTO users (username, role, password_hash, created_at, updated_at)
                   VALUES (?, 'display', '', 0, 0)";
        for number in 0..200 {
            let name = format!("{}{number:03}", "\u{1f375}".repeat(61));
            database.execute(sql, [name]).unwrap();
        }
        Self { events: 5 * orders.len(), orders, long_order, long_lines: lines.to_string() }
    }
}

fn request(client: &Client, method: &str, path: &str, body: &str) -> Vec<u8> {
    json_request(method, path, client.cookie(), "", body)
}

/// A connection with a small receive buffer, which is soon full.
fn narrow(client: &Client) -> TcpStream {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.connect(&client.address().into()).unwrap();
    socket.set_read_timeout(Some(3 * PATIENCE)).unwrap();
    socket.into()
}

/// A subscriber that never reads an event.
fn stuck_socket(client: &Client) -> Socket {
    let mut socket = Socket::over(narrow(client), client.address(), client.cookie(), &[]).unwrap();
    assert_eq!(socket.recv()["type"], "connected");
    socket.subscribe("order_changes");
    socket
}

/// Sends a pong on each socket before the server would close it as silent, and reads nothing.
fn stay_alive(mut sockets: Vec<Socket>, ended: &Receiver<()>) {
    const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];
    let silence = Duration::from_secs(20);
    while ended.recv_timeout(silence) == Err(RecvTimeoutError::Timeout) {
        for socket in &mut sockets {
            // A socket that accepts nothing for a minute is closed, whatever it sends.
            drop(socket.stream().write_all(&PONG));
        }
    }
}

/// Sends requests at once; their responses have begun to arrive and are read no further.
fn unread<'a>(
    tills: &[Client],
    count: usize,
    ask: impl Fn(usize) -> (&'a str, &'a str, &'a str) + Sync,
) -> Vec<TcpStream> {
    let mut streams = in_parallel(count, |at| {
        let (method, path, body) = ask(at);
        let till = &tills[at % TILLS];
        let mut stream = narrow(till);
        stream.write_all(&request(till, method, path, body)).unwrap();
        stream
    });
    let mut begun = [0; 12];
    for stream in &mut streams {
        stream.read_exact(&mut begun).unwrap();
    }
    streams
}

/// A body of `kib` KiB without its last byte, of which 1 KiB is in the smallest possible chunks.
fn half_body(client: &Client, kib: usize) -> TcpStream {
    let rest = (kib - 1) * 1024 - 1;
    let body = "1\r\n{\r\n".repeat(1024) + &format!("{rest:x}\r\n") + &"{".repeat(rest);
    let (cookie, kind) = (client.cookie().unwrap(), "Content-Type: application/json");
    let head = "POST /api/orders HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked";
    let request = format!("{head}\r\nCookie: {cookie}\r\n{kind}\r\n\r\n{body}");
    let mut stream = narrow(client);
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Waits until the server has read the bytes that the kernel holds for it, apart from a few single
/// requests.
fn wait_until_read(server: &Server) {
    let here = format!("{:04X}", server.address().port());
    let waits = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, queues) = (columns.next()?, columns.nth(2)?);
        let bytes = u64::from_str_radix(queues.split_once(':')?.1, 16).ok()?;
        (local.ends_with(&here) && bytes > 4096).then_some(bytes)
    };
    let deadline = Instant::now() + 3 * PATIENCE;
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let bytes: u64 = table.lines().filter_map(waits).sum();
        if bytes == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{bytes} bytes are still not read");
    }
}

/// Changes the notes of orders to the longest possible ones, all at the same time.
fn write_at_once(tills: &[Client], shop: &Shop, count: usize) {
    let sent = in_parallel(count, |at| {
        let path = format!("/api/orders/{}", shop.orders[at % shop.orders.len()]);
        let body = json!({"notes": long_note()}).to_string();
        let till = &tills[at % TILLS];
        let mut raw = Raw::connect(till.address()).unwrap();
        raw.send(&request(till, "PATCH", &path, &body)).unwrap();
        raw
    });
    for mut raw in sent {
        // While requests of the last round still leave, a new one may be refused, even without a
        // response.
        if let Ok(Some(answer)) = raw.answer(false) {
            answer.status_is_one_of(&[200, 429, 503]);
        }
    }
}

/// Logs in; returns 1 if too many logins wait already.
fn log_in(server: &Server) -> usize {
    let body = json!({"username": "admin", "password": server.admin_password()}).to_string();
    let mut raw = Raw::connect(server.address()).unwrap();
    // Among this many connections one may be closed even without a response.
    let sent = raw.send(&json_request("POST", "/api/auth/login", None, "", &body));
    let Ok(Some(answer)) = sent.and_then(|()| raw.answer(false)) else {
        return 0;
    };
    answer.status_is_one_of(&[200, 429]);
    usize::from(answer.text().contains("too many logins"))
}

/// Reads the log from its beginning.
fn catch_up(client: &Client, events: usize) {
    if let Ok(mut socket) = client.upgrade(&[]) {
        assert_eq!(socket.recv()["type"], "connected");
        assert_eq!(socket.subscribe_since("order_changes", 0)["type"], "subscribed");
        // It ends with the last event, or when the server closes the socket.
        (0..events).all(|_| socket.recv_message().is_ok());
    }
}
