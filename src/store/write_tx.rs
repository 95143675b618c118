//! The open write transaction as a command sees it.

use rusqlite::Connection;

use crate::domain::event::Event;
use crate::store::session::SessionChange;

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
    pub(super) outbox: Outbox,
}

/// What a transaction has to tell the rest of the program. It leaves after the commit, or never.
#[derive(Default)]
pub(super) struct Outbox {
    /// In the order of `seq`.
    pub(super) events: Vec<Event>,
    /// In the order in which they were made.
    pub(super) session_changes: Vec<SessionChange>,
}

/// Where a transaction stood before a command.
pub(super) struct Mark {
    head: i64,
    events: usize,
    session_changes: usize,
}

impl<'c> WriteTx<'c> {
    /// A transaction that was just begun on a log with this head.
    pub(super) fn new(conn: &'c Connection, now: i64, uptime: i64, head: i64) -> Self {
        Self { conn, now, uptime, head, outbox: Outbox::default() }
    }

    /// The `seq` of the next event.
    pub(super) fn next_seq(&self) -> i64 {
        self.head + 1
    }

    /// Where it stands now.
    pub(super) fn mark(&self) -> Mark {
        let Outbox { events, session_changes } = &self.outbox;
        Mark { head: self.head, events: events.len(), session_changes: session_changes.len() }
    }

    /// Forgets what came behind the mark, after the database did.
    pub(super) fn rewind(&mut self, mark: &Mark) {
        self.head = mark.head;
        self.outbox.events.truncate(mark.events);
        self.outbox.session_changes.truncate(mark.session_changes);
    }
}
