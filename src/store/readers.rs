//! The threads that read, each with a connection of its own.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::domain::Reject;
use crate::limits::{READ_QUEUE_MAX, READER_CACHE_KIB, READERS};
use crate::store::database;
use crate::store::error::{OpenError, failed};
use crate::sync;

/// A query for one of the readers.
pub(super) type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// Starts the readers; returns the sender of the queue that they share.
pub(super) fn start_readers(
    data_dir: &Path,
) -> Result<(mpsc::Sender<ReadJob>, Vec<JoinHandle<()>>), OpenError> {
    let (reads, queue) = mpsc::channel::<ReadJob>(READ_QUEUE_MAX);
    let queue = Arc::new(Mutex::new(queue));
    let start = |_| {
        let (conn, queue) =
            (database::open_reader(data_dir, READER_CACHE_KIB)?, Arc::clone(&queue));
        spawn_thread("reader", move || {
            let next = || sync::lock(&queue).blocking_recv();
            while let Some(job) = next() {
                job(&conn);
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
