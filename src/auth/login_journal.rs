//! The entries about logins on their way to the audit trail.
//!
//! They are stored later than the reply, which must not tell by its time which user names exist. Only names of
//! users get entries, and only so many of each kind: a stranger can neither fill the disk nor push other entries
//! out of the trail.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use crate::limits::{
    LOGIN_ENTRIES_KEPT, LOGIN_ENTRIES_PENDING_MAX, LOGIN_ENTRIES_PER_USER, LOGIN_WINDOW,
};
use crate::store::{Action, Actor, AuditRecord, AuditSubject};
use crate::sync;
use crate::throttle::Failures;

/// The entries that are not stored yet.
pub(super) struct LoginJournal {
    state: Mutex<State>,
    /// Held while entries are being stored, so that a reader of the trail waits for those on their way.
    storing: tokio::sync::Mutex<()>,
}

struct State {
    pending: Vec<(Actor, AuditRecord)>,
    /// Entries by user and action.
    counts: Failures<LOGIN_ENTRIES_KEPT>,
}

impl LoginJournal {
    pub(super) fn new() -> Self {
        let counts = Failures::new(LOGIN_ENTRIES_PER_USER, LOGIN_WINDOW);
        let state = Mutex::new(State { pending: Vec::new(), counts });
        Self { state, storing: tokio::sync::Mutex::new(()) }
    }

    /// Notes what somebody did with a user's logins, unless there are too many such entries lately.
    pub(super) fn note(&self, action: Action, user_id: i64, actor: Actor, now: Instant) {
        let mut state = self.lock();
        let key = (user_id, action.name());
        let is_full = state.pending.len() >= LOGIN_ENTRIES_PENDING_MAX
            || state.counts.blocked(key, now).is_some()
            || state.counts.is_full_for(key, now);
        if is_full {
            return;
        }
        state.counts.add(key, now);
        let subject = AuditSubject::Session;
        state.pending.push((actor, AuditRecord { action, subject, row_id: user_id, seqs: None }));
    }

    /// Waits until entries that were taken are stored; further ones wait until the turn is dropped.
    pub(super) async fn turn(&self) -> impl Drop {
        self.storing.lock().await
    }

    /// Takes the entries to be stored.
    pub(super) fn take(&self) -> Vec<(Actor, AuditRecord)> {
        std::mem::take(&mut self.lock().pending)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        sync::lock(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRANGER: Actor = Actor { principal_id: None, address: None };

    #[test]
    fn each_user_has_few_entries_of_each_kind() {
        let (journal, begun) = (LoginJournal::new(), Instant::now());
        let stored = |action: Action, user_id, times: u32, now| {
            let note = |_| {
                journal.note(action.clone(), user_id, STRANGER, now);
                journal.take().len()
            };
            (0..times).map(note).sum::<usize>()
        };
        let most = LOGIN_ENTRIES_PER_USER as usize;
        assert_eq!(stored(Action::FailedLogin, 1, 1_000, begun), most);
        assert_eq!(stored(Action::Login, 1, 1, begun), 1, "a flood of failures hides no login");
        assert_eq!(stored(Action::FailedLogin, 2, 1_000, begun), most);
        assert_eq!(stored(Action::FailedLogin, 1, 1_000, begun + LOGIN_WINDOW), most);
        for user_id in 10..1_000 {
            journal.note(Action::Lockout, user_id, STRANGER, begun);
        }
        assert_eq!(journal.take().len(), LOGIN_ENTRIES_PENDING_MAX);
    }
}
