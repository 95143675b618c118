//! Sessions in their table, by the hash of their token.

use std::fmt;

use rusqlite::Connection;

use crate::domain::{Reject, Role};
use crate::store::error::failed;
use crate::store::write_tx::WriteTx;

/// SHA-256 of a session's token. Nobody can log in with it, and still it tells whose session it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TokenHash")
    }
}

/// A session with what its user may do now.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// Which session.
    pub token_hash: TokenHash,
    /// Whose it is.
    pub user_id: i64,
    /// The user's name.
    pub username: String,
    /// The user's role.
    pub role: Role,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
    /// When it was last written down as used.
    pub used_at: i64,
}

/// Every session of a user who may log in.
pub(super) fn all(conn: &Connection) -> Result<Vec<StoredSession>, Reject> {
    let sql = "
        SELECT s.token_hash, u.id, u.username, u.role, s.created_at, s.used_at
        FROM sessions AS s JOIN users AS u ON u.id = s.user_id WHERE NOT u.disabled";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let sessions = statement.query_map([], |row| {
        let role: String = row.get(3)?;
        Ok(StoredSession {
            token_hash: TokenHash(row.get(0)?),
            user_id: row.get(1)?,
            username: row.get(2)?,
            role: Role::named(&role).unwrap_or(Role::Display),
            created_at: row.get(4)?,
            used_at: row.get(5)?,
        })
    });
    sessions.and_then(Iterator::collect).map_err(failed)
}

/// Forgets all but the most recently used: there may be more of an earlier run, which had more room.
pub(super) fn keep_newest(conn: &Connection, most: usize) -> Result<(), Reject> {
    let sql = "
        DELETE FROM sessions WHERE token_hash IN
            (SELECT token_hash FROM sessions ORDER BY used_at DESC LIMIT -1 OFFSET ?)";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    conn.execute(sql, [most]).map(drop).map_err(failed)
}

/// The newest time in the table; 0 where it is empty.
pub(super) fn last_at(conn: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(max(created_at, used_at)), 0) FROM sessions";
    conn.query_row(sql, [], |row| row.get(0))
}

/// Moves all times ahead.
pub(super) fn shift(conn: &Connection, ahead: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE sessions SET created_at = created_at + ?1, used_at = used_at + ?1";
    conn.prepare_cached(sql)?.execute([ahead]).map(drop)
}

/// Keeps a new session.
pub(super) fn add(tx: &WriteTx<'_>, token_hash: &TokenHash, user_id: i64) -> Result<(), Reject> {
    let sql = "INSERT INTO sessions (token_hash, user_id, created_at, used_at) VALUES (?, ?, ?, ?)";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((token_hash.0, user_id, tx.now, tx.now)).map_err(failed)?;
    Ok(())
}

/// Forgets sessions.
pub(super) fn remove(tx: &WriteTx<'_>, token_hashes: &[TokenHash]) -> Result<(), Reject> {
    let mut statement =
        tx.conn.prepare_cached("DELETE FROM sessions WHERE token_hash = ?").map_err(failed)?;
    for token_hash in token_hashes {
        statement.execute([token_hash.0]).map_err(failed)?;
    }
    Ok(())
}

/// Forgets a user's sessions but one.
pub(super) fn remove_of_user(
    tx: &WriteTx<'_>,
    user_id: i64,
    but: Option<&TokenHash>,
) -> Result<(), Reject> {
    let sql = "DELETE FROM sessions WHERE user_id = ? AND token_hash IS NOT ?";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((user_id, but.map(|but| but.0))).map_err(failed)?;
    Ok(())
}

/// Writes down that sessions were used, as long ago as told, in milliseconds.
pub(super) fn touch(tx: &WriteTx<'_>, used: &[(TokenHash, i64)]) -> Result<(), Reject> {
    let sql = "UPDATE sessions SET used_at = ? WHERE token_hash = ?";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    for (token_hash, ago) in used {
        statement.execute((tx.now - ago, token_hash.0)).map_err(failed)?;
    }
    Ok(())
}
