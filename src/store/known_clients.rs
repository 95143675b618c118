//! The table of the clients from which users have logged in before: browsers and networks. Others' failures do
//! not keep a user out there.

use rusqlite::Connection;
use rusqlite::types::{ToSql, ToSqlOutput};

use crate::domain::Reject;
use crate::limits::KNOWN_CLIENTS_PER_USER;
use crate::store::columns::Address;
use crate::store::error::failed;
use crate::store::session::{LoginClient, TokenHash};
use crate::store::write_tx::WriteTx;
use crate::throttle::AddressPrefix;

/// How a client is known as a user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownClient {
    /// As a browser, by this token.
    Browser(TokenHash),
    /// By its address.
    Address,
    /// Not at all, or there is no such user.
    Unknown,
}

/// A client's key in the table.
#[derive(Clone, Copy)]
enum Key {
    Browser(TokenHash),
    Address(AddressPrefix),
}

impl ToSql for Key {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Browser(token) => token.0.to_vec(),
            Self::Address(prefix) => Address(prefix.first()).bytes(),
        }
        .into())
    }
}

/// How a client is known as that user's.
pub(super) fn find(
    conn: &Connection,
    username: &str,
    client: &LoginClient,
) -> Result<KnownClient, Reject> {
    let sql = "
        SELECT 1 FROM known_clients WHERE client = ?
        AND user_id = (SELECT id FROM users WHERE username = ?)";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let mut is_known = |key| statement.exists((key, username)).map_err(failed);
    for token in &client.browser {
        if is_known(Key::Browser(*token))? {
            return Ok(KnownClient::Browser(*token));
        }
    }
    let by_address = is_known(Key::Address(client.address))?;
    Ok(if by_address { KnownClient::Address } else { KnownClient::Unknown })
}

/// Notes a login. The browser gets another token, which stands for all users that it was known for: a token that
/// somebody planted there, or has copied, is worth nothing from now on.
pub(super) fn note(
    tx: &WriteTx<'_>,
    user_id: i64,
    client: &LoginClient,
    token: TokenHash,
) -> Result<(), Reject> {
    let sql = "UPDATE OR REPLACE known_clients SET client = ?, returned = 1 WHERE client = ?";
    let mut renew = tx.conn.prepare_cached(sql).map_err(failed)?;
    for before in &client.browser {
        renew.execute((Key::Browser(token), Key::Browser(*before))).map_err(failed)?;
    }
    let sql = "
        INSERT OR REPLACE INTO known_clients (client, user_id, returned)
        VALUES (?1, ?2, EXISTS (SELECT 1 FROM known_clients WHERE client = ?1 AND user_id = ?2))";
    let mut add = tx.conn.prepare_cached(sql).map_err(failed)?;
    for key in [Key::Browser(token), Key::Address(client.address)] {
        add.execute((key, user_id)).map_err(failed)?;
    }
    // A program that logs in without cookies is a new browser each time: those that came back stay.
    let sql = "
        DELETE FROM known_clients WHERE id IN
            (SELECT id FROM known_clients WHERE user_id = ?
             ORDER BY returned DESC, id DESC LIMIT -1 OFFSET ?)";
    let mut bound = tx.conn.prepare_cached(sql).map_err(failed)?;
    bound.execute((user_id, KNOWN_CLIENTS_PER_USER)).map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::domain::Role;
    use crate::store::test_shop;

    fn token(number: u8) -> TokenHash {
        TokenHash([number; 32])
    }

    fn client(address: &str, browser: &[u8]) -> LoginClient {
        let address = address.parse::<IpAddr>().unwrap().into();
        LoginClient { address, browser: browser.iter().copied().map(token).collect() }
    }

    fn with_users(test: impl FnOnce(&WriteTx<'_>)) {
        let conn = test_shop::new();
        let tx = test_shop::transaction(&conn);
        for name in ["ana", "ben"] {
            test_shop::add_user(&tx, name, Role::Admin);
        }
        test(&tx);
    }

    #[test]
    fn a_browser_is_known_for_each_of_its_users_by_its_newest_token() {
        with_users(|tx| {
            let find = |name, address, browser: &[u8]| {
                find(tx.conn, name, &client(address, browser)).unwrap()
            };
            note(tx, 1, &client("10.0.0.1", &[]), token(1)).unwrap();
            note(tx, 2, &client("10.0.0.2", &[1, 9]), token(2)).unwrap();
            for name in ["ana", "ANA", "ben"] {
                assert_eq!(find(name, "10.0.0.3", &[9, 2]), KnownClient::Browser(token(2)));
                assert_eq!(find(name, "10.0.0.3", &[1]), KnownClient::Unknown);
            }
            assert_eq!(find("ana", "10.0.0.1", &[1]), KnownClient::Address);
            assert_eq!(find("ana", "10.0.0.2", &[]), KnownClient::Unknown);
            assert_eq!(find("carl", "10.0.0.1", &[2]), KnownClient::Unknown);
            note(tx, 1, &client("2001:db8::1", &[]), token(3)).unwrap();
            assert_eq!(find("ana", "2001:db8::2", &[]), KnownClient::Address);
            tx.conn.execute("DELETE FROM users WHERE id = 1", []).unwrap();
            assert_eq!(find("ana", "10.0.0.1", &[2]), KnownClient::Unknown);
        });
    }

    #[test]
    fn clients_that_came_back_are_kept_before_those_that_did_not() {
        with_users(|tx| {
            note(tx, 1, &client("10.0.0.1", &[]), token(1)).unwrap();
            note(tx, 1, &client("10.0.0.1", &[1]), token(2)).unwrap();
            note(tx, 2, &client("10.0.0.2", &[]), token(3)).unwrap();
            for number in 10..210 {
                note(tx, 1, &client(&format!("10.0.1.{number}"), &[]), token(number)).unwrap();
            }
            let find =
                |name, address, number| find(tx.conn, name, &client(address, &[number])).unwrap();
            assert_eq!(find("ana", "10.9.9.9", 2), KnownClient::Browser(token(2)));
            assert_eq!(find("ana", "10.0.0.1", 0), KnownClient::Address);
            assert_eq!(find("ben", "10.9.9.9", 3), KnownClient::Browser(token(3)));
            assert_eq!(find("ana", "10.9.9.9", 209), KnownClient::Browser(token(209)));
            assert_eq!(find("ana", "10.9.9.9", 10), KnownClient::Unknown);
            let sql = "SELECT count(*) FROM known_clients WHERE user_id = 1";
            let count: i64 = tx.conn.query_row(sql, [], |row| row.get(0)).unwrap();
            assert_eq!(count, KNOWN_CLIENTS_PER_USER);
        });
    }
}
