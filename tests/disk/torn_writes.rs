//! Guards the shop against a power cut on a disk that reorders writes: of the writes since the last
//! fsync any may be missing, torn, or stored before earlier ones. Everything that a client was sent
//! must still be there, no event may lack its row, no `seq` may be missing or used twice, and the
//! logins and the stored responses must be there too.
//!
//! `strace` (which needs root) records the writes of the real server under load, together with the
//! bytes that left for its clients. Each state in which a disk may be left is opened as a shop.
//! `TILLCAST_SEED=N` chooses the states of an earlier run again, though the writes are never quite
//! the same.

mod disk;
mod trace;

use crate::common::{Client, Server, head, is_root, product, unique};
use disk::Disk;
use fastrand::Rng;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::{TempDir, tempdir, tempdir_in};
use tillcast::auth::hash_request;
use tillcast::domain::input::{Input, Purpose};
use tillcast::domain::{EntityKind, Precondition, Principal, Role};
use tillcast::limits::Limits;
use tillcast::metrics::Metrics;
use tillcast::shop::{Change, Operation};
use tillcast::store::{self, Caller, CommitSinks, IdempotencyKey, Retention, Store};
use trace::{FILES, Step, Trace};

const STATES: usize = 1000;
const WRITERS: usize = 3;
/// Enough for two checkpoints, after each of which the write-ahead log begins again.
const ORDERS_EACH: usize = 240;
const ORDERS: &str = "/api/orders";
const THREADS: usize = 2;

/// The body of a sale, which contains its key.
fn sale(product: i64, key: &str) -> Value {
    json!({"items": [{"product_id": product, "quantity": 1}], "notes": key})
}

/// Sells and watches; returns the server's steps meanwhile.
fn load(server: &Server, admin: &Client, product: i64) -> Vec<Step> {
    let mut socket = admin.ws();
    socket.subscribe("order_changes");
    socket.subscribe("product_changes");
    let trace = Trace::of(server.pid());
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            let till = admin.separate();
            scope.spawn(move || {
                for _ in 0..ORDERS_EACH {
                    let key = unique("till");
                    let headers = [("idempotency-key", key.as_str())];
                    till.post_with(ORDERS, &sale(product, &key), &headers).expect(201);
                }
            });
        }
    });
    for _ in 0..2 * WRITERS * ORDERS_EACH {
        socket.recv();
    }
    trace.end()
}

/// What the server had sent to clients by some moment.
#[derive(Clone, Default)]
struct Told<'steps> {
    orders: Vec<&'steps Value>,
    events: BTreeMap<u64, &'steps str>,
}

/// The state of the shop before the load.
struct Begin {
    data: TempDir,
    head: u64,
    product: i64,
}

/// Makes a state of the disk at each of these moments, and checks it.
fn make_states(begin: &Begin, steps: &[Step], moments: &[usize], rng: &mut Rng) {
    let memory = Path::new("/dev/shm");
    let mut disk = Disk::of(begin.data.path());
    let (mut told, mut done) = (Told::default(), 0);
    for moment in moments {
        for step in &steps[done..*moment] {
            disk.take(step);
            match step {
                Step::Made(order) => told.orders.push(order),
                Step::Event(seq, text) => drop(told.events.insert(*seq, text)),
                _ => {}
            }
        }
        done = *moment;
        let state = if memory.exists() { tempdir_in(memory) } else { tempdir() }.unwrap();
        disk.lose_power(rng, state.path());
        check(begin, &told, state.path());
    }
}

/// Opens the data directory as the next start would, and checks it.
fn check(begin: &Begin, told: &Told<'_>, data_dir: &Path) {
    let sinks = CommitSinks {
        publish: Box::new(drop),
        reset_to: Box::new(|_| ()),
        forget: Box::new(|_| ()),
        sessions: Box::new(drop),
        lags: Box::new(|| false),
    };
    let retention =
        Retention { age: Duration::from_secs(86_400), count: 1_000_000, audit: Duration::MAX };
    let (limits, metrics) = (Limits::DEFAULT, Arc::new(Metrics::new()));
    let mut opened = store::open(data_dir, retention, limits, None, store::clock).unwrap();
    let sessions = opened.take_sessions();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].principal.user_id(), Some(1));
    let head = opened.head;
    let (store, writer) = opened.start(&metrics, sinks).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for order in told.orders.iter().rev().take(WRITERS) {
        assert_eq!(runtime.block_on(again(&store, begin, order)), **order);
    }
    drop(store);
    writer.join().unwrap();
    assert_eq!(store::check(data_dir).unwrap(), Vec::<String>::new());

    let conn = Connection::open(data_dir.join(FILES[0])).unwrap();
    let events = texts(&conn, "SELECT seq, body FROM events ORDER BY seq");
    assert_eq!(events.len(), usize::try_from(head).unwrap(), "a repeated request did it again");
    for (expected, (seq, body)) in (1..).zip(&events) {
        assert_eq!(*seq, expected);
        let told = u64::try_from(*seq).ok().and_then(|seq| told.events.get(&seq));
        assert!(told.is_none_or(|told| told == body), "{told:?} is {body} now");
    }
    let last = told.events.keys().next_back().copied().unwrap_or(begin.head);
    assert!(last <= events.len() as u64, "{last} was told, {head} is the last");
    let orders: BTreeMap<i64, String> =
        texts(&conn, "SELECT id, notes FROM orders").into_iter().collect();
    for order in &told.orders {
        assert_eq!(orders[&order["id"].as_i64().unwrap()], order["notes"]);
    }
}

/// The response to a till that sends its request again.
async fn again(store: &Store, begin: &Begin, order: &Value) -> Value {
    let key = order["notes"].as_str().unwrap();
    let body = sale(begin.product, key);
    let request_hash = hash_request(ORDERS, body.to_string().as_bytes());
    let input =
        Input::read(EntityKind::Order, Purpose::Create("USD"), body.as_object().unwrap().clone());
    let principal = Principal::User { id: 1, role: Role::Admin };
    let repeat = IdempotencyKey { principal, key: key.to_owned(), request_hash };
    let operation = Operation::Create(input.unwrap());
    let change =
        Change { kind: EntityKind::Order, operation, precondition: Precondition::default() };
    let answer = store.create(Caller::CONSOLE, change, Some(repeat)).await;
    serde_json::from_str(&answer.unwrap().value.body).unwrap()
}

fn texts(conn: &Connection, sql: &str) -> Vec<(i64, String)> {
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn replies_and_events_survive_a_thousand_torn_disks() {
    if !is_root() {
        return;
    }
    let seed = std::env::var("TILLCAST_SEED").map(|seed| seed.parse().unwrap());
    let mut rng = Rng::with_seed(seed.unwrap_or_else(|_| fastrand::u64(..)));
    eprintln!("TILLCAST_SEED={}", rng.get_seed());
    let server = Server::start();
    let admin = server.admin();
    let product = product(&admin, 2.5, 1_000_000);
    let begin = Begin { data: tempdir().unwrap(), head: head(&admin), product };
    for name in FILES {
        std::fs::copy(server.data_dir().join(name), begin.data.path().join(name)).unwrap();
    }
    let steps = load(&server, &admin, product);
    let begun_anew = |step: &&Step| matches!(step, Step::Write { file: 1, at: 0, .. });
    assert!(steps.iter().filter(begun_anew).count() >= 2, "no checkpoint");
    assert_eq!(
        steps.iter().filter(|step| matches!(step, Step::Made(_))).count(),
        WRITERS * ORDERS_EACH
    );

    let mut states: [Vec<usize>; THREADS] = Default::default();
    for state in 0..STATES {
        states[state % THREADS].push(rng.usize(..=steps.len()));
    }
    std::thread::scope(|scope| {
        for mut moments in states {
            moments.sort_unstable();
            let (begin, steps, mut rng) = (&begin, &steps, rng.fork());
            scope.spawn(move || make_states(begin, steps, &moments, &mut rng));
        }
    });
}
