//! One command's view of the writer's open transaction.

use rusqlite::Connection;

use crate::domain::event::Event;

/// One command's view of the open transaction.
pub(super) struct WriteTx<'c> {
    pub(super) conn: &'c Connection,
    /// The time of everything in this transaction; never before that of an earlier one.
    pub(super) now: i64,
    /// For how many milliseconds the shop was served by then; 0 in a program that is not the server.
    pub(super) served: i64,
    pub(super) head: i64,
    pub(super) events: Vec<Event>,
}

impl WriteTx<'_> {
    /// The `seq` of the next event.
    pub(super) fn next_seq(&self) -> i64 {
        self.head + 1
    }
}
