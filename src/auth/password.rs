//! Passwords: argon2id, a bounded number at a time. This file is the home of argon2.

use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits::{HASH_QUEUE_MAX, HASHES_AT_ONCE, PASSWORD_CHARS};

/// The hash of a password that nobody knows: what an unknown name is checked against, so that it
/// takes as long as a known one. Its parameters are those of `hash`.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$VGlsbGNhc3ROb2JvZHk$\
                      3Vx7cNZqv0sWkIyfWmqzXyqvZ8m0ZcVQdXn8m3qOeJk";

/// Hashes and checks passwords; each takes 19 MiB for its time, so few run at once.
pub struct Hasher {
    places: Semaphore,
    waiting: AtomicUsize,
}

/// The right to hash once.
pub struct Place<'h> {
    _permit: SemaphorePermit<'h>,
}

/// Too many wait already.
#[derive(Debug, PartialEq, Eq)]
pub struct QueueFull;

impl Hasher {
    /// With its bounds from `limits`.
    pub fn new() -> Self {
        Self { places: Semaphore::new(HASHES_AT_ONCE), waiting: AtomicUsize::new(0) }
    }

    /// Waits for a place.
    pub async fn place(&self) -> Result<Place<'_>, QueueFull> {
        /// Leaves the queue, also when the waiting request is dropped.
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::AcqRel);
            }
        }
        let ahead = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if ahead >= HASH_QUEUE_MAX {
            return Err(QueueFull);
        }
        let permit = self.places.acquire().await.map_err(|_| QueueFull)?;
        Ok(Place { _permit: permit })
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Place<'_> {
    /// Hashes a password on a thread that may block.
    pub async fn hash(&self, password: String) -> Option<String> {
        tokio::task::spawn_blocking(move || hash(&password)).await.ok().flatten()
    }

    /// Checks a password against a hash; against nobody's where there is none.
    pub async fn verify(&self, password: String, hash: Option<String>) -> bool {
        let check = move || verify(&password, hash.as_deref().unwrap_or(NOBODY)) && hash.is_some();
        tokio::task::spawn_blocking(check).await.unwrap_or(false)
    }
}

/// The PHC string of a password; none if the system has no randomness.
pub fn hash(password: &str) -> Option<String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).ok()
}

fn verify(password: &str, hash: &str) -> bool {
    let parsed = PasswordHash::new(hash);
    parsed.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Says what is wrong with a new password, if anything.
pub fn check(password: &str) -> Result<(), String> {
    let (least, most) = (PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
    if PASSWORD_CHARS.contains(&password.chars().count()) {
        return Ok(());
    }
    Err(format!("must have {least} to {most} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let hash = hash("correct horse").unwrap();
        assert!(verify("correct horse", &hash));
        assert!(!verify("correct house", &hash));
    }

    /// An unknown name costs the same work as a known one.
    #[test]
    fn nobody_has_the_parameters_of_everybody() {
        let everybody = hash("somebody").unwrap();
        let parameters = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(parameters(NOBODY), parameters(&everybody));
        let lengths = |hash: &str| hash.split('$').skip(4).map(str::len).collect::<Vec<_>>();
        assert_eq!(lengths(NOBODY)[1], lengths(&everybody)[1]);
        assert!(PasswordHash::new(NOBODY).is_ok());
    }
}
