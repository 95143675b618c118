//! Idempotency: the first response to a request with an `Idempotency-Key`, stored in the
//! transaction of the change and returned again for each repeat.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use crate::domain::{EntityKind, Principal, Reject, Row, event};
use crate::limits::{
    IDEMPOTENCY_BYTES_PER_USER, IDEMPOTENCY_KEPT, PRUNE_STEP, RESPONSE_COPY_BYTES_MAX,
    RESPONSE_ROW_BYTES,
};
use crate::store::audit_record::AuditSubject;
use crate::store::error::failed;
use crate::store::rows;
use crate::store::write_tx::WriteTx;

/// Identifies a request, and tells it from another one with the same key.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// The principal that sent it.
    pub principal: Principal,
    /// The key as the client gave it.
    pub key: String,
    /// SHA-256 of the path and the body.
    pub request_hash: [u8; 32],
}

/// The first response to a creation, complete enough to repeat it byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// The id of the created entity or user.
    pub id: i64,
    /// Its version: the `seq` of an entity, the version of a user.
    pub version: i64,
    /// The entity or user as JSON.
    pub body: String,
}

/// Runs a creation and stores its response. If the key was used before, returns the stored response
/// instead. `subject` is the kind of what is created.
///
/// # Errors
/// `KeyReused` if the key was used for another request, `ResponsesFull` if it is new and no more responses are
/// kept for its user.
pub(super) fn run_once(
    tx: &mut WriteTx<'_>,
    key: Option<&IdempotencyKey>,
    subject: AuditSubject,
    create: impl FnOnce(&mut WriteTx<'_>) -> Result<StoredResponse, Reject>,
) -> Result<StoredResponse, Reject> {
    let Some(key) = key else {
        return create(tx);
    };
    if let Some(response) = find(tx.conn, key)? {
        return Ok(response);
    }
    let bytes_before = room(tx, key)?;
    let response = create(tx)?;
    keep(tx, key, subject, &response, bytes_before)?;
    Ok(response)
}

/// The first response to a request, if its key was used before.
pub(super) fn repeat(
    tx: &WriteTx<'_>,
    key: Option<&IdempotencyKey>,
) -> Result<Option<StoredResponse>, Reject> {
    key.map_or(Ok(None), |key| find(tx.conn, key))
}

/// The first response to this key; `None` if the key is new.
fn find(conn: &Connection, key: &IdempotencyKey) -> Result<Option<StoredResponse>, Reject> {
    let sql = "
        SELECT request_hash, row_id, version, body, lines_at FROM responses
        WHERE user_id = ? AND key = ?";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let found = statement.query_row((key.principal.id(), &key.key), |row| {
        let hash: Vec<u8> = row.get(0)?;
        let response = StoredResponse { id: row.get(1)?, version: row.get(2)?, body: row.get(3)? };
        Ok((hash, response, row.get::<_, Option<i64>>(4)?))
    });
    let Some((hash, mut response, lines_at)) = found.optional().map_err(failed)? else {
        return Ok(None);
    };
    if hash != key.request_hash {
        return Err(Reject::KeyReused);
    }
    if let Some(at) = lines_at {
        // A database from elsewhere may hold any number.
        let at = usize::try_from(at).ok().filter(|at| response.body.is_char_boundary(*at));
        let order = rows::load(conn, EntityKind::Order, response.id)?;
        let (at, order) = at.zip(order).ok_or(Reject::Unavailable)?;
        response.body.insert_str(at, &event::lines(&order)?);
    }
    Ok(Some(response))
}

/// The responses that are kept for one user.
struct Kept {
    /// The bytes of all responses that were kept for the user, also of those that are gone.
    all: i64,
    /// The bytes of those that are gone.
    gone: i64,
    /// The uptime in milliseconds at which the oldest was stored.
    oldest_at: i64,
}

/// Reads the oldest and the newest response to a user.
const KEPT: &str = "
    SELECT newest.bytes_before, newest.bytes, oldest.bytes_before, oldest.at
    FROM responses AS oldest, responses AS newest
    WHERE oldest.id = (SELECT min(id) FROM responses WHERE user_id = ?1)
      AND newest.id = (SELECT max(id) FROM responses WHERE user_id = ?1)";

impl Kept {
    /// `None` if no response is kept for the user.
    fn read(conn: &Connection, user_id: Option<i64>) -> Result<Option<Self>, Reject> {
        let mut statement = conn.prepare_cached(KEPT).map_err(failed)?;
        let kept = statement.query_row([user_id], |row| {
            let (before, last): (i64, i64) = (row.get(0)?, row.get(1)?);
            // A database from elsewhere may hold any numbers.
            let all = before.saturating_add(last);
            Ok(Self { all, gone: row.get(2)?, oldest_at: row.get(3)? })
        });
        kept.optional().map_err(failed)
    }

    fn bytes(&self) -> i64 {
        self.all.saturating_sub(self.gone)
    }
}

/// The bytes of all responses that were kept for the user of a key, if one more may be kept.
fn room(tx: &WriteTx<'_>, key: &IdempotencyKey) -> Result<i64, Reject> {
    let Some(kept) = Kept::read(tx.conn, key.principal.id())? else { return Ok(0) };
    let age = tx.uptime.saturating_sub(kept.oldest_at);
    let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
    let wait = IDEMPOTENCY_KEPT.saturating_sub(age);
    // Responses that are due leave at the end of the transaction.
    if kept.bytes() < IDEMPOTENCY_BYTES_PER_USER || wait.is_zero() {
        Ok(kept.all)
    } else {
        Err(Reject::ResponsesFull(wait))
    }
}

/// The bytes that a response takes when it is whole, with its key in the row and in an index.
fn size(key: &IdempotencyKey, response: &StoredResponse) -> i64 {
    let bytes = response.body.len() + 2 * key.key.len() + RESPONSE_ROW_BYTES;
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Stores the first response to a key; that to a large order without the lines, which its row has.
fn keep(
    tx: &WriteTx<'_>,
    key: &IdempotencyKey,
    subject: AuditSubject,
    response: &StoredResponse,
    bytes_before: i64,
) -> Result<(), Reject> {
    let sql = "
        INSERT INTO responses (user_id, key, request_hash, kind, row_id, version, body, lines_at, at,
                               bytes_before, bytes)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    let StoredResponse { id, version, body } = response;
    let lines = lines_of(tx.conn, subject, response)?;
    let (body, lines_at) = match lines {
        Some(Range { start, end }) => {
            let rest = [&body[..start], &body[end..]].concat();
            (Cow::Owned(rest), i64::try_from(start).ok())
        }
        None => (Cow::Borrowed(body.as_str()), None),
    };
    let (user_id, hash) = (key.principal.id(), &key.request_hash[..]);
    let (kind, bytes) = (subject.number(), size(key, response));
    let values = (
        user_id,
        &key.key,
        hash,
        kind,
        id,
        version,
        body,
        lines_at,
        tx.uptime,
        bytes_before,
        bytes,
    );
    statement.execute(values).map(drop).map_err(failed)
}

/// The place of the lines in the response to a large order; `None` if the response is kept whole.
fn lines_of(
    conn: &Connection,
    subject: AuditSubject,
    response: &StoredResponse,
) -> Result<Option<Range<usize>>, Reject> {
    let StoredResponse { id, body, .. } = response;
    if subject != AuditSubject::Entity(EntityKind::Order) || body.len() <= RESPONSE_COPY_BYTES_MAX {
        return Ok(None);
    }
    let Some(order) = rows::load(conn, EntityKind::Order, *id)? else { return Ok(None) };
    let lines = event::lines(&order)?;
    Ok(body.find(&lines).map(|start| start..start + lines.len()))
}

/// Completes the responses without lines to an order whose row is about to lose these lines.
pub(super) fn complete(conn: &Connection, order: &Row) -> Result<(), Reject> {
    // The fields before the lines are ASCII, so that SQLite's characters are bytes there.
    let sql = "
        UPDATE responses
        SET body = substr(body, 1, lines_at) || ?2 || substr(body, lines_at + 1), lines_at = NULL
        WHERE row_id = ?1 AND lines_at IS NOT NULL";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((order.id, event::lines(order)?)).map(drop).map_err(failed)
}

/// The uptime in milliseconds at which the newest response was stored.
pub(super) fn uptime_total(conn: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT at FROM responses ORDER BY id DESC LIMIT 1";
    Ok(conn.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Removes at most `PRUNE_STEP` responses that were stored before the uptime `oldest`; returns the
/// uptime of the oldest one that stays. Lower ids are older.
pub(super) fn prune(conn: &Connection, oldest: i64) -> rusqlite::Result<Option<i64>> {
    let sql = "DELETE FROM responses WHERE id < (SELECT min(id) FROM responses) + ? AND at < ?";
    conn.prepare_cached(sql)?.execute([PRUNE_STEP, oldest])?;
    let mut statement = conn.prepare_cached("SELECT at FROM responses ORDER BY id LIMIT 1")?;
    statement.query_row([], |row| row.get(0)).optional()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::Role;
    use crate::store::test_shop;

    fn key(user_id: i64, key: String) -> IdempotencyKey {
        let principal = Principal::User { id: user_id, role: Role::Staff };
        IdempotencyKey { principal, key, request_hash: [0; 32] }
    }

    fn response(bytes: usize) -> StoredResponse {
        StoredResponse { id: 1, version: 1, body: "x".repeat(bytes) }
    }

    /// Makes a response of so many bytes for a user.
    fn make(tx: &mut WriteTx<'_>, user_id: i64, name: String, bytes: usize) -> Result<i64, Reject> {
        let (key, made) = (key(user_id, name), response(bytes));
        let size = size(&key, &made);
        run_once(tx, Some(&key), AuditSubject::User, |_| Ok(made)).map(|_| size)
    }

    proptest! {
        /// The sum is never added up, so it must stay right whatever comes and goes.
        #[test]
        fn the_bytes_kept_for_a_user_are_those_of_the_responses(
            steps in prop::collection::vec((1..4_i64, 0..9_000_usize, 0..5_usize), 1..40)
        ) {
            let conn = test_shop::new();
            let mut tx = test_shop::transaction(&conn);
            let mut kept: VecDeque<(i64, i64)> = VecDeque::new();
            for (number, (user_id, bytes, leave)) in (0_i64..).zip(steps) {
                tx.uptime = number;
                let size = make(&mut tx, user_id, format!("{number}"), bytes).unwrap();
                kept.push_back((user_id, size));
                // Responses leave in the order in which they came, whomever they belong to.
                kept.drain(..leave.min(kept.len()));
                prune(&conn, number + 1 - i64::try_from(kept.len()).unwrap()).unwrap();
                for user_id in 1..4 {
                    let of_user = kept.iter().filter(|(user, _)| *user == user_id);
                    let sum: i64 = of_user.map(|(_, size)| size).sum();
                    let told = Kept::read(&conn, Some(user_id)).unwrap();
                    prop_assert_eq!(told.map_or(0, |kept| kept.bytes()), sum);
                }
            }
        }
    }

    #[test]
    fn a_user_above_the_bound_waits_for_the_oldest_response_to_leave() {
        let conn = test_shop::new();
        let mut tx = test_shop::transaction(&conn);
        let hour = 60 * 60 * 1000;
        tx.uptime = 5 * hour;
        let first = make(&mut tx, 1, "first".to_owned(), 100).unwrap();
        let full = || Err(Reject::ResponsesFull(Duration::from_secs(23 * 60 * 60)));
        let most = IDEMPOTENCY_BYTES_PER_USER;
        for (number, bytes, age, expected) in [
            (1, most - 1, 1, Ok(first)),
            (2, most, 1, full()),
            (3, i64::MAX, 1, full()),
            (4, i64::MAX, 24, Ok(first)),
        ] {
            conn.execute("UPDATE responses SET bytes = ? WHERE key = 'first'", [bytes]).unwrap();
            tx.uptime = (5 + age) * hour;
            assert_eq!(make(&mut tx, 1, "other".to_owned(), 100), expected, "{number}");
            assert_eq!(make(&mut tx, 1, "first".to_owned(), 100), Ok(first), "a repeat");
            make(&mut tx, 2, number.to_string(), 100).unwrap();
            conn.execute("DELETE FROM responses WHERE key = 'other'", []).unwrap();
        }
    }

    #[test]
    fn what_is_kept_for_a_user_is_found_by_an_index() {
        let conn = test_shop::new();
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {KEPT}")).unwrap();
        let plan = statement.query_map([1], |row| row.get::<_, String>(3)).unwrap();
        let plan: Vec<_> = plan.map(Result::unwrap).collect();
        let found = plan.iter().filter(|step| step.contains("responses_of_user (user_id=?)"));
        assert_eq!(found.count(), 2, "{plan:?}");
        assert!(plan.iter().all(|step| !step.contains("SCAN ")), "{plan:?}");
    }

    #[test]
    fn a_response_from_elsewhere_may_say_anything_of_its_lines() {
        let conn = test_shop::new();
        let key = key(1, "k".to_owned());
        conn.execute_batch(
            "INSERT INTO responses (user_id, key, request_hash, kind, row_id, version, body, at)
             VALUES (1, 'k', zeroblob(32), 0, 1, 1, 'ü', 0);
             INSERT INTO orders (id, status, payment_status, total, currency, items, seq, created_at, updated_at)
             VALUES (1, 'pending', 'pending', 1, 'USD', '[]', 1, 1, 1)",
        )
        .unwrap();
        for (at, body) in
            [(0, Some("[]ü")), (2, Some("ü[]")), (1, None), (3, None), (i64::MAX, None), (-1, None)]
        {
            conn.execute("UPDATE responses SET lines_at = ?", [at]).unwrap();
            let found = find(&conn, &key).map(|found| found.unwrap().body);
            assert_eq!(found, body.map(str::to_owned).ok_or(Reject::Unavailable), "{at}");
        }
    }
}
