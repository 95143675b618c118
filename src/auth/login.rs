//! Logging in: a name and a password become a session.

use std::time::Instant;

use crate::auth::login_throttle::Source;
use crate::auth::{Auth, ClientAddr, Cookie, Denied, token};
use crate::domain::{Reject, Secret, User};
use crate::limits::DEVICE_COOKIE_AGE;
use crate::store::{Action, Actor, KnownClient, LoggedIn, LoginClient, NewSession, TokenHash};
use crate::throttle::Owner;

/// A session to be stored, and the tokens that its browser gets.
pub(super) struct Opening {
    pub(super) session: NewSession,
    token: Secret,
    browser_token: Secret,
    /// The devices that the browser was, which end with the login.
    devices: Vec<TokenHash>,
}

impl Auth {
    /// Checks a name and a password; returns the user and the values of `Set-Cookie`: of the session, and of the
    /// browser, by which it will be known. Ends the sessions that the same browser had before, so that no token
    /// from before the login stays valid.
    pub async fn login(
        &self,
        username: String,
        password: Secret,
        from: ClientAddr,
        cookie_lines: &[&[u8]],
    ) -> Result<(User, [String; 2]), Denied> {
        let client = self.login_client(from, cookie_lines);
        let source = match self.store.known_client(username.clone(), client.clone()).await? {
            KnownClient::Browser(token) => Source::Own(token),
            KnownClient::Address => Source::Known(client.address),
            KnownClient::Unknown => Source::Stranger(client.address),
        };
        let owner = Owner::Address(client.address);
        let stranger = Actor { principal_id: None, address: Some(from.address) };
        let (_, (password_hash, renewed_hash)) =
            self.verify_credentials(&username, password, source, owner, stranger).await?;
        let mut opening = self.opening(username, password_hash, from, cookie_lines)?;
        opening.session.renewed_hash = renewed_hash;
        let added = self.store.add_session(opening.session.clone(), self.sessions.room()).await?;
        Ok(self.opened(opening, added.ok_or(Denied::Wrong)?, from).await?)
    }

    /// The session of a user who has this password hash by now, in the browser of these cookies.
    pub(super) fn opening(
        &self,
        username: String,
        password_hash: Secret,
        from: ClientAddr,
        cookie_lines: &[&[u8]],
    ) -> Result<Opening, Reject> {
        let token = token::generate().ok_or(Reject::Unavailable)?;
        let browser_token = token::generate().ok_or(Reject::Unavailable)?;
        let is_device = |hash: &TokenHash| {
            self.sessions.find(hash).is_ok_and(|session| session.principal.is_device())
        };
        let before = hashes(&self.cookie, from, cookie_lines).into_iter();
        let (devices, replaced) = before.partition(is_device);
        let session = NewSession {
            token_hash: token::hash(&token),
            username,
            password_hash,
            renewed_hash: None,
            replaced,
            client: self.login_client(from, cookie_lines),
            browser_token: token::hash(&browser_token),
        };
        Ok(Opening { session, token, browser_token, devices })
    }

    /// Ends what a stored session takes the place of; returns its user and the values of `Set-Cookie`.
    pub(super) async fn opened(
        &self,
        opening: Opening,
        LoggedIn { user, displaced }: LoggedIn,
        from: ClientAddr,
    ) -> Result<(User, [String; 2]), Reject> {
        let actor = Actor { principal_id: Some(user.id), address: Some(from.address) };
        let now = Instant::now();
        self.journal.note(Action::Login, user.id, actor, now);
        for owner in displaced {
            self.journal.note(Action::Displace, owner, actor, now);
        }
        self.end_sessions(from, opening.devices).await?;
        let session = self.cookie.set(&opening.token, self.lifetimes.max, from.secure);
        let device = self.device_cookie.set(&opening.browser_token, DEVICE_COOKIE_AGE, from.secure);
        Ok((user, [session, device]))
    }

    fn login_client(&self, from: ClientAddr, cookie_lines: &[&[u8]]) -> LoginClient {
        let browser = hashes(&self.device_cookie, from, cookie_lines);
        LoginClient { address: from.address.into(), browser }
    }
}

/// The hash of each token that a cookie has.
fn hashes(cookie: &Cookie, from: ClientAddr, cookie_lines: &[&[u8]]) -> Vec<TokenHash> {
    let tokens = cookie.tokens(from.secure, cookie_lines.iter().copied());
    tokens.map(|token| token::hash(&token)).collect()
}
