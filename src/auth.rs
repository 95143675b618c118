//! Authentication: logins, sessions, cookies, origins, and the limits on guessing.

pub mod bearer;
mod cookie;
mod credentials;
mod devices;
pub mod hosts;
mod login;
mod login_journal;
mod login_throttle;
pub mod origin;
pub mod pairing;
pub mod pairing_code;
pub mod pairing_table;
pub mod password;
pub mod session;
pub mod sessions;
mod setup;
mod token;

use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::domain::{Precondition, Reject, Role, Secret, User};
use crate::limits::HashCost;
use crate::metrics::Metrics;
use crate::store::{Action, Actor, Caller, NewPassword, Store, TokenHash, UserPatch, UserUpdate};
use crate::throttle::Owner;

use bearer::Bearer;
pub use cookie::Cookie;
use login_journal::LoginJournal;
use login_throttle::{LoginThrottle, Source};
use pairing_table::PairingTable;
use password::Hasher;
use session::{Lifetimes, NoSession, Session};
use sessions::Sessions;
pub use setup::{SetupRefused, setup_code};
pub use token::{device_token, hash_request, one_time_password};

/// The session of a request's token or cookie.
pub type SessionLookup = Result<Arc<Session>, NoSession>;

/// The client behind a request.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddr {
    /// The client's address.
    pub address: IpAddr,
    /// Whether the client's connection is encrypted.
    pub secure: bool,
}

/// Why a login, or a change of a password, is refused.
#[derive(Debug)]
pub enum Denied {
    /// Wrong name or wrong password; the client does not learn which.
    Wrong,
    /// Too many failures, or too many logins at once; holds the time to wait.
    TooMany(Duration),
    /// The store rejected it.
    Rejected(Reject),
}

impl From<Reject> for Denied {
    fn from(reject: Reject) -> Self {
        Self::Rejected(reject)
    }
}

/// Login, session and password operations.
pub struct Auth {
    store: Arc<Store>,
    /// The live sessions.
    pub sessions: Arc<Sessions>,
    hasher: Hasher,
    /// Picks the user whose hash an unknown name is checked against, by a key that no client knows.
    decoy_hash_picker: RandomState,
    throttle: LoginThrottle,
    journal: LoginJournal,
    cookie: Cookie,
    device_cookie: Cookie,
    pairings: Mutex<PairingTable>,
    pairing_cookie: Cookie,
    lifetimes: Lifetimes,
    metrics: Arc<Metrics>,
}

impl Auth {
    /// Creates the handle on a store and a table of sessions, of a server whose first port this is.
    pub fn new(
        store: Arc<Store>,
        sessions: Arc<Sessions>,
        port: u16,
        lifetimes: Lifetimes,
        hash_cost: HashCost,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            store,
            sessions,
            hasher: Hasher::new(hash_cost),
            decoy_hash_picker: RandomState::new(),
            throttle: LoginThrottle::new(),
            journal: LoginJournal::new(),
            cookie: Cookie::session(port),
            device_cookie: Cookie::device(port),
            pairings: Mutex::new(PairingTable::new()),
            pairing_cookie: Cookie::pairing(port),
            lifetimes,
            metrics,
        }
    }

    /// The session cookie's name, for clients that come over TLS or not.
    pub fn cookie_name(&self, secure: bool) -> &str {
        self.cookie.name(secure)
    }

    /// Ends the sessions of a request's cookie; returns the value of `Set-Cookie` that removes the cookie.
    pub async fn logout<'h>(
        &self,
        from: ClientAddr,
        cookie_lines: impl IntoIterator<Item = &'h [u8]>,
    ) -> Result<String, Reject> {
        let tokens = self.token_hashes(from.secure, cookie_lines);
        let live: Vec<_> = tokens.filter_map(|hash| self.sessions.find(&hash).ok()).collect();
        self.store.remove_sessions(live.iter().map(|one| one.token_hash).collect()).await?;
        let now = Instant::now();
        for user_id in live.iter().filter_map(|one| one.principal.user_id()) {
            let actor = Actor { principal_id: Some(user_id), address: Some(from.address) };
            self.journal.note(Action::Logout, user_id, actor, now);
        }
        Ok(self.cookie.clear(from.secure))
    }

    /// The principal of a session that still lives, to make a change.
    ///
    /// # Errors
    /// `SessionEnded` if it ended while the request waited.
    pub fn caller(&self, session: &Session, from: IpAddr) -> Result<Caller, Reject> {
        self.sessions.check(session).map_err(|_| Reject::SessionEnded)?;
        let credential = Some(self.sessions.credential(session));
        Ok(Caller { principal: session.principal, address: Some(from), credential })
    }

    /// The role that the principal of a session has by now; `None` if it is gone.
    pub async fn present_role(&self, session: &Session) -> Option<Role> {
        if session.principal.is_device() {
            return self.sessions.find(&session.token_hash).ok().map(|one| one.principal.role());
        }
        self.user(session).await.ok().map(|user| user.role)
    }

    /// Returns the user of a session.
    ///
    /// # Errors
    /// `NotFound` if the principal is no user, or was deleted.
    pub async fn user(&self, session: &Session) -> Result<User, Reject> {
        match session.principal.user_id() {
            Some(id) => self.store.user(id).await,
            None => Err(Reject::NotFound),
        }
    }

    /// Changes the password of the session's user and ends the user's other sessions.
    ///
    /// # Errors
    /// `Wrong` also if the user gets another password, by an admin say, before this one is stored: the
    /// answer is that of a change that came later.
    pub async fn change_password(
        &self,
        session: &Session,
        current: Secret,
        new: Secret,
        from: IpAddr,
    ) -> Result<(), Denied> {
        if session.principal.is_device() {
            return Err(Reject::NotAllowed("a device has no password".to_owned()).into());
        }
        let user = self.user(session).await?;
        let (source, owner) = (Source::Own(session.token_hash), Owner::Principal(user.id));
        let actor = Actor { principal_id: Some(user.id), address: Some(from) };
        let (_, (proved, _)) =
            self.verify_credentials(&user.username, current, source, owner, actor).await?;
        let password = NewPassword { hash: self.hash(new, owner).await?, proved: Some(proved) };
        let patch = UserPatch { password: Some(password), ..UserPatch::default() };
        let caller = self.caller(session, from)?;
        match self.update_user(user.id, patch, Precondition::default(), caller).await {
            Err(Reject::PreconditionFailed) => Err(Denied::Wrong),
            done => Ok(done.map(drop)?),
        }
    }

    /// Changes a user. The sessions that the change invalidates have ended when this returns; those
    /// of a new password without the one that set it.
    pub async fn update_user(
        &self,
        id: i64,
        patch: UserPatch,
        precondition: Precondition,
        caller: Caller,
    ) -> Result<User, Reject> {
        let own = caller.credential.filter(|_| caller.principal.user_id() == Some(id));
        let keep_session = own.map(|own| own.token_hash);
        self.store.update_user(caller, UserUpdate { id, patch, precondition, keep_session }).await
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: Secret, owner: Owner) -> Result<Secret, Denied> {
        password::check(&password).map_err(|wrong| Reject::Invalid(vec![wrong.at("password")]))?;
        let permit = self.hasher.acquire(owner).await;
        let permit = permit.map_err(|_| Denied::TooMany(Duration::from_secs(1)))?;
        Ok(permit.hash(password).await.ok_or(Reject::Unavailable)?)
    }

    /// Looks up the session of a request. One that brings a token is that token's alone. Else all values of the
    /// cookie are tried: a browser may also bring stale ones.
    pub fn session<'h>(
        &self,
        secure: bool,
        bearer: &Bearer,
        cookie_lines: impl IntoIterator<Item = &'h [u8]>,
    ) -> SessionLookup {
        match bearer {
            Bearer::Absent => self.session_of_cookies(secure, cookie_lines),
            Bearer::Malformed => Err(NoSession::InvalidToken),
            Bearer::Token(token) => {
                let found = self.sessions.find(&token::hash(token)).ok();
                // A user's session has cookies, which other sites cannot read; its token is not for programs.
                found.filter(|one| one.principal.is_device()).ok_or(NoSession::InvalidToken)
            }
        }
    }

    fn session_of_cookies<'h>(
        &self,
        secure: bool,
        cookie_lines: impl IntoIterator<Item = &'h [u8]>,
    ) -> SessionLookup {
        let mut found: SessionLookup = Err(NoSession::Unknown);
        for token_hash in self.token_hashes(secure, cookie_lines) {
            found = match (self.sessions.find(&token_hash), found) {
                (Ok(one), Ok(other)) if one.principal != other.principal => {
                    return Err(NoSession::Ambiguous);
                }
                (Ok(one), Err(_)) => Ok(one),
                (Err(ended), Err(NoSession::Unknown)) => Err(ended.into()),
                (_, found) => found,
            };
        }
        found
    }

    fn token_hashes<'h>(
        &self,
        secure: bool,
        cookie_lines: impl IntoIterator<Item = &'h [u8]>,
    ) -> impl Iterator<Item = TokenHash> {
        self.cookie.tokens(secure, cookie_lines).map(|token| token::hash(&token))
    }

    /// Stores the entries about logins in the audit trail.
    pub async fn store_login_entries(&self) {
        let _turn = self.journal.turn().await;
        let entries = self.journal.take();
        if entries.is_empty() {
            return;
        }
        if let Err(reject) = self.store.note(entries).await {
            tracing::warn!(?reject, "entries about logins could not be stored in the audit trail");
        }
    }

    /// Ends expired sessions and stores when the others were last used.
    pub async fn sweep(&self, stopping: bool) {
        self.store_login_entries().await;
        let swept = self.sessions.sweep(stopping);
        let mut result = Ok(());
        if !swept.expired.is_empty() {
            result = self.store.remove_sessions(swept.expired).await;
        }
        if !swept.used.is_empty() {
            result = result.and(self.store.touch_sessions(swept.used).await);
        }
        if let Err(reject) = result {
            tracing::warn!(?reject, "the use of sessions could not be stored");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Principal;
    use crate::store::{Revocation, SessionChange, SessionUse, StoredSession};
    use password::Checked;
    use sessions::SweepResult;

    /// Guards against a secret in a log line that formats one of these with `?`.
    #[test]
    fn debug_masks_secrets() {
        let secret = || Secret("hunter22".to_owned());
        let token_hash = token::hash(&secret());
        let snapshot = StoredSession {
            token_hash,
            principal: Principal::User { id: 1, role: Role::Admin },
            created_at: 0,
            used_at: 0,
            address: None,
        };
        let password = NewPassword { hash: secret(), proved: Some(secret()) };
        let patch = UserPatch { password: Some(password), ..UserPatch::default() };
        let swept = SweepResult {
            expired: vec![token_hash],
            used: vec![SessionUse { token_hash, ago_ms: 1, address: None }],
        };
        let told = format!(
            "{:?} {snapshot:?} {patch:?} {swept:?} {:?} {:?}",
            secret(),
            Checked { fits: true, renewed: Some(secret()) },
            SessionChange::Revoked {
                id: 1,
                reason: Revocation::RoleChanged,
                except: Some(token_hash)
            },
        );
        assert!(told.matches("Secret").count() == 4, "{told}");
        let first_bytes = format!("{:?}", &token_hash.0[..2]);
        for hidden in
            ["hunter22", &first_bytes[1..first_bytes.len() - 1], &token::hex(&token_hash.0)]
        {
            assert!(!told.contains(hidden), "{hidden} in {told}");
        }
    }
}
