//! The table of sessions, by the hash of their token.

use std::time::Instant;

use rusqlite::{Connection, OptionalExtension};

use crate::domain::{Reject, User};
use crate::limits::SESSIONS_PER_USER_MAX;
use crate::store::caller::Caller;
use crate::store::error::failed;
use crate::store::session::{
    NewSession, Revocation, SessionChange, SessionRoom, StoredSession, TokenHash,
};
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

/// Rejects a caller whose session has ended. The writer also ends sessions, so a command comes either
/// before that end or after it. A user's new role, like the user's end, removes the sessions in its own
/// transaction, so a session that is there has its principal's role.
pub(super) fn check_caller(conn: &Connection, caller: &Caller) -> Result<(), Reject> {
    let Some(user_id) = caller.principal.user_id() else { return Ok(()) };
    let credential = caller.credential.filter(|credential| credential.expires > Instant::now());
    let credential = credential.ok_or(Reject::SessionEnded)?;
    let sql = "SELECT user_id FROM sessions WHERE token_hash = ?";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let owner = statement.query_row([credential.token_hash.0], |row| row.get::<_, i64>(0));
    if owner.optional().map_err(failed)? == Some(user_id) {
        Ok(())
    } else {
        Err(Reject::SessionEnded)
    }
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
/// displaces. Returns the users of the displaced ones.
pub(super) fn add(
    tx: &mut WriteTx<'_>,
    user: User,
    new: &NewSession,
    room: &SessionRoom,
) -> Result<Vec<i64>, Reject> {
    let NewSession { token_hash, replaced, .. } = new;
    let sql = "INSERT INTO sessions (token_hash, user_id, created_at, used_at) VALUES (?, ?, ?, ?)";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((token_hash.0, user.id, tx.now, tx.now)).map_err(failed)?;
    delete(tx.conn, replaced)?;
    let displaced = displace(tx.conn, user.id, token_hash, room)?;
    let (owners, displaced) = displaced.into_iter().unzip();
    let session = StoredSession {
        token_hash: *token_hash,
        user_id: user.id,
        username: user.username,
        role: user.role,
        created_at: tx.now,
        used_at: tx.now,
    };
    let replaced = replaced.clone();
    tx.outbox.session_changes.push(SessionChange::LoggedIn { session, replaced, displaced });
    Ok(owners)
}

/// Removes the sessions that are too many after a login, and returns them with their users: first
/// of the user who logs in, then of the user with the most, who is somebody else only if nobody has
/// less than a fair share.
fn displace(
    conn: &Connection,
    user_id: i64,
    new: &TokenHash,
    room: &SessionRoom,
) -> Result<Vec<(i64, TokenHash)>, Reject> {
    let own =
        longest_unused(conn, user_id, new, room, |own| own.saturating_sub(SESSIONS_PER_USER_MAX))?;
    delete(conn, &own)?;
    let mut displaced: Vec<_> = own.into_iter().map(|one| (user_id, one)).collect();
    let mut count = conn.prepare_cached("SELECT count(*) FROM sessions").map_err(failed)?;
    let all: u32 = count.query_row([], |row| row.get(0)).map_err(failed)?;
    let excess = (all as usize).saturating_sub(room.capacity);
    if excess > 0 {
        let sql = "
            SELECT user_id FROM sessions GROUP BY user_id
            ORDER BY count(*) DESC, user_id = ? DESC LIMIT 1";
        let mut most = conn.prepare_cached(sql).map_err(failed)?;
        let most = most.query_row([user_id], |row| row.get(0)).map_err(failed)?;
        let others = longest_unused(conn, most, new, room, |_| excess)?;
        delete(conn, &others)?;
        displaced.extend(others.into_iter().map(|one| (most, one)));
    }
    Ok(displaced)
}

/// Those of a user's sessions that were unused for the longest, `excess` of how many there are. The new one
/// is never among them.
fn longest_unused(
    conn: &Connection,
    user_id: i64,
    new: &TokenHash,
    room: &SessionRoom,
    excess: impl Fn(usize) -> usize,
) -> Result<Vec<TokenHash>, Reject> {
    let sql = "SELECT token_hash FROM sessions WHERE user_id = ?";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let own = statement.query_map([user_id], |row| row.get(0).map(TokenHash));
    let mut own: Vec<TokenHash> = own.and_then(Iterator::collect).map_err(failed)?;
    let excess = excess(own.len());
    own.retain(|one| one != new);
    own.sort_by_cached_key(&room.last_used);
    own.truncate(excess);
    Ok(own)
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::domain::{Principal, Role, Secret};
    use crate::store::session::{Credential, LoginClient};
    use crate::store::test_shop;

    /// Logs users in, each session used after those before it but where `used` says otherwise.
    struct Shop<'c> {
        tx: WriteTx<'c>,
        users: Vec<User>,
        capacity: usize,
        used: fn(u32) -> u64,
        logins: u32,
    }

    fn hash(number: u32) -> TokenHash {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        TokenHash(bytes)
    }

    fn number(TokenHash([a, b, c, d, ..]): &TokenHash) -> u32 {
        u32::from_be_bytes([*a, *b, *c, *d])
    }

    fn shop<'c>(conn: &'c Connection, names: &[&str], capacity: usize) -> Shop<'c> {
        let tx = test_shop::transaction(conn);
        let add = |name: &&str| test_shop::add_user(&tx, name, Role::Admin);
        let users = names.iter().map(add).collect();
        Shop { tx, users, capacity, used: u64::from, logins: 0 }
    }

    impl Shop<'_> {
        /// The session that ends with one more login of a user.
        fn log_in(&mut self, user: usize) -> Option<u32> {
            let user = self.users[user].clone();
            self.logins += 1;
            let new = NewSession {
                token_hash: hash(self.logins),
                username: user.username.clone(),
                password_hash: Secret::default(),
                renewed_hash: None,
                replaced: Vec::new(),
                client: LoginClient { address: Ipv4Addr::LOCALHOST.into(), browser: Vec::new() },
                browser_token: hash(self.logins),
            };
            let time = self.used;
            let last_used = Box::new(move |one: &TokenHash| time(number(one)));
            let room = SessionRoom { capacity: self.capacity, last_used };
            add(&mut self.tx, user, &new, &room).unwrap();
            let Some(SessionChange::LoggedIn { displaced, .. }) =
                self.tx.outbox.session_changes.pop()
            else {
                panic!("a login tells of itself")
            };
            assert!(displaced.len() <= 1, "{displaced:?}");
            displaced.first().map(number)
        }

        fn sessions_of(&self, user: usize) -> usize {
            let sessions = all(self.tx.conn).unwrap();
            sessions.iter().filter(|one| one.user_id == self.users[user].id).count()
        }
    }

    #[test]
    fn a_user_above_the_bound_loses_the_session_unused_the_longest() {
        let conn = test_shop::new();
        let mut shop = shop(&conn, &["kiosk", "admin"], 1_000);
        assert_eq!(shop.log_in(1), None);
        // The second session is the user's oldest, and the one that is used most lately.
        shop.used = |number| if number == 2 { u64::MAX } else { number.into() };
        for _ in 0..SESSIONS_PER_USER_MAX {
            assert_eq!(shop.log_in(0), None);
        }
        assert_eq!([shop.log_in(0), shop.log_in(0)], [Some(3), Some(4)]);
        assert_eq!((shop.sessions_of(0), shop.sessions_of(1)), (SESSIONS_PER_USER_MAX, 1));
    }

    #[test]
    fn a_full_table_makes_room_within_the_user_with_the_most() {
        let conn = test_shop::new();
        let mut shop = shop(&conn, &["kiosk", "admin", "staff"], 9);
        let mut log_in = |users: &[usize]| users.iter().map(|user| shop.log_in(*user)).collect();
        let none: Vec<Option<u32>> = log_in(&[1, 1, 2, 0, 0, 0, 0, 0, 0]);
        assert_eq!(none, [None; 9]);
        // The kiosk ends its own; so does another's login, until nobody has more than the others.
        let ended: Vec<_> = log_in(&[0, 1, 2, 2, 1]);
        assert_eq!(ended, [4, 5, 6, 7, 1].map(Some));
        assert_eq!([0, 1, 2].map(|user| shop.sessions_of(user)), [3, 3, 3]);
    }

    /// Expired sessions are removed a moment later, so the row alone does not give the right.
    #[test]
    fn a_caller_has_the_right_of_its_own_session_until_that_expires() {
        let conn = test_shop::new();
        let mut shop = shop(&conn, &["ana", "bob"], 9);
        assert_eq!([shop.log_in(0), shop.log_in(1)], [None; 2]);
        let ana = Principal::User { id: shop.users[0].id, role: Role::Admin };
        let check = |session, expires| {
            let credential = Some(Credential { token_hash: hash(session), expires });
            check_caller(&conn, &Caller { principal: ana, address: None, credential })
        };
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(3600));
        let ended = Err(Reject::SessionEnded);
        assert_eq!(check(1, later), Ok(()));
        assert_eq!(check(1, now), ended, "expired");
        assert_eq!(check(2, later), ended, "another's");
        assert_eq!(check(3, later), ended, "unknown");
        let none = Caller { principal: ana, address: None, credential: None };
        assert_eq!(check_caller(&conn, &none), ended);
        remove(&mut shop.tx, &[hash(1)]).unwrap();
        assert_eq!(check(1, later), ended, "removed");
        assert_eq!(check_caller(&conn, &Caller::CONSOLE), Ok(()));
    }
}
