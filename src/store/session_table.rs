//! The table of sessions, by the hash of their token.

use std::time::Instant;

use rusqlite::{Connection, OptionalExtension};

use crate::domain::{Principal, Reject};
use crate::limits::{DEVICES_MAX, SESSIONS_PER_USER_MAX};
use crate::store::caller::Caller;
use crate::store::columns::Address;
use crate::store::error::failed;
use crate::store::session::{
    Revocation, SessionChange, SessionRoom, SessionUse, StoredSession, TokenHash,
};
use crate::store::write_tx::WriteTx;

/// Every session of a device, and of a user who may log in.
pub(super) fn all(conn: &Connection) -> Result<Vec<StoredSession>, Reject> {
    let sql = "
        SELECT s.token_hash, u.id, u.role, u.device_name IS NOT NULL, s.created_at, s.used_at, s.address
        FROM sessions AS s JOIN users AS u ON u.id = s.user_id WHERE NOT u.disabled";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let sessions = statement.query_map([], |row| {
        let (id, role) = (row.get(1)?, row.get(2)?);
        Ok(StoredSession {
            token_hash: TokenHash(row.get(0)?),
            principal: if row.get(3)? {
                Principal::Device { id, role }
            } else {
                Principal::User { id, role }
            },
            created_at: row.get(4)?,
            used_at: row.get(5)?,
            address: row.get::<_, Option<Address>>(6)?.map(|Address(address)| address),
        })
    });
    sessions.and_then(Iterator::collect).map_err(failed)
}

/// Rejects a caller whose session has ended. The writer also ends sessions, so a command comes either
/// before that end or after it. A user's new role ends the sessions; a device's leaves its session, so a caller
/// with the old role has lost the right too.
pub(super) fn check_caller(conn: &Connection, caller: &Caller) -> Result<(), Reject> {
    let Some(id) = caller.principal.id() else { return Ok(()) };
    let credential = caller.credential.filter(|credential| credential.expires > Instant::now());
    let credential = credential.ok_or(Reject::SessionEnded)?;
    let sql = "
        SELECT 1 FROM sessions AS s JOIN users AS u ON u.id = s.user_id
        WHERE s.token_hash = ? AND u.id = ? AND u.role = ?";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let held = (credential.token_hash.0, id, caller.principal.role().name());
    if statement.exists(held).map_err(failed)? { Ok(()) } else { Err(Reject::SessionEnded) }
}

/// Removes the sessions that are too many, because an earlier run may have allowed more: all but the newest
/// `DEVICES_MAX` of devices, and all but the `most` together that were used last.
pub(super) fn keep_newest(conn: &Connection, most: usize) -> Result<(), Reject> {
    let sql = "
        DELETE FROM sessions WHERE token_hash IN
            (SELECT token_hash FROM sessions JOIN users ON id = user_id
             WHERE device_name IS NOT NULL ORDER BY id DESC LIMIT -1 OFFSET ?)";
    conn.execute(sql, [DEVICES_MAX]).map_err(failed)?;
    let sql = "
        DELETE FROM sessions WHERE token_hash IN
            (SELECT token_hash FROM sessions JOIN users ON id = user_id
             ORDER BY device_name IS NOT NULL DESC, used_at DESC LIMIT -1 OFFSET ?)";
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

/// Stores a session that begins now, and removes those that it replaces or displaces. Returns the users of the
/// displaced ones.
pub(super) fn open(
    tx: &mut WriteTx<'_>,
    principal: Principal,
    token_hash: TokenHash,
    replaced: &[TokenHash],
    room: &SessionRoom,
) -> Result<Vec<i64>, Reject> {
    let id = principal.id().ok_or(Reject::NotFound)?;
    let sql = "INSERT INTO sessions (token_hash, user_id, created_at, used_at) VALUES (?, ?, ?, ?)";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((token_hash.0, id, tx.now, tx.now)).map_err(failed)?;
    delete(tx.conn, replaced)?;
    let displaced = displace(tx.conn, id, &token_hash, room)?;
    let (owners, displaced) = displaced.into_iter().unzip();
    let (created_at, used_at, address) = (tx.now, tx.now, None);
    let session = StoredSession { token_hash, principal, created_at, used_at, address };
    let replaced = replaced.to_vec();
    tx.outbox.session_changes.push(SessionChange::Opened { session, replaced, displaced });
    Ok(owners)
}

/// Removes the sessions that are too many with a new one, and returns them with their users: first of the
/// principal whose new one it is, then of the user with the most, who is somebody else only if nobody has less than
/// a fair share. Devices keep theirs.
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
            SELECT user_id FROM sessions
            WHERE user_id NOT IN (SELECT id FROM users WHERE device_name IS NOT NULL)
            GROUP BY user_id ORDER BY count(*) DESC, user_id = ? DESC LIMIT 1";
        let mut most = conn.prepare_cached(sql).map_err(failed)?;
        if let Some(most) =
            most.query_row([user_id], |row| row.get(0)).optional().map_err(failed)?
        {
            let others = longest_unused(conn, most, new, room, |_| excess)?;
            delete(conn, &others)?;
            displaced.extend(others.into_iter().map(|one| (most, one)));
        }
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

/// Removes all sessions of a user or device except `except`.
pub(super) fn revoke(
    tx: &mut WriteTx<'_>,
    id: i64,
    reason: Revocation,
    except: Option<TokenHash>,
) -> Result<(), Reject> {
    let sql = "DELETE FROM sessions WHERE user_id = ? AND token_hash IS NOT ?";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((id, except.map(|except| except.0))).map_err(failed)?;
    tx.outbox.session_changes.push(SessionChange::Revoked { id, reason, except });
    Ok(())
}

/// Records when sessions were last used.
pub(super) fn touch(tx: &WriteTx<'_>, used: &[SessionUse]) -> Result<(), Reject> {
    let sql = "
        UPDATE sessions SET used_at = ?, address = coalesce(?, address) WHERE token_hash = ?";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    for SessionUse { token_hash, ago_ms, address } in used {
        statement.execute((tx.now - ago_ms, address.map(Address), token_hash.0)).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{Role, User};
    use crate::store::session::Credential;
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
            let User { id, role, .. } = self.users[user];
            self.logins += 1;
            let time = self.used;
            let last_used = Box::new(move |one: &TokenHash| time(number(one)));
            let room = SessionRoom { capacity: self.capacity, last_used };
            let principal = Principal::User { id, role };
            open(&mut self.tx, principal, hash(self.logins), &[], &room).unwrap();
            let Some(SessionChange::Opened { displaced, .. }) =
                self.tx.outbox.session_changes.pop()
            else {
                panic!("a login tells of itself")
            };
            assert!(displaced.len() <= 1, "{displaced:?}");
            displaced.first().map(number)
        }

        fn sessions_of(&self, user: usize) -> usize {
            let sessions = all(self.tx.conn).unwrap();
            sessions.iter().filter(|one| one.principal.id() == Some(self.users[user].id)).count()
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

    /// A device has only one, and nobody who could give it another.
    #[test]
    fn a_full_table_takes_no_device_its_session() {
        let conn = test_shop::new();
        let mut shop = shop(&conn, &["ana", "ben"], 4);
        let sql = "INSERT INTO users (device_name, role, created_at, updated_at) VALUES ('x', 'kiosk', 0, 0)";
        let add = |shop: &mut Shop<'_>, number| {
            conn.execute(sql, []).unwrap();
            let room = SessionRoom { capacity: 4, last_used: Box::new(|_| 0) };
            let device = Principal::Device { id: conn.last_insert_rowid(), role: Role::Kiosk };
            open(&mut shop.tx, device, hash(number), &[], &room).unwrap().len()
        };
        assert_eq!([1_000, 1_001].map(|number| add(&mut shop, number)), [0; 2]);
        assert_eq!([shop.log_in(0), shop.log_in(1)], [None; 2]);
        let displaced = [1_002, 1_003, 1_004].map(|number| add(&mut shop, number));
        assert_eq!(displaced, [1, 1, 0], "no user has one left");
        keep_newest(&conn, 4).unwrap();
        assert_eq!(all(&conn).unwrap().len(), 4);
        assert!(all(&conn).unwrap().iter().all(|one| one.principal.is_device()));
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
        // A device's session outlives a change of its role; a request that waits for the writer does not.
        conn.execute("UPDATE users SET role = 'staff' WHERE username = 'ana'", []).unwrap();
        assert_eq!(check(1, later), ended, "another role");
        conn.execute("UPDATE users SET role = 'admin' WHERE username = 'ana'", []).unwrap();
        assert_eq!(check(1, later), Ok(()));
        remove(&mut shop.tx, &[hash(1)]).unwrap();
        assert_eq!(check(1, later), ended, "removed");
        assert_eq!(check_caller(&conn, &Caller::CONSOLE), Ok(()));
    }
}
