//! The devices that ask to be paired, and the brakes on guessing their codes. The table is in memory only: a
//! restart of the server ends them all.
//!
//! A code that an admin has claimed can be claimed by no other, and is used up once its device is stored.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::auth::pairing_code::PairingCode;
use crate::limits::{
    PAIRING_ADMINS_KEPT, PAIRING_CODES_WINDOW, PAIRING_LIFE, PAIRING_WRONG_CODES_MAX,
    PAIRINGS_KEPT_MAX, PAIRINGS_OPEN_MAX, PAIRINGS_PER_ADDRESS_MAX,
};
use crate::store::TokenHash;
use crate::throttle::{AddressPrefix, Failures};

/// All pairings that have not ended, oldest first.
pub struct PairingTable {
    pairings: Vec<Pairing>,
    /// By the id of the admin.
    wrong_codes: Failures<PAIRING_ADMINS_KEPT>,
}

/// A device that asks to be paired.
#[derive(Clone, Debug)]
pub struct Pairing {
    /// Its code.
    pub code: PairingCode,
    /// SHA-256 of the secret in its cookie.
    pub secret: TokenHash,
    /// The part that an admin learns.
    pub applicant: Applicant,
    progress: Progress,
    ends: Instant,
}

/// The part of a device that an admin learns before it is paired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// Its address.
    pub address: IpAddr,
    /// The browser's own name for itself.
    pub user_agent: Option<String>,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
}

/// How far a pairing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No admin has approved it yet.
    Waiting,
    /// An admin has, and the device is being stored. It stays so if the admin's request is given up meanwhile.
    Claimed,
    /// The device is stored.
    Approved,
}

/// Why an admin cannot have the device of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeRefused {
    /// No device has it: it is wrong, or has expired.
    Unknown,
    /// It was used before.
    Used,
    /// The admin has tried too many wrong ones; holds the time to wait.
    TooMany(Duration),
}

impl PairingTable {
    /// An empty table.
    #[expect(clippy::new_without_default, reason = "like the other tables")]
    pub fn new() -> Self {
        let wrong_codes = Failures::new(PAIRING_WRONG_CODES_MAX, PAIRING_CODES_WINDOW);
        Self { pairings: Vec::with_capacity(PAIRINGS_KEPT_MAX), wrong_codes }
    }

    /// Adds a device with this secret, and a code of these random bytes.
    ///
    /// # Errors
    /// The time to wait, if too many are open, of this network or in all. It is zero if the code is taken, which
    /// happens once in 10^8 times.
    pub fn open(
        &mut self,
        secret: TokenHash,
        random: [u8; 8],
        applicant: Applicant,
        now: Instant,
    ) -> Result<PairingCode, Duration> {
        self.expire(now);
        let network = Some(applicant.address.into());
        self.check_room(network, PAIRINGS_PER_ADDRESS_MAX, now)?;
        self.check_room(None, PAIRINGS_OPEN_MAX, now)?;
        let code = PairingCode::draw(random);
        if self.position(code).is_some() {
            return Err(Duration::ZERO);
        }
        if self.pairings.len() >= PAIRINGS_KEPT_MAX
            && let Some(oldest) = self.pairings.iter().position(|one| !one.is_open())
        {
            self.pairings.remove(oldest);
        }
        let (progress, ends) = (Progress::Waiting, now + PAIRING_LIFE);
        self.pairings.push(Pairing { code, secret, applicant, progress, ends });
        Ok(code)
    }

    /// How far the pairing with this secret is; `None` if there is none, or none any more.
    pub fn progress(&mut self, secret: &TokenHash, now: Instant) -> Option<Progress> {
        self.expire(now);
        self.pairings.iter().find(|one| one.secret == *secret).map(|one| one.progress)
    }

    /// The code of the pairing with this secret, while it can be used.
    pub fn open_code(&mut self, secret: &TokenHash, now: Instant) -> Option<PairingCode> {
        self.expire(now);
        self.pairings.iter().find(|one| one.secret == *secret && one.is_open()).map(|one| one.code)
    }

    /// The waiting device that has the code which this admin typed.
    pub fn find(&mut self, typed: &str, admin: i64, now: Instant) -> Result<&Pairing, CodeRefused> {
        self.find_mut(typed, admin, now).map(|found| &*found)
    }

    /// The same, which no other admin can have until `settle`.
    pub fn claim(&mut self, typed: &str, admin: i64, now: Instant) -> Result<Pairing, CodeRefused> {
        let found = self.find_mut(typed, admin, now)?;
        found.progress = Progress::Claimed;
        Ok(found.clone())
    }

    /// Ends a claim: the device was stored, or waits again.
    pub fn settle(&mut self, secret: &TokenHash, is_stored: bool, now: Instant) {
        self.expire(now);
        let is_claimed =
            |one: &&mut Pairing| one.secret == *secret && one.progress == Progress::Claimed;
        let Some(claimed) = self.pairings.iter_mut().find(is_claimed) else { return };
        if is_stored {
            (claimed.progress, claimed.ends) = (Progress::Approved, now + PAIRING_LIFE);
        } else {
            claimed.progress = Progress::Waiting;
        }
    }

    fn find_mut(
        &mut self,
        typed: &str,
        admin: i64,
        now: Instant,
    ) -> Result<&mut Pairing, CodeRefused> {
        self.expire(now);
        if let Some(wait) = self.wrong_codes.blocked(admin, now) {
            return Err(CodeRefused::TooMany(wait));
        }
        if self.wrong_codes.is_full_for(admin, now) {
            return Err(CodeRefused::TooMany(PAIRING_CODES_WINDOW));
        }
        let Some(at) = PairingCode::parse(typed).and_then(|code| self.position(code)) else {
            self.wrong_codes.add(admin, now);
            return Err(CodeRefused::Unknown);
        };
        let found = &mut self.pairings[at];
        if found.progress == Progress::Waiting { Ok(found) } else { Err(CodeRefused::Used) }
    }

    fn position(&self, code: PairingCode) -> Option<usize> {
        self.pairings.iter().position(|one| one.code == code)
    }

    /// Whether one more may be open, of this network or in all.
    fn check_room(
        &self,
        network: Option<AddressPrefix>,
        most: usize,
        now: Instant,
    ) -> Result<(), Duration> {
        let counts = |one: &&Pairing| {
            one.is_open() && network.is_none_or(|own| own == one.applicant.address.into())
        };
        let mut open = self.pairings.iter().filter(counts);
        let Some(oldest) = open.next() else { return Ok(()) };
        if open.count() + 1 < most {
            return Ok(());
        }
        Err(oldest.ends.saturating_duration_since(now))
    }

    /// Drops what has ended.
    fn expire(&mut self, now: Instant) {
        self.pairings.retain(|one| !one.has_ended(now));
    }
}

impl Pairing {
    /// Whether its code can still be used.
    fn is_open(&self) -> bool {
        self.progress != Progress::Approved
    }

    /// A claim lasts as long again, because its device may be stored already.
    fn has_ended(&self, now: Instant) -> bool {
        let more = if self.progress == Progress::Claimed { PAIRING_LIFE } else { Duration::ZERO };
        now >= self.ends + more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::pairing_code::CODES;
    use crate::auth::token;

    const SECOND: Duration = Duration::from_secs(1);

    fn open(table: &mut PairingTable, number: u8, now: Instant) -> Result<PairingCode, Duration> {
        let address = [192, 0, 2, number / 8].into();
        let applicant = Applicant { address, user_agent: None, created_at: 0 };
        table.open(TokenHash([number; 32]), [number, 0, 0, 0, 0, 0, 0, 0], applicant, now)
    }

    #[test]
    fn a_code_lives_for_ten_minutes_and_its_approval_for_ten_more() {
        let (mut table, begun) = (PairingTable::new(), Instant::now());
        let secrets = [1, 2, 3].map(|number| TokenHash([number; 32]));
        let codes = [1, 2, 3].map(|number| open(&mut table, number, begun).unwrap().to_string());
        let last = begun + PAIRING_LIFE.saturating_sub(SECOND);
        assert!(table.claim(&codes[1], 1, last).is_ok());
        assert!(table.claim(&codes[2], 1, last).is_ok());
        table.settle(&secrets[2], true, last);
        let mut at = |now| secrets.map(|secret| table.progress(&secret, now));
        let all = [Progress::Waiting, Progress::Claimed, Progress::Approved].map(Some);
        assert_eq!(at(last), all);
        assert_eq!(at(last + SECOND), [None, all[1], all[2]]);
        // A claim whose request was given up, and an approval that was repeated for long enough.
        assert_eq!(at(last + PAIRING_LIFE), [None, all[1], None]);
        assert_eq!(at(begun + 2 * PAIRING_LIFE), [None; 3]);
        assert_eq!(table.find(&codes[0], 1, last + SECOND).unwrap_err(), CodeRefused::Unknown);
    }

    #[test]
    fn approvals_of_long_ago_make_room() {
        let (mut table, now) = (PairingTable::new(), Instant::now());
        for number in 0..=255 {
            let code = open(&mut table, number, now).unwrap();
            table.claim(&code.to_string(), 1, now).unwrap();
            table.settle(&TokenHash([number; 32]), true, now);
        }
        assert_eq!(table.pairings.len(), PAIRINGS_KEPT_MAX);
        let kept = |number| table.pairings.iter().any(|one| one.secret.0[0] == number);
        assert!(!kept(127) && kept(128) && kept(255));
    }

    /// Strangers cannot try codes: only an admin can, at one's own request. A stranger can open pairings, and hope
    /// that an admin who mistypes another's code hits one of theirs. Here an admin types wrong codes at the limit for
    /// an hour, while 100 strangers hold as many open codes as they may.
    #[test]
    fn a_hundred_strangers_hit_less_than_once_in_a_million_hours() {
        let windows = 60 * 60 / PAIRING_CODES_WINDOW.as_secs() + 1;
        let tries = windows * u64::from(PAIRING_WRONG_CODES_MAX);
        let is_rare = |open: usize| tries * u64::try_from(open).unwrap() * 1_000_000 < CODES;
        let of_each = 100 * PAIRINGS_PER_ADDRESS_MAX;
        assert!(is_rare(of_each.min(PAIRINGS_OPEN_MAX)));
        assert!(!is_rare(of_each), "the bound on all carries it, and not that of an address");
        assert!(!is_rare(2 * PAIRINGS_OPEN_MAX), "which is no longer than it may be");
        // The secret of a device's cookie has no limit of its own, and 256 bits.
        assert_eq!(token::generate().unwrap().0.len() * 4, 256);
    }

    /// The limit is one of the table and not of what its caller does: tries at once count like tries in turn.
    #[test]
    fn an_admin_has_five_wrong_codes_a_minute() {
        let (mut table, begun) = (PairingTable::new(), Instant::now());
        let right = open(&mut table, 1, begun).unwrap().to_string();
        let mut wrong = 0;
        for second in 0..3_600 {
            let now = begun + second * SECOND;
            for _ in 0..10 {
                match table.find("ZZZZ-ZZZZ", 1, now) {
                    Err(CodeRefused::Unknown) => wrong += 1,
                    refused => assert!(matches!(refused, Err(CodeRefused::TooMany(_)))),
                }
            }
            assert!(table.find(&right, 1, now).is_err(), "a right one is refused, too");
            if now < begun + PAIRING_LIFE {
                assert!(table.find(&right, 2, now).is_ok(), "another admin's is not");
            }
        }
        assert_eq!(wrong, 60 * PAIRING_WRONG_CODES_MAX);
    }
}
