//! Guards the sum of `tillcast limits`: a board that runs out of memory because some buffer was
//! never counted, or was counted once although each connection has one.
//!
//! The test drives a server to all of its bounds and measures its memory all the while.
#![expect(clippy::unwrap_used, reason = "a helper that panics is a failed test")]

mod clients;
#[path = "../common/mod.rs"]
mod common;
mod shop;

use clients::{
    TILLS, catch_up, half_body, in_parallel, log_in, stay_alive, stuck_socket, tills, unread,
    wait_until_read, write_at_once,
};
use common::Server;
use rusqlite::Connection;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use shop::Shop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::scope;
use std::time::Duration;

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
        bodies_kib: 816,
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

/// Anybody may ask for the descriptions of the API, and they need no permit.
#[test]
fn descriptions_that_nobody_reads_share_their_memory() {
    const UNREAD: usize = 24;
    const KIB_EACH: usize = 48; // less than half of a description
    let server = Server::with(&["--profile", "tiny"]);
    let tills = tills(&server.admin(), &server);
    for path in ["/openapi.json", "/asyncapi.json"] {
        server.anonymous().get(path).expect(200);
        let before = server.resident_bytes();
        let held = unread(&tills, UNREAD, |_| ("GET", path, ""));
        let grown = server.resident_bytes().saturating_sub(before) / 1024;
        assert!(grown < (UNREAD * KIB_EACH) as u64, "{path}: {grown} KiB");
        drop(held);
    }
}

/// Logins at the same time: one is hashed, 32 wait, the others are rejected.
const LOGINS: usize = 36;
/// HTTP permits that stay free for the test's own requests.
const SPARE: usize = 4;
/// Sockets that read the log from its beginning, again and again.
const CATCHERS: usize = 12;
/// How often all HTTP permits are used for writes.
const ROUNDS: usize = 3;
/// Sessions of each user; the most is 64.
const SESSIONS_PER_USER: usize = 50;
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
    let session = "INSERT INTO sessions SELECT randomblob(32), ?, updated_at, updated_at, NULL
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
