//! The audit trail: one entry for each request that changed something, stored in the transaction of
//! the change, with the principal and the client's address. An entry names the changed fields; it
//! holds none of their values, and no secret.

use std::net::IpAddr;
use std::time::Duration;

use rusqlite::Connection;

use crate::domain::Reject;
use crate::domain::stock_change::StockReason;
use crate::limits::{AUDIT_ENTRIES_MAX, AUDIT_PRUNE_INTERVAL, AUDIT_SCAN_MAX, PRUNE_STEP};
use crate::store::audit_record::{Action, AuditRecord, AuditSubject};
use crate::store::caller::Actor;
use crate::store::columns::Address;
use crate::store::error::failed;
use crate::store::write_tx::WriteTx;

/// An entry: a record, its time and its actor.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// The entry's id; later entries have higher ones.
    pub id: i64,
    /// Milliseconds since 1970, UTC.
    pub at: i64,
    /// The user or device; `None` for the console, and for a client that is not logged in.
    pub actor: Option<AuditActor>,
    /// The client's address; `None` for the console.
    pub address: Option<IpAddr>,
    /// The change.
    pub record: AuditRecord,
}

/// The user or device that an entry names.
#[derive(Clone, Debug)]
pub enum AuditActor {
    /// A user.
    User {
        /// The id.
        id: i64,
        /// The name at that time; `None` if the user was gone.
        name: Option<String>,
    },
    /// A device.
    Device {
        /// The id.
        id: i64,
        /// The name at that time.
        name: String,
    },
}

/// The entries to select, newest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditFilter {
    /// The maximum number of entries.
    pub limit: usize,
    /// Only entries before this id.
    pub after: Option<i64>,
    /// Only changes by this user.
    pub user_id: Option<i64>,
    /// Only changes by this device.
    pub device_id: Option<i64>,
    /// Only changes of this kind of subject.
    pub subject: Option<AuditSubject>,
    /// Only changes of the subject with this id.
    pub row_id: Option<i64>,
}

/// Adds an entry.
pub(super) fn note(
    tx: &WriteTx<'_>,
    actor: impl Into<Actor>,
    note: &AuditRecord,
) -> Result<(), Reject> {
    let Actor { principal_id, address } = actor.into();
    // With `VALUES` it is one row: for the rows of a `SELECT`, SQLite keeps a journal of the statement.
    let sql = "
        INSERT INTO audit (at, user_id, username, device_name,
                           address, action, kind, row_id, fields, seq, events, reason, note)
        VALUES (?1, ?2, (SELECT username FROM users WHERE id = ?2),
                (SELECT device_name FROM users WHERE id = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    let address = address.map(Address);
    let (action, fields) = (note.action.number(), note.action.fields());
    let (seq, events) = match note.seqs {
        Some((first, last)) => (Some(first), last - first + 1),
        None => (None, 0),
    };
    let (reason, text) = note.action.reason().unzip();
    let (reason, text) = (reason.map(StockReason::word), text.flatten());
    let (subject, row_id) = (note.subject.number(), note.row_id);
    let values =
        (tx.now, principal_id, address, action, subject, row_id, fields, seq, events, reason, text);
    statement.execute(values).map(drop).map_err(failed)
}

/// Adds the entry of a restore with this id; later entries get higher ids.
pub(super) fn append_restore(conn: &Connection, id: i64, now: i64) -> rusqlite::Result<()> {
    let sql = "
        INSERT INTO audit (id, at, action, kind, row_id, events)
        VALUES (?, max(?, (SELECT coalesce(max(at), 0) FROM audit)), ?, ?, 1, 0)";
    let (action, subject) = (Action::Restore.number(), AuditSubject::Shop.number());
    conn.execute(sql, (id, now, action, subject))?;
    Ok(())
}

/// A page of the trail, and the id before which there may be more entries. A page scans at most
/// `AUDIT_SCAN_MAX` entries, so that a filter with few matches does not occupy a reader for long.
pub(super) fn page(
    conn: &Connection,
    wanted: AuditFilter,
) -> Result<(Vec<AuditEntry>, Option<i64>), Reject> {
    let ends = "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM audit";
    let (oldest, newest): (i64, i64) = conn
        .prepare_cached(ends)
        .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(failed)?;
    let before = wanted.after.unwrap_or(i64::MAX).min(newest + 1);
    let from = before.saturating_sub(AUDIT_SCAN_MAX);
    let sql = "
        SELECT id, at, user_id, username, address, action, kind, row_id, fields, seq, events, reason, note,
               device_name
        FROM audit WHERE id < ?1 AND id >= ?2
          AND (?3 IS NULL OR user_id = ?3 AND device_name IS NULL)
          AND (?4 IS NULL OR user_id = ?4 AND device_name IS NOT NULL)
          AND (?5 IS NULL OR kind = ?5) AND (?6 IS NULL OR row_id = ?6)
        ORDER BY id DESC LIMIT ?7";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let subject = wanted.subject.map(AuditSubject::number);
    let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX);
    let values = (before, from, wanted.user_id, wanted.device_id, subject, wanted.row_id, limit);
    let entries = statement.query_map(values, read).and_then(Iterator::collect);
    let entries: Vec<AuditEntry> = entries.map_err(failed)?;
    let seen = match entries.last() {
        Some(last) if entries.len() == wanted.limit => last.id,
        _ => from,
    };
    Ok((entries, (seen > oldest).then_some(seen)))
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<AuditEntry> {
    let address = row.get::<_, Option<Address>>(4)?.map(|Address(address)| address);
    let subject: u8 = row.get(6)?;
    let subject = AuditSubject::from_number(subject)
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(6, -1))?;
    let fields: Option<String> = row.get(8)?;
    let action = Action::from_stored(row.get(5)?, fields.as_deref(), row.get(11)?, row.get(12)?)
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(5, -1))?;
    let (seq, events): (Option<i64>, i64) = (row.get(9)?, row.get(10)?);
    let record = AuditRecord {
        action,
        subject,
        row_id: row.get(7)?,
        seqs: seq.map(|first| (first, first + events - 1)),
    };
    let (username, device_name): (Option<String>, Option<String>) = (row.get(3)?, row.get(13)?);
    let actor = row.get::<_, Option<i64>>(2)?.map(|id| match device_name {
        Some(name) => AuditActor::Device { id, name },
        None => AuditActor::User { id, name: username },
    });
    Ok(AuditEntry { id: row.get(0)?, at: row.get(1)?, actor, address, record })
}

/// Removes at most `PRUNE_STEP` entries that are older than `kept`; returns the time of the next
/// pruning, in milliseconds since 1970, UTC. The newest entry always stays, so that its id is not
/// given out again.
pub(super) fn prune(conn: &Connection, now: i64, kept: Duration) -> rusqlite::Result<i64> {
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    let sql = "
        DELETE FROM audit WHERE id < (SELECT min(id) FROM audit) + ?1
            AND (at < ?2 OR id <= (SELECT max(id) FROM audit) - ?3)
            AND id < (SELECT max(id) FROM audit)";
    let removed = conn.prepare_cached(sql)?.execute((
        PRUNE_STEP,
        now.saturating_sub(kept),
        AUDIT_ENTRIES_MAX,
    ))?;
    if i64::try_from(removed) == Ok(PRUNE_STEP) {
        return Ok(now);
    }
    let sql = "SELECT at FROM audit WHERE id < (SELECT max(id) FROM audit) ORDER BY id LIMIT 1";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let oldest = rows.next()?.map_or(Ok(now), |row| row.get(0))?;
    // The hundredth of `kept` keeps an idle shop from writing for every entry that expires.
    let due = oldest.saturating_add(kept.saturating_add(kept / 100));
    let interval = i64::try_from(AUDIT_PRUNE_INTERVAL.as_millis()).unwrap_or(i64::MAX);
    Ok(due.min(now.saturating_add(interval)))
}

/// The contradictions between the trail and the log: each event belongs to exactly one entry, an
/// entry agrees with its events, and only a restore skips numbers.
pub(super) fn check(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "
        SELECT 'entry ' || id || ' begins with seq ' || seq || ' instead of ' || expected FROM
            (SELECT id, seq, lag(seq + events) OVER (PARTITION BY restores ORDER BY id) AS expected
             FROM (SELECT *, sum(action = 4) OVER (ORDER BY id) AS restores FROM audit)
             WHERE events > 0)
        WHERE seq <> expected
        UNION ALL
        SELECT 'entry ' || id || ' and nothing tells who made seq ' || (seq + events) FROM
            (SELECT max(id) AS id, seq, events FROM audit WHERE events > 0)
        WHERE seq + events <= (SELECT max(seq) FROM events)
        UNION ALL
        SELECT 'entry ' || a.id || ' tells of an event that there is not' FROM audit AS a
        WHERE events > 0 AND seq >= (SELECT min(seq) FROM events)
          AND (action <> 1 OR fields <> '')
          AND NOT EXISTS (SELECT 1 FROM events AS e
              WHERE e.seq >= a.seq AND e.seq < a.seq + a.events AND e.kind = a.kind
                AND e.body ->> '$.data.id' = a.row_id AND e.body ->> '$.event' LIKE
                    '%:' || CASE action WHEN 0 THEN 'created' WHEN 2 THEN 'deleted' ELSE 'updated' END)";
    conn.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}
