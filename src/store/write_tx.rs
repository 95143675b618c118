//! The open write transaction as a command sees it.

use rusqlite::Connection;

use crate::domain::KindSet;
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
    /// The `seq` of the next event.
    pub(super) next_seq: i64,
    pub(super) outbox: Outbox,
}

/// The messages of a transaction to the rest of the program. They leave after the commit, or never.
#[derive(Default)]
pub(super) struct Outbox {
    /// In the order of `seq`.
    pub(super) events: Vec<Event>,
    /// In the order in which they were made.
    pub(super) session_changes: Vec<SessionChange>,
    /// Kinds of which older events have another text now, so that no copy of them may be sent. Not
    /// undone by a rewind: a copy that is dropped for nothing is read from the log again.
    pub(super) rewritten: KindSet,
}

/// The state of a transaction before a command.
pub(super) struct Savepoint {
    head: i64,
    next_seq: i64,
    events: usize,
    session_changes: usize,
}

impl WriteTx<'_> {
    /// Its state now.
    pub(super) fn savepoint(&self) -> Savepoint {
        let Outbox { events, session_changes, .. } = &self.outbox;
        Savepoint {
            head: self.head,
            next_seq: self.next_seq,
            events: events.len(),
            session_changes: session_changes.len(),
        }
    }

    /// Forgets what came behind the savepoint, after the database did.
    pub(super) fn rewind(&mut self, savepoint: &Savepoint) {
        (self.head, self.next_seq) = (savepoint.head, savepoint.next_seq);
        self.outbox.events.truncate(savepoint.events);
        self.outbox.session_changes.truncate(savepoint.session_changes);
    }
}
