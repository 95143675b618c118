//! The table of sessions, by the hash of their token.

use std::time::Instant;

use rusqlite::Connection;

use crate::domain::{Principal, Reject, User};
use crate::store::audit::Caller;
use crate::store::error::failed;
use crate::store::session::{NewSession, Revocation, SessionChange, StoredSession, TokenHash};
use crate::store::write_tx::WriteTx;

/// Every session of a user who may log in.
pub(super) fn all(conn: &Connection) -> Result<Vec<StoredSession>, Reject> {
    let sql = "
        SELECT s.token_hash, u.id, u.username, u.role, s.created_at, s.used_at
        FROM sessions AS s JOIN users AS u ON u.id = s.user_id WHERE NOT u.disabled";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let sessions = statement.query_map([], |row| {
        Ok(StoredSession {
            token_hash: TokenHash(row.get(0)?),
            user_id: row.get(1)?,
            username: row.get(2)?,
            role: row.get(3)?,
            created_at: row.get(4)?,
            used_at: row.get(5)?,
        })
    });
    sessions.and_then(Iterator::collect).map_err(failed)
}

/// Rejects a caller whose session has ended or whose role has changed. The writer also ends
/// sessions, so a command comes either before that end or after it.
pub(super) fn check_caller(conn: &Connection, caller: &Caller) -> Result<(), Reject> {
    let Principal::User { id, role } = caller.principal else { return Ok(()) };
    let credential = caller.credential.filter(|credential| credential.expires > Instant::now());
    let credential = credential.ok_or(Reject::SessionEnded)?;
    let sql = "
        SELECT 1 FROM sessions JOIN users ON users.id = sessions.user_id
        WHERE token_hash = ? AND user_id = ? AND role = ? AND NOT disabled";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let lives = statement.exists((credential.token_hash.0, id, role.name())).map_err(failed)?;
    if lives { Ok(()) } else { Err(Reject::SessionEnded) }
}

/// Removes all sessions but the `most` that were used last: an earlier run may have allowed more.
pub(super) fn keep_newest(conn: &Connection, most: usize) -> Result<(), Reject> {
    let sql = "
        DELETE FROM sessions WHERE token_hash IN
            (SELECT token_hash FROM sessions ORDER BY used_at DESC LIMIT -1 OFFSET ?)";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    conn.execute(sql, [most]).map_err(failed)?;
    Ok(())
}

/// The newest time in the table, in milliseconds since 1970, UTC; 0 if it is empty.
pub(super) fn last_at(conn: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(max(created_at, used_at)), 0) FROM sessions";
    conn.query_row(sql, [], |row| row.get(0))
}

/// Moves all times ahead by `step` milliseconds.
pub(super) fn shift(conn: &Connection, step: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE sessions SET created_at = created_at + ?1, used_at = used_at + ?1";
    conn.prepare_cached(sql)?.execute([step])?;
    Ok(())
}

/// Stores the session of a user who logs in, and removes the sessions that it replaces or
/// displaces.
pub(super) fn add(tx: &mut WriteTx<'_>, user: User, new: &NewSession) -> Result<(), Reject> {
    let NewSession { token_hash, replaced, displaced, .. } = new;
    let sql = "INSERT INTO sessions (token_hash, user_id, created_at, used_at) VALUES (?, ?, ?, ?)";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((token_hash.0, user.id, tx.now, tx.now)).map_err(failed)?;
    delete(tx.conn, replaced.iter().chain(displaced))?;
    let session = StoredSession {
        token_hash: *token_hash,
        user_id: user.id,
        username: user.username,
        role: user.role,
        created_at: tx.now,
        used_at: tx.now,
    };
    let (replaced, displaced) = (replaced.clone(), displaced.clone());
    tx.outbox.session_changes.push(SessionChange::LoggedIn { session, replaced, displaced });
    Ok(())
}

/// Removes sessions.
pub(super) fn remove(tx: &mut WriteTx<'_>, token_hashes: &[TokenHash]) -> Result<(), Reject> {
    delete(tx.conn, token_hashes)?;
    tx.outbox.session_changes.push(SessionChange::Removed(token_hashes.to_vec()));
    Ok(())
}

fn delete<'t>(
    conn: &Connection,
    token_hashes: impl IntoIterator<Item = &'t TokenHash>,
) -> Result<(), Reject> {
    let sql = "DELETE FROM sessions WHERE token_hash = ?";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    for token_hash in token_hashes {
        statement.execute([token_hash.0]).map_err(failed)?;
    }
    Ok(())
}

/// Removes all sessions of a user except `except`.
pub(super) fn revoke(
    tx: &mut WriteTx<'_>,
    user_id: i64,
    reason: Revocation,
    except: Option<TokenHash>,
) -> Result<(), Reject> {
    let sql = "DELETE FROM sessions WHERE user_id = ? AND token_hash IS NOT ?";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((user_id, except.map(|except| except.0))).map_err(failed)?;
    tx.outbox.session_changes.push(SessionChange::Revoked { user_id, reason, except });
    Ok(())
}

/// Records when sessions were last used, each in milliseconds before now.
pub(super) fn touch(tx: &WriteTx<'_>, used: &[(TokenHash, i64)]) -> Result<(), Reject> {
    let sql = "UPDATE sessions SET used_at = ? WHERE token_hash = ?";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    for (token_hash, ago) in used {
        statement.execute((tx.now - ago, token_hash.0)).map_err(failed)?;
    }
    Ok(())
}
