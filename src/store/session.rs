//! Sessions as the rest of the program sees them, and the changes that a commit makes to them.

use std::fmt;
use std::time::Instant;

use crate::domain::{Role, Secret, User};
use crate::throttle::AddressPrefix;

/// SHA-256 of a session's token. It identifies the session but gives no access.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

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
    /// The end of its absolute lifetime.
    pub expires: Instant,
}

/// A session with its user's name and role.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// SHA-256 of its token.
    pub token_hash: TokenHash,
    /// The user's id.
    pub user_id: i64,
    /// The user's name.
    pub username: String,
    /// The user's role.
    pub role: Role,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
    /// The time of its last stored use, in milliseconds since 1970, UTC.
    pub used_at: i64,
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
    /// Sessions of all users together.
    pub capacity: usize,
    /// When a session was used last, on any clock. The database learns of it only now and then.
    pub last_used: Box<dyn Fn(&TokenHash) -> u64 + Send>,
}

/// A change to the set of valid sessions.
#[derive(Debug)]
pub enum SessionChange {
    /// A user logged in.
    LoggedIn {
        /// The new session.
        session: StoredSession,
        /// The sessions that the same browser had before, which end.
        replaced: Vec<TokenHash>,
        /// Sessions that end because there were too many.
        displaced: Vec<TokenHash>,
    },
    /// These sessions ended by a logout or expired.
    Removed(Vec<TokenHash>),
    /// The sessions of a user end.
    Revoked {
        /// The user's id.
        user_id: i64,
        /// The reason.
        reason: Revocation,
        /// The session that is kept.
        except: Option<TokenHash>,
    },
    /// Exactly these sessions are valid, because another program changed users, or the database was
    /// opened again.
    Reloaded(Vec<StoredSession>),
}

/// The reason that a user's sessions end.
#[derive(Clone, Copy, Debug)]
pub enum Revocation {
    /// The user has a new password.
    PasswordChanged,
    /// The user has another role.
    RoleChanged,
    /// The user was disabled or deleted.
    UserDisabled,
}
