//! The codes of the links by which the first admin is made. Their hashes outlive a restart; none works once there is
//! an admin.

use std::net::IpAddr;

use rusqlite::Connection;

use crate::domain::{Precondition, Reject, Role, ShopPatch};
use crate::limits::{SETUP_CODE_LIFE, SETUP_CODES_MAX};
use crate::store::caller::Actor;
use crate::store::error::failed;
use crate::store::session::{LoggedIn, NewSession, SessionRoom, TokenHash};
use crate::store::users::{self, NewUser};
use crate::store::write_tx::WriteTx;
use crate::store::{logins, shop_profile};

/// The worth of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupCode {
    /// It makes the first admin.
    Valid,
    /// The shop has an admin, or the code has expired.
    Ended,
    /// No link has it.
    Wrong,
}

/// The worth of the code with this hash at the time `now`, in milliseconds since 1970, UTC.
pub(super) fn check(conn: &Connection, code: TokenHash, now: i64) -> Result<SetupCode, Reject> {
    if users::has_active_admin(conn)? {
        return Ok(SetupCode::Ended);
    }
    let mut statement =
        conn.prepare_cached("SELECT code_hash, created_at FROM setup_codes").map_err(failed)?;
    let stored = statement.query_map([], |row| Ok((TokenHash(row.get(0)?), row.get(1)?)));
    let stored: Vec<(TokenHash, i64)> = stored.and_then(Iterator::collect).map_err(failed)?;
    // Each is compared in full, so that the time tells nothing of how much fits.
    let mut created_at = None;
    for (one, at) in stored {
        created_at = if one.is_same(code) { Some(at) } else { created_at };
    }
    let life = i64::try_from(SETUP_CODE_LIFE.as_millis()).unwrap_or(i64::MAX);
    Ok(match created_at {
        Some(at) if now.saturating_sub(at) < life => SetupCode::Valid,
        Some(_) => SetupCode::Ended,
        None => SetupCode::Wrong,
    })
}

/// Adds a code. With `alone`, no earlier one works any more; else the oldest is forgotten where there are too many.
///
/// # Errors
/// `NotFound` if the shop has an admin.
pub(super) fn add(tx: &WriteTx<'_>, code: TokenHash, alone: bool) -> Result<(), Reject> {
    if users::has_active_admin(tx.conn)? {
        return Err(Reject::NotFound);
    }
    let kept = if alone { 0 } else { SETUP_CODES_MAX - 1 };
    let sql = "
        DELETE FROM setup_codes WHERE code_hash IN
            (SELECT code_hash FROM setup_codes ORDER BY created_at DESC LIMIT -1 OFFSET ?)";
    tx.conn.execute(sql, [kept]).map_err(failed)?;
    let sql = "INSERT INTO setup_codes (code_hash, created_at) VALUES (?, ?)";
    tx.conn.execute(sql, (code.0, tx.now)).map(drop).map_err(failed)
}

/// Makes the first admin, who is logged in then, and sets the shop. `None` if the code is not valid any more.
pub(super) fn set_up(
    tx: &mut WriteTx<'_>,
    code: TokenHash,
    session: &NewSession,
    room: &SessionRoom,
    shop: &ShopPatch,
    address: IpAddr,
) -> Result<Option<LoggedIn>, Reject> {
    if check(tx.conn, code, tx.now)? != SetupCode::Valid {
        return Ok(None);
    }
    let (username, password_hash) = (session.username.clone(), session.password_hash.clone());
    let new = NewUser { username, role: Role::Admin, password_hash };
    let user = users::add_by_itself(tx, &new, address)?;
    let actor = Actor { principal_id: Some(user.id), address: Some(address) };
    shop_profile::update(tx, shop, &Precondition::default(), actor)?;
    tx.conn.execute("DELETE FROM setup_codes", []).map_err(failed)?;
    logins::log_in(tx, user, session, room).map(Some)
}

/// The newest time in the table, in milliseconds since 1970, UTC; 0 if it is empty.
pub(super) fn last_at(conn: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(created_at), 0) FROM setup_codes";
    conn.query_row(sql, [], |row| row.get(0))
}

/// Moves all times ahead by `step` milliseconds.
pub(super) fn shift(conn: &Connection, step: i64) -> rusqlite::Result<()> {
    conn.execute("UPDATE setup_codes SET created_at = created_at + ?", [step]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_shop;

    const DAY: i64 = 24 * 60 * 60 * 1000;

    fn code(number: u8) -> TokenHash {
        TokenHash([number; 32])
    }

    fn worth(conn: &Connection, numbers: impl IntoIterator<Item = u8>, now: i64) -> Vec<SetupCode> {
        numbers.into_iter().map(|number| check(conn, code(number), now).unwrap()).collect()
    }

    #[test]
    fn a_code_is_valid_for_a_day_however_the_clock_is_set() {
        use SetupCode::{Ended, Valid, Wrong};
        let conn = test_shop::new();
        let tx = test_shop::transaction(&conn);
        add(&tx, code(1), false).unwrap();
        let at = tx.now;
        assert_eq!(worth(&conn, [1, 2], at), [Valid, Wrong]);
        assert_eq!(worth(&conn, [1], at + DAY - 1), [Valid]);
        assert_eq!(worth(&conn, [1, 2], at + DAY), [Ended, Wrong]);
        // A board without a battery learns the time after its start.
        shift(&conn, 400 * DAY).unwrap();
        assert_eq!(worth(&conn, [1], at + 401 * DAY - 1), [Valid]);
        assert_eq!(last_at(&conn), Ok(at + 400 * DAY));
    }

    #[test]
    fn the_newest_codes_are_kept_and_one_that_is_asked_for_stands_alone() {
        let conn = test_shop::new();
        let mut tx = test_shop::transaction(&conn);
        let most = u8::try_from(SETUP_CODES_MAX).unwrap();
        for number in 0..=most {
            tx.now += 1;
            add(&tx, code(number), false).unwrap();
        }
        let mut expected = vec![SetupCode::Valid; 1 + usize::from(most)];
        expected[0] = SetupCode::Wrong;
        assert_eq!(worth(&conn, 0..=most, tx.now), expected);
        add(&tx, code(99), true).unwrap();
        expected.fill(SetupCode::Wrong);
        assert_eq!(worth(&conn, 0..=most, tx.now), expected);
        assert_eq!(worth(&conn, [99], tx.now), [SetupCode::Valid]);
        test_shop::add_user(&tx, "kim", Role::Staff);
        assert_eq!(worth(&conn, [99], tx.now), [SetupCode::Valid]);
        test_shop::add_user(&tx, "ana", Role::Admin);
        assert_eq!(worth(&conn, [99, 1], tx.now), [SetupCode::Ended; 2]);
        assert_eq!(add(&tx, code(7), true), Err(Reject::NotFound));
    }
}
