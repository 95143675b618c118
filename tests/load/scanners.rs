//! Guards the card against reads. SQLite cannot empty its write-ahead log while a read is under way, so
//! displays that read without a pause could make it grow until the disk is full.

use crate::common::{Client, Server, outside_order, password_of};
use rusqlite::Connection;
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::scope;

const ORDERS: u32 = 300_000;
/// Users of displays that read without a pause, each as many pages at a time as it may: enough to keep both readers
/// busy at any time.
const SCANNERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const TILLS: usize = 8;
/// Bytes that are written meanwhile: several times the bound.
const WRITTEN: usize = 64 << 20;
/// The bound that `tillcast limits` prints.
const WAL_BYTES_MAX: usize = 16 << 20;

/// A shop of some years in which one customer has all orders.
fn server_with_orders() -> Server {
    let mut server = Server::start();
    let admin = server.admin();
    for name in SCANNERS {
        let user = json!({"username": name, "password": password_of(name), "role": "display"});
        admin.post("/api/users", &user).expect(201);
    }
    assert_eq!(server.stop(), Some(0));
    let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let fill = format!(
        "INSERT INTO customers (id, email, first_name, last_name, seq, created_at, updated_at)
             VALUES (1, 'ana@example.com', 'Ana', 'Ng', 1, 0, 0);
         WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {ORDERS})
         INSERT INTO orders (status, payment_status, total, customer_id, currency, items, seq, created_at,
                             updated_at)
             SELECT 'completed', 'paid', 999, 1, 'USD', '[]', 1, 0, 0 FROM n;"
    );
    database.execute_batch(&fill).unwrap();
    drop(database);
    server.again()
}

/// Reads a page that looks at as many rows as it may, and finds none.
fn scan(display: &Client) {
    let page = display.get("/api/orders?customer_id=1&status=refunded").expect(200).json();
    assert!(page["data"] == json!([]) && page["next"].is_i64(), "{page}");
}

#[test]
fn reads_without_a_pause_do_not_keep_the_log_growing() {
    let server = server_with_orders();
    let admin = server.admin();
    let displays = SCANNERS.map(|name| server.login(name));
    let order = format!("/api/orders/{}", outside_order(&admin, 9.99));
    let (over, scans) = (AtomicBool::new(false), AtomicU64::new(0));
    let longest = scope(|threads| {
        for display in displays {
            let (over, scans) = (&over, &scans);
            threads.spawn(move || {
                while !over.load(Ordering::Acquire) {
                    scan(&display);
                    scans.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        for _ in 0..TILLS {
            let till = admin.separate();
            threads.spawn(|| {
                let till = till;
                let mut note = 0;
                while !over.load(Ordering::Acquire) {
                    note += 1;
                    let notes = format!("{note}{}", "\u{20ac}".repeat(1_900));
                    till.patch(&order, &json!({"notes": notes})).expect(200);
                }
            });
        }
        let mut longest = 0;
        while longest < WAL_BYTES_MAX && admin.metric("wal_bytes_total") < WRITTEN {
            longest = longest.max(admin.metric("wal_size_bytes"));
        }
        over.store(true, Ordering::Release);
        longest
    });
    let scans = scans.into_inner();
    eprintln!("the log had {longest} bytes at most beside {scans} scans"); // for --nocapture
    assert!(scans > 0 && longest > 0 && longest < WAL_BYTES_MAX, "{longest} bytes, {scans} scans");
}
