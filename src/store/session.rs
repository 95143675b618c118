//! Sessions as the rest of the program sees them, and the changes that a commit makes to them.

use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

use crate::domain::{Principal, Secret, User};
use crate::throttle::AddressPrefix;

/// SHA-256 of a session's token. It identifies the session but gives no access.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// Whether both are the same, compared in a time that does not depend on where they differ.
    pub(super) fn is_same(self, other: Self) -> bool {
        let pairs = self.0.iter().zip(other.0);
        pairs.fold(0, |different, (one, other)| different | (one ^ other)) == 0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TokenHash")
    }
}

/// The session with which a request acts for its principal.
#[derive(Clone, Copy, Debug)]
pub struct Credential {
    /// SHA-256 of the session's token.
    pub token_hash: TokenHash,
    /// The end of its lifetime.
    pub expires: Instant,
}

/// A session as the database holds it.
#[derive(Clone, Copy, Debug)]
pub struct StoredSession {
    /// SHA-256 of its token.
    pub token_hash: TokenHash,
    /// The user or device, with its present role.
    pub principal: Principal,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
    /// The time of its last stored use, in milliseconds since 1970, UTC.
    pub used_at: i64,
    /// The address from which a device used it last; `None` for a user.
    pub address: Option<IpAddr>,
}

/// The login of a user whose password was verified.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// SHA-256 of the new token.
    pub token_hash: TokenHash,
    /// The user's name.
    pub username: String,
    /// The hash that the password was verified against.
    pub password_hash: Secret,
    /// A new hash of the same password, which replaces that one.
    pub renewed_hash: Option<Secret>,
    /// The sessions that the same browser had before.
    pub replaced: Vec<TokenHash>,
    /// The client that logs in.
    pub client: LoginClient,
    /// SHA-256 of the token by which its browser will be known.
    pub browser_token: TokenHash,
}

/// The result of a login.
#[derive(Debug)]
pub struct LoggedIn {
    /// The user.
    pub user: User,
    /// The user of each session that ended for want of room.
    pub displaced: Vec<i64>,
}

/// The client that logs in.
#[derive(Clone, Debug)]
pub struct LoginClient {
    /// Its network.
    pub address: AddressPrefix,
    /// SHA-256 of the tokens that its browser has from earlier logins.
    pub browser: Vec<TokenHash>,
}

/// The room for sessions, and what decides which of them end where it is too small.
pub struct SessionRoom {
    /// Sessions of all users and devices together.
    pub capacity: usize,
    /// When a session was used last, on any clock. The database learns of it only now and then.
    pub last_used: Box<dyn Fn(&TokenHash) -> u64 + Send>,
}

/// A change to the set of valid sessions.
#[derive(Debug)]
pub enum SessionChange {
    /// A user logged in, or a device was added.
    Opened {
        /// The new session.
        session: StoredSession,
        /// The sessions that the same browser had before, which end.
        replaced: Vec<TokenHash>,
        /// Sessions that end because there were too many.
        displaced: Vec<TokenHash>,
    },
    /// These sessions ended by a logout or expired.
    Removed(Vec<TokenHash>),
    /// The sessions of a user or device end.
    Revoked {
        /// The principal's id.
        id: i64,
        /// The reason.
        reason: Revocation,
        /// The session that is kept.
        except: Option<TokenHash>,
    },
    /// A device has another role now; its session lives on with it.
    RoleChanged(Principal),
    /// Exactly these sessions are valid, because the server starts, another program changed principals, or the
    /// database was opened again.
    Reloaded {
        /// The sessions.
        valid: Vec<StoredSession>,
        /// The present time, against which their times are compared; milliseconds since 1970, UTC.
        now: i64,
    },
}

/// The last use of a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionUse {
    /// SHA-256 of the session's token.
    pub token_hash: TokenHash,
    /// Milliseconds before now.
    pub ago_ms: i64,
    /// The address from which a device used it; `None` for a user, and if it was not used in this run.
    pub address: Option<IpAddr>,
}

/// The reason that a principal's sessions end.
#[derive(Clone, Copy, Debug)]
pub enum Revocation {
    /// The user has a new password.
    PasswordChanged,
    /// The user has another role.
    RoleChanged,
    /// The user was disabled or deleted.
    UserDisabled,
    /// The device was removed.
    DeviceRemoved,
}
