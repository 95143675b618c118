//! The threads that read, each with a connection of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::domain::Reject;
use crate::limits::{READ_QUEUE_MAX, READ_STEP, READER_CACHE_KIB, READERS};
use crate::store::database;
use crate::store::error::{OpenError, failed, unusable};
use crate::store::gate::Gate;
use crate::sync;

/// A query for one of the readers.
pub(super) type ReadJob = Box<dyn FnOnce(&Reader) + Send>;

/// The connection of a reader thread, and the gate before it.
pub(super) struct Reader {
    conn: Connection,
    gate: Arc<Gate>,
    number: usize,
}

impl Reader {
    fn open(data_dir: &Path, gate: &Arc<Gate>, number: usize) -> Result<Self, OpenError> {
        let mut conn = database::open_reader(data_dir, READER_CACHE_KIB)?;
        let watched = Arc::clone(gate);
        let bounded = conn.progress_handler(READ_STEP, Some(move || watched.is_over(number)));
        bounded.map_err(|error| unusable(data_dir, &error))?;
        Ok(Self { conn, gate: Arc::clone(gate), number })
    }

    /// Runs a query inside the gate. Its time is bounded, and a panic ends only the query.
    pub(super) fn query<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Reject>,
    ) -> Result<T, Reject> {
        let _pass = self.gate.enter(self.number);
        let result = catch_unwind(AssertUnwindSafe(|| query(&self.conn)));
        if !self.conn.is_autocommit() {
            // The query panicked, or its time ended just at the `COMMIT`. No transaction may outlast the stay
            // inside the gate.
            self.conn.execute_batch("ROLLBACK").map_err(failed)?;
        }
        result.unwrap_or(Err(Reject::Unavailable))
    }
}

/// Starts the readers; returns the sender of the queue that they share.
pub(super) fn start_readers(
    data_dir: &Path,
    gate: &Arc<Gate>,
) -> Result<(mpsc::Sender<ReadJob>, Vec<JoinHandle<()>>), OpenError> {
    let (reads, queue) = mpsc::channel::<ReadJob>(READ_QUEUE_MAX);
    let queue = Arc::new(Mutex::new(queue));
    let start = |number| {
        let (reader, queue) = (Reader::open(data_dir, gate, number)?, Arc::clone(&queue));
        spawn_thread("reader", move || {
            let next = || sync::lock(&queue).blocking_recv();
            while let Some(job) = next() {
                job(&reader);
            }
        })
    };
    let threads = (0..READERS).map(start).collect::<Result<_, _>>()?;
    Ok((reads, threads))
}

/// Runs a query whose statements all see the same snapshot of the shop.
pub(super) fn snapshot<T>(
    conn: &Connection,
    query: impl FnOnce(&Connection) -> Result<T, Reject>,
) -> Result<T, Reject> {
    let execute = |sql| conn.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    execute("BEGIN").map_err(failed)?;
    let result = query(conn);
    execute("COMMIT").map_err(failed)?;
    result
}

/// Starts a named thread.
pub(super) fn spawn_thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|error| OpenError(format!("no thread can be started: {error}")))
}

#[cfg(test)]
mod tests {
    use std::thread::{self, scope};
    use std::time::Instant;

    use tempfile::TempDir;

    use super::*;
    use crate::limits::{READ_TIME_LAST, READ_TIME_MAX};

    /// A query that never ends by itself.
    fn endless(reader: &Reader) -> Result<i64, Reject> {
        let sql = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n)
                   SELECT count(*) FROM n, log";
        reader.query(|conn| {
            snapshot(conn, |conn| conn.query_row(sql, [], |row| row.get(0)).map_err(failed))
        })
    }

    /// A reader of a new shop, with its gate and its folder.
    fn reader() -> (TempDir, Arc<Gate>, Reader) {
        let data = tempfile::tempdir().unwrap();
        drop(database::open_writer(data.path(), READER_CACHE_KIB).unwrap());
        let gate = Arc::new(Gate::default());
        let reader = Reader::open(data.path(), &gate, 0).unwrap();
        (data, gate, reader)
    }

    #[test]
    fn a_panic_leaves_the_reader_without_a_transaction() {
        let (_data, gate, reader) = reader();
        let panics = |conn: &Connection| snapshot(conn, |_| panic!("a bug"));
        assert_eq!(reader.query::<()>(panics), Err(Reject::Unavailable));
        assert!(!gate.has_read_inside());
        assert_eq!(reader.query(|conn| Ok(conn.is_autocommit())), Ok(true));
    }

    #[test]
    fn a_read_ends_when_its_time_is_over_or_the_writer_waits() {
        let (_data, gate, reader) = reader();
        let begun = Instant::now();
        assert_eq!(endless(&reader), Err(Reject::Busy));
        assert!(begun.elapsed() >= READ_TIME_MAX);
        scope(|threads| {
            let read = threads.spawn(|| (endless(&reader), reader));
            while !gate.has_read_inside() {
                thread::yield_now();
            }
            let begun = Instant::now();
            assert!(gate.close().is_some());
            assert!(begun.elapsed() >= READ_TIME_LAST);
            let (result, reader) = read.join().unwrap();
            assert_eq!(result, Err(Reject::Busy));
            assert_eq!(reader.query(|conn| Ok(conn.is_autocommit())), Ok(true));
        });
    }
}
