//! Pairing a device: it shows a code, an admin types the code, and the device is logged in.
//!
//! The secret in the device's cookie becomes the token of its session. So the session is stored in the same commit
//! as the device, and each poll gives the device the same one: an answer that is lost leaves no second session
//! behind, and the server keeps no token that it could lose.

use std::time::{Duration, Instant};

use crate::auth::pairing_code::PairingCode;
use crate::auth::pairing_table::{Applicant, CodeRefused, Pairing, Progress};
use crate::auth::session::Session;
use crate::auth::{Auth, ClientAddr, token};
use crate::domain::Reject;
use crate::domain::device::NewDevice;
use crate::limits::PAIRING_LIFE;
use crate::store::{Action, Caller, StoredResponse, clock};
use crate::sync;

/// A pairing that a device has begun.
pub struct OpenedPairing {
    /// The code that it shows.
    pub code: String,
    /// The last moment of the code, in milliseconds since 1970, UTC.
    pub expires_at: i64,
    /// The value of `Set-Cookie` with its secret.
    pub cookie: String,
}

/// The answer to a device that asks how far it is.
pub enum Polled {
    /// No admin has approved it yet.
    Waiting,
    /// It is paired: the id of the device, and the value of `Set-Cookie` that logs it in.
    Approved(i64, String),
}

/// Why a step of a pairing is refused.
#[derive(Debug)]
pub enum PairingRefused {
    /// Too many are open; holds the time to wait.
    TooMany(Duration),
    /// The request has no cookie of a pairing.
    NoCookie,
    /// The pairing has expired, its device was deleted, or the server has started again since.
    Ended,
    /// The admin cannot have the device of this code.
    Code(CodeRefused),
    /// The store rejected it.
    Rejected(Reject),
}

impl From<Reject> for PairingRefused {
    fn from(reject: Reject) -> Self {
        Self::Rejected(reject)
    }
}

impl Auth {
    /// Begins the pairing of a device.
    pub fn open_pairing(
        &self,
        from: ClientAddr,
        user_agent: Option<String>,
    ) -> Result<OpenedPairing, PairingRefused> {
        let secret = token::generate().ok_or(Reject::Unavailable)?;
        let random = token::random().ok_or(Reject::Unavailable)?;
        let created_at = clock();
        let applicant = Applicant { address: from.address, user_agent, created_at };
        let opened = sync::lock(&self.pairings).open(
            token::hash(&secret),
            random,
            applicant,
            Instant::now(),
        );
        let code = opened.map_err(PairingRefused::TooMany)?.to_string();
        let life_ms = i64::try_from(PAIRING_LIFE.as_millis()).unwrap_or(0);
        // The cookie outlives the code and an approval in its last moment: the device learns how it ended.
        let cookie = self.pairing_cookie.set(&secret, 3 * PAIRING_LIFE, from.secure);
        Ok(OpenedPairing { code, expires_at: created_at.saturating_add(life_ms), cookie })
    }

    /// How far the pairing is that a device's cookie names. Ends the sessions that the same browser had before it
    /// was paired, as a login does.
    pub async fn poll_pairing(
        &self,
        from: ClientAddr,
        cookie_lines: &[&[u8]],
    ) -> Result<Polled, PairingRefused> {
        let lines = || cookie_lines.iter().copied();
        let secrets: Vec<_> = self.pairing_cookie.tokens(from.secure, lines()).collect();
        let mut missing = PairingRefused::NoCookie;
        for secret in secrets {
            let (hash, now) = (token::hash(&secret), Instant::now());
            missing = PairingRefused::Ended;
            let progress = sync::lock(&self.pairings).progress(&hash, now);
            let session = match (progress, self.sessions.find(&hash)) {
                (Some(Progress::Waiting | Progress::Claimed), Err(_)) => {
                    return Ok(Polled::Waiting);
                }
                (Some(Progress::Approved) | None, Err(_)) => continue,
                // The server has started again since the approval.
                (None, Ok(session)) if self.sessions.age(&session) >= PAIRING_LIFE => continue,
                (_, Ok(session)) => session,
            };
            // The admin's request may have been given up before it could tell.
            sync::lock(&self.pairings).settle(&hash, true, now);
            session.seen_at(from.address);
            let Some(id) = session.principal.id() else { return Err(missing) };
            let earlier = self.token_hashes(from.secure, lines()).filter(|one| *one != hash);
            self.end_sessions(from, earlier.collect()).await?;
            let cookie = self.cookie.set(&secret, self.lifetimes.device, from.secure);
            return Ok(Polled::Approved(id, cookie));
        }
        Err(missing)
    }

    /// The code of the pairing that a device's cookie names, while it can be used.
    pub fn open_code<'h>(
        &self,
        secure: bool,
        cookie_lines: impl IntoIterator<Item = &'h [u8]>,
    ) -> Result<PairingCode, PairingRefused> {
        let (mut missing, now) = (PairingRefused::NoCookie, Instant::now());
        for secret in self.pairing_cookie.tokens(secure, cookie_lines) {
            missing = PairingRefused::Ended;
            if let Some(code) = sync::lock(&self.pairings).open_code(&token::hash(&secret), now) {
                return Ok(code);
            }
        }
        Err(missing)
    }

    /// The value of `Set-Cookie` that keeps a device's cookie for another lifetime, as its use does with its session.
    /// `None` if the session came with no cookie.
    pub fn renewed_cookie<'h>(
        &self,
        session: &Session,
        secure: bool,
        cookie_lines: impl IntoIterator<Item = &'h [u8]>,
    ) -> Option<String> {
        let mut tokens = self.cookie.tokens(secure, cookie_lines);
        let own = tokens.find(|one| token::hash(one) == session.token_hash)?;
        Some(self.cookie.set(&own, self.lifetimes.device, secure))
    }

    /// The waiting device with the code that an admin typed.
    pub fn find_pairing(&self, typed: &str, admin: Caller) -> Result<Pairing, PairingRefused> {
        let id = admin.principal.user_id().unwrap_or(0);
        let found = sync::lock(&self.pairings).find(typed, id, Instant::now()).cloned();
        found.map_err(|refused| self.note_refused(refused, admin))
    }

    /// Pairs the device with the code that an admin typed.
    pub async fn approve_pairing(
        &self,
        typed: &str,
        admin: Caller,
        new: NewDevice,
    ) -> Result<StoredResponse, PairingRefused> {
        let id = admin.principal.user_id().unwrap_or(0);
        let claimed = sync::lock(&self.pairings).claim(typed, id, Instant::now());
        let Pairing { secret, .. } =
            claimed.map_err(|refused| self.note_refused(refused, admin))?;
        let stored = self.add_device_with(admin, new, secret, None).await;
        sync::lock(&self.pairings).settle(&secret, stored.is_ok(), Instant::now());
        let (device, _) = stored?;
        Ok(device)
    }

    /// Notes a wrong code in the audit trail, which has only so many of one admin.
    fn note_refused(&self, refused: CodeRefused, admin: Caller) -> PairingRefused {
        if let (CodeRefused::Unknown, Some(id)) = (refused, admin.principal.user_id()) {
            self.journal.note(Action::WrongCode, id, admin.into(), Instant::now());
        }
        PairingRefused::Code(refused)
    }
}
