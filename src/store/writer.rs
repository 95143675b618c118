//! The writer: the server's only thread that changes the shop, with its only connection that may
//! write.
//!
//! Invariant: a reply or an event leaves only after the commit that made it true has returned.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::domain::event::Event;
use crate::domain::{KindSet, Reject, ShopTerms};
use crate::limits::EXTERNAL_CHANGE_INTERVAL;
use crate::metrics::Metrics;
use crate::store::command::{Command, reject_all};
use crate::store::error::{OpenError, is_disk_full, unusable};
use crate::store::events::LogBounds;
use crate::store::gate::Gate;
use crate::store::group_commit::GroupCommit;
use crate::store::repeat_filter::RepeatFilter;
use crate::store::reserve::Reserve;
use crate::store::session::SessionChange;
use crate::store::wal::{self, Wal};
use crate::store::write_tx::Outbox;
use crate::store::{data_dir, database, session_table, shop_profile};
use crate::sync;

/// A message to the writer.
pub(super) enum Job {
    /// Run this and answer its caller.
    Write(Box<dyn Command>),
    /// The result of the background check of all rows.
    IntegrityChecked(Result<(), OpenError>),
    /// Do the upkeep for which no command waits.
    Tick,
}

/// The receivers of a commit's results. The writer's thread calls them and waits until they return.
pub struct CommitSinks {
    /// Receives each change of sessions. No reply of the commit leaves before it has returned.
    pub sessions: Box<dyn Fn(SessionChange) + Send>,
    /// Whether `publish` would wait, because subscribers lag.
    pub lags: Box<dyn Fn() -> bool + Send>,
    /// Receives the events of each commit, in the order of `seq`.
    pub publish: Box<dyn Fn(Vec<Event>) + Send>,
    /// Learns that events up to this `seq` are in the log and were never published.
    pub reset_to: Box<dyn Fn(i64) + Send>,
    /// Learns that events of these kinds were rewritten in the log, so that copies of them are out
    /// of date.
    pub forget: Box<dyn Fn(KindSet) + Send>,
}

/// The writer's status, which all threads may read.
pub(super) struct WriterStatus {
    /// Whether the last commit succeeded.
    pub(super) healthy: AtomicBool,
    /// Whether the disk is full. Changes that can wait are then rejected.
    pub(super) disk_full: AtomicBool,
    /// The oldest `seq` in the event log; in an empty log, a lower bound of the next one.
    pub(super) oldest: AtomicI64,
    /// The shop's currency.
    pub(super) currency: Mutex<&'static str>,
}

pub(super) struct Writer {
    pub(super) data_dir: PathBuf,
    pub(super) cache_kib: i64,
    /// `None` after a failed commit, because the state that SQLite then holds in memory is not
    /// trusted.
    pub(super) conn: Option<Connection>,
    pub(super) group: GroupCommit,
    pub(super) readers: Vec<JoinHandle<()>>,
    /// The callers' runtime; `None` if the store was opened outside of one.
    pub(super) runtime: Option<Handle>,
    pub(super) sinks: CommitSinks,
    pub(super) metrics: Arc<Metrics>,
    pub(super) status: Arc<WriterStatus>,
    pub(super) reserve: Reserve,
    /// Whether all rows were checked. Until then only the write-ahead log is written, unless it grows
    /// too long.
    pub(super) verified: bool,
    pub(super) reopen_errors: RepeatFilter,
    pub(super) wal: Wal,
    pub(super) wal_errors: RepeatFilter,
    pub(super) gate: Arc<Gate>,
    /// `PRAGMA data_version` when the sessions were read last.
    pub(super) data_version: i64,
    pub(super) polled_at: Instant,
}

impl Writer {
    /// Runs until the last handle of the store is dropped.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let batch_max = jobs.max_capacity();
        let mut batch = Vec::with_capacity(batch_max);
        while jobs.blocking_recv_many(&mut batch, batch_max) > 0 {
            self.metrics.writer_rounds.inc();
            self.metrics.writer_load.queue(batch.len());
            let mut commands = Vec::with_capacity(batch.len());
            let mut checked = Ok(());
            for job in batch.drain(..) {
                match job {
                    Job::Write(command) => commands.push(command),
                    Job::IntegrityChecked(result) => checked = self.integrity_checked(result),
                    Job::Tick => self.wal.retry(),
                }
            }
            if let Err(damage) = checked {
                tracing::error!("{damage}");
                return reject_all(commands, &Reject::Unavailable);
            }
            self.reopen();
            if self.conn.is_none() && data_dir::is_read_only(&self.data_dir) {
                return reject_all(commands, &Reject::Unavailable); // a retry would fail too
            }
            self.poll_external_changes();
            self.reclaim_reserve();
            let mut commands = self.commit(commands);
            self.checkpoint();
            while !commands.is_empty() {
                commands = self.commit(commands);
                self.checkpoint();
            }
        }
        // The readers end with the last handle, too. The last connection to close must be one that
        // may write, because SQLite then moves the write-ahead log into the database and removes
        // it.
        for reader in self.readers.drain(..) {
            if reader.join().is_err() {
                tracing::error!("a reader ended by a panic");
            }
        }
    }

    /// Lets SQLite write into the database file once its rows were found sound; returns the damage
    /// otherwise.
    fn integrity_checked(&mut self, result: Result<(), OpenError>) -> Result<(), OpenError> {
        result?;
        self.verified = true;
        if let Some(conn) = &self.conn {
            let released = wal::take_over(conn, false);
            released.map_err(|error| unusable(&data_dir::database_file(&self.data_dir), &error))?;
        }
        tracing::info!("all pages of the database are sound");
        Ok(())
    }

    /// Commits one batch in one transaction, and then delivers its events and replies. Returns the
    /// commands for which the transaction had no room.
    fn commit(&mut self, mut commands: Vec<Box<dyn Command>>) -> Vec<Box<dyn Command>> {
        let Some(conn) = self.conn.take() else {
            reject_all(commands, &Reject::Unavailable);
            return Vec::new();
        };
        if commands.is_empty() && !self.group.has_upkeep() {
            self.conn = Some(conn);
            return commands;
        }
        let (begun, shop) = (Instant::now(), self.group.shop);
        let mut done = self.group.commit(&conn, &mut commands);
        if done.as_ref().is_err_and(is_disk_full) && self.reserve.release() {
            tracing::error!(
                "the disk is full; the reserve is released to finish what is under way"
            );
            self.status.disk_full.store(true, Ordering::Release);
            done = self.group.commit(&conn, &mut commands);
        }
        match done {
            Ok((outbox, ran)) => {
                let rest = commands.split_off(ran);
                if self.group.shop != shop {
                    *sync::lock(&self.status.currency) = self.group.shop.terms.currency;
                }
                self.count_commit(&conn, begun, ran);
                self.conn = Some(conn);
                self.deliver(outbox, commands);
                return rest;
            }
            Err(error) if is_disk_full(&error) => {
                self.conn = Some(conn); // still usable: the next commit begins with a rollback
                reject_all(commands, &Reject::DiskFull);
            }
            Err(error) => {
                tracing::error!(%error, "a commit failed; the database will be opened again");
                self.status.healthy.store(false, Ordering::Release);
                drop(conn);
                reject_all(commands, &Reject::Unavailable);
            }
        }
        Vec::new()
    }

    /// Delivers the results of a commit. Session changes come first, so that a login or a
    /// revocation is in force before its reply leaves. Events come before the replies, unless they
    /// would have to wait for subscribers that lag.
    fn deliver(&self, outbox: Outbox, commands: Vec<Box<dyn Command>>) {
        outbox.session_changes.into_iter().for_each(&self.sinks.sessions);
        if !outbox.rewritten.is_empty() {
            (self.sinks.publish)(outbox.events);
            (self.sinks.forget)(outbox.rewritten);
            self.respond(commands);
        } else if outbox.events.is_empty() {
            self.respond(commands);
        } else if (self.sinks.lags)() {
            self.respond(commands);
            (self.sinks.publish)(outbox.events);
        } else {
            (self.sinks.publish)(outbox.events);
            self.respond(commands);
        }
    }

    fn count_commit(&mut self, conn: &Connection, begun: Instant, commands: usize) {
        self.status.oldest.store(self.group.log.oldest, Ordering::Release);
        self.metrics.count_commit(begun.elapsed());
        let commands = u32::try_from(commands).unwrap_or(u32::MAX);
        self.metrics.batch.observe(f64::from(commands));
        match self.wal.added(conn) {
            Ok(bytes) => {
                self.metrics.wal_bytes.inc_by(bytes);
            }
            Err(error) => tracing::debug!(%error, "the write-ahead log cannot be measured"),
        }
    }

    /// Moves the write-ahead log into the database when it is due, after the replies have left.
    fn checkpoint(&mut self) {
        let Some(conn) = &self.conn else { return };
        if !self.wal.is_due(self.verified) {
            return;
        }
        let begun = Instant::now();
        let done = self.wal.checkpoint(conn, &self.gate);
        self.metrics.checkpoint.observe(begun.elapsed().as_secs_f64());
        let error = match done {
            Ok(()) if self.wal.is_too_long() => {
                "another program has been reading the database for long".to_owned()
            }
            Ok(()) => return,
            Err(error) => error.to_string(),
        };
        if self.wal_errors.admits(&error, Instant::now()) {
            tracing::warn!(error, "the write-ahead log cannot be emptied");
        }
    }

    /// Answers all callers of a batch. This thread would need a system call to wake each of them; a
    /// task of their runtime needs none.
    fn respond(&self, commands: Vec<Box<dyn Command>>) {
        let many = commands.len() > 1;
        let respond = move || commands.into_iter().for_each(|command| command.respond(None));
        match &self.runtime {
            Some(runtime) if many => {
                runtime.spawn(async move { respond() });
            }
            _ => respond(),
        }
    }

    /// Opens the database again after a failed commit. The log and the sessions are read again,
    /// because that commit may be stored after all.
    fn reopen(&mut self) {
        if self.conn.is_some() {
            return;
        }
        match self.open_and_probe() {
            Ok((conn, log, terms)) => {
                if log.head != self.group.log.head {
                    (self.sinks.reset_to)(log.head);
                }
                let now = self.group.clock.now();
                self.reload_sessions(&conn, now);
                self.conn = Some(conn);
                self.group.resume(log, terms);
                *sync::lock(&self.status.currency) = terms.currency;
                self.status.healthy.store(true, Ordering::Release);
                tracing::info!("the database is open again");
            }
            Err(error) => {
                let error = error.to_string();
                if self.reopen_errors.admits(&error, Instant::now()) {
                    tracing::error!(error, "the database cannot be opened again");
                }
            }
        }
    }

    fn open_and_probe(&self) -> Result<(Connection, LogBounds, ShopTerms), OpenError> {
        let conn = database::open_writer(&self.data_dir, self.cache_kib)?;
        let log = wal::take_over(&conn, !self.verified)
            .and_then(|()| probe_commit(&conn))
            .and_then(|()| LogBounds::read(&conn));
        let log = log.map_err(|error| OpenError(error.to_string()))?;
        let terms = shop_profile::terms(&conn);
        let terms = terms.map_err(|_| OpenError("the shop's terms cannot be read".to_owned()))?;
        Ok((conn, log, terms))
    }

    /// Accepts new orders again after the disk was full, once the reserve is back.
    fn reclaim_reserve(&self) {
        if self.status.disk_full.load(Ordering::Acquire) && self.reserve.reclaim() {
            tracing::info!("the disk has space again");
            self.status.disk_full.store(false, Ordering::Release);
        }
    }

    /// Detects that another program (`tillcast user`, `tillcast device`) wrote, and passes on the sessions that are
    /// valid now.
    fn poll_external_changes(&mut self) {
        let Some(conn) = &self.conn else { return };
        if self.polled_at.elapsed() < EXTERNAL_CHANGE_INTERVAL {
            return;
        }
        self.polled_at = Instant::now();
        let version = conn
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        match version {
            Ok(version) if version != self.data_version => {
                let now = self.group.clock.now();
                if self.reload_sessions(conn, now) {
                    self.data_version = version;
                    self.group.refresh();
                }
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "changes by other programs cannot be detected"),
        }
    }

    /// Passes on the sessions in the database; returns whether they could be read.
    fn reload_sessions(&self, conn: &Connection, now: i64) -> bool {
        match session_table::all(conn) {
            Ok(valid) => (self.sinks.sessions)(SessionChange::Reloaded { valid, now }),
            Err(reject) => {
                tracing::error!(?reject, "the sessions cannot be read again");
                return false;
            }
        }
        true
    }
}

/// Commits without a change, to learn whether the disk accepts commits again.
fn probe_commit(conn: &Connection) -> rusqlite::Result<()> {
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    conn.pragma_update(None, "user_version", version)
}
