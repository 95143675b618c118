//! Shops for the benches: a data directory with a user, products, orders and their events, written
//! with SQL into a database that Tillcast has made.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::common::{Outcome, millis_now};

/// The user of all clients.
pub(crate) const USER: &str = "bench";
pub(crate) const PASSWORD: &str = "a password of the bench";
/// The number of orders of the small shop.
pub(crate) const ORDERS: i64 = 1_000;
/// The number of products of every shop.
pub(crate) const PRODUCTS: i64 = 100;

/// A data directory that is only copied, never served.
pub(crate) struct Seed(TempDir);

impl Seed {
    /// A shop with this many orders, and this many events in its log: one for each product and
    /// order, the rest are updates.
    pub(crate) fn make(tillcast: &Path, orders: i64, events: i64) -> Outcome<Self> {
        let dir = folder()?;
        add_user(tillcast, dir.path())?;
        let mut conn = Connection::open(dir.path().join("tillcast.db"))?;
        conn.pragma_update(None, "synchronous", "OFF")?;
        fill(&mut conn, orders, events.max(orders + PRODUCTS))?;
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        drop(conn);
        fs::File::open(dir.path().join("tillcast.db"))?.sync_all()?;
        Ok(Self(dir))
    }

    /// The path of the data directory.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A copy for one server.
    pub(crate) fn copy(&self) -> Outcome<TempDir> {
        let dir = folder()?;
        let file = dir.path().join("tillcast.db");
        fs::copy(self.path().join("tillcast.db"), &file)?;
        fs::File::open(&file)?.sync_all()?;
        Ok(dir)
    }
}

/// A folder on the disk that holds the build, since `/tmp` may be no disk at all.
fn folder() -> Outcome<TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

fn add_user(tillcast: &Path, data_dir: &Path) -> Outcome<()> {
    let mut command = Command::new(tillcast);
    command.args(["user", "add", USER, "--role", "admin", "--data-dir"]).arg(data_dir);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.take().ok_or("no standard input")?.write_all(PASSWORD.as_bytes())?;
    match child.wait()? {
        status if status.success() => Ok(()),
        status => Err(format!("tillcast user add: {status}").into()),
    }
}

fn fill(conn: &mut Connection, orders: i64, events: i64) -> Outcome<()> {
    let at = millis_now()?;
    let writing = conn.transaction()?;
    // The columns go by position, because an older program has another name for the third one.
    let mut event = writing.prepare("INSERT INTO events VALUES (?, ?, ?, ?)")?;
    let mut product = writing.prepare(
        "INSERT INTO products (name, sku, status, price, stock, currency, seq, created_at, updated_at)
         VALUES (?, ?, 'published', 5998, 1000000000000, 'USD', ?, ?, ?)",
    )?;
    for id in 1..=PRODUCTS {
        let (name, sku) = (format!("Product {id}"), format!("SKU-{id}"));
        product.execute((&name, &sku, id, at, at))?;
        let body = format!(
            r#"{{"event":"product:created","data":{{"id":{id},"name":"{name}","sku":"{sku}","status":"published","price":59.98,"stock":1000000000000}},"timestamp":"2026-01-25T10:30:00.000Z","seq":{id}}}"#
        );
        event.execute((id, at, 1, body))?;
    }
    // An order's row refers to its last event.
    let mut last = vec![0; usize::try_from(orders)?];
    for seq in PRODUCTS + 1..=events {
        let place = (seq - PRODUCTS - 1) % orders;
        let created = seq <= PRODUCTS + orders;
        last[usize::try_from(place)?] = seq;
        event.execute((seq, at, 0, order_event(place + 1, seq, created, "note")))?;
    }
    let mut order = writing.prepare(
        "INSERT INTO orders (status, payment_status, total, currency, items, notes, seq, created_at, updated_at)
         VALUES ('pending', 'pending', 5998, 'USD', '[]', 'note', ?, ?, ?)",
    )?;
    for seq in last {
        order.execute((seq, at, at))?;
    }
    drop((event, product, order));
    writing.commit()?;
    Ok(())
}

/// The envelope of an order's event, as Tillcast writes it.
pub(crate) fn order_event(id: i64, seq: i64, created: bool, notes: &str) -> String {
    let verb = if created { "created" } else { "updated" };
    let changed =
        if created { String::new() } else { format!(r#","changed_fields":{{"notes":"{notes}"}}"#) };
    format!(
        r#"{{"event":"order:{verb}","data":{{"id":{id},"order_number":"ORD-{id:010}","status":"pending","payment_status":"pending","total":59.98,"customer_id":null,"currency":"USD"{changed}}},"timestamp":"2026-01-25T10:30:00.000Z","seq":{seq}}}"#
    )
}
