//! The live sessions, kept in memory so that no request waits for SQLite to learn its principal.
//!
//! While the server runs, their age is measured on the monotonic clock: a board's wall clock may jump.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::auth::session::{EndReason, Lifetimes, Session, millis};
use crate::domain::Principal;
use crate::store::{Credential, SessionChange, SessionRoom, StoredSession, TokenHash};
use crate::sync;

/// All sessions.
pub struct Sessions {
    table: Mutex<HashMap<TokenHash, Arc<Session>>>,
    capacity: usize,
    lifetimes: Lifetimes,
    /// The table's time at the start of the server. It is greater than the age of any session, so that the
    /// times of restored sessions are not negative.
    start_ms: u64,
    started: Instant,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// The changes that a sweep found, to be stored.
#[derive(Debug, Default)]
pub struct SweepResult {
    /// Expired sessions.
    pub expired: Vec<TokenHash>,
    /// Sessions used since that was last stored, and how many milliseconds ago.
    pub used: Vec<(TokenHash, i64)>,
}

impl Sessions {
    /// Creates an empty table for `capacity` sessions; `wake` is called when a session with open sockets has ended.
    pub fn new(
        capacity: usize,
        lifetimes: Lifetimes,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            table: Mutex::new(HashMap::new()),
            capacity,
            start_ms: millis(lifetimes.max).saturating_add(millis(lifetimes.idle)),
            lifetimes,
            started: Instant::now(),
            wake: Box::new(wake),
        }
    }

    /// Restores the sessions of the previous run; `now` is the wall clock that their times refer to.
    pub fn restore(&self, snapshots: Vec<StoredSession>, now: i64) {
        let newest = snapshots.iter().map(|snapshot| snapshot.used_at).max();
        let now = now.max(newest.unwrap_or(now));
        let past = |at: i64| self.now().saturating_sub(u64::try_from(now - at).unwrap_or(0));
        let mut table = self.table();
        for snapshot in snapshots {
            let (created, used) = (past(snapshot.created_at), past(snapshot.used_at));
            let session = Session::new(snapshot.token_hash, principal(&snapshot), created, used);
            table.insert(snapshot.token_hash, Arc::new(session));
        }
    }

    /// The table's capacity and last uses, for a login. A session that is not in the table yet counts as just
    /// used, and so does one with an open socket.
    pub fn room(self: &Arc<Self>) -> SessionRoom {
        let sessions = Arc::clone(self);
        let last_used = Box::new(move |token_hash: &TokenHash| {
            let table = sessions.table();
            let quiet = table.get(token_hash).filter(|session| session.sockets() == 0);
            quiet.map_or(u64::MAX, |session| session.used())
        });
        SessionRoom { capacity: self.capacity, last_used }
    }

    /// Applies a committed change.
    pub fn apply(&self, change: SessionChange) {
        match change {
            SessionChange::LoggedIn { session, replaced, displaced } => {
                self.end_each(&replaced, EndReason::LoggedOut);
                self.end_each(&displaced, EndReason::Displaced);
                self.add(&session);
            }
            SessionChange::Removed(removed) => {
                self.end_each(&removed, EndReason::LoggedOut);
            }
            SessionChange::Revoked { user_id, reason, except } => {
                let ends = |session: &Session| {
                    let is_users = session.principal.user_id() == Some(user_id);
                    is_users && Some(session.token_hash) != except
                };
                self.end_where(ends, reason.into());
            }
            SessionChange::Reloaded(valid) => self.reconcile(&valid),
        }
    }

    fn add(&self, stored: &StoredSession) {
        let now = self.now();
        let session = Session::new(stored.token_hash, principal(stored), now, now);
        self.table().insert(stored.token_hash, Arc::new(session));
    }

    /// Returns the live session of a token, and marks it as used.
    pub fn find(&self, token_hash: &TokenHash) -> Result<Arc<Session>, Option<EndReason>> {
        let session = self.table().get(token_hash).map(Arc::clone).ok_or(None)?;
        self.check(&session)?;
        Ok(session)
    }

    /// Checks whether a session still lives, and marks it as used.
    pub fn check(&self, session: &Session) -> Result<(), EndReason> {
        let now = self.now();
        let expired = session.has_expired(now, &self.lifetimes).then_some(EndReason::Expired);
        if let Some(reason) = session.ended().or(expired) {
            return Err(reason);
        }
        session.touch(now);
        Ok(())
    }

    /// The right to act by a session that was found.
    pub fn credential(&self, session: &Session) -> Credential {
        let expires_ms = session.created().saturating_add(millis(self.lifetimes.max));
        let left = Duration::from_millis(expires_ms.saturating_sub(self.start_ms));
        Credential { token_hash: session.token_hash, expires: self.started + left }
    }

    fn end_each(&self, token_hashes: &[TokenHash], reason: EndReason) {
        let mut table = self.table();
        let ended: Vec<_> = token_hashes.iter().filter_map(|one| table.remove(one)).collect();
        drop(table);
        self.end_all(ended, reason);
    }

    fn end_where(&self, ends: impl Fn(&Session) -> bool, reason: EndReason) {
        let mut table = self.table();
        let ended: Vec<_> = table.extract_if(|_, one| ends(one)).map(|(_, one)| one).collect();
        drop(table);
        self.end_all(ended, reason);
    }

    /// Ends the sessions that the database no longer has, and those whose user has another role.
    fn reconcile(&self, valid: &[StoredSession]) {
        let valid: HashMap<_, _> =
            valid.iter().map(|one| (one.token_hash, principal(one))).collect();
        let ends = |session: &Session| valid.get(&session.token_hash) != Some(&session.principal);
        self.end_where(ends, EndReason::Disabled);
    }

    /// Ends the expired sessions; returns them with the uses to store. Uses are stored all together, once
    /// one of them is unstored for an eighth of `idle`, and at the stop: an idle shop with many screens
    /// writes a few times a day.
    pub fn sweep(&self, stopping: bool) -> SweepResult {
        let now = self.now();
        let mut table = self.table();
        let expired: Vec<_> = table
            .extract_if(|_, session| session.has_expired(now, &self.lifetimes))
            .map(|(_, session)| session)
            .collect();
        for session in table.values().filter(|session| session.sockets() > 0) {
            session.touch(now);
        }
        let lag_ms = if stopping { 1 } else { millis(self.lifetimes.idle) / 8 };
        let is_due = table.values().any(|session| session.unstored_ms() >= lag_ms);
        let due = table.values().filter(|session| is_due && session.unstored_ms() > 0);
        let age = |used| i64::try_from(now.saturating_sub(used)).unwrap_or(0);
        let used = due.map(|session| (session.token_hash, age(session.mark_stored()))).collect();
        drop(table);
        let result =
            SweepResult { expired: expired.iter().map(|one| one.token_hash).collect(), used };
        self.end_all(expired, EndReason::Expired);
        result
    }

    /// Live sessions.
    pub fn count(&self) -> usize {
        self.table().len()
    }

    /// Attaches a socket, which counts as use until it is dropped.
    ///
    /// # Errors
    /// `Ended` if the session ended since it was found, `TooMany` if the principal has
    /// `sockets_max` already.
    pub fn attach(
        self: &Arc<Self>,
        session: Arc<Session>,
        sockets_max: usize,
    ) -> Result<SessionGuard, AttachError> {
        let table = self.table();
        // An ended session is removed from the table before its sockets are closed. A socket that is
        // attached later would stay open.
        if !table.contains_key(&session.token_hash) {
            return Err(AttachError::Ended(session.ended()));
        }
        let same = table.values().filter(|one| one.principal == session.principal);
        if same.map(|one| one.sockets() as usize).sum::<usize>() >= sockets_max {
            return Err(AttachError::TooMany);
        }
        session.add_socket();
        drop(table);
        Ok(SessionGuard { session, sessions: Arc::clone(self) })
    }

    fn end_all(&self, sessions: impl IntoIterator<Item = Arc<Session>>, reason: EndReason) {
        let mut have_sockets = false;
        for session in sessions {
            have_sockets |= session.end(reason);
        }
        if have_sockets {
            (self.wake)();
        }
    }

    fn now(&self) -> u64 {
        self.start_ms.saturating_add(millis(self.started.elapsed()))
    }

    fn table(&self) -> MutexGuard<'_, HashMap<TokenHash, Arc<Session>>> {
        sync::lock(&self.table)
    }
}

/// Why a socket cannot be attached to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachError {
    /// The session has ended, perhaps so recently that it is not known why.
    Ended(Option<EndReason>),
    /// The principal has as many sockets as it may have.
    TooMany,
}

/// An open socket of a session, which counts as use until it is dropped.
pub struct SessionGuard {
    session: Arc<Session>,
    sessions: Arc<Sessions>,
}

impl std::ops::Deref for SessionGuard {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.session.remove_socket(self.sessions.now());
    }
}

fn principal(stored: &StoredSession) -> Principal {
    Principal::User { id: stored.user_id, role: stored.role }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;

    const HOUR: i64 = 60 * 60 * 1000;
    const NOW: i64 = 1_000 * HOUR;

    /// One session for each age, in hours since its use was stored, each with an open socket.
    fn open(ages: &[i64]) -> (Arc<Sessions>, Vec<SessionGuard>) {
        let lifetimes = Lifetimes {
            idle: Duration::from_secs(12 * 60 * 60),
            max: Duration::from_secs(30 * 24 * 60 * 60),
        };
        let sessions = Arc::new(Sessions::new(100, lifetimes, || ()));
        let snapshot = |(number, age): (u8, &i64)| StoredSession {
            token_hash: TokenHash([number; 32]),
            user_id: 1,
            username: "ana".to_owned(),
            role: Role::Staff,
            created_at: NOW - age * HOUR,
            used_at: NOW - age * HOUR,
        };
        sessions.restore((0..).zip(ages).map(snapshot).collect(), NOW);
        let found: Vec<_> = sessions.table().values().map(Arc::clone).collect();
        let attached =
            found.into_iter().map(|one| sessions.attach(one, 100).ok().unwrap()).collect();
        (sessions, attached)
    }

    #[test]
    fn the_use_of_open_sockets_is_stored_rarely_and_all_at_once() {
        let (fresh, _sockets) = open(&[1, 1, 1]);
        assert!(fresh.sweep(false).used.is_empty(), "an hour behind is not far");
        assert_eq!(fresh.sweep(true).used.len(), 3);
        let (old, _sockets) = open(&[2, 1, 1]);
        assert_eq!(old.sweep(false).used.len(), 3, "one is due, the others go along");
        assert!(old.sweep(false).used.is_empty());
    }

    /// Between the handshake's check and the attachment the user may log out.
    #[test]
    fn a_socket_cannot_attach_to_a_session_that_has_ended() {
        let (sessions, sockets) = open(&[1]);
        let session = Arc::clone(&sockets[0].session);
        assert!(sessions.attach(Arc::clone(&session), 2).is_ok());
        assert_eq!(sessions.attach(Arc::clone(&session), 1).err(), Some(AttachError::TooMany));
        sessions.end_each(&[session.token_hash], EndReason::LoggedOut);
        let error = sessions.attach(session, 2).err();
        assert_eq!(error, Some(AttachError::Ended(Some(EndReason::LoggedOut))));
    }
}
