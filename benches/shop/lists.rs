//! Lists of a shop of several years, on the smallest board's profile: each filter and sort order of
//! the API, alone and in pairs, from the first page on and from the middle.

use std::process::Command;
use std::time::Instant;

use rusqlite::Connection;

use crate::Bench;
use crate::common::Outcome;
use crate::common::seed::Seed;
use crate::common::server::{Kind, Server};
use crate::table::{Figures, Goal, Line, percentile};

const ORDERS: i64 = 300_000;
/// The requests come one after the other, so that the caches are as a client meets them.
const REQUESTS: usize = 40;
/// The `limit` of a request.
const LIMIT: usize = 50;

/// The filters of each list, with a value that many rows have and one that few rows have.
const LISTS: [(&str, &[&str]); 5] = [
    ("orders", &["status=completed", "status=pending", "customer_id=1", "customer_id=777"]),
    ("products", &["status=published", "status=archived", "sku=SKU-7"]),
    ("customers", &["email=c777@example.com", "email=nobody@example.com"]),
    (
        "shipments",
        &["status=delivered", "status=in_transit", "order_id=150000", "tracking_number=T150000"],
    ),
    ("transactions", &["status=completed", "status=failed", "order_id=150000"]),
];
/// Before any change, half-way, and a few hundred changes ago.
const TIMES: [&str; 3] = ["2000-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "2025-12-31T21:00:00Z"];

/// The slowest list of each kind, and the server's memory after all of them.
pub(crate) fn lists(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let seed = Seed::make(&bench.programs.tillcast, ORDERS, 0)?;
    fill(&Connection::open(seed.path().join("tillcast.db"))?)?;
    let start = || {
        let mut tiny = Command::new(&bench.programs.tillcast);
        tiny.args(["--profile", "tiny"]);
        Server::of_data(tiny, seed.path())
    };
    // The first login hashes the seed's password with the memory of the default profile once more.
    drop(start()?);
    let server = start()?;
    let mut lines = Vec::new();
    for (plural, filters) in LISTS {
        let mut slowest = (0.0, String::new());
        for query in queries(filters) {
            let path = format!("/api/{plural}?limit={LIMIT}{query}");
            let p99 = p99(&server, &path)?;
            if p99 > slowest.0 {
                slowest = (p99, path);
            }
        }
        let what = format!("slowest list of {plural}, {ORDERS} orders, p99 ms");
        eprintln!("    {:.2} ms {}", slowest.0, slowest.1);
        lines.push(line(what, slowest.0, Goal::AtMost(50.0)));
    }
    let what = "most RSS from the start on, MiB".to_owned();
    lines.push(line(what, server.memory()?.peak / 1024.0, Goal::AtMost(24.0)));
    Ok(lines)
}

fn line(what: String, figure: f64, goal: Goal) -> Line {
    let mut figures = Figures::default();
    figures.push(Kind::Tillcast, figure);
    Line { what, goal, figures }
}

/// No filter, each filter, and each pair of different fields, with and without a time, in both
/// orders, from the first row on and from the middle.
fn queries(filters: &[&str]) -> Vec<String> {
    let field = |filter: &str| filter.split('=').next().unwrap_or_default().to_owned();
    let mut sets = vec![String::new()];
    for (at, one) in filters.iter().enumerate() {
        sets.push(format!("&{one}"));
        let others = filters[at + 1..].iter().filter(|other| field(other) != field(one));
        sets.extend(others.map(|other| format!("&{one}&{other}")));
    }
    let times = TIMES.map(|time| format!("&updated_since={time}"));
    let times: Vec<String> = std::iter::once(String::new()).chain(times).collect();
    let mut all = Vec::new();
    for set in &sets {
        for time in &times {
            for order in ["asc", "desc"] {
                for after in ["", "&after=150000", "&after=7", "&after=299990"] {
                    all.push(format!("{set}{time}&order={order}{after}"));
                }
            }
        }
    }
    all
}

/// The 99th percentile of a request in milliseconds, each on a connection of its own.
fn p99(server: &Server, path: &str) -> Outcome<f64> {
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let begun = Instant::now();
        server.ask(&format!("GET {path}"), "")?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    percentile(&times, 99).ok_or_else(|| "no requests".into())
}

/// Turns the seed into a shop of several years: most orders are completed, a tenth belongs to one
/// customer.
fn fill(conn: &Connection) -> Outcome<()> {
    conn.pragma_update(None, "synchronous", "OFF")?;
    conn.execute_batch(
        "BEGIN;
         INSERT INTO customers (email, first_name, last_name, seq, created_at, updated_at)
             SELECT 'c' || id || '@example.com', 'Ana', 'Lopez', seq, created_at, updated_at
             FROM orders WHERE id <= 20000;
         UPDATE orders SET
             created_at = 1704067200000 + id * 210240,
             updated_at = 1704067200000 + id * 210240,
             customer_id = CASE WHEN id % 10 = 0 THEN 1 WHEN id % 3 = 0 THEN id % 20000 + 1 END,
             status = CASE WHEN id > 299800 OR id % 9973 = 0 THEN 'pending'
                           WHEN id % 50 = 0 THEN 'cancelled' ELSE 'completed' END;
         UPDATE events SET at = 1704067200000 + max(seq - 100, 0) * 210240;
         UPDATE products SET status = 'archived' WHERE id % 20 = 0;
         UPDATE products SET created_at = 1704067200000, updated_at = 1704067200000;
         UPDATE customers SET created_at = 1704067200000, updated_at = 1704067200000;
         INSERT INTO shipments (order_id, tracking_number, status, carrier, seq, created_at, updated_at)
             SELECT id, 'T' || id, iif(id % 5003 = 0, 'in_transit', 'delivered'), 'dhl', seq, created_at, updated_at
             FROM orders WHERE id % 3 <> 0;
         INSERT INTO transactions (order_id, type, status, amount, gateway, currency, seq, created_at, updated_at)
             SELECT id, 'payment', iif(id % 5003 = 0, 'failed', 'completed'), total, 'cash', currency, seq,
                    created_at, updated_at
             FROM orders;
         COMMIT;
         PRAGMA wal_checkpoint(TRUNCATE);",
    )?;
    Ok(())
}
