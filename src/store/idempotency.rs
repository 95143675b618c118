//! Idempotency: the first response to a request with an `Idempotency-Key`, stored in the
//! transaction of the change and returned again for each repeat.

use std::borrow::Cow;
use std::ops::Range;

use rusqlite::{Connection, OptionalExtension};

use crate::domain::{EntityKind, Principal, Reject, Row, event};
use crate::limits::{PRUNE_STEP, RESPONSE_COPY_BYTES_MAX};
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
/// `KeyReused` if the key was used for another request.
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
    let response = create(tx)?;
    keep(tx, key, subject, &response)?;
    Ok(response)
}

/// The first response to this key; `None` if the key is new.
fn find(conn: &Connection, key: &IdempotencyKey) -> Result<Option<StoredResponse>, Reject> {
    let sql = "
        SELECT request_hash, row_id, version, body, lines_at FROM responses
        WHERE user_id = ? AND key = ?";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let found = statement.query_row((key.principal.user_id(), &key.key), |row| {
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

/// Stores the first response to a key; that to a large order without the lines, which its row has.
fn keep(
    tx: &WriteTx<'_>,
    key: &IdempotencyKey,
    subject: AuditSubject,
    response: &StoredResponse,
) -> Result<(), Reject> {
    let sql = "
        INSERT INTO responses (user_id, key, request_hash, kind, row_id, version, body, lines_at, at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
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
    let (user_id, hash) = (key.principal.user_id(), &key.request_hash[..]);
    let kind = subject.number();
    let values = (user_id, &key.key, hash, kind, id, version, body, lines_at, tx.uptime);
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
    use super::*;
    use crate::domain::Role;
    use crate::store::test_shop;

    #[test]
    fn a_response_from_elsewhere_may_say_anything_of_its_lines() {
        let conn = test_shop::new();
        let key = IdempotencyKey {
            principal: Principal::User { id: 1, role: Role::Staff },
            key: "k".to_owned(),
            request_hash: [0; 32],
        };
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
