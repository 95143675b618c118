//! One session: the login of a principal, and how it ends.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::Principal;
use crate::domain::device::Sockets;
use crate::store::{Revocation, TokenHash};
use crate::sync;

/// The reason why a request has no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSession {
    /// No token of its cookie is known.
    Unknown,
    /// Its session has ended.
    Ended(EndReason),
    /// It brings a device's token that is not valid, or not well-formed, or several.
    InvalidToken,
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
    /// The user or device has another role now.
    RoleChanged,
    /// The user was disabled or deleted.
    Disabled,
    /// The user had too many sessions, and this one was unused for the longest.
    Displaced,
    /// The device was removed.
    DeviceRemoved,
}

impl EndReason {
    const ALL: [Self; 7] = [
        Self::LoggedOut,
        Self::Expired,
        Self::PasswordChanged,
        Self::RoleChanged,
        Self::Disabled,
        Self::Displaced,
        Self::DeviceRemoved,
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
            Self::DeviceRemoved => "device removed",
        }
    }
}

impl From<Revocation> for EndReason {
    fn from(revocation: Revocation) -> Self {
        match revocation {
            Revocation::PasswordChanged => Self::PasswordChanged,
            Revocation::RoleChanged => Self::RoleChanged,
            Revocation::UserDisabled => Self::Disabled,
            Revocation::DeviceRemoved => Self::DeviceRemoved,
        }
    }
}

/// How long sessions live.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// A user's: time without use.
    pub idle: Duration,
    /// A user's: time since the login.
    pub max: Duration,
    /// A device's: time since its last use.
    pub device: Duration,
}

/// The session of a principal. Its times are milliseconds on the clock of its table.
pub struct Session {
    /// SHA-256 of its token.
    pub token_hash: TokenHash,
    /// The principal, with a role that is fixed: a change of role ends the session, or replaces a device's.
    pub principal: Principal,
    created: u64,
    used: AtomicU64,
    /// The value of `used` that the database has.
    stored: AtomicU64,
    /// Open sockets, which count as use.
    sockets: AtomicU32,
    /// The events by which its slowest socket lags.
    unsent: AtomicI64,
    /// The address from which a device used it last.
    address: Mutex<Option<IpAddr>>,
    ended: AtomicU8,
}

impl Session {
    pub(super) fn new(
        token_hash: TokenHash,
        principal: Principal,
        created: u64,
        used: u64,
        address: Option<IpAddr>,
    ) -> Self {
        Self {
            token_hash,
            principal,
            created,
            used: AtomicU64::new(used),
            stored: AtomicU64::new(used),
            sockets: AtomicU32::new(0),
            unsent: AtomicI64::new(0),
            address: Mutex::new(address),
            ended: AtomicU8::new(0),
        }
    }

    /// A device's session after a change of its role.
    pub(super) fn with_principal(&self, principal: Principal) -> Self {
        let stored = self.stored.load(Ordering::Acquire);
        let next = Self::new(self.token_hash, principal, self.created, self.used(), self.address());
        next.stored.store(stored, Ordering::Release);
        next
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
        let idle_max = if self.principal.is_device() { lifetimes.device } else { lifetimes.idle };
        idle >= millis(idle_max) || now >= self.expires(lifetimes)
    }

    /// The end of its lifetime: of a user's from the login on, of a device's from the last use on.
    pub(super) fn expires(&self, lifetimes: &Lifetimes) -> u64 {
        let (from, lifetime) = if self.principal.is_device() {
            (self.used(), lifetimes.device)
        } else {
            (self.created, lifetimes.max)
        };
        from.saturating_add(millis(lifetime))
    }

    /// The time of its opening.
    pub(super) fn created(&self) -> u64 {
        self.created
    }

    /// The address from which a device used it last.
    pub(super) fn address(&self) -> Option<IpAddr> {
        *sync::lock(&self.address)
    }

    /// Records the address of a request of a device; a user's is not kept.
    pub fn seen_at(&self, address: IpAddr) {
        if self.principal.is_device() {
            *sync::lock(&self.address) = Some(address);
        }
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

    /// Begins to measure how far its sockets lag.
    pub fn begin_measuring(&self) {
        self.unsent.store(0, Ordering::Release);
    }

    /// Records how far one of the sockets lags.
    pub fn measured(&self, unsent: i64) {
        self.unsent.fetch_max(unsent, Ordering::AcqRel);
    }

    /// Its open sockets, and how far they lag.
    pub(super) fn open_sockets(&self) -> Sockets {
        Sockets { open: self.sockets(), unsent: self.unsent.load(Ordering::Acquire) }
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
