//! The open write transaction, and the messages that leave after its commit.

use rusqlite::Connection;

use crate::domain::event::Event;
use crate::domain::{KindSet, ShopTerms};
use crate::store::session::SessionChange;

/// The open write transaction as a command sees it.
pub(super) struct WriteTx<'c> {
    pub(super) conn: &'c Connection,
    /// The time of everything in this transaction, never before that of an earlier one.
    /// Milliseconds since 1970, UTC.
    pub(super) now: i64,
    /// The uptime of all runs, in milliseconds; 0 in a program that is not the server.
    pub(super) uptime: i64,
    /// The terms on which the shop sells, with the changes of this transaction.
    pub(super) shop: HeldTerms,
    /// The newest `seq`, including this transaction's events.
    pub(super) head: i64,
    /// The `seq` of the next event.
    pub(super) next_seq: i64,
    pub(super) outbox: Outbox,
}

/// The shop's terms as the writer keeps them from one transaction to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeldTerms {
    pub(super) terms: ShopTerms,
    /// Whether `--tax` sets the tax mode, so that no request may.
    pub(super) tax_is_set: bool,
}

/// The messages of a transaction to the rest of the program. They leave after the commit, or never.
#[derive(Default)]
pub(super) struct Outbox {
    /// In the order of `seq`.
    pub(super) events: Vec<Event>,
    /// In the order in which they were made.
    pub(super) session_changes: Vec<SessionChange>,
    /// The kinds whose older events were rewritten, so that no copy of them may be sent. A rewind
    /// does not undo this: a copy that is dropped without need is read from the log again.
    pub(super) rewritten: KindSet,
}

/// The state of a transaction before a command.
pub(super) struct Savepoint {
    shop: HeldTerms,
    head: i64,
    next_seq: i64,
    events: usize,
    session_changes: usize,
}

impl WriteTx<'_> {
    /// The present state.
    pub(super) fn savepoint(&self) -> Savepoint {
        let Outbox { events, session_changes, .. } = &self.outbox;
        Savepoint {
            shop: self.shop,
            head: self.head,
            next_seq: self.next_seq,
            events: events.len(),
            session_changes: session_changes.len(),
        }
    }

    /// Drops everything after the savepoint, as the database did before.
    pub(super) fn rewind(&mut self, savepoint: &Savepoint) {
        self.shop = savepoint.shop;
        (self.head, self.next_seq) = (savepoint.head, savepoint.next_seq);
        self.outbox.events.truncate(savepoint.events);
        self.outbox.session_changes.truncate(savepoint.session_changes);
    }
}
