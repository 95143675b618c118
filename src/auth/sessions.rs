//! The live sessions in memory, so that no request waits for SQLite to know its user.
//!
//! While the server runs, their age is measured on the monotonic clock: a board's wall clock may jump.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::Role;
use crate::store::{Revocation, SessionChange, StoredSession, TokenHash};

/// Why a session ended; its text becomes the close reason of the session's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EndReason {
    /// The user logged out.
    LoggedOut = 1,
    /// The session is too old or was unused for too long.
    Expired,
    /// The password was changed.
    PasswordChanged,
    /// The user has another role now.
    RoleChanged,
    /// The user was disabled or deleted.
    Disabled,
    /// There were too many sessions, and this one was unused for the longest.
    Displaced,
}

impl EndReason {
    const ALL: [Self; 6] = [
        Self::LoggedOut,
        Self::Expired,
        Self::PasswordChanged,
        Self::RoleChanged,
        Self::Disabled,
        Self::Displaced,
    ];

    /// A sentence for the client.
    pub fn text(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged out",
            Self::Expired => "session expired",
            Self::PasswordChanged => "password changed, log in again",
            Self::RoleChanged => "role changed, log in again",
            Self::Disabled => "user disabled or deleted",
            Self::Displaced => "too many sessions",
        }
    }
}

impl From<Revocation> for EndReason {
    fn from(revocation: Revocation) -> Self {
        match revocation {
            Revocation::PasswordChanged => Self::PasswordChanged,
            Revocation::RoleChanged => Self::RoleChanged,
            Revocation::UserDisabled => Self::Disabled,
        }
    }
}

/// One login.
pub struct Session {
    /// SHA-256 of its token.
    pub token_hash: TokenHash,
    /// The user's id.
    pub user_id: i64,
    /// The user's role, which is fixed for a session.
    pub role: Role,
    /// Milliseconds on the table's clock, as are the other times.
    created: u64,
    used: AtomicU64,
    /// The value of `used` that the database has.
    stored: AtomicU64,
    sockets: AtomicU32,
    ended: AtomicU8,
}

impl Session {
    /// Why it is no longer valid; `None` while it is.
    pub fn ended(&self) -> Option<EndReason> {
        let code = self.ended.load(Ordering::Acquire);
        EndReason::ALL.into_iter().find(|reason| *reason as u8 == code)
    }

    /// By how many milliseconds the database is behind `used`.
    fn unstored_ms(&self) -> u64 {
        let stored = self.stored.load(Ordering::Acquire);
        self.used.load(Ordering::Acquire).saturating_sub(stored)
    }
}

/// How long sessions live.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Time without use.
    pub idle: Duration,
    /// Time since the login.
    pub max: Duration,
}

/// All sessions.
pub struct Sessions {
    table: Mutex<HashMap<TokenHash, Arc<Session>>>,
    sessions_max: usize,
    lifetimes: Lifetimes,
    /// The table's time at the start of the server: later than any session is old, so that sessions of
    /// earlier runs have a time as well.
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
    /// Creates an empty table; `wake` is called when a session with open sockets has ended.
    pub fn new(
        sessions_max: usize,
        lifetimes: Lifetimes,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            table: Mutex::new(HashMap::new()),
            sessions_max,
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
            let session = Session {
                token_hash: snapshot.token_hash,
                user_id: snapshot.user_id,
                role: snapshot.role,
                created,
                used: AtomicU64::new(used),
                stored: AtomicU64::new(used),
                sockets: AtomicU32::new(0),
                ended: AtomicU8::new(0),
            };
            table.insert(snapshot.token_hash, Arc::new(session));
        }
    }

    /// The sessions that have to end if a user logs in now: the ones unused the longest of a full
    /// table, as long as they have no socket.
    pub fn displaced_by_login(&self) -> Vec<TokenHash> {
        let table = self.table();
        let excess = (table.len() + 1).saturating_sub(self.sessions_max);
        if excess == 0 {
            return Vec::new();
        }
        let idle = |session: &&Arc<Session>| session.sockets.load(Ordering::Acquire) == 0;
        let used = |session: &Arc<Session>| session.used.load(Ordering::Acquire);
        let mut oldest: Vec<_> = table.values().filter(idle).map(|one| (used(one), one)).collect();
        oldest.sort_unstable_by_key(|(used, _)| *used);
        oldest.into_iter().take(excess).map(|(_, session)| session.token_hash).collect()
    }

    /// Follows a change that was committed.
    pub fn apply(&self, change: SessionChange) {
        match change {
            SessionChange::LoggedIn { session, replaced, displaced } => {
                replaced.iter().for_each(|one| self.end(one, EndReason::LoggedOut));
                displaced.iter().for_each(|one| self.end(one, EndReason::Displaced));
                self.add(&session);
            }
            SessionChange::Removed(removed) => {
                removed.iter().for_each(|one| self.end(one, EndReason::LoggedOut));
            }
            SessionChange::Revoked { user_id, reason, except } => {
                let ends = |session: &Session| {
                    session.user_id == user_id && Some(session.token_hash) != except
                };
                self.end_where(ends, reason.into());
            }
            SessionChange::Reloaded(valid) => self.reconcile(&valid),
        }
    }

    fn add(&self, session: &StoredSession) {
        let now = self.now();
        let session = Session {
            token_hash: session.token_hash,
            user_id: session.user_id,
            role: session.role,
            created: now,
            used: AtomicU64::new(now),
            stored: AtomicU64::new(now),
            sockets: AtomicU32::new(0),
            ended: AtomicU8::new(0),
        };
        self.table().insert(session.token_hash, Arc::new(session));
    }

    /// Returns the live session of a token, and marks it as used.
    pub fn find(&self, token_hash: &TokenHash) -> Result<Arc<Session>, Option<EndReason>> {
        let session = self.table().get(token_hash).map(Arc::clone).ok_or(None)?;
        if self.has_expired(&session) {
            return Err(Some(EndReason::Expired));
        }
        session.used.store(self.now(), Ordering::Release);
        Ok(session)
    }

    fn end(&self, token_hash: &TokenHash, reason: EndReason) {
        let session = self.table().remove(token_hash);
        self.end_all(session, reason);
    }

    fn end_where(&self, ends: impl Fn(&Session) -> bool, reason: EndReason) {
        let mut table = self.table();
        let ended: Vec<_> = table.extract_if(|_, one| ends(one)).map(|(_, one)| one).collect();
        drop(table);
        self.end_all(ended, reason);
    }

    /// Ends the sessions that the database no longer has, and those whose user has another role.
    fn reconcile(&self, valid: &[StoredSession]) {
        let valid: HashMap<_, _> = valid.iter().map(|one| (one.token_hash, one.role)).collect();
        let ends = |session: &Session| valid.get(&session.token_hash) != Some(&session.role);
        self.end_where(ends, EndReason::Disabled);
    }

    /// Ends what has expired, and tells what should be written down: nothing before the file is far
    /// behind with one of the uses, then all of them, so that an idle shop with many screens writes
    /// a few times a day and not for each. At the stop all of them.
    pub fn sweep(&self, stopping: bool) -> SweepResult {
        let (mut result, now) = (SweepResult::default(), self.now());
        let patience = if stopping { 1 } else { millis(self.lifetimes.idle) / 8 };
        let (mut ended, mut due) = (Vec::new(), false);
        let mut table = self.table();
        table.retain(|token_hash, session| {
            if self.has_expired(session) {
                result.expired.push(*token_hash);
                ended.push(Arc::clone(session));
                return false;
            }
            if session.sockets.load(Ordering::Acquire) > 0 {
                session.used.store(now, Ordering::Release);
            }
            due |= session.unstored_ms() >= patience;
            true
        });
        if due {
            for (token_hash, session) in table.iter().filter(|(_, one)| one.unstored_ms() > 0) {
                let used = session.used.load(Ordering::Acquire);
                session.stored.store(used, Ordering::Release);
                let ago = i64::try_from(now.saturating_sub(used)).unwrap_or(0);
                result.used.push((*token_hash, ago));
            }
        }
        drop(table);
        self.end_all(ended, EndReason::Expired);
        result
    }

    /// Live sessions.
    pub fn count(&self) -> usize {
        self.table().len()
    }

    /// Attaches a socket, which counts as use until it is dropped; `None` if the user has
    /// `sockets_per_user_max` already.
    pub fn attach(
        self: &Arc<Self>,
        session: Arc<Session>,
        sockets_per_user_max: usize,
    ) -> Option<SessionGuard> {
        let table = self.table();
        let open = |one: &Arc<Session>| one.sockets.load(Ordering::Acquire) as usize;
        let of_user = table.values().filter(|one| one.user_id == session.user_id);
        if of_user.map(open).sum::<usize>() >= sockets_per_user_max {
            return None;
        }
        session.sockets.fetch_add(1, Ordering::AcqRel);
        drop(table);
        Some(SessionGuard { session, sessions: Arc::clone(self) })
    }

    fn has_expired(&self, session: &Session) -> bool {
        let now = self.now();
        let idle = if session.sockets.load(Ordering::Acquire) > 0 {
            0
        } else {
            now.saturating_sub(session.used.load(Ordering::Acquire))
        };
        idle >= millis(self.lifetimes.idle)
            || now.saturating_sub(session.created) >= millis(self.lifetimes.max)
    }

    fn end_all(&self, sessions: impl IntoIterator<Item = Arc<Session>>, reason: EndReason) {
        let mut any = false;
        for session in sessions {
            session.ended.store(reason as u8, Ordering::Release);
            any |= session.sockets.load(Ordering::Acquire) > 0;
        }
        if any {
            (self.wake)();
        }
    }

    fn now(&self) -> u64 {
        self.start_ms.saturating_add(millis(self.started.elapsed()))
    }

    fn table(&self) -> MutexGuard<'_, HashMap<TokenHash, Arc<Session>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open socket's share in its session.
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
        self.session.used.store(self.sessions.now(), Ordering::Release);
        self.session.sockets.fetch_sub(1, Ordering::AcqRel);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let attached = found.into_iter().filter_map(|one| sessions.attach(one, 100)).collect();
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
}
