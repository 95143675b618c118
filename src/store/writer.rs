//! The writer: one thread, one connection, one transaction and one fsync for all that waits.
//!
//! Invariant: a reply or an event leaves only after the commit that made it true has returned.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::domain::Reject;
use crate::domain::event::Event;
use crate::limits::{EXTERNAL_CHANGE_INTERVAL, IDEMPOTENCY_KEPT};
use crate::metrics::Metrics;
use crate::store::clock::{Time, clock};
use crate::store::command::{Command, check_room, execute, in_a_row, in_savepoint, refuse};
use crate::store::events::Retention;
use crate::store::open::OpenError;
use crate::store::repeat_filter::RepeatFilter;
use crate::store::reserve::{Reserve, is_full};
use crate::store::sessions::StoredSession;
use crate::store::wal::Wal;
use crate::store::write_tx::WriteTx;
use crate::store::{audit, boot, events, failed, idempotency, look, open, sessions};

/// What the writer is asked to do.
pub(super) enum Job {
    /// Do this and tell the caller.
    Write(Box<dyn Command>),
    /// All pages of the database were looked through, or why they are not to be trusted.
    Looked(Result<(), OpenError>),
    /// Time has passed: look after what needs no command.
    Tick,
}

/// Where the writer's results go. The calls come from its thread, so it waits while they do.
pub struct CommitSinks {
    /// Takes the events of each commit, in the order of `seq`.
    pub publish: Box<dyn Fn(Vec<Event>) + Send>,
    /// Events up to this `seq` are in the log and were never published.
    pub reset_to: Box<dyn Fn(i64) + Send>,
    /// Another program wrote: who may be logged in now.
    pub sessions: Box<dyn Fn(Vec<StoredSession>) + Send>,
}

pub(super) struct Writer {
    pub(super) data_dir: PathBuf,
    pub(super) cache_kib: i64,
    /// None after a failed commit: what SQLite then holds in memory is not trusted any more.
    pub(super) conn: Option<Connection>,
    pub(super) readers: Vec<JoinHandle<()>>,
    /// Where the askers wait; none where whoever opened the store has no runtime.
    pub(super) runtime: Option<Handle>,
    pub(super) log: events::Log,
    pub(super) retention: Retention,
    pub(super) time: Time,
    /// No answer is old enough to be forgotten before the shop was served that long.
    pub(super) answers_due: i64,
    /// No entry of the audit trail is old enough to be pruned before that time.
    pub(super) audit_due: i64,
    pub(super) sinks: CommitSinks,
    pub(super) metrics: Arc<Metrics>,
    pub(super) healthy: Arc<AtomicBool>,
    pub(super) reserve: Reserve,
    pub(super) full: Arc<AtomicBool>,
    pub(super) oldest: Arc<AtomicI64>,
    /// All pages were looked through. Until then nothing is written but the write-ahead log.
    pub(super) sound: bool,
    pub(super) complaint: RepeatFilter,
    pub(super) wal: Wal,
    pub(super) data_version: i64,
    pub(super) watched: Instant,
}

impl Writer {
    /// Works until the last handle of the store is gone.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let all_that_waits = jobs.max_capacity();
        let mut batch = Vec::with_capacity(all_that_waits);
        while jobs.blocking_recv_many(&mut batch, all_that_waits) > 0 {
            self.metrics.writer_rounds.inc();
            let mut commands = Vec::with_capacity(batch.len());
            let mut looked = Ok(());
            for job in batch.drain(..) {
                match job {
                    Job::Write(command) => commands.push(command),
                    Job::Looked(found) => looked = self.looked(found),
                    Job::Tick => {}
                }
            }
            if let Err(damage) = looked {
                tracing::error!("{damage}");
                return refuse(commands, &Reject::Unavailable);
            }
            self.revive();
            if self.conn.is_none() && open::is_read_only(&self.data_dir) {
                return refuse(commands, &Reject::Unavailable); // no try will do better
            }
            self.watch();
            self.look_for_room();
            self.step(commands);
        }
        // The readers end with the same handles. The last to close its connection must be one that
        // may write: then SQLite moves the write-ahead log into the database and removes it.
        for reader in self.readers.drain(..) {
            if reader.join().is_err() {
                tracing::error!("a reader ended by a panic");
            }
        }
    }

    /// Lets SQLite write into a database that was found to be sound.
    fn looked(&mut self, found: Result<(), OpenError>) -> Result<(), OpenError> {
        found?;
        self.sound = true;
        if let Some(conn) = &self.conn {
            let released = look::hold(conn, false);
            released.map_err(|error| open::unusable(&open::database(&self.data_dir), &error))?;
        }
        tracing::info!("all pages of the database are sound");
        Ok(())
    }

    /// One batch: a transaction around all of its commands, then the events and the replies.
    fn step(&mut self, mut commands: Vec<Box<dyn Command>>) {
        let Some(conn) = self.conn.take() else {
            return refuse(commands, &Reject::Unavailable);
        };
        let now = self.time.now();
        let rests = self.time.ahead() == 0
            && now < self.audit_due
            && !self.log.prunes_when_idle(now, self.retention);
        if commands.is_empty() && rests {
            self.conn = Some(conn);
            return;
        }
        let begun = Instant::now();
        let mut done = self.transact(&conn, &mut commands);
        if done.as_ref().is_err_and(is_full) && self.reserve.give_up() {
            tracing::error!("the disk is full; the reserve finishes what is under way");
            self.full.store(true, Ordering::Release);
            done = self.transact(&conn, &mut commands);
        }
        match done {
            Ok((events, log)) => {
                self.conn = Some(conn);
                self.log = log;
                self.oldest.store(log.oldest, Ordering::Release);
                self.metrics.commit.observe(begun.elapsed().as_secs_f64());
                let count = u32::try_from(commands.len()).unwrap_or(u32::MAX);
                self.metrics.batch.observe(f64::from(count));
                self.note_growth();
                if !events.is_empty() {
                    (self.sinks.publish)(events);
                }
                self.tell(commands);
            }
            Err(error) if is_full(&error) => {
                self.conn = Some(conn); // which undoes what does not fit, and goes on
                refuse(commands, &Reject::DiskFull);
            }
            Err(error) => {
                tracing::error!(%error, "a commit failed; the database is opened anew");
                self.healthy.store(false, Ordering::Release);
                drop(conn);
                refuse(commands, &Reject::Unavailable);
            }
        }
    }

    /// Tells all askers of a batch. From this thread, each would be woken with a system call of
    /// its own; a task of their runtime wakes them with none.
    fn tell(&self, commands: Vec<Box<dyn Command>>) {
        let many = commands.len() > 1;
        let tell = move || commands.into_iter().for_each(|command| command.tell(None));
        match &self.runtime {
            Some(runtime) if many => drop(runtime.spawn(async move { tell() })),
            _ => tell(),
        }
    }

    fn transact(
        &mut self,
        conn: &Connection,
        commands: &mut [Box<dyn Command>],
    ) -> rusqlite::Result<(Vec<Event>, events::Log)> {
        if !conn.is_autocommit() {
            execute(conn, "ROLLBACK")?; // the last one found no room
        }
        let (ahead, now, served) = (self.time.ahead(), self.time.now(), self.time.served());
        let begin = || -> rusqlite::Result<WriteTx<'_>> {
            execute(conn, "BEGIN IMMEDIATE")?;
            boot::shift(conn, ahead)?;
            Ok(WriteTx { conn, now, served, head: self.log.head, events: Vec::new() })
        };
        let mut tx = begin()?;
        let in_a_row = in_a_row(&mut tx, commands);
        check_room(commands)?;
        if !in_a_row {
            execute(conn, "ROLLBACK")?;
            tx = begin()?;
            let done = commands.iter_mut().try_for_each(|command| in_savepoint(&mut tx, command));
            check_room(commands).and(done)?;
        }
        let WriteTx { events, head, .. } = tx;
        let mut log = self.log;
        log.head = head;
        if !events.is_empty() {
            log.last_at = now;
        }
        log.prune(conn, now, self.retention)?;
        if served >= self.answers_due {
            let kept = i64::try_from(IDEMPOTENCY_KEPT.as_millis()).unwrap_or(i64::MAX);
            self.answers_due = idempotency::prune(conn, served - kept)?.unwrap_or(served) + kept;
        }
        if now >= self.audit_due {
            self.audit_due = audit::prune(conn, now, self.retention.audit)?;
        }
        execute(conn, "COMMIT")?;
        self.time.accept(ahead);
        Ok((events, log))
    }

    /// Counts what the last commit added to the write-ahead log.
    fn note_growth(&mut self) {
        let Some(conn) = &self.conn else { return };
        match self.wal.added(conn) {
            Ok(bytes) => drop(self.metrics.wal_bytes.inc_by(bytes)),
            Err(error) => tracing::debug!(%error, "the write-ahead log cannot be measured"),
        }
    }

    /// Opens the database again after a failed commit. Whether that commit is in the log after
    /// all is read from the log, never assumed.
    fn revive(&mut self) {
        if self.conn.is_some() {
            return;
        }
        let opened =
            open::writer(&self.data_dir, self.cache_kib).map_err(|error| error.to_string());
        let read = opened.and_then(|conn| {
            let log = look::hold(&conn, !self.sound)
                .and_then(|()| prove(&conn))
                .and_then(|()| events::Log::read(&conn));
            Ok((conn, log.map_err(|error| error.to_string())?))
        });
        match read {
            Ok((conn, log)) => {
                if log.head != self.log.head {
                    (self.sinks.reset_to)(log.head);
                }
                self.conn = Some(conn);
                self.log = log;
                self.answers_due = 0;
                self.audit_due = 0;
                self.healthy.store(true, Ordering::Release);
                tracing::info!("the database is open again");
            }
            Err(error) if self.complaint.is_due(&error, Instant::now()) => {
                tracing::error!(error, "the database cannot be opened again");
            }
            Err(_) => {}
        }
    }

    /// After the disk was full: takes new orders again once the reserve is back.
    fn look_for_room(&self) {
        if self.full.load(Ordering::Acquire) && self.reserve.take_back() {
            tracing::info!("the disk has room again");
            self.full.store(false, Ordering::Release);
        }
    }

    /// Looks whether another program (`tillcast user`) wrote, and passes on who may be logged in.
    fn watch(&mut self) {
        let Some(conn) = &self.conn else { return };
        if self.watched.elapsed() < EXTERNAL_CHANGE_INTERVAL {
            return;
        }
        self.watched = Instant::now();
        let version = conn
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        match version {
            Ok(version) if version != self.data_version => match sessions::all(conn) {
                Ok(accounts) => {
                    self.data_version = version;
                    (self.sinks.sessions)(accounts);
                }
                Err(reject) => tracing::error!(?reject, "the accounts cannot be read again"),
            },
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the database cannot be watched"),
        }
    }
}

/// A commit that changes nothing shows whether the disk takes commits again.
fn prove(conn: &Connection) -> rusqlite::Result<()> {
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    conn.pragma_update(None, "user_version", version)
}

/// One command in a transaction of its own, for a program that is not the server.
pub(super) fn alone<T>(
    conn: &Connection,
    work: impl FnOnce(&mut WriteTx<'_>) -> Result<T, Reject>,
) -> Result<T, Reject> {
    let log = events::Log::read(conn).map_err(failed)?;
    execute(conn, "BEGIN IMMEDIATE").map_err(failed)?;
    let now = clock().max(log.last_at);
    let mut tx = WriteTx { conn, now, served: 0, head: log.head, events: Vec::new() };
    let done = work(&mut tx);
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    execute(conn, end).map_err(failed)?;
    done
}

#[cfg(test)]
mod tests {
    use crate::limits::Limits;
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;
    use crate::domain::EntityKind;
    use crate::store::command::Asked;

    /// Makes an event, and then may be rejected all the same.
    fn command(keep: bool) -> Box<dyn Command> {
        let work = move |tx: &mut WriteTx<'_>| {
            let body = format!("kept: {keep}");
            events::append(tx, Event { seq: tx.next_seq(), kind: EntityKind::Order, body })?;
            if keep { Ok(()) } else { Err(Reject::NotFound) }
        };
        let (tell, _) = oneshot::channel();
        Box::new(Asked { work, done: Err(Reject::Unavailable), tell })
    }

    #[test]
    fn who_is_rejected_late_takes_nobody_along() {
        let data = tempfile::tempdir().unwrap();
        let cache_kib = Limits::DEFAULT.writer_cache_kib;
        let conn = open::writer(data.path(), cache_kib).unwrap();
        let mut writer = Writer {
            data_dir: data.path().to_owned(),
            cache_kib,
            conn: None,
            readers: Vec::new(),
            runtime: None,
            log: events::Log::read(&conn).unwrap(),
            retention: Retention {
                age: Duration::from_secs(60),
                count: 100,
                audit: Duration::from_secs(60),
            },
            time: Time::new(clock, 0, 0),
            answers_due: 0,
            audit_due: 0,
            sinks: CommitSinks {
                publish: Box::new(drop),
                reset_to: Box::new(|_| ()),
                sessions: Box::new(drop),
            },
            metrics: Arc::default(),
            healthy: Arc::default(),
            reserve: Reserve::of(data.path()),
            full: Arc::default(),
            oldest: Arc::default(),
            sound: true,
            complaint: RepeatFilter::default(),
            wal: Wal::default(),
            data_version: 0,
            watched: Instant::now(),
        };
        let mut commands = [true, false, true].map(command);
        let (events, log) = writer.transact(&conn, &mut commands).unwrap();
        let told: Vec<_> = events.into_iter().map(|event| (event.seq, event.body)).collect();
        let kept = |seq| (seq, "kept: true".to_owned());
        assert_eq!((told, log.head), (vec![kept(1), kept(2)], 2));
        let sql = "SELECT count(*) FROM events WHERE body = 'kept: true'";
        assert_eq!(conn.query_row(sql, [], |row| row.get::<_, i64>(0)), Ok(2));
    }
}
