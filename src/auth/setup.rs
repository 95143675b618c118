//! The first start: whoever has the link that it prints becomes the first admin.
//!
//! The code in the link is used once, and the store keeps its hash alone. Wrong codes are counted as wrong passwords
//! of a user without a name are, whom there cannot be.

use crate::auth::login_throttle::{Attempt, Source};
use crate::auth::pairing_code::PairingCode;
use crate::auth::password::HashPermit;
use crate::auth::{Auth, ClientAddr, Denied, token};
use crate::domain::{Reject, Secret, ShopPatch, User};
use crate::store::{Actor, SetupCode, TokenHash};
use crate::throttle::Owner;

/// A code that may be used, and the turn to hash a password.
pub struct SetupTicket {
    code: TokenHash,
    permit: HashPermit,
}

/// Why a setup is refused.
#[derive(Debug)]
pub enum SetupRefused {
    /// The shop has an admin, or the code has expired.
    Ended,
    /// The code is wrong, there were too many wrong ones, or the store rejected it.
    Denied(Denied),
}

impl<E: Into<Denied>> From<E> for SetupRefused {
    fn from(error: E) -> Self {
        Self::Denied(error.into())
    }
}

/// A new code of 69 random bits for a link, as `BCDF-GHJK-LMNP-QRST`, and what is stored of it; `None` if the system
/// has no randomness. It has only letters that a person can read off a screen.
pub fn setup_code() -> Option<(Secret, TokenHash)> {
    let halves = [token::random()?, token::random()?].map(PairingCode::draw);
    let code = halves.map(|half| half.to_string()).join("-");
    let hash = hash(&code);
    Some((Secret(code), hash))
}

/// The hash of a code as a person types it: letters of either case, with dashes and spaces anywhere.
fn hash(typed: &str) -> TokenHash {
    let letters = typed.chars().filter(|letter| !matches!(letter, '-' | ' '));
    token::hash(&Secret(letters.map(|letter| letter.to_ascii_uppercase()).collect()))
}

impl Auth {
    /// Checks the code of a link, and counts a wrong one.
    pub async fn check_setup_code(
        &self,
        code: &str,
        from: ClientAddr,
    ) -> Result<SetupTicket, SetupRefused> {
        let attempt = Attempt::new("", Source::Stranger(from.address.into()));
        let permit = self.admit(&attempt, Owner::Address(from.address.into())).await?;
        let code = hash(code);
        match self.store.setup_code(code).await? {
            SetupCode::Valid => Ok(SetupTicket { code, permit }),
            SetupCode::Ended => Err(SetupRefused::Ended),
            SetupCode::Wrong => {
                let stranger = Actor { principal_id: None, address: Some(from.address) };
                self.note_failure(&attempt, None, stranger);
                Err(Denied::Wrong.into())
            }
        }
    }

    /// Makes the first admin, sets the shop, and logs the admin in; returns as `login` does. Of several who have the
    /// code, one gets this.
    pub async fn set_up(
        &self,
        SetupTicket { code, permit }: SetupTicket,
        (username, password): (String, Secret),
        shop: ShopPatch,
        from: ClientAddr,
        cookie_lines: &[&[u8]],
    ) -> Result<(User, [String; 2]), SetupRefused> {
        let hash = permit.hash(password).await.ok_or(Reject::Unavailable)?;
        drop(permit);
        let opening = self.opening(username, hash, from, cookie_lines)?;
        let (session, room) = (opening.session.clone(), self.sessions.room());
        let added = self.store.set_up(code, session, room, shop, from.address).await?;
        Ok(self.opened(opening, added.ok_or(SetupRefused::Ended)?, from).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed_and_is_another_each_time() {
        let (code, stored) = setup_code().unwrap();
        assert_eq!(code.0.len(), 19, "16 of 20 letters are 69 bits");
        assert!(code.0.split('-').all(|group| group.len() == 4), "{}", code.0);
        for typed in [code.0.clone(), code.0.to_lowercase(), code.0.replace('-', " ")] {
            assert!(hash(&typed) == stored, "{typed}");
        }
        let (other, hash_of_other) = setup_code().unwrap();
        assert!(other.0 != code.0 && hash_of_other != stored);
        assert!(hash("") != stored && hash(&code.0[1..]) != stored);
    }
}
