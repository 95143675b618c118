//! The event log: the writer appends to it, subscribers that are behind read it, and old events are
//! pruned in small steps.

use std::ops::Range;
use std::time::Duration;

use rusqlite::Connection;

use crate::domain::event::Event;
use crate::domain::{KindSet, Reject};
use crate::limits::{CATCH_UP_SCAN_MAX, PRUNE_STEP};
use crate::store::error::failed;
use crate::store::write_tx::WriteTx;

/// A page of the log.
#[derive(Debug)]
pub struct EventPage {
    /// The events, oldest first; from `page_before`, newest first.
    pub events: Vec<Event>,
    /// The last `seq` that was scanned; nothing between the range's start and it was left out.
    pub scanned: i64,
    /// The oldest `seq` in the log; in an empty log, a lower bound of the next one.
    pub oldest: i64,
    /// The newest `seq`; 0 before the first event.
    pub head: i64,
}

/// The page of the log to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRange {
    /// Events after this `seq`; from `page_before`, events before it.
    pub after: i64,
    /// Events of these kinds.
    pub kinds: KindSet,
    /// The maximum number of events.
    pub limit: usize,
    /// The page ends with the event whose body brings the sum of the bodies to this many bytes.
    pub bytes: usize,
}

/// The retention of the event log and of the audit trail.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// The maximum age of an event.
    pub age: Duration,
    /// The maximum number of events; the oldest are pruned first.
    pub count: u64,
    /// The maximum age of an entry of the audit trail.
    pub audit: Duration,
}

/// The newest `seq`; 0 before the first event.
pub(super) fn head(conn: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce((SELECT max(seq) FROM events), (SELECT restored_seq FROM log))";
    conn.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Adds an event and moves the head.
pub(super) fn append(tx: &mut WriteTx<'_>, event: Event) -> Result<(), Reject> {
    let sql = "INSERT INTO events (seq, at, kind, body) VALUES (?, ?, ?, ?)";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((event.seq, tx.now, event.kind.number(), &event.body)).map_err(failed)?;
    (tx.head, tx.next_seq) = (event.seq, event.seq + 1);
    tx.outbox.events.push(event);
    Ok(())
}

/// Reads a page of the log, in the open transaction.
pub(super) fn page(conn: &Connection, range: EventRange) -> Result<EventPage, Reject> {
    let log = LogBounds::read(conn).map_err(failed)?;
    let after = log.next(range.after.max(log.oldest - 1)) - 1;
    let last = log.position(log.head.min(after.saturating_add(CATCH_UP_SCAN_MAX)));
    let sql = "
        SELECT seq, kind, body FROM events
        WHERE seq > ? AND seq <= ? AND (1 << kind) & ? ORDER BY seq LIMIT ?";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let limit = i64::try_from(range.limit).unwrap_or(i64::MAX);
    let rows = statement.query((after, last, range.kinds.bits(), limit)).map_err(failed)?;
    let (events, full) = collect(rows, range)?;
    let scanned = match events.last() {
        Some(event) if full => event.seq,
        _ => last.max(range.after),
    };
    Ok(EventPage { events, scanned, oldest: log.oldest, head: log.head })
}

/// Reads a page of the log backwards, in the open transaction: events before `range.after`, newest
/// first.
pub(super) fn page_before(conn: &Connection, range: EventRange) -> Result<EventPage, Reject> {
    let log = LogBounds::read(conn).map_err(failed)?;
    let before = range.after.min(log.head.saturating_add(1));
    let first = log.oldest.max(before.saturating_sub(CATCH_UP_SCAN_MAX));
    let sql = "
        SELECT seq, kind, body FROM events
        WHERE seq < ? AND seq >= ? AND (1 << kind) & ? ORDER BY seq DESC LIMIT ?";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let limit = i64::try_from(range.limit).unwrap_or(i64::MAX);
    let rows = statement.query((before, first, range.kinds.bits(), limit)).map_err(failed)?;
    let (events, full) = collect(rows, range)?;
    let scanned = match events.last() {
        Some(event) if full => event.seq,
        _ => first,
    };
    Ok(EventPage { events, scanned, oldest: log.oldest, head: log.head })
}

/// The events of a page, and whether it is full.
fn collect(mut rows: rusqlite::Rows<'_>, range: EventRange) -> Result<(Vec<Event>, bool), Reject> {
    let (mut events, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(failed)? {
        let event = read(row).map_err(failed)?;
        bytes += event.body.len();
        events.push(event);
        if bytes >= range.bytes {
            break;
        }
    }
    let full = events.len() == range.limit || bytes >= range.bytes;
    Ok((events, full))
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event { seq: row.get(0)?, kind: row.get(1)?, body: row.get(2)? })
}

/// The bounds of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogBounds {
    /// The oldest `seq` in the log; in an empty log, a lower bound of the next one.
    pub(super) oldest: i64,
    /// The time of that event, in milliseconds since 1970, UTC; `i64::MAX` in an empty log.
    pub(super) oldest_at: i64,
    /// The newest `seq`; 0 before the first event.
    pub(super) head: i64,
    /// The time of the newest event, in milliseconds since 1970, UTC; 0 in an empty log.
    pub(super) last_at: i64,
    /// The newest `seq` that came with a restored backup; 0 in a log that began with the shop.
    pub(super) restored: i64,
    /// The first `seq` that this log gave out. No event has a number between `restored` and
    /// `first`.
    pub(super) first: i64,
}

impl LogBounds {
    /// Reads the bounds.
    pub(super) fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let mut statement = conn.prepare_cached(
            "SELECT restored_seq, first_seq, (SELECT min(seq) FROM events),
                    (SELECT at FROM events ORDER BY seq LIMIT 1), (SELECT max(seq) FROM events),
                    (SELECT at FROM events ORDER BY seq DESC LIMIT 1) FROM log",
        )?;
        statement.query_row([], |row| {
            let (restored, first): (i64, i64) = (row.get(0)?, row.get(1)?);
            let newest: Option<i64> = row.get(4)?;
            Ok(Self {
                oldest: row.get::<_, Option<i64>>(2)?.unwrap_or(restored + 1),
                oldest_at: row.get::<_, Option<i64>>(3)?.unwrap_or(i64::MAX),
                head: newest.unwrap_or(restored),
                last_at: row.get::<_, Option<i64>>(5)?.unwrap_or(0),
                restored,
                first,
            })
        })
    }

    /// The `seq` that follows this one in the log.
    pub(super) fn next(&self, seq: i64) -> i64 {
        let next = seq.saturating_add(1);
        if seq < self.restored { next } else { self.first.max(next) }
    }

    /// The newest position in this log that is not above `seq`.
    fn position(&self, seq: i64) -> i64 {
        if seq < self.first { seq.min(self.restored) } else { seq }
    }

    /// The positions that only the log before the restore had. The backup does not hold their
    /// events.
    pub(super) fn ended(&self) -> Range<i64> {
        self.restored + 1..self.first
    }

    /// Whether old events wait to be pruned although no command comes. They wait a hundredth of the
    /// age longer, so that an idle shop does not write for every single event that expires.
    pub(super) fn needs_pruning(&self, now: i64, retention: Retention) -> bool {
        let age = millis(retention.age);
        self.head > self.oldest
            && self.oldest_at.saturating_add(age.saturating_add(age / 100)) < now
    }

    /// Removes at most `PRUNE_STEP` events that are too old or too many; the newest event always
    /// stays.
    pub(super) fn prune(
        &mut self,
        conn: &Connection,
        now: i64,
        retention: Retention,
    ) -> rusqlite::Result<()> {
        if self.oldest_at == i64::MAX && self.head >= self.oldest {
            self.oldest_at = now; // the first events came with this transaction
        }
        let count = i64::try_from(retention.count).unwrap_or(i64::MAX);
        let too_many = self.head.saturating_sub(count).saturating_add(1);
        let keep_from = if self.oldest_at < now.saturating_sub(millis(retention.age)) {
            self.head
        } else {
            too_many.min(self.head)
        };
        let keep_from = keep_from.min(self.oldest.saturating_add(PRUNE_STEP));
        if keep_from <= self.oldest {
            return Ok(());
        }
        let oldest_kept = now.saturating_sub(millis(retention.age));
        let sql = "DELETE FROM events WHERE seq < ? AND (seq < ? OR at < ?)";
        conn.prepare_cached(sql)?.execute((keep_from, too_many, oldest_kept))?;
        let sql = "SELECT seq, at FROM events ORDER BY seq LIMIT 1";
        (self.oldest, self.oldest_at) =
            conn.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
