//! A shop in memory, for unit tests.

use rusqlite::Connection;

use crate::domain::{Role, Secret, User};
use crate::store::caller::Caller;
use crate::store::database::MIGRATIONS;
use crate::store::schema;
use crate::store::shop_profile;
use crate::store::users::{self, NewUser};
use crate::store::write_tx::{Outbox, WriteTx};

/// The database of a new shop.
pub(super) fn new() -> Connection {
    schema::database(MIGRATIONS).unwrap()
}

/// A transaction whose first event is the log's first.
pub(super) fn transaction(conn: &Connection) -> WriteTx<'_> {
    WriteTx {
        conn,
        now: 1,
        uptime: 0,
        shop: shop_profile::settle(conn, None).unwrap(),
        head: 0,
        next_seq: 1,
        outbox: Outbox::default(),
    }
}

/// Adds a user with the password hash `hash`.
pub(super) fn add_user(tx: &WriteTx<'_>, name: &str, role: Role) -> User {
    let (username, password_hash) = (name.to_owned(), Secret("hash".to_owned()));
    users::add(tx, &NewUser { username, role, password_hash }, Caller::CONSOLE).unwrap()
}
