//! The first answers to requests with an `Idempotency-Key`, kept in the transaction of the change.

use rusqlite::{Connection, OptionalExtension};

use crate::domain::Reject;
use crate::limits::PRUNE_STEP;
use crate::store::error::failed;
use crate::store::write_tx::WriteTx;

/// What makes a request the same one again.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// Whose key it is.
    pub user_id: i64,
    /// The key as the client gave it.
    pub key: String,
    /// SHA-256 of the path and the body.
    pub request_hash: [u8; 32],
}

/// The answer to a creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// The path of what was made.
    pub location: String,
    /// Its version.
    pub etag: String,
    /// It, as JSON.
    pub body: String,
}

/// Runs a creation unless its key was answered before; then that answer is the answer.
pub(super) fn run_once(
    tx: &mut WriteTx<'_>,
    key: Option<&IdempotencyKey>,
    create: impl FnOnce(&mut WriteTx<'_>) -> Result<StoredResponse, Reject>,
) -> Result<StoredResponse, Reject> {
    let Some(key) = key else {
        return create(tx);
    };
    if let Some(answer) = find(tx.conn, key)? {
        return Ok(answer);
    }
    let answer = create(tx)?;
    keep(tx, key, &answer)?;
    Ok(answer)
}

/// The first answer to this key, none where the key is new; another request with it is refused.
fn find(conn: &Connection, key: &IdempotencyKey) -> Result<Option<StoredResponse>, Reject> {
    let sql =
        "SELECT request_hash, location, etag, body FROM answers WHERE user_id = ? AND key = ?";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let found = statement.query_row((key.user_id, &key.key), |row| {
        let hash: Vec<u8> = row.get(0)?;
        Ok((hash, StoredResponse { location: row.get(1)?, etag: row.get(2)?, body: row.get(3)? }))
    });
    match found.optional().map_err(failed)? {
        Some((hash, _)) if hash != key.request_hash => Err(Reject::KeyReused),
        Some((_, answer)) => Ok(Some(answer)),
        None => Ok(None),
    }
}

/// Keeps the first answer to a key.
fn keep(tx: &WriteTx<'_>, key: &IdempotencyKey, answer: &StoredResponse) -> Result<(), Reject> {
    let sql = "INSERT INTO answers (user_id, key, request_hash, location, etag, body, at) VALUES (?, ?, ?, ?, ?, ?, ?)";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    let (hash, StoredResponse { location, etag, body }) = (&key.request_hash[..], answer);
    statement
        .execute((key.user_id, &key.key, hash, location, etag, body, tx.uptime))
        .map_err(failed)?;
    Ok(())
}

/// For how long the shop had been served when the newest answer was kept, in milliseconds.
pub(super) fn uptime_total(conn: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT at FROM answers ORDER BY id DESC LIMIT 1";
    Ok(conn.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Removes answers from before `oldest`, a step of them; returns when the oldest one that stays was
/// made. The lowest ids are the oldest.
pub(super) fn prune(conn: &Connection, oldest: i64) -> rusqlite::Result<Option<i64>> {
    let sql = "DELETE FROM answers WHERE id < (SELECT min(id) FROM answers) + ? AND at < ?";
    conn.prepare_cached(sql)?.execute([PRUNE_STEP, oldest])?;
    let mut statement = conn.prepare_cached("SELECT at FROM answers ORDER BY id LIMIT 1")?;
    statement.query_row([], |row| row.get(0)).optional()
}
