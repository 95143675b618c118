//! Guards the promise of every `201` when the power fails, against an acknowledged order that is
//! lost, an event without its row, a missing `seq`, and a display that saw an event that the log
//! does not have.
//!
//! `kill -9` leaves what the kernel has. A power cut leaves only what was on the disk; it is made
//! by shutting down a file system of the test's own, which needs root. `TILLCAST_POWER_CUTS=200
//! cargo test --test disk ten_power_cuts` makes 200 of them instead of ten.

use crate::common::{
    Client, Disk, PATIENCE, Raw, Server, Socket, head, is_root, json_request, log_after, order,
    product, unique,
};
use rusqlite::Connection;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use tungstenite::Message;

const ROUNDS: usize = 20;
const WRITERS: usize = 8;
const POWER_CUTS: usize = 10;
/// The number of acknowledged requests of a round after which the power is cut.
const ACKNOWLEDGED: usize = 400;
/// The number of requests after which a writer gives up.
const REQUESTS_MAX: usize = 20 * ACKNOWLEDGED;
/// More than all rounds can sell.
const STOCK: u32 = 10_000_000;

/// One request with a key, which a till would send again.
struct Asked {
    path: &'static str,
    key: String,
    body: String,
}

/// The work of one writer: the requests with their responses, and the one that got none.
#[derive(Default)]
struct Done {
    acknowledged: Vec<(Asked, Value)>,
    in_flight: Option<Asked>,
}

/// The count of acknowledged requests, and the channel that signals when there are enough.
struct Trigger {
    count: AtomicUsize,
    enough: SyncSender<()>,
}

impl Trigger {
    fn acknowledged(&self) {
        if self.count.fetch_add(1, Ordering::Relaxed) + 1 == ACKNOWLEDGED {
            self.enough.send(()).unwrap();
        }
    }
}

/// Sells, and takes the payment for every third order, until the server is gone.
fn write(mut connection: Raw, client: &Client, product: i64, trigger: &Trigger) -> Done {
    let mut done = Done::default();
    let mut unpaid = None;
    for count in 0..REQUESTS_MAX {
        let asked = match unpaid.take() {
            Some(order) if count % 3 == 0 => payment(&order),
            _ => sale(product),
        };
        let Some(answer) = ask(&mut connection, client, &asked) else {
            done.in_flight = Some(asked);
            return done;
        };
        trigger.acknowledged();
        if asked.path == "/api/orders" {
            unpaid = Some(answer["id"].clone());
        }
        done.acknowledged.push((asked, answer));
    }
    panic!("nobody pulled the plug");
}

fn sale(product: i64) -> Asked {
    let key = unique("till");
    let body = json!({"items": [{"product_id": product, "quantity": 1}], "notes": key});
    let (path, body) = ("/api/orders", body.to_string());
    Asked { path, key, body }
}

fn payment(order: &Value) -> Asked {
    let key = unique("till");
    let body = json!({
        "order_id": order, "type": "payment", "status": "completed", "amount": 2.5, "gateway": key,
    });
    let (path, body) = ("/api/transactions", body.to_string());
    Asked { path, key, body }
}

/// The entity that a request created; `None` if the server died before its response.
fn ask(connection: &mut Raw, client: &Client, asked: &Asked) -> Option<Value> {
    let key = format!("Idempotency-Key: {}\r\n", asked.key);
    let request = json_request("POST", asked.path, client.cookie(), &key, &asked.body);
    connection.send(&request).ok()?;
    let answer = connection.answer(false).ok()??;
    // The disk has failed, so it is not known whether the order was stored.
    (answer.status != 503).then(|| answer.expect(201).json())
}

/// The event frames of all channels, exactly as they came, until the server is gone.
fn watch(mut socket: Socket) -> Vec<String> {
    let mut seen = Vec::new();
    while let Ok(message) = socket.recv_message() {
        if let Message::Text(text) = message {
            seen.push(text.to_string());
        }
    }
    seen
}

/// Runs one round of load that ends with `pull`.
fn load(pull: impl FnOnce(), admin: &Client, product: i64) -> (Vec<Done>, Vec<String>) {
    let mut socket = admin.ws();
    for noun in ["order", "product", "customer", "shipment", "transaction"] {
        socket.subscribe(&format!("{noun}_changes"));
    }
    let (enough, reached) = sync_channel(1);
    let trigger = Trigger { count: AtomicUsize::new(0), enough };
    std::thread::scope(|scope| {
        let subscriber = scope.spawn(|| watch(socket));
        let trigger = &trigger;
        let writer = || {
            let connection = Raw::connect(admin.address()).unwrap();
            scope.spawn(move || write(connection, admin, product, trigger))
        };
        let writers: Vec<_> = (0..WRITERS).map(|_| writer()).collect();
        let in_time = reached.recv_timeout(3 * PATIENCE);
        pull();
        in_time.unwrap();
        let done = writers.into_iter().map(|writer| writer.join().unwrap());
        (done.collect(), subscriber.join().unwrap())
    })
}

/// Sends an unanswered request twice more; both get the same entity.
fn retry(admin: &Client, asked: Asked) -> (Asked, Value) {
    let headers = [("content-type", "application/json"), ("idempotency-key", asked.key.as_str())];
    let send = || admin.request("POST", asked.path, &headers, Some(asked.body.as_bytes()));
    let answer = send().expect(201);
    assert_eq!(send().expect(201).body, answer.body);
    let entity = answer.json();
    (asked, entity)
}

/// All rows from an id on, oldest first, by the key that their request stored in them.
fn rows_by_key(
    admin: &Client,
    path: &str,
    field: &str,
    first: i64,
) -> BTreeMap<String, Vec<Value>> {
    let mut rows: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut next = Some(first - 1);
    while let Some(after) = next {
        let after = if after > 0 { format!("&after={after}") } else { String::new() };
        let page = admin.get(&format!("{path}?order=asc&limit=200{after}")).expect(200).json();
        for row in page["data"].as_array().unwrap() {
            let key = row[field].as_str().unwrap().to_owned();
            rows.entry(key).or_default().push(row.clone());
        }
        next = page["next"].as_i64();
    }
    rows
}

/// Checks that every request of the round made exactly one row, and that there are no other rows;
/// returns the number of orders.
fn check_rows(admin: &Client, asked: &[(Asked, Value)]) -> usize {
    let first_id = |path| {
        let of_path = asked.iter().filter(|(asked, _)| asked.path == path);
        of_path.map(|(_, entity)| entity["id"].as_i64().unwrap()).min()
    };
    let mut orders = 0;
    for (path, field) in [("/api/orders", "notes"), ("/api/transactions", "gateway")] {
        let Some(first) = first_id(path) else { continue };
        let mut rows = rows_by_key(admin, path, field, first);
        for (asked, entity) in asked.iter().filter(|(asked, _)| asked.path == path) {
            let found = rows.remove(&asked.key).unwrap_or_default();
            assert_eq!(found.len(), 1, "{path} {}: {found:?}", asked.key);
            assert_eq!(found[0]["id"], entity["id"]);
            orders += usize::from(path == "/api/orders");
        }
        assert!(rows.is_empty(), "nobody asked for {rows:?}");
    }
    orders
}

/// Checks that every acknowledged entity can be read.
fn check_acknowledged(admin: &Client, done: &[Done]) {
    for (asked, entity) in done.iter().flat_map(|done| &done.acknowledged) {
        let stored = admin.get(&format!("{}/{}", asked.path, entity["id"])).expect(200).json();
        for field in ["id", "order_number", "items", "total", "notes", "amount", "gateway"] {
            assert_eq!(stored[field], entity[field], "{field} of {}", asked.key);
        }
        if asked.path == "/api/transactions" {
            let order = admin.get(&format!("/api/orders/{}", entity["order_id"])).expect(200);
            assert_eq!(order.json()["payment_status"], "paid");
        }
    }
}

/// Checks that a till that repeats a request gets the first response, and that nothing is sold
/// twice.
fn check_repeats(admin: &Client, done: &[Done]) {
    let before = head(admin);
    for (asked, entity) in done.iter().filter_map(|done| done.acknowledged.last()) {
        let headers = [("content-type", "application/json"), ("idempotency-key", &asked.key)];
        let again = admin.request("POST", asked.path, &headers, Some(asked.body.as_bytes()));
        assert_eq!(again.expect(201).json(), *entity);
    }
    assert_eq!(head(admin), before);
}

fn check_file(server: &Server, moment: &str) {
    let output = server.cli(&["check"], "");
    assert!(output.status.success(), "check {moment}: {output:?}");
}

/// Cuts the power again and again, and compares the shop with the acknowledged requests.
fn survives(mut server: Server, rounds: usize, pull: impl Fn(&mut Server)) {
    let mut admin = server.admin();
    let product = product(&admin, 2.5, STOCK);
    let mut sold = 0;
    for round in 0..rounds {
        let seq = head(&admin);
        let (mut done, seen) = load(|| pull(&mut server), &admin, product);
        check_file(&server, "after the kill");
        server = server.again();
        // The session from before the cut is still valid.
        admin = server.adopt(&admin);
        let log = log_after(&admin, seq);
        let same = seen.iter().zip(&log).take_while(|(seen, logged)| seen == logged).count();
        let lost = (seen.get(same), log.get(same));
        assert_eq!(same, seen.len(), "round {round}, {} in the log: {lost:#?}", log.len());
        assert!(seen.len() > ACKNOWLEDGED / 2, "the subscriber saw {} events", seen.len());
        check_acknowledged(&admin, &done);
        check_repeats(&admin, &done);

        let in_flight = done.iter_mut().filter_map(|done| done.in_flight.take());
        let mut asked: Vec<(Asked, Value)> =
            in_flight.collect::<Vec<_>>().into_iter().map(|asked| retry(&admin, asked)).collect();
        asked.extend(done.into_iter().flat_map(|done| done.acknowledged));
        sold += check_rows(&admin, &asked);
        let stock = admin.get(&format!("/api/products/{product}")).expect(200).json();
        assert_eq!(stock["stock"].as_u64(), Some(u64::from(STOCK) - sold as u64));
        check_file(&server, "while it serves");
    }
    let log = log_after(&admin, 0);
    assert_eq!(log.len() as u64, head(&admin));
}

#[test]
fn acknowledged_orders_survive_twenty_kills() {
    survives(Server::start(), ROUNDS, Server::kill);
}

/// A machine without power sends nothing, so the server is stopped before the disk is cut off: an
/// fdatasync that is under way then returns without an error, although the kernel has given up the
/// journal that it waited for.
#[test]
fn acknowledged_orders_survive_ten_power_cuts() {
    if !is_root() {
        return;
    }
    let cuts = std::env::var("TILLCAST_POWER_CUTS").map(|cuts| cuts.parse().unwrap());
    let disk = Disk::ext4(128);
    survives(disk.server(), cuts.unwrap_or(POWER_CUTS), |server| {
        server.signal(Signal::STOP);
        disk.cut_power();
        server.kill();
        disk.unmount();
        disk.mount();
    });
}

/// If a commit came after its response, the gap would be a few microseconds, which no kill would
/// hit; another connection to the database sees it at once.
#[test]
fn an_event_is_in_the_database_before_it_is_sent() {
    let server = Server::start();
    let admin = server.admin();
    let product = product(&admin, 2.5, STOCK);
    let mut socket = admin.ws();
    let mut after = socket.subscribe("order_changes");
    std::thread::scope(|scope| {
        let till = || {
            let client = admin.separate();
            scope.spawn(move || {
                for _ in 0..100 {
                    let sale = sale(product);
                    let body: Value = serde_json::from_str(&sale.body).unwrap();
                    let made = client.post(sale.path, &body).expect(201);
                    assert_eq!(client.get(made.header("location")).expect(200).body, made.body);
                }
            })
        };
        let tills: Vec<_> = (0..WRITERS).map(|_| till()).collect();
        let mut log = Raw::connect(admin.address()).unwrap();
        for _ in 0..100 * tills.len() {
            // The request is ready before the event comes, so that no time is lost.
            let path = format!("/api/events?limit=200&after={after}");
            let question = json_request("GET", &path, admin.cookie(), "", "");
            let event = socket.recv_text();
            log.send(&question).unwrap();
            let logged = log.answer(false).unwrap().unwrap().expect(200).text();
            assert!(logged.contains(&event), "{logged} behind {event}");
            let told: Value = serde_json::from_str(&event).unwrap();
            after = told["seq"].as_u64().unwrap();
        }
    });
}

/// A program that closes a database removes the write-ahead log, if it holds that nobody else uses it.
#[test]
fn a_program_that_closes_the_database_leaves_the_log() {
    let mut server = Server::start();
    // A database that is there already is opened in another way than a new one.
    assert_eq!(server.stop(), Some(0));
    let mut server = server.again();
    let admin = server.admin();
    let tea = product(&admin, 2.5, STOCK);
    let file = server.data_dir().join("tillcast.db");
    let mut orders = Vec::new();
    for made in 1..=3 {
        orders.push(order(&admin, tea, 1)["id"].clone());
        let database = Connection::open(&file).unwrap();
        let sql = "SELECT count(*) FROM orders";
        assert_eq!(database.query_row(sql, [], |row| row.get(0)), Ok(made));
        drop(database);
        assert!(file.with_extension("db-wal").exists(), "the log is gone");
        // This SQLite notices a user without a lock; older ones, of other programs, do not.
        let database = File::options().write(true).open(&file).unwrap();
        let locked = fcntl_lock(&database, FlockOperation::NonBlockingLockExclusive);
        assert_eq!(locked, Err(Errno::AGAIN), "the server has no lock on its database");
    }
    server.kill();
    let server = server.again();
    let admin = server.adopt(&admin);
    for id in orders {
        admin.get(&format!("/api/orders/{id}")).expect(200);
    }
}
