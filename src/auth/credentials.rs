//! Checking a password, which waits for its turn and counts if it is wrong.

use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::auth::login_throttle::{Attempt, Brakes, Source, Verdict};
use crate::auth::password::HashPermit;
use crate::auth::{Auth, Denied};
use crate::domain::{Secret, User};
use crate::store::{Action, Actor};
use crate::throttle::Owner;

impl Auth {
    /// Checks a user's password. Returns the user, the hash, and a new hash if that one has another cost.
    pub(super) async fn verify_credentials(
        &self,
        username: &str,
        password: Secret,
        source: Source,
        owner: Owner,
        actor: Actor,
    ) -> Result<(User, (Secret, Option<Secret>)), Denied> {
        let attempt = Attempt::new(username, source);
        let permit = self.admit(&attempt, owner).await.inspect_err(|_| {
            self.metrics.logins_rejected.inc();
        })?;
        let pick = self.decoy_hash_picker.hash_one(username.to_lowercase());
        let pick = u32::try_from(pick >> 32).unwrap_or(0);
        // Unknown and disabled users are checked all the same: the time must not tell which users exist.
        let found =
            self.store.login_candidate(username.to_owned(), pick).await?.ok_or(Denied::Wrong)?;
        let known_id = found.user.as_ref().map(|user| user.id);
        let user = found.user.filter(|user| !user.disabled);
        let hash = found.password_hash;
        let checked = permit.check(password, hash.clone(), user.is_some()).await;
        match user {
            Some(user) if checked.fits => {
                self.throttle.record_success(&attempt);
                Ok((user, (hash, checked.renewed)))
            }
            _ => {
                self.note_failure(&attempt, known_id, actor);
                Err(Denied::Wrong)
            }
        }
    }

    /// Counts a wrong password and records it, with the user's id and without the name that was given: it may be a
    /// password in the wrong field.
    pub(super) fn note_failure(&self, attempt: &Attempt, user_id: Option<i64>, actor: Actor) {
        let now = Instant::now();
        self.metrics.logins_rejected.inc();
        let Brakes { refuses, delays } = self.throttle.record_failure(attempt, now);
        let address = actor.address.map(tracing::field::display);
        if refuses {
            tracing::warn!(address, user_id, "too many wrong passwords: refused for a while");
        }
        if delays {
            tracing::warn!(
                user_id,
                "too many wrong passwords from everywhere: further ones are delayed"
            );
        }
        let Some(user_id) = user_id else { return };
        let actions =
            [(Action::FailedLogin, true), (Action::Lockout, refuses), (Action::Delay, delays)];
        for (action, _) in actions.into_iter().filter(|(_, happened)| *happened) {
            self.journal.note(action, user_id, actor, now);
        }
    }

    /// Waits until a password may be checked: for the delay, if others failed too often with the name, and then
    /// for a permit to hash.
    ///
    /// The failures are checked again once the permit is there, so that parallel guesses get no more tries
    /// than sequential ones.
    pub(super) async fn admit(
        &self,
        attempt: &Attempt,
        owner: Owner,
    ) -> Result<HashPermit, Denied> {
        let mut has_waited = false;
        loop {
            if let Some(wait) = self.check_failures(attempt, has_waited)? {
                let place = self.throttle.delay(attempt).ok_or(Denied::TooMany(wait))?;
                sleep(wait).await;
                drop(place);
                has_waited = true;
            }
            let permit = self.hasher.acquire(owner).await;
            let permit = permit.map_err(|_| Denied::TooMany(Duration::from_secs(1)))?;
            if self.check_failures(attempt, has_waited)?.is_none() {
                return Ok(permit);
            }
        }
    }

    /// The delay of an attempt; `None` if it may run now, because it needs no delay or has had it.
    fn check_failures(
        &self,
        attempt: &Attempt,
        has_waited: bool,
    ) -> Result<Option<Duration>, Denied> {
        match self.throttle.check(attempt, Instant::now()) {
            Verdict::Refuse(wait) => Err(Denied::TooMany(wait)),
            Verdict::Delay(wait) if !has_waited => Ok(Some(wait)),
            Verdict::Delay(_) | Verdict::Go => Ok(None),
        }
    }
}
