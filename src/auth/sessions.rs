//! The live sessions, kept in memory so that no request waits for SQLite to learn its principal.
//!
//! While the server runs, their age is measured on the monotonic clock: a board's wall clock may jump.

mod devices;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::auth::session::{EndReason, Lifetimes, Session, millis};
use crate::store::{Credential, SessionChange, SessionRoom, SessionUse, StoredSession, TokenHash};
use crate::sync;

pub use devices::DeviceActivity;

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
    /// Sessions used since that was last stored.
    pub used: Vec<SessionUse>,
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
            start_ms: [lifetimes.max, lifetimes.idle, lifetimes.device]
                .map(millis)
                .into_iter()
                .fold(0, u64::saturating_add),
            lifetimes,
            started: Instant::now(),
            wake: Box::new(wake),
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
            SessionChange::Opened { session, replaced, displaced } => {
                self.end_each(&replaced, EndReason::LoggedOut);
                self.end_each(&displaced, EndReason::Displaced);
                self.table().insert(session.token_hash, self.restored(&session, session.used_at));
            }
            SessionChange::Removed(removed) => {
                self.end_each(&removed, EndReason::LoggedOut);
            }
            SessionChange::Revoked { id, reason, except } => {
                let ends = |session: &Session| {
                    session.principal.id() == Some(id) && Some(session.token_hash) != except
                };
                self.end_where(ends, reason.into());
            }
            SessionChange::RoleChanged(device) => self.change_role(device),
            SessionChange::Reloaded { valid, now } => self.reconcile(valid, now),
        }
    }

    /// A session of the database, whose times are compared with the wall clock `now`.
    fn restored(&self, stored: &StoredSession, now: i64) -> Arc<Session> {
        let StoredSession { token_hash, principal, created_at, used_at, address } = *stored;
        let past = |at| {
            let age = u64::try_from(now.saturating_sub(at)).unwrap_or(0);
            self.now().saturating_sub(age)
        };
        Arc::new(Session::new(token_hash, principal, past(created_at), past(used_at), address))
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

    /// The time since a session was opened.
    pub fn age(&self, session: &Session) -> Duration {
        Duration::from_millis(self.now().saturating_sub(session.created()))
    }

    /// The right to act by a session that was found.
    pub fn credential(&self, session: &Session) -> Credential {
        let expires_ms = session.expires(&self.lifetimes);
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

    /// Makes the table that of the database: ends the sessions that it does not have, adds those that are not here,
    /// and gives the others the present role of their principal.
    fn reconcile(&self, valid: Vec<StoredSession>, now: i64) {
        let newest = valid.iter().map(|stored| stored.used_at).max();
        let now = now.max(newest.unwrap_or(now));
        let tokens: HashSet<_> = valid.iter().map(|stored| stored.token_hash).collect();
        self.end_where(
            |one| !tokens.contains(&one.token_hash) && !one.principal.is_device(),
            EndReason::Disabled,
        );
        self.end_where(|one| !tokens.contains(&one.token_hash), EndReason::DeviceRemoved);
        for stored in valid {
            let known = self.table().get(&stored.token_hash).map(|one| one.principal);
            if known.is_none() {
                self.table().insert(stored.token_hash, self.restored(&stored, now));
            } else if known != Some(stored.principal) {
                self.change_role(stored.principal);
            }
        }
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
        let used = due.map(|session| SessionUse {
            token_hash: session.token_hash,
            ago_ms: age(session.mark_stored()),
            address: session.address(),
        });
        let used = used.collect();
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
        // An ended session leaves the table before its sockets are closed; that of a device whose role changed
        // gives way to its next one. A socket that is attached later would stay open.
        if !table.get(&session.token_hash).is_some_and(|one| Arc::ptr_eq(one, &session)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Principal, Role};

    const HOUR: i64 = 60 * 60 * 1000;
    const NOW: i64 = 1_000 * HOUR;

    /// One session for each age, in hours since its use was stored, each with an open socket.
    fn open(ages: &[i64]) -> (Arc<Sessions>, Vec<SessionGuard>) {
        let lifetimes = Lifetimes {
            idle: Duration::from_secs(12 * 60 * 60),
            max: Duration::from_secs(30 * 24 * 60 * 60),
            device: Duration::from_secs(400 * 24 * 60 * 60),
        };
        let sessions = Arc::new(Sessions::new(100, lifetimes, || ()));
        let snapshot = |(number, age): (u8, &i64)| StoredSession {
            token_hash: TokenHash([number; 32]),
            principal: Principal::User { id: 1, role: Role::Staff },
            created_at: NOW - age * HOUR,
            used_at: NOW - age * HOUR,
            address: None,
        };
        let valid = (0..).zip(ages).map(snapshot).collect();
        sessions.apply(SessionChange::Reloaded { valid, now: NOW });
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

    fn device(role: Role, used_at: i64) -> StoredSession {
        let (token_hash, created_at) = (TokenHash([9; 32]), NOW - 900 * HOUR);
        let principal = Principal::Device { id: 7, role };
        StoredSession { token_hash, principal, created_at, used_at, address: None }
    }

    /// A command adds a device, gives it another role, and removes it while the server runs.
    #[test]
    fn the_table_becomes_that_of_the_database() {
        let (sessions, _sockets) = open(&[1]);
        let user = StoredSession {
            principal: Principal::User { id: 1, role: Role::Staff },
            token_hash: TokenHash([0; 32]),
            ..device(Role::Staff, NOW)
        };
        let reload = |valid| sessions.apply(SessionChange::Reloaded { valid, now: NOW });
        reload(vec![user, device(Role::Kiosk, NOW - HOUR)]);
        let before = sessions.find(&TokenHash([9; 32])).ok().unwrap();
        before.seen_at([192, 0, 2, 1].into());
        reload(vec![user, device(Role::Staff, NOW - HOUR)]);
        assert_eq!(before.ended(), Some(EndReason::RoleChanged));
        let after = sessions.find(&TokenHash([9; 32])).ok().unwrap();
        assert_eq!(after.principal, Principal::Device { id: 7, role: Role::Staff });
        assert!(after.used() >= before.used() && after.address() == before.address());
        // A handshake that found the session before its end must not keep a socket with the old role.
        let ended = AttachError::Ended(Some(EndReason::RoleChanged));
        assert_eq!(sessions.attach(before, 9).err(), Some(ended));
        reload(vec![user]);
        assert_eq!(after.ended(), Some(EndReason::DeviceRemoved));
        assert_eq!((sessions.count(), sessions.devices().len()), (1, 0));
    }

    #[test]
    fn a_device_lives_from_its_last_use_on() {
        let (sessions, _sockets) = open(&[]);
        for (unused, lives) in [(900, true), (400 * 24 - 1, true), (400 * 24, false)] {
            let valid = vec![device(Role::Kiosk, NOW - unused * HOUR)];
            sessions.apply(SessionChange::Reloaded { valid: Vec::new(), now: NOW });
            sessions.apply(SessionChange::Reloaded { valid, now: NOW });
            let found = sessions.find(&TokenHash([9; 32]));
            assert_eq!(found.is_ok(), lives, "{unused}");
            if let Ok(found) = found {
                let left = sessions.credential(&found).expires - Instant::now();
                assert!(left > Duration::from_secs(399 * 24 * 60 * 60), "{left:?}");
            }
        }
    }
}
