//! Guards a board without a battery clock, whose time is a day off until the network sets it,
//! against a login that is lost or becomes valid again, a log whose times run backwards, and a
//! `seq` that breaks.
//!
//! A clock that goes back between two runs is the same as a file with times in the future. A clock
//! that is set while the shop is open is a clock of the test, for a server within its process,
//! because setting the machine's clock would affect other programs.

use crate::common::{
    Client, PATIENCE, Server, events_after, head, log_after, order, outside_order, product,
};
use rusqlite::Connection;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::tempdir;
use tillcast::auth::{password, session::Lifetimes};
use tillcast::domain::{Role, Secret};
use tillcast::http::MetricsReaders;
use tillcast::limits::Limits;
use tillcast::server::{self, Settings};
use tillcast::store::{self, Backups, Console, Retention};

const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Sets the clock ahead by `hours` while the server is stopped, or back if they are negative.
fn set_clock_ahead(server: &Server, hours: i64) {
    let conn = database(&server.data_dir());
    for change in [
        "UPDATE events SET at = at - ?",
        "UPDATE sessions SET created_at = created_at - ?1, used_at = used_at - ?1",
    ] {
        conn.execute(change, [hours * HOUR_MS]).unwrap();
    }
    conn.close().map_err(|(_, error)| error).unwrap();
}

fn database(data_dir: &Path) -> Connection {
    Connection::open(data_dir.join("tillcast.db")).unwrap()
}

/// Checks that the log has no gap and that its times never run backwards.
#[track_caller]
fn never_ran_back(data_dir: &Path) {
    let sql = "SELECT count(*) FROM events AS a LEFT JOIN events AS b ON b.seq = a.seq + 1
               WHERE b.at < a.at OR b.seq IS NULL AND a.seq < (SELECT max(seq) FROM events)";
    let back: i64 = database(data_dir).query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(back, 0);
}

/// Checks that the log continues after this `seq`, in order and without a gap, and that its times
/// never run backwards.
#[track_caller]
fn goes_on(mut server: Server, before: u64) {
    let admin = server.admin();
    outside_order(&admin, 5.25);
    outside_order(&admin, 5.25);
    assert_eq!(head(&admin), before + 2);
    assert_eq!(log_after(&admin, 0).len() as u64, before + 2);
    assert_eq!(server.stop(), Some(0));
    never_ran_back(&server.data_dir());
    assert!(server.cli(&["check"], "").status.success());
}

#[test]
fn a_clock_that_went_back_a_day_loses_no_login() {
    let mut server = Server::start();
    let admin = server.admin();
    outside_order(&admin, 5.25);
    assert_eq!(server.stop(), Some(0));
    set_clock_ahead(&server, -24);
    let server = server.again();
    server.adopt(&admin).get("/api/auth/me").expect(200);
    goes_on(server, 1);
}

#[test]
fn a_clock_that_went_back_a_day_revives_no_login() {
    let mut server = Server::with(&["--session-max", "2h", "--session-idle", "1h"]);
    let (idle, old) = (server.admin(), server.admin());
    let busy = server.admin();
    outside_order(&busy, 5.25);
    assert_eq!(server.stop(), Some(0));
    // The three logins are told apart by their times: one was idle, one is too old.
    let conn = database(&server.data_dir());
    let sql = "UPDATE sessions SET created_at = created_at - ?, used_at = used_at - ?
               WHERE created_at = (SELECT created_at FROM sessions ORDER BY created_at LIMIT 1 OFFSET ?)";
    assert_eq!(conn.execute(sql, [3 * HOUR_MS, 0, 1]).unwrap(), 1);
    assert_eq!(conn.execute(sql, [HOUR_MS * 3 / 2, HOUR_MS * 3 / 2, 1]).unwrap(), 1);
    conn.close().map_err(|(_, error)| error).unwrap();
    set_clock_ahead(&server, -24);
    let server = server.again();
    server.adopt(&idle).get("/api/auth/me").expect(401);
    server.adopt(&old).get("/api/auth/me").expect(401);
    server.adopt(&busy).get("/api/auth/me").expect(200);
    goes_on(server, 1);
}

#[test]
fn a_clock_that_went_ahead_a_day_ends_logins_that_are_too_old_by_it() {
    for (idle, status) in [("12h", 401), ("3d", 200)] {
        let mut server = Server::with(&["--session-idle", idle]);
        let admin = server.admin();
        outside_order(&admin, 5.25);
        assert_eq!(server.stop(), Some(0));
        set_clock_ahead(&server, 24);
        let server = server.again();
        server.adopt(&admin).get("/api/auth/me").expect(status);
        goes_on(server, 1);
    }
}

/// The milliseconds by which the clock of the shops in this process is ahead of the machine's.
static AHEAD_MS: AtomicI64 = AtomicI64::new(0);
/// The shops share one clock, and one signal stops them all.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn clock() -> i64 {
    store::clock() + AHEAD_MS.load(Ordering::SeqCst)
}

/// A server in this process, whose clock can be set.
struct Shop {
    address: SocketAddr,
    served: JoinHandle<()>,
}

impl Shop {
    /// Creates a data directory with an admin.
    fn make(data_dir: &Path) {
        let hash = password::hash(&Secret(PASSWORD.to_owned()), Limits::DEFAULT.hash).unwrap();
        Console::open(data_dir).unwrap().add_user("admin", Role::Admin, &hash).unwrap();
    }

    fn open(data_dir: &Path, idle: Duration) -> Self {
        let settings = Settings {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            listen_is_default: false,
            data_dir: data_dir.to_owned(),
            lifetimes: Lifetimes {
                idle,
                max: Duration::from_secs(30 * 86_400),
                device: Duration::from_secs(400 * 86_400),
            },
            connections_max: 100,
            connections_per_address_max: 100,
            sockets_per_user_max: 100,
            connect_rate: 10_000,
            allow_origin: Vec::new(),
            allow_host: Vec::new(),
            metrics_readers: MetricsReaders::Local,
            drain: Duration::from_secs(1),
            retention: Retention {
                age: Duration::from_secs(30 * 86_400),
                count: 1_000_000,
                audit: Duration::MAX,
            },
            identity: None,
            hsts: None,
            proxies: Vec::new(),
            backups: Arc::new(Backups::new(data_dir.to_owned(), data_dir.join("backups"), 1)),
            daily_backup: None,
            kiosk_order_expiry: Duration::from_secs(7_200),
            tax: None,
            demo_logins: Vec::new(),
            limits: Limits::DEFAULT,
            memory_bytes_max: 0,
            clock,
        };
        let (tell, told) = sync_channel(1);
        let served = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let writer = runtime.block_on(async {
                let opened = server::Server::open(&settings, Vec::new(), Arc::default()).unwrap();
                tell.send(opened.addresses[0]).unwrap();
                opened.run().await.unwrap()
            });
            runtime.shutdown_timeout(Duration::from_millis(100));
            writer.join().unwrap();
        });
        Self { address: told.recv_timeout(PATIENCE).unwrap(), served }
    }

    fn login(&self) -> Client {
        Client::new(self.address, None).login("admin", PASSWORD)
    }

    fn adopt(&self, client: &Client) -> Client {
        client.at(self.address)
    }

    fn stop(self) {
        kill_process(getpid(), Signal::TERM).unwrap();
        self.served.join().unwrap();
    }
}

const PASSWORD: &str = "a password of the clock";
const LONG: Duration = Duration::from_secs(12 * 3600);

/// Waits until a number in the database meets the condition.
#[track_caller]
fn wait_until(data_dir: &Path, sql: &str, is_so: impl Fn(i64) -> bool) {
    let (conn, begun) = (database(data_dir), Instant::now());
    let number = || conn.query_row(sql, [], |row| row.get(0)).unwrap();
    while !is_so(number()) {
        assert!(begun.elapsed() < PATIENCE, "{sql}: {}", number());
        std::thread::yield_now();
    }
}

#[test]
fn a_clock_that_is_set_while_the_shop_is_open_changes_nothing_but_times() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for step in [DAY_MS, -DAY_MS] {
        AHEAD_MS.store(0, Ordering::SeqCst);
        let data = tempdir().unwrap();
        Shop::make(data.path());
        let shop = Shop::open(data.path(), LONG);
        let (admin, other) = (shop.login(), shop.login());
        let tea = product(&admin, 2.5, 100);
        let body = json!({"items": [{"product_id": tea, "quantity": 1}]});
        let sell = |client: &Client| {
            client.post_with("/api/orders", &body, &[("idempotency-key", "till 1")]).expect(201)
        };
        let first = sell(&admin);

        AHEAD_MS.store(step, Ordering::SeqCst);
        let changed = order(&admin, tea, 1);
        assert_eq!(sell(&admin).body, first.body);
        assert_eq!(head(&admin), 5);
        let day = |time: &serde_json::Value| time.as_str().unwrap()[..10].to_owned();
        let days = [&first.json()["created_at"], &changed["created_at"]].map(day);
        assert_eq!(days[0] < days[1], step > 0, "{days:?}");
        other.get("/api/auth/me").expect(200);

        // The clock goes back to what it was, and ahead again.
        AHEAD_MS.store(0, Ordering::SeqCst);
        order(&admin, tea, 1);
        assert_eq!(sell(&admin).body, first.body);
        AHEAD_MS.store(step, Ordering::SeqCst);
        order(&admin, tea, 1);
        shop.stop();

        // The logins keep their age, whatever the clock shows.
        let shop = Shop::open(data.path(), LONG);
        let admin = shop.adopt(&admin);
        shop.adopt(&other).get("/api/auth/me").expect(200);
        assert_eq!(sell(&admin).body, first.body);
        order(&admin, tea, 1);
        assert_eq!(head(&admin), 11);
        assert_eq!(events_after(&admin, 0).len(), 11);
        shop.stop();
        never_ran_back(data.path());
        assert!(store::check(data.path()).unwrap().is_empty());
    }
}

#[test]
fn a_crash_after_the_clock_was_set_ahead_loses_no_login() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    AHEAD_MS.store(0, Ordering::SeqCst);
    let (data, left) = (tempdir().unwrap(), tempdir().unwrap());
    Shop::make(data.path());
    let shop = Shop::open(data.path(), LONG);
    let admin = shop.login();
    // No client sends anything meanwhile.
    AHEAD_MS.store(DAY_MS, Ordering::SeqCst);
    let now = clock();
    wait_until(data.path(), "SELECT min(used_at) FROM sessions", |used_at| used_at > now - HOUR_MS);
    for name in ["tillcast.db", "tillcast.db-wal"] {
        std::fs::copy(data.path().join(name), left.path().join(name)).unwrap();
    }
    shop.stop();
    let shop = Shop::open(left.path(), LONG);
    shop.adopt(&admin).get("/api/auth/me").expect(200);
    shop.stop();
}

#[test]
fn a_clock_that_is_set_between_two_runs_of_one_boot_makes_no_login_older_or_younger() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for steps in [[DAY_MS, 0], [DAY_MS, 2 * DAY_MS], [-DAY_MS, 0], [-DAY_MS, DAY_MS]] {
        AHEAD_MS.store(0, Ordering::SeqCst);
        let data = tempdir().unwrap();
        Shop::make(data.path());
        let shop = Shop::open(data.path(), LONG);
        let old = shop.login();
        let fresh = shop.login();
        outside_order(&fresh, 5.25);
        shop.stop();
        // The session is idle for almost the maximum.
        let sql = "UPDATE sessions SET used_at = used_at - ? WHERE created_at =
                   (SELECT min(created_at) FROM sessions)";
        let almost = i64::try_from(LONG.as_millis()).unwrap() - 60_000;
        assert_eq!(database(data.path()).execute(sql, [almost]).unwrap(), 1);
        let mut highest = clock();
        for step in steps {
            AHEAD_MS.store(step, Ordering::SeqCst);
            let shop = Shop::open(data.path(), LONG);
            shop.adopt(&fresh).get("/api/auth/me").expect(200);
            shop.stop();
            let sql = "SELECT max(used_at) FROM sessions";
            let newest: i64 = database(data.path()).query_row(sql, [], |row| row.get(0)).unwrap();
            highest = highest.max(clock());
            assert!(newest <= highest, "{steps:?}: used in the future");
        }
        let conn = database(data.path());
        let sql = "SELECT max(used_at) - min(used_at) FROM sessions";
        let apart: i64 = conn.query_row(sql, [], |row| row.get(0)).unwrap();
        assert!(apart >= almost, "{steps:?}: {apart}");
        conn.execute("UPDATE sessions SET used_at = used_at - 60000", []).unwrap();
        let shop = Shop::open(data.path(), LONG);
        shop.adopt(&fresh).get("/api/auth/me").expect(200);
        shop.adopt(&old).get("/api/auth/me").expect(401);
        shop.stop();
        never_ran_back(data.path());
    }
}

#[test]
fn a_clock_that_is_set_back_revives_no_login() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    AHEAD_MS.store(0, Ordering::SeqCst);
    let data = tempdir().unwrap();
    Shop::make(data.path());
    let shop = Shop::open(data.path(), Duration::from_secs(2));
    let idle = shop.login();
    wait_until(data.path(), "SELECT count(*) FROM sessions", |count| count == 0);
    AHEAD_MS.store(-DAY_MS, Ordering::SeqCst);
    idle.get("/api/auth/me").expect(401);
    let busy = shop.login();
    shop.stop();
    let shop = Shop::open(data.path(), Duration::from_secs(60));
    shop.adopt(&idle).get("/api/auth/me").expect(401);
    shop.adopt(&busy).get("/api/auth/me").expect(200);
    shop.stop();
}
