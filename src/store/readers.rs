//! The store's threads, and what those that read do.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::limits::{READ_QUEUE_MAX, READER_CACHE_KIB, READERS};
use crate::store::Read;
use crate::store::open::{self, OpenError};

/// Starts the threads that read, with the queue that they share.
pub(super) fn start(
    data_dir: &Path,
) -> Result<(mpsc::Sender<Read>, Vec<JoinHandle<()>>), OpenError> {
    let (reads, queue) = mpsc::channel::<Read>(READ_QUEUE_MAX);
    let queue = Arc::new(Mutex::new(queue));
    let start = |_| {
        let (conn, queue) = (open::reader(data_dir, READER_CACHE_KIB)?, Arc::clone(&queue));
        thread("reader", move || {
            let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
            while let Some(read) = next() {
                read(&conn);
            }
        })
    };
    let threads = (0..READERS).map(start).collect::<Result<_, _>>()?;
    Ok((reads, threads))
}

/// Starts a thread.
pub(super) fn thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|error| OpenError(format!("no thread can be started: {error}")))
}
