//! One session: the login of a principal, and how it ends.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::Principal;
use crate::store::{Revocation, TokenHash};

/// The reason why a request has no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSession {
    /// No token of its cookie is known.
    Unknown,
    /// Its session has ended.
    Ended(EndReason),
    /// Its cookie has tokens of two users: another page of the host's, or of its domain's, may have set one.
    Ambiguous,
}

impl From<Option<EndReason>> for NoSession {
    fn from(ended: Option<EndReason>) -> Self {
        ended.map_or(Self::Unknown, Self::Ended)
    }
}

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
    /// The user had too many sessions, and this one was unused for the longest.
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

/// How long sessions live.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Time without use.
    pub idle: Duration,
    /// Time since the login.
    pub max: Duration,
}

/// The login of a principal. Its times are milliseconds on the clock of its table.
pub struct Session {
    /// SHA-256 of its token.
    pub token_hash: TokenHash,
    /// The principal, with a role that is fixed: a change of role ends the session.
    pub principal: Principal,
    created: u64,
    used: AtomicU64,
    /// The value of `used` that the database has.
    stored: AtomicU64,
    /// Open sockets, which count as use.
    sockets: AtomicU32,
    ended: AtomicU8,
}

impl Session {
    pub(super) fn new(
        token_hash: TokenHash,
        principal: Principal,
        created: u64,
        used: u64,
    ) -> Self {
        Self {
            token_hash,
            principal,
            created,
            used: AtomicU64::new(used),
            stored: AtomicU64::new(used),
            sockets: AtomicU32::new(0),
            ended: AtomicU8::new(0),
        }
    }

    /// The reason why it has ended; `None` while it is valid.
    pub fn ended(&self) -> Option<EndReason> {
        let code = self.ended.load(Ordering::Acquire);
        EndReason::ALL.into_iter().find(|reason| *reason as u8 == code)
    }

    /// Ends it; returns whether it has sockets, which must then be closed.
    pub(super) fn end(&self, reason: EndReason) -> bool {
        self.ended.store(reason as u8, Ordering::Release);
        self.sockets() > 0
    }

    /// Whether one of its lifetimes is over at `now`.
    pub(super) fn has_expired(&self, now: u64, lifetimes: &Lifetimes) -> bool {
        let idle = if self.sockets() > 0 { 0 } else { now.saturating_sub(self.used()) };
        idle >= millis(lifetimes.idle) || now.saturating_sub(self.created) >= millis(lifetimes.max)
    }

    /// The time of the login.
    pub(super) fn created(&self) -> u64 {
        self.created
    }

    /// Records a use.
    pub(super) fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Release);
    }

    /// The time of its last use.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// The time between the last use that is stored and the last use, in milliseconds.
    pub(super) fn unstored_ms(&self) -> u64 {
        self.used().saturating_sub(self.stored.load(Ordering::Acquire))
    }

    /// Returns the time of its last use, and records that it is being stored.
    pub(super) fn mark_stored(&self) -> u64 {
        let used = self.used();
        self.stored.store(used, Ordering::Release);
        used
    }

    /// Its open sockets.
    pub(super) fn sockets(&self) -> u32 {
        self.sockets.load(Ordering::Acquire)
    }

    pub(super) fn add_socket(&self) {
        self.sockets.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn remove_socket(&self, now: u64) {
        self.touch(now);
        self.sockets.fetch_sub(1, Ordering::AcqRel);
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
