//! Group commit: one transaction and one fsync for all commands that wait.

use std::path::Path;

use rusqlite::{Connection, ffi};

use crate::domain::{Reject, ShopTerms};
use crate::limits::{COMMIT_CHANGES_MAX, COMMIT_EVENT_BYTES_MAX, IDEMPOTENCY_KEPT};
use crate::store::clock::{ShopClock, clock};
use crate::store::command::Command;
use crate::store::error::failed;
use crate::store::events::{LogBounds, Retention};
use crate::store::marks::Marks;
use crate::store::write_tx::{HeldTerms, Outbox, WriteTx};
use crate::store::{audit, idempotency, recovery, shop_profile};

/// The state that is kept from one transaction to the next.
pub(super) struct GroupCommit {
    /// The bounds of the event log after the last commit.
    pub(super) log: LogBounds,
    pub(super) clock: ShopClock,
    retention: Retention,
    /// The terms on which the shop sells.
    pub(super) shop: HeldTerms,
    marks: Marks,
    /// The uptime, in milliseconds, before which no stored response has to be pruned.
    responses_due: i64,
    /// The time, in milliseconds since 1970, UTC, before which no audit entry has to be pruned.
    audit_due: i64,
}

impl GroupCommit {
    /// Continues this log.
    pub(super) fn new(
        log: LogBounds,
        clock: ShopClock,
        retention: Retention,
        shop: HeldTerms,
        marks: Marks,
    ) -> Self {
        Self { log, clock, retention, shop, marks, responses_due: 0, audit_due: 0 }
    }

    /// Continues the log of a database that was opened again.
    pub(super) fn resume(&mut self, log: LogBounds, terms: ShopTerms) {
        self.log = log;
        self.shop.terms = terms;
        self.responses_due = 0;
        self.audit_due = 0;
    }

    /// Reads the marks anew before the next commit, because another program wrote.
    pub(super) fn refresh(&mut self) {
        self.marks.refresh();
    }

    /// Whether there is something to commit although no command waits.
    pub(super) fn has_upkeep(&mut self) -> bool {
        let now = self.clock.now();
        self.clock.forward_step() != 0
            || now >= self.audit_due
            || self.log.needs_pruning(now, self.retention)
    }

    /// Runs commands in one transaction until it is full, and commits it; returns its outbox and the
    /// number of commands that ran. After an error nothing is stored, unless `COMMIT` itself failed:
    /// its changes may be on disk all the same.
    pub(super) fn commit(
        &mut self,
        conn: &Connection,
        commands: &mut [Box<dyn Command>],
    ) -> rusqlite::Result<(Outbox, usize)> {
        if !conn.is_autocommit() {
            execute(conn, "ROLLBACK")?; // the last transaction found the disk full
        }
        let step = self.clock.forward_step();
        let (now, uptime) = (self.clock.now(), self.clock.uptime.total());
        let (shop, head, next_seq) = (self.shop, self.log.head, self.log.next(self.log.head));
        let begin = || -> rusqlite::Result<WriteTx<'_>> {
            execute(conn, "BEGIN IMMEDIATE")?;
            recovery::shift_times(conn, step)?;
            Ok(WriteTx { conn, now, uptime, shop, head, next_seq, outbox: Outbox::default() })
        };
        let mut tx = begin()?;
        let ran = run_until_full(&mut tx, commands, run_optimistic);
        check_disk_full(commands)?;
        let ran = if let Ok(ran) = ran {
            ran
        } else {
            execute(conn, "ROLLBACK")?;
            tx = begin()?;
            let ran = run_until_full(&mut tx, commands, run_in_savepoint);
            check_disk_full(commands).and(ran)?
        };
        let WriteTx { outbox, head, shop, .. } = tx;
        let mut log = self.log;
        log.head = head;
        if !outbox.events.is_empty() {
            log.last_at = now;
        }
        log.prune(conn, now, self.retention)?;
        if uptime >= self.responses_due {
            let kept = i64::try_from(IDEMPOTENCY_KEPT.as_millis()).unwrap_or(i64::MAX);
            let oldest = idempotency::prune(conn, uptime.saturating_sub(kept))?;
            self.responses_due = oldest.unwrap_or(uptime).saturating_add(kept);
        }
        if now >= self.audit_due {
            self.audit_due = audit::prune(conn, now, self.retention.audit)?;
        }
        self.marks.reserve(conn, outbox.events.len().max(ran))?;
        execute(conn, "COMMIT")?;
        self.clock.accept_step(step);
        self.shop = shop;
        self.log = log;
        Ok((outbox, ran))
    }
}

/// The size of a transaction. One that grows too large ends early, because the write-ahead log cannot
/// be emptied before its end.
struct Size {
    changes_before: u64,
    events: usize,
    bytes: usize,
}

impl Size {
    fn new(tx: &WriteTx<'_>) -> Self {
        Self { changes_before: tx.conn.total_changes(), events: 0, bytes: 0 }
    }

    /// Whether the transaction has room for no further command.
    fn is_full(&mut self, tx: &WriteTx<'_>) -> bool {
        let events = &tx.outbox.events;
        let new = events.get(self.events..).unwrap_or_default();
        self.bytes += new.iter().map(|event| event.body.len()).sum::<usize>();
        self.events = events.len();
        let changes = tx.conn.total_changes() - self.changes_before;
        changes >= COMMIT_CHANGES_MAX || self.bytes >= COMMIT_EVENT_BYTES_MAX
    }
}

/// Runs commands one after the other until the transaction is full; returns their number.
fn run_until_full<'c, E>(
    tx: &mut WriteTx<'c>,
    commands: &mut [Box<dyn Command>],
    run: impl Fn(&mut WriteTx<'c>, &mut dyn Command) -> Result<(), E>,
) -> Result<usize, E> {
    let mut size = Size::new(tx);
    for (ran, command) in (1..).zip(commands.iter_mut()) {
        run(tx, &mut **command)?;
        if size.is_full(tx) {
            return Ok(ran);
        }
    }
    Ok(commands.len())
}

/// A command was rejected after it had changed something.
struct LateRejection;

/// Runs one command, whose changes a rejection leaves. That is rare, whereas a savepoint for each
/// command would copy every page that the command touches.
fn run_optimistic(tx: &mut WriteTx<'_>, command: &mut dyn Command) -> Result<(), LateRejection> {
    let before = tx.conn.total_changes();
    // A full disk may have ended the transaction.
    if command.run(tx) || (tx.conn.total_changes() == before && !tx.conn.is_autocommit()) {
        Ok(())
    } else {
        Err(LateRejection)
    }
}

/// Runs one command so that its rejection undoes only its own changes.
fn run_in_savepoint(tx: &mut WriteTx<'_>, command: &mut dyn Command) -> rusqlite::Result<()> {
    execute(tx.conn, "SAVEPOINT command")?;
    let savepoint = tx.savepoint();
    if !command.run(tx) {
        execute(tx.conn, "ROLLBACK TO command")?;
        tx.rewind(&savepoint);
    }
    execute(tx.conn, "RELEASE command")
}

/// Fails if a command found the disk full, because that may have ended the transaction.
fn check_disk_full(commands: &[Box<dyn Command>]) -> rusqlite::Result<()> {
    let full = || rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None);
    if commands.iter().any(|command| command.is_full()) { Err(full()) } else { Ok(()) }
}

/// Runs one command in a transaction of its own, for a program that is not the server.
pub(super) fn run_single<T>(
    conn: &Connection,
    data_dir: &Path,
    work: impl FnOnce(&mut WriteTx<'_>) -> Result<T, Reject>,
) -> Result<T, Reject> {
    execute(conn, "BEGIN IMMEDIATE").map_err(failed)?;
    let log = LogBounds::read(conn).map_err(failed)?;
    let now = clock().max(log.last_at);
    let (head, next_seq) = (log.head, log.next(log.head));
    let shop = HeldTerms { terms: shop_profile::terms(conn)?, tax_is_set: false };
    let mut tx = WriteTx { conn, now, uptime: 0, shop, head, next_seq, outbox: Outbox::default() };
    let result = work(&mut tx);
    let result = result
        .and_then(|done| Marks::new(data_dir).reserve(conn, 1).map(|()| done).map_err(failed));
    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    execute(conn, end).map_err(failed)?;
    result
}

/// Runs a statement and keeps it prepared.
fn execute(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::EntityKind;
    use crate::domain::event::Event;
    use crate::limits::COMMAND_CACHE_KIB;
    use crate::store::command::PendingCommand;
    use crate::store::{database, events};

    /// A command that appends an event, and is rejected after that unless `keep` is set.
    fn command(keep: bool) -> Box<dyn Command> {
        appending(format!("kept: {keep}"), keep)
    }

    fn appending(body: String, keep: bool) -> Box<dyn Command> {
        let work = move |tx: &mut WriteTx<'_>| {
            let body = body.clone();
            events::append(tx, Event { seq: tx.next_seq, kind: EntityKind::Order, body })?;
            if keep { Ok(()) } else { Err(Reject::NotFound) }
        };
        PendingCommand::new(work).0
    }

    fn new_shop() -> (tempfile::TempDir, Connection, GroupCommit) {
        let data = tempfile::tempdir().unwrap();
        let conn = database::open_writer(data.path(), COMMAND_CACHE_KIB).unwrap();
        let minute = Duration::from_secs(60);
        let retention = Retention { age: minute, count: 100, audit: minute };
        let log = LogBounds::read(&conn).unwrap();
        let marks = Marks::new(data.path());
        let shop = shop_profile::settle(&conn, None).unwrap();
        let group = GroupCommit::new(log, ShopClock::new(clock, 0, 0), retention, shop, marks);
        (data, conn, group)
    }

    #[test]
    fn a_large_batch_takes_several_commits() {
        let (_data, conn, mut group) = new_shop();
        let third = "x".repeat(COMMIT_EVENT_BYTES_MAX / 3 + 1);
        for (keep, told) in [([true; 5], 3), ([true, false, true, true, true], 3)] {
            let mut commands = keep.map(|keep| appending(third.clone(), keep));
            let (Outbox { events, .. }, ran) = group.commit(&conn, &mut commands).unwrap();
            assert_eq!((events.len(), ran), (told, keep[..ran].len()));
            let (Outbox { events, .. }, rest) = group.commit(&conn, &mut commands[ran..]).unwrap();
            assert_eq!((events.len(), ran + rest), (5 - ran, 5));
        }
    }

    #[test]
    fn late_rejection_keeps_the_rest_of_the_batch() {
        let (_data, conn, mut group) = new_shop();
        let mut commands = [true, false, true].map(command);
        let (Outbox { events, .. }, ran) = group.commit(&conn, &mut commands).unwrap();
        assert_eq!(ran, 3);
        let told: Vec<_> = events.into_iter().map(|event| (event.seq, event.body)).collect();
        let kept = |seq| (seq, "kept: true".to_owned());
        assert_eq!((told, group.log.head), (vec![kept(1), kept(2)], 2));
        let sql = "SELECT count(*) FROM events WHERE body = 'kept: true'";
        assert_eq!(conn.query_row(sql, [], |row| row.get::<_, i64>(0)), Ok(2));
    }
}
