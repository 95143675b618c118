//! The open write transaction as a command sees it.

use rusqlite::Connection;

use crate::domain::event::Event;

/// The open write transaction as a command sees it.
pub(super) struct WriteTx<'c> {
    pub(super) conn: &'c Connection,
    /// The time of everything in this transaction, never before that of an earlier one.
    /// Milliseconds since 1970, UTC.
    pub(super) now: i64,
    /// How long the shop has been served in all its runs, in milliseconds; 0 in a program that is
    /// not the server.
    pub(super) uptime: i64,
    /// The newest `seq`, this transaction's events included.
    pub(super) head: i64,
    /// The events of this transaction, in the order of `seq`.
    pub(super) events: Vec<Event>,
}

impl WriteTx<'_> {
    /// The `seq` of the next event.
    pub(super) fn next_seq(&self) -> i64 {
        self.head + 1
    }
}
