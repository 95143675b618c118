//! The start of the store, in two phases: `open` returns the state from which the other modules
//! start, and `start` runs the threads once those modules have given it their sinks.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::domain::LogId;
use crate::domain::tax::TaxMode;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::store::error::{OpenError, unusable};
use crate::store::events::Retention;
use crate::store::gate::Gate;
use crate::store::group_commit::GroupCommit;
use crate::store::handle::Store;
use crate::store::marks::Marks;
use crate::store::readers::{spawn_thread, start_readers};
use crate::store::recovery::StartState;
use crate::store::repeat_filter::RepeatFilter;
use crate::store::reserve::Reserve;
use crate::store::session::StoredSession;
use crate::store::wal::{self, Wal};
use crate::store::writer::{CommitSinks, Job, Writer, WriterStatus};
use crate::store::{data_dir, database, integrity, shop_profile};

/// An open store whose threads do not run yet.
pub struct OpenedStore {
    /// The newest `seq` of the log.
    pub head: i64,
    /// The id of the log.
    pub log_id: LogId,
    /// The sessions that the last run left.
    sessions: Vec<StoredSession>,
    /// The present time, against which the sessions' times are compared; never before the newest
    /// event. Milliseconds since 1970, UTC.
    pub now: i64,
    data_dir: PathBuf,
    lock: data_dir::Lock,
    conn: Connection,
    verified: bool,
    group: GroupCommit,
    data_version: i64,
    reserve: Reserve,
    disk_full: bool,
    limits: Limits,
}

/// Opens a data directory for serving.
pub fn open(
    data_dir: &Path,
    retention: Retention,
    limits: Limits,
    tax: Option<TaxMode>,
    clock: fn() -> i64,
) -> Result<OpenedStore, OpenError> {
    let lock = data_dir::lock(data_dir)?;
    let verified = integrity::check_at_start(data_dir)?;
    let mut conn = database::open_writer(data_dir, limits.writer_cache_kib)?;
    let file = data_dir::database_file(data_dir);
    let taken_over = wal::take_over(&conn, !verified);
    taken_over.map_err(|error| unusable(&file, &error))?;
    let shop = shop_profile::settle(&conn, tax)?;
    let state = StartState::read(&mut conn, &limits, clock);
    let state = state.map_err(|_| unusable(&file, &"it cannot be read"))?;
    let StartState { log, log_id, sessions, mut clock, data_version } = state;
    let now = clock.now();
    let reserve = Reserve::new(data_dir);
    let taken = reserve.take().inspect_err(|error| {
        tracing::error!(%error, "the disk is full; until it has space, nothing is written");
    });
    Ok(OpenedStore {
        head: log.head,
        log_id,
        sessions,
        now,
        data_dir: data_dir.to_owned(),
        lock,
        conn,
        verified,
        group: GroupCommit::new(log, clock, retention, shop, Marks::new(data_dir)),
        data_version,
        reserve,
        disk_full: taken.is_err(),
        limits,
    })
}

impl OpenedStore {
    /// Takes the sessions that the last run left.
    pub fn take_sessions(&mut self) -> Vec<StoredSession> {
        mem::take(&mut self.sessions)
    }

    /// Starts the threads. Returns the handle and the writer's thread, which ends after the last
    /// handle is dropped and leaves everything in the one database file.
    pub fn start(
        self,
        metrics: &Arc<Metrics>,
        sinks: CommitSinks,
    ) -> Result<(Store, JoinHandle<()>), OpenError> {
        let status = Arc::new(WriterStatus {
            healthy: AtomicBool::new(true),
            disk_full: AtomicBool::new(self.disk_full),
            oldest: AtomicI64::new(self.group.log.oldest),
            currency: Mutex::new(self.group.shop.terms.currency),
        });
        let (ended, uptime) = (self.group.log.ended(), self.group.clock.uptime);
        let (jobs, queue) = mpsc::channel(self.limits.write_queue);
        let gate = Arc::<Gate>::default();
        let (reads, readers) = start_readers(&self.data_dir, &gate)?;
        if !self.verified {
            let jobs = jobs.downgrade();
            integrity::check_in_background(&self.data_dir, &gate, move |result| {
                // A writer that has ended needs no result.
                let job = Job::IntegrityChecked(result);
                drop(jobs.upgrade().map(|jobs| jobs.blocking_send(job)));
            })?;
        }
        let wal = data_dir::file_beside(&data_dir::database_file(&self.data_dir), "-wal");
        let writer = Writer {
            data_dir: self.data_dir,
            cache_kib: self.limits.writer_cache_kib,
            conn: Some(self.conn),
            group: self.group,
            readers,
            runtime: Handle::try_current().ok(),
            sinks,
            metrics: Arc::clone(metrics),
            status: Arc::clone(&status),
            reserve: self.reserve,
            verified: self.verified,
            reopen_errors: RepeatFilter::default(),
            wal: Wal::default(),
            wal_errors: RepeatFilter::default(),
            gate,
            data_version: self.data_version,
            polled_at: Instant::now(),
        };
        // The last to release it is the writer, which moves the log into the database at the end.
        let lock = Arc::new(self.lock);
        let writers_lock = Arc::clone(&lock);
        let run = move || {
            writer.run(queue);
            drop(writers_lock);
        };
        let writer = spawn_thread("writer", run)?;
        let log_id = self.log_id;
        Ok((Store { _lock: lock, jobs, reads, wal, status, log_id, ended, uptime }, writer))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::task::{Context, Waker};
    use std::time::Duration;

    use super::*;
    use crate::domain::event::Event;
    use crate::domain::{EntityKind, Reject, Role, Secret, User};
    use crate::limits::{
        COMMAND_CACHE_KIB, READ_QUEUE_MAX, READERS, ROW_CHECK_BYTES_MAX, WAL_BYTES_MAX,
        WAL_GATE_PAGES,
    };
    use crate::store::console::Console;
    use crate::store::events;
    use crate::store::readers::snapshot;
    use crate::store::session::{LoginClient, NewSession, SessionChange, SessionRoom, TokenHash};
    use crate::store::write_tx::WriteTx;

    const RETENTION: Retention =
        Retention { age: Duration::MAX, count: u64::MAX, audit: Duration::MAX };

    fn login(number: u8, password_hash: &str) -> NewSession {
        NewSession {
            token_hash: TokenHash([number; 32]),
            username: "ana".to_owned(),
            password_hash: Secret(password_hash.to_owned()),
            renewed_hash: None,
            replaced: Vec::new(),
            client: LoginClient { address: Ipv4Addr::LOCALHOST.into(), browser: Vec::new() },
            browser_token: TokenHash([number; 32]),
        }
    }

    async fn add(store: &Store, new: NewSession) -> Result<Option<User>, Reject> {
        let room = SessionRoom { capacity: 10, last_used: Box::new(|_| 0) };
        Ok(store.add_session(new, room).await?.map(|added| added.user))
    }

    /// Sinks that drop everything.
    fn quiet() -> CommitSinks {
        CommitSinks {
            sessions: Box::new(drop),
            lags: Box::new(|| false),
            publish: Box::new(drop),
            reset_to: Box::new(|_| ()),
            forget: Box::new(|_| ()),
        }
    }

    /// A started store with the user `ana`.
    fn start(sinks: CommitSinks) -> (tempfile::TempDir, Store) {
        let data = tempfile::tempdir().unwrap();
        let console = Console::open(data.path()).unwrap();
        console.add_user("ana", Role::Admin, &Secret("hash".to_owned())).unwrap();
        let opened =
            open(data.path(), RETENTION, Limits::DEFAULT, None, crate::store::clock).unwrap();
        let (store, _) = opened.start(&Arc::default(), sinks).unwrap();
        (data, store)
    }

    /// Like `start`, but also returns the session changes that its sink receives.
    fn started() -> (tempfile::TempDir, Store, Arc<Mutex<Vec<SessionChange>>>) {
        let changes: Arc<Mutex<Vec<SessionChange>>> = Arc::default();
        let taken = Arc::clone(&changes);
        let sessions = Box::new(move |change| taken.lock().unwrap().push(change));
        let sinks = CommitSinks { sessions, ..quiet() };
        let (data, store) = start(sinks);
        (data, store, changes)
    }

    #[tokio::test]
    async fn reads_that_were_given_up_keep_no_other_from_its_answer() {
        fn begin<F: Future>(read: &mut Pin<Box<F>>) {
            assert!(read.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let (_data, store, _) = started();
        let run = Arc::new(Mutex::new(0));
        let count = || {
            let run = Arc::clone(&run);
            Box::pin(store.read(move |_| {
                *run.lock().unwrap() += 1;
                Ok(())
            }))
        };
        let all_wait = run.lock().unwrap();
        let mut first: Vec<_> = (0..READERS).map(|_| count()).collect();
        first.iter_mut().for_each(begin);
        (0..2 * READ_QUEUE_MAX).for_each(|_| begin(&mut count()));
        let mut last = count();
        begin(&mut last);
        drop(all_wait);
        assert_eq!(last.await, Ok(()));
        assert!(*run.lock().unwrap() <= READERS + 1);
    }

    #[tokio::test]
    async fn a_login_is_in_force_before_its_reply_leaves() {
        let (_data, store, changes) = started();
        assert!(add(&store, login(1, "hash")).await.unwrap().is_some());
        assert!(matches!(&changes.lock().unwrap()[..], [SessionChange::Opened { .. }]));
        assert!(add(&store, login(2, "another")).await.unwrap().is_none());
        store.remove_sessions(vec![TokenHash([1; 32])]).await.unwrap();
        assert!(matches!(
            &changes.lock().unwrap()[..],
            [SessionChange::Opened { .. }, SessionChange::Removed(_)]
        ));
    }

    /// Adds an event of so many MiB, and so as much to the write-ahead log.
    async fn grow(store: &Store, mebibytes: usize) {
        let event = move |tx: &mut WriteTx<'_>| {
            let (seq, kind) = (tx.next_seq, EntityKind::Order);
            events::append(tx, Event { seq, kind, body: "x".repeat(mebibytes << 20) })
        };
        store.write(event).await.unwrap();
    }

    /// Waits until the writer has moved the log, if that was due.
    async fn settle(store: &Store) {
        for _ in 0..2 {
            store.jobs.send(Job::Tick).await.unwrap();
            store.write(|_| Ok(())).await.unwrap();
        }
    }

    /// Sends the head of the log at the beginning of a read, which lasts until `released` is closed, and
    /// returns the head at its end.
    async fn read_long(store: &Store, begun: SyncSender<i64>, released: Receiver<()>) -> i64 {
        let read = move |conn: &Connection| {
            snapshot(conn, |conn| {
                begun.send(events::head(conn).unwrap()).unwrap();
                assert!(released.recv().is_err());
                Ok(events::head(conn).unwrap())
            })
        };
        store.read(read).await.unwrap()
    }

    #[tokio::test]
    async fn the_log_is_emptied_once_the_last_read_has_ended() {
        let (_data, store, _) = started();
        let (begun, begins) = sync_channel(1);
        let (release, released) = sync_channel(0);
        let first = read_long(&store, begun.clone(), released);
        let others = async {
            assert_eq!(begins.recv(), Ok(0));
            let mut longest = 0;
            while longest < wal::bytes(WAL_GATE_PAGES) {
                grow(&store, 1).await;
                assert!(store.wal_bytes() > longest, "it was emptied during a read");
                longest = store.wal_bytes();
            }
            settle(&store).await;
            assert_eq!(store.wal_bytes(), longest, "it was emptied during a read");
            // Other reads go on, because the gate did not stay closed.
            let (another, released) = sync_channel(0);
            drop(another);
            let head = read_long(&store, begun, released).await;
            assert!(begins.recv() == Ok(head) && head > 0);
            drop(release);
            settle(&store).await;
            assert_eq!(store.wal_bytes(), 0);
        };
        assert_eq!(tokio::join!(first, others), (0, ()));
    }

    #[tokio::test]
    async fn the_log_stays_short_while_the_file_is_not_checked_yet() {
        let data = tempfile::tempdir().unwrap();
        let conn = database::open_writer(data.path(), COMMAND_CACHE_KIB).unwrap();
        let sql = "INSERT INTO events (seq, at, kind, body) VALUES (1, 0, 0, hex(zeroblob(?)))";
        conn.execute(sql, [i64::try_from(ROW_CHECK_BYTES_MAX).unwrap()]).unwrap();
        drop(conn);
        let opened =
            open(data.path(), RETENTION, Limits::DEFAULT, None, crate::store::clock).unwrap();
        assert!(!opened.verified);
        let (store, _) = opened.start(&Arc::default(), quiet()).unwrap();
        for _ in 0..32 {
            grow(&store, 1).await;
            assert!(store.wal_bytes() < WAL_BYTES_MAX);
        }
    }

    #[tokio::test]
    async fn a_rejected_login_changes_no_session() {
        let (_data, store, changes) = started();
        add(&store, login(1, "hash")).await.unwrap();
        // Storing the same token again breaks a constraint of the table, after others of its batch.
        let (again, other) =
            tokio::join!(add(&store, login(1, "hash")), add(&store, login(2, "hash")));
        assert!(again.is_err() && other.unwrap().is_some());
        assert_eq!(changes.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn replies_do_not_wait_for_subscribers_that_lag() {
        let (subscribers_caught_up, lag) = sync_channel::<()>(0);
        let publish = Box::new(move |_| lag.recv().unwrap());
        let (_data, store) = start(CommitSinks { lags: Box::new(|| true), publish, ..quiet() });
        let event = |tx: &mut WriteTx<'_>| {
            let (seq, kind) = (tx.next_seq, EntityKind::Order);
            events::append(tx, Event { seq, kind, body: "{}".to_owned() })
        };
        let reply = tokio::time::timeout(Duration::from_secs(10), store.write(event));
        reply.await.expect("the reply waits for `publish`").unwrap();
        subscribers_caught_up.send(()).unwrap();
    }

    #[tokio::test]
    async fn the_directory_is_locked_until_the_writer_has_ended() {
        let (release, held) = sync_channel::<()>(0);
        let publish = Box::new(move |_| assert!(held.recv().is_err()));
        let sinks = CommitSinks { lags: Box::new(|| true), publish, ..quiet() };
        let data = tempfile::tempdir().unwrap();
        let opened =
            open(data.path(), RETENTION, Limits::DEFAULT, None, crate::store::clock).unwrap();
        let (store, writer) = opened.start(&Arc::default(), sinks).unwrap();
        grow(&store, 0).await;
        drop(store);
        assert!(
            data_dir::lock(data.path()).is_err(),
            "another server could start beside the writer"
        );
        drop(release);
        writer.join().unwrap();
        assert!(data_dir::lock(data.path()).is_ok());
    }
}
