//! The store: the shop in one SQLite file, behind a handle that any task may use.
//!
//! Writes go through one bounded queue to one thread (`store/writer.rs`), reads to threads of their
//! own. No call waits for a full queue: it is refused at once. This room is the home of rusqlite.

mod accounts;
mod apply;
mod audit;
mod backup;
mod boot;
mod check;
mod clock;
mod command;
mod console;
mod effects;
mod events;
mod file_mode;
mod idempotency;
mod left;
mod look;
mod newest;
mod open;
mod readers;
mod record;
mod repeat_filter;
mod reserve;
mod rows;
mod sessions;
mod users;
mod wal;
mod write_tx;
mod writer;

use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::domain::{EntityKind, Reject, Row, event};
use crate::limits::{EXTERNAL_CHANGE_INTERVAL, Limits};
use crate::metrics::Metrics;

pub use apply::{Actor, Change};
pub use audit::{Action, AuditEntry, AuditFilter, AuditRecord, AuditSubject, Caller};
pub use backup::{backup, backup_today, newest_backup, restore};
pub use check::check;
pub use clock::clock;
pub use console::Console;
pub use events::{EventPage, EventRange, Retention};
pub use idempotency::{IdempotencyKey, StoredResponse};
use left::Left;
pub use newest::last_recorded_time;
pub use open::{OpenError, is_read_only, was_created};
use reserve::{Reserve, is_full};
pub use rows::Query;
pub use sessions::{StoredSession, TokenHash};
pub use users::{LoginCandidate, User, UserPatch};
use write_tx::WriteTx;
pub use writer::CommitSinks;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// Anybody's handle of the store.
pub struct Store {
    jobs: mpsc::Sender<writer::Job>,
    reads: mpsc::Sender<Read>,
    healthy: Arc<AtomicBool>,
    full: Arc<AtomicBool>,
    oldest: Arc<AtomicI64>,
    _lock: File,
}

/// What the server needs once, at the start.
pub struct Opened {
    /// The handle.
    pub store: Store,
    /// Ends after the last handle is gone, with everything in the one database file.
    pub writer: JoinHandle<()>,
    /// The newest `seq` of the log.
    pub head: i64,
    /// The sessions that the last run left.
    pub sessions: Vec<StoredSession>,
    /// What the clock says, never before the newest event: the time against which the sessions'
    /// times are read.
    pub now: i64,
}

impl Store {
    /// Opens a data directory for serving, and starts the threads.
    pub fn open(
        data_dir: &Path,
        retention: Retention,
        limits: Limits,
        clock: fn() -> i64,
        metrics: &Arc<Metrics>,
        sinks: CommitSinks,
    ) -> Result<Opened, OpenError> {
        let lock = open::lock(data_dir)?;
        let sound = look::first(data_dir)?;
        let mut conn = open::writer(data_dir, limits.writer_cache_kib)?;
        let unreadable = |why: &dyn Display| open::unusable(&open::database(data_dir), why);
        look::hold(&conn, !sound).map_err(|error| unreadable(&error))?;
        let left = Left::read(&mut conn, &limits, clock);
        let left = left.map_err(|_| unreadable(&"it cannot be read"))?;
        let Left { log, sessions, mut time, data_version } = left;
        let now = time.now();
        let healthy = Arc::new(AtomicBool::new(true));
        let reserve = Reserve::of(data_dir);
        let full = Arc::new(AtomicBool::new(false));
        if let Err(error) = reserve.take() {
            tracing::error!(%error, "the disk is full; until it has room, nothing is written");
            full.store(true, Ordering::Release);
        }
        let oldest = Arc::new(AtomicI64::new(log.oldest));
        let (jobs, queue) = mpsc::channel(limits.write_queue);
        let (reads, threads) = readers::start(data_dir)?;
        let writer = writer::Writer {
            data_dir: data_dir.to_owned(),
            cache_kib: limits.writer_cache_kib,
            conn: Some(conn),
            readers: threads,
            runtime: Handle::try_current().ok(),
            log,
            retention,
            time,
            answers_due: 0,
            audit_due: 0,
            sinks,
            metrics: Arc::clone(metrics),
            healthy: Arc::clone(&healthy),
            reserve,
            full: Arc::clone(&full),
            oldest: Arc::clone(&oldest),
            sound,
            complaint: repeat_filter::RepeatFilter::default(),
            wal: wal::Wal::default(),
            data_version,
            watched: Instant::now(),
        };
        if !sound {
            let jobs = jobs.downgrade();
            look::later(data_dir, move |found| {
                // A writer that has ended does not need it.
                let told =
                    jobs.upgrade().map(|jobs| jobs.blocking_send(writer::Job::Looked(found)));
                drop(told);
            })?;
        }
        let writer = readers::thread("writer", move || writer.run(queue))?;
        let store = Self { jobs, reads, healthy, full, oldest, _lock: lock };
        Ok(Opened { store, writer, head: log.head, sessions, now })
    }

    /// The last commit succeeded.
    pub fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire) && !self.jobs.is_closed()
    }

    /// Refuses what can wait, as long as the disk is full.
    pub fn has_room(&self) -> Result<(), Reject> {
        if self.full.load(Ordering::Acquire) { Err(Reject::DiskFull) } else { Ok(()) }
    }

    /// The oldest `seq` that the event log holds, or will hold.
    pub fn oldest(&self) -> i64 {
        self.oldest.load(Ordering::Acquire)
    }

    /// Commands that wait for the writer.
    pub fn queued(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Wakes the writer now and then, so that it sees what other programs wrote and prunes the
    /// log. Never returns.
    pub async fn tick(&self) {
        let mut tick = tokio::time::interval(EXTERNAL_CHANGE_INTERVAL + Duration::from_millis(50));
        loop {
            tick.tick().await;
            if self.jobs.try_send(writer::Job::Tick).is_err() {
                // A full queue wakes the writer as well, and a closed one is reported elsewhere.
            }
        }
    }

    /// Runs a command in the writer's next transaction; returns when it is on disk. `work` may be
    /// called a second time, where the transaction had to begin anew.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut WriteTx<'_>) -> Result<T, Reject> + Send + 'static,
    ) -> Result<T, Reject> {
        let (tell, told) = oneshot::channel();
        let command = Box::new(command::Asked { work, done: Err(Reject::Unavailable), tell });
        self.jobs.try_send(writer::Job::Write(command)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Reject::Busy,
            mpsc::error::TrySendError::Closed(_) => Reject::Unavailable,
        })?;
        told.await.unwrap_or(Err(Reject::Unavailable))
    }

    /// Runs a query on a reader.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Reject> + Send + 'static,
    ) -> Result<T, Reject> {
        let (tell, told) = oneshot::channel();
        let read: Read = Box::new(move |conn| drop(tell.send(query(conn))));
        self.reads.try_send(read).map_err(|_| Reject::Busy)?;
        told.await.unwrap_or(Err(Reject::Unavailable))
    }

    /// Applies a change of an entity; returns it as it is then, none after a deletion. Nothing is
    /// done where `room` refuses that many bytes, and so with the next two.
    pub async fn change<P: Send + 'static>(
        &self,
        actor: Actor,
        kind: EntityKind,
        change: Change,
        room: impl Fn(usize) -> Result<P, Reject> + Send + 'static,
    ) -> Result<(Option<Row>, P), Reject> {
        self.has_room()?;
        self.write(move |tx| {
            let row = apply::apply(tx, &actor, kind, &change)?;
            let room = room(row.as_ref().map_or(0, rows::size))?;
            Ok((row, room))
        })
        .await
    }

    /// Makes an entity, or gives the first answer again.
    pub async fn create<P: Send + 'static>(
        &self,
        actor: Actor,
        kind: EntityKind,
        change: Change,
        repeat: Option<IdempotencyKey>,
        room: impl Fn(usize) -> Result<P, Reject> + Send + 'static,
    ) -> Result<(StoredResponse, P), Reject> {
        self.has_room()?;
        self.write(move |tx| {
            let answer = idempotency::run_once(tx, repeat.as_ref(), |tx| {
                let row = apply::apply(tx, &actor, kind, &change)?.ok_or(Reject::NotFound)?;
                Ok(StoredResponse {
                    location: format!("/api/{}/{}", kind.schema().plural, row.id),
                    etag: format!("\"{}\"", row.seq),
                    body: event::entity(&row),
                })
            })?;
            let room = room(answer.body.len())?;
            Ok((answer, room))
        })
        .await
    }

    /// The entity with that id.
    pub async fn get<P: Send + 'static>(
        &self,
        kind: EntityKind,
        id: i64,
        room: impl Fn(usize) -> Result<P, Reject> + Send + 'static,
    ) -> Result<(Row, P), Reject> {
        self.read(move |conn| {
            let row = rows::load(conn, kind, id)?.ok_or(Reject::NotFound)?;
            let room = room(rows::size(&row))?;
            Ok((row, room))
        })
        .await
    }

    /// One page of a list, and whether more follow.
    pub async fn list(&self, kind: EntityKind, query: Query) -> Result<(Vec<Row>, bool), Reject> {
        self.read(move |conn| rows::list(conn, kind, &query)).await
    }

    /// A part of the event log.
    pub async fn events(&self, range: EventRange) -> Result<EventPage, Reject> {
        self.read(move |conn| events::page(conn, range)).await
    }

    /// A part of the event log for somebody who does not wait: `then` gets it on the reader's
    /// thread, or is dropped there.
    pub fn read_events(
        &self,
        range: EventRange,
        then: impl FnOnce(Result<EventPage, Reject>) + Send + 'static,
    ) -> Result<(), Reject> {
        let read: Read = Box::new(move |conn| then(events::page(conn, range)));
        self.reads.try_send(read).map_err(|_| Reject::Busy)
    }

    /// A part of the audit trail, newest first, and the id before which there may be more.
    pub async fn audit(
        &self,
        wanted: AuditFilter,
    ) -> Result<(Vec<AuditEntry>, Option<i64>), Reject> {
        self.read(move |conn| audit::page(conn, wanted)).await
    }
}

/// Where the database of a data directory is.
pub fn database_file(data_dir: &Path) -> PathBuf {
    open::database(data_dir)
}

/// How much an opening store has to look through, at most: the database and its write-ahead log.
pub fn database_bytes(data_dir: &Path) -> u64 {
    let file = open::database(data_dir);
    let bytes = |file: &Path| file.metadata().map_or(0, |file| file.len());
    bytes(&file) + bytes(&open::beside(&file, "-wal"))
}

/// An error that no request can cause: told to the log, and to the client only as such.
#[expect(clippy::needless_pass_by_value, reason = "it is the argument of map_err everywhere")]
fn failed(error: rusqlite::Error) -> Reject {
    if is_full(&error) {
        return Reject::DiskFull;
    }
    tracing::error!(%error, "the database failed");
    Reject::Unavailable
}
