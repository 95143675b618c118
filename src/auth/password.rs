//! Passwords: argon2id, a bounded number at a time. No other file uses argon2.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};

use crate::domain::{Code, Secret, Violation};
use crate::limits::{
    HASH_COSTS, HASH_QUEUE_MAX, HASH_WAIT, HASHES_AT_ONCE, HashCost, PASSWORD_CHARS,
};
use crate::throttle::{NoRoom, Owner, Permit, Pool};

/// Hashes and checks passwords; each takes megabytes while it runs, so only a few run at once.
pub struct Hasher {
    cost: HashCost,
    turns: Arc<Pool>,
}

/// The right to run one hash.
pub struct HashPermit {
    cost: HashCost,
    _turn: Permit,
}

/// The result of a password check.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Whether it is the user's password.
    pub fits: bool,
    /// A new hash at the current cost, if the stored one has another cost.
    pub renewed: Option<Secret>,
}

impl Hasher {
    /// Creates a hasher of this cost.
    pub fn new(cost: HashCost) -> Self {
        Self { cost, turns: Pool::new(HASHES_AT_ONCE, HASH_QUEUE_MAX) }
    }

    /// Waits for a permit; owners take turns.
    ///
    /// # Errors
    /// `NoRoom` at once if `HASH_QUEUE_MAX` requests wait already, or an eighth of them for this owner.
    pub async fn acquire(&self, owner: Owner) -> Result<HashPermit, NoRoom> {
        let turn = self.turns.acquire(owner, 1, HASH_WAIT).await?;
        Ok(HashPermit { cost: self.cost, _turn: turn })
    }
}

impl HashPermit {
    /// Hashes a password on a blocking thread.
    pub async fn hash(&self, password: Secret) -> Option<Secret> {
        let cost = self.cost;
        tokio::task::spawn_blocking(move || hash(&password, cost)).await.ok().flatten()
    }

    /// Checks a password against a stored hash; a decoy (`own` is false) never fits.
    pub async fn check(&self, password: Secret, stored: Secret, own: bool) -> Checked {
        let cost = self.cost;
        let check = move || {
            let fits = verify(&password, &stored) && own;
            let outdated = fits && !stored.0.starts_with(&parameters(cost));
            Checked { fits, renewed: outdated.then(|| hash(&password, cost)).flatten() }
        };
        tokio::task::spawn_blocking(check).await.unwrap_or_default()
    }
}

/// The PHC string of a password; `None` if the system has no randomness.
pub fn hash(password: &Secret, cost: HashCost) -> Option<Secret> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, None).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password(password.0.as_bytes()).map(|hash| Secret(hash.to_string())).ok()
}

/// The beginning of the PHC string of every hash of this cost.
fn parameters(HashCost { memory_kib, passes }: HashCost) -> String {
    format!("$argon2id$v=19$m={memory_kib},t={passes},p=1$")
}

/// Checks a password against a PHC string, which holds its own cost, so any profile's works.
fn verify(password: &Secret, hash: &Secret) -> bool {
    PasswordHash::new(&hash.0).is_ok_and(|hash| {
        is_affordable(&hash)
            && Argon2::default().verify_password(password.0.as_bytes(), &hash).is_ok()
    })
}

/// Whether a hash costs no more than that of some profile. One in a database that comes from elsewhere may ask
/// for terabytes, and a process that cannot get its memory aborts.
fn is_affordable(hash: &PasswordHash) -> bool {
    let within = |params: &Params, most: &HashCost| {
        params.m_cost() <= most.memory_kib && params.t_cost() <= most.passes && params.p_cost() == 1
    };
    Params::try_from(hash).is_ok_and(|params| HASH_COSTS.iter().any(|most| within(&params, most)))
}

/// Checks the length of a new password.
///
/// # Errors
/// A predicate for the client: `must have ...`.
pub fn check(password: &Secret) -> Result<(), Violation> {
    let (least, most) = (PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
    let count = password.0.chars().count();
    if PASSWORD_CHARS.contains(&count) {
        return Ok(());
    }
    let code = if count < *least { Code::TooShort } else { Code::TooLong };
    Err(Violation::new(code, format!("must have {least} to {most} characters")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret(text.to_owned())
    }

    #[test]
    fn a_password_fits_its_own_hash_only() {
        for cost in HASH_COSTS {
            let hash = hash(&secret("correct horse"), cost).unwrap();
            assert!(verify(&secret("correct horse"), &hash));
            assert!(!verify(&secret("correct house"), &hash));
        }
    }

    #[test]
    fn a_hash_that_costs_more_than_any_profile_fits_nothing() {
        let password = secret("correct horse");
        let fits = |memory_kib, passes| {
            let hash = hash(&password, HashCost { memory_kib, passes }).unwrap();
            verify(&password, &hash)
        };
        let [default, tiny] = HASH_COSTS;
        assert!(fits(8, 1) && fits(default.memory_kib, 1) && fits(8, tiny.passes));
        assert!(!fits(default.memory_kib + 1, 1) && !fits(8, tiny.passes + 1));
        assert!(!fits(default.memory_kib, default.passes + 1), "of one profile each");
        let Secret(cheap) = hash(&password, HashCost { memory_kib: 8, passes: 1 }).unwrap();
        for most in ["m=4294967295,t=1,p=1", "m=8,t=4294967295,p=1", "m=64,t=1,p=8"] {
            assert!(!verify(&password, &Secret(cheap.replace("m=8,t=1,p=1", most))), "{most}");
        }
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_fits_and_is_renewed() {
        let hasher = Hasher::new(HASH_COSTS[1]);
        let permit = hasher.acquire(Owner::Principal(1)).await.unwrap();
        let old = || hash(&secret("correct horse"), HASH_COSTS[0]).unwrap();
        let check = |password: &str, stored| permit.check(secret(password), stored, true);
        assert_eq!(check("correct house", old()).await, Checked::default());
        let Checked { fits, renewed } = check("correct horse", old()).await;
        assert!(
            fits && renewed
                .as_ref()
                .is_some_and(|new| new.0.starts_with(&parameters(HASH_COSTS[1])))
        );
        let again = Checked { fits: true, renewed: None };
        assert_eq!(check("correct horse", renewed.unwrap_or_default()).await, again);
        // A decoy hash whose password fits by chance must look like any wrong password.
        let others = permit.check(secret("correct horse"), old(), false);
        assert_eq!(others.await, Checked::default());
    }
}
