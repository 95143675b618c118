//! The bare loop: the rows that an order writes, committed in batches, with nothing around it.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tempfile::TempDir;
use tillcast::limits::{Limits, WAL_BYTES_KEPT};

use crate::common::seed::{PRODUCTS, Seed, order_event};
use crate::common::{Outcome, millis_now};

/// A connection like that of Tillcast's writer, to a file of its own.
pub(crate) struct Loop {
    conn: Connection,
    seq: i64,
    _data: TempDir,
}

/// The result of a loop.
pub(crate) struct Looped {
    pub(crate) orders_per_second: f64,
    /// The time of each `COMMIT`, in milliseconds.
    pub(crate) commits: Vec<f64>,
}

impl Loop {
    pub(crate) fn open(seed: &Seed) -> Outcome<Self> {
        let data = seed.copy()?;
        let conn = Connection::open(data.path().join("tillcast.db"))?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.pragma_update(None, "cache_size", -Limits::DEFAULT.writer_cache_kib)?;
        conn.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
        conn.set_prepared_statement_cache_capacity(64);
        let seq = conn.query_row("SELECT max(seq) FROM events", [], |row| row.get(0))?;
        Ok(Self { conn, seq, _data: data })
    }

    /// Commits batches for `time`, of `batch` orders on average.
    pub(crate) fn run(&mut self, time: Duration, batch: f64) -> Outcome<Looped> {
        let (mut orders, mut owed, mut commits) = (0_u32, 0.0, Vec::new());
        let begun = Instant::now();
        while begun.elapsed() < time {
            owed += batch;
            let writing = Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate)?;
            let at = millis_now()?;
            while owed >= 1.0 {
                order(&writing, &mut self.seq, at)?;
                owed -= 1.0;
                orders += 1;
            }
            let committing = Instant::now();
            writing.commit()?;
            commits.push(committing.elapsed().as_secs_f64() * 1e3);
        }
        let orders_per_second = f64::from(orders) / begun.elapsed().as_secs_f64();
        Ok(Looped { orders_per_second, commits })
    }
}

/// Writes one order of one piece: the order, its product, the stock, an event for each.
fn order(conn: &Connection, seq: &mut i64, at: i64) -> Outcome<()> {
    let product = *seq % PRODUCTS + 1;
    let items = format!(
        r#"[{{"product_id":{product},"name":"Product {product}","sku":"SKU-{product}","quantity":1,"unit_price":5998}}]"#
    );
    let (of_order, of_product) = (*seq + 1, *seq + 2);
    *seq += 2;
    conn.prepare_cached(
        "INSERT INTO orders (status, payment_status, total, currency, items, seq, created_at, updated_at)
         VALUES ('pending', 'pending', 5998, 'USD', ?, ?, ?, ?)",
    )?
    .execute((items, of_order, at, at))?;
    let id = conn.last_insert_rowid();
    conn.prepare_cached("INSERT INTO order_products (product_id, order_id) VALUES (?, ?)")?
        .execute((product, id))?;
    conn.prepare_cached(
        "UPDATE products SET stock = stock - 1, seq = ?, updated_at = ? WHERE id = ?",
    )?
    .execute((of_product, at, product))?;
    let mut event = conn.prepare_cached("INSERT INTO events VALUES (?, ?, ?, ?)")?;
    event.execute((of_order, at, 0, order_event(id, of_order, true, "")))?;
    let body = format!(
        r#"{{"event":"product:updated","data":{{"id":{product},"name":"Product {product}","sku":"SKU-{product}","status":"published","price":59.98,"stock":999999999999,"changed_fields":{{"stock":999999999999}}}},"timestamp":"2026-01-25T10:30:00.000Z","seq":{of_product}}}"#
    );
    event.execute((of_product, at, 1, body))?;
    Ok(())
}
