//! `cargo bench --bench soak -- --minutes 20` runs ten times a shop's load, with clients that come
//! and go, logins, and one that never reads. It prints the curve, and fails if memory, files or the
//! write-ahead log grow, or if a client missed an event or got one twice.
#![expect(clippy::unwrap_used, clippy::panic, reason = "any failure ends the run")]

#[path = "../../tests/common/mod.rs"]
mod common;
mod curve;
mod load;

use std::error::Error;
use std::io::{Write as _, stdout};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::scope;
use std::time::Duration;

use common::{Client, Server, log_after, product};
use curve::Curve;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The number of clients that follow a channel; they come and go.
const SUBSCRIBERS: usize = 300;
/// The number of tills; each makes five sales a second.
const TILLS: usize = 2;
const PRODUCTS: usize = 50;
const ENTITIES: [&str; 5] = ["order", "product", "customer", "shipment", "transaction"];
/// The shortest run that shows growth; a shorter one also ends before a stuck client is closed.
const TELLING: Duration = Duration::from_secs(4 * 60);

/// The state that all threads share.
struct Soak {
    server: Server,
    admin: Client,
    products: Vec<i64>,
    /// The `seq` before the first sale.
    began_at: u64,
    /// Whether the run is over, so that no new work begins.
    over: AtomicBool,
    /// The events of each entity, by their `seq`; set when no more will come.
    told: OnceLock<[Vec<u64>; ENTITIES.len()]>,
    /// The times of the orders since the last call.
    orders: Mutex<Vec<Duration>>,
    came_back: AtomicU32,
    stuck_closed: AtomicU32,
    logins: AtomicU32,
}

fn main() -> Outcome<()> {
    let run = Duration::from_secs_f64(minutes()? * 60.0);
    let soak = Soak::prepare();
    let curve = scope(|threads| {
        let soak = &soak;
        let over = SetWhenDropped(&soak.over);
        let tills = (0..TILLS).map(|till| threads.spawn(move || load::sell(soak, till)));
        let mut working: Vec<_> = tills.collect();
        for work in [load::manage, load::read, load::log_in_and_out, load::get_stuck] {
            working.push(threads.spawn(move || work(soak)));
        }
        for at in 0..SUBSCRIBERS {
            threads.spawn(move || load::follow(soak, at % ENTITIES.len()));
        }
        let curve = Curve::draw(soak, run);
        drop(over);
        // A thread that panicked has printed why, and fails the run at the end of this scope.
        for work in working {
            drop(work.join());
        }
        soak.tell();
        curve
    });
    let count = |number: &AtomicU32| number.load(Ordering::Acquire);
    let events: usize = soak.told.get().unwrap().iter().map(Vec::len).sum();
    writeln!(
        stdout(),
        "{SUBSCRIBERS} clients came back {} times and missed none of {events} events; {} logins; a \
         client that never reads was closed {} times",
        count(&soak.came_back),
        count(&soak.logins),
        count(&soak.stuck_closed),
    )?;
    if run < TELLING {
        writeln!(stdout(), "too short to say whether anything grows")?;
        return Ok(());
    }
    if count(&soak.stuck_closed) == 0 {
        return Err("the client that never reads was never closed".into());
    }
    curve.judge()
}

fn minutes() -> Outcome<f64> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => Ok(20.0),
        (Some("--minutes"), Some(minutes), None) => Ok(minutes.parse()?),
        _ => Err("there is --minutes N".into()),
    }
}

impl Soak {
    /// A shop with products and without clients.
    fn prepare() -> Self {
        let server = Server::with_users(&["staff"], &[]);
        let admin = server.admin();
        let products = (0..PRODUCTS).map(|_| product(&admin, 2.5, 1_000_000)).collect();
        Self {
            began_at: common::head(&admin),
            server,
            admin,
            products,
            over: AtomicBool::new(false),
            told: OnceLock::new(),
            orders: Mutex::default(),
            came_back: AtomicU32::new(0),
            stuck_closed: AtomicU32::new(0),
            logins: AtomicU32::new(0),
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Reads from the log which events the clients must have seen; the log has no gaps.
    fn tell(&self) {
        let mut told = ENTITIES.map(|_| Vec::new());
        for (seq, event) in (self.began_at + 1..).zip(log_after(&self.admin, self.began_at)) {
            let is_of = |entity: &&str| event.starts_with(&format!(r#"{{"event":"{entity}:"#));
            told[ENTITIES.iter().position(is_of).unwrap()].push(seq);
        }
        self.told.set(told).unwrap();
    }
}

/// Ends the run, even if it fails.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
