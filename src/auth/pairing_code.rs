//! The code with which an admin names the device that asks to be paired.

use std::fmt;

/// The letters of a code: no vowels, so that no code is a word, and none that looks like another or like a digit
/// (RFC 8628, section 6.1).
const LETTERS: [u8; 20] = *b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;

/// All codes that there are.
pub const CODES: u64 = 20_u64.pow(8);

/// A code of 8 letters, which is shown as `BCDF-GHJK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairingCode([u8; LENGTH]);

impl PairingCode {
    /// The code of these random bytes. There are so many more bytes than codes that no code is favoured by more
    /// than one part in 10^8.
    pub fn draw(random: [u8; 8]) -> Self {
        let mut number = u64::from_le_bytes(random);
        Self([(); LENGTH].map(|()| {
            let at = usize::try_from(number % 20).unwrap_or(0);
            number /= 20;
            LETTERS[at]
        }))
    }

    /// Reads a code as a person types it: letters of either case, with dashes and spaces anywhere.
    pub fn parse(text: &str) -> Option<Self> {
        let typed = text.bytes().filter(|byte| !matches!(byte, b'-' | b' '));
        let letters: Vec<u8> =
            typed.take(LENGTH + 1).map(|byte| byte.to_ascii_uppercase()).collect();
        let letters: [u8; LENGTH] = letters.try_into().ok()?;
        letters.iter().all(|letter| LETTERS.contains(letter)).then_some(Self(letters))
    }
}

impl fmt::Display for PairingCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, right) = self.0.split_at(LENGTH / 2);
        let text = |half: &[u8]| String::from_utf8_lossy(half).into_owned();
        write!(out, "{}-{}", text(left), text(right))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = PairingCode(*b"BCDFGHJK");
        assert_eq!(code.to_string(), "BCDF-GHJK");
        for typed in ["BCDF-GHJK", "bcdfghjk", "bCdF gHjK", " b-c-d-f  g-h-j-k- "] {
            assert_eq!(PairingCode::parse(typed), Some(code), "{typed}");
        }
        for wrong in [
            "",
            "-",
            "BCDFGHJ",
            "BCDFGHJKL",
            "BCDFGHJKA",
            "ACDF-GHJK",
            "BCDF_GHJK",
            "BCDFGHJ\u{212a}",
        ] {
            assert_eq!(PairingCode::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_letter_stands_at_every_place() {
        let mut seen = HashSet::new();
        for (place, power) in (0..8).enumerate() {
            for letter in 0..20_u64 {
                let random = (letter * 20_u64.pow(power)).to_le_bytes();
                let code = PairingCode::draw(random);
                seen.insert((place, code.0[place]));
                assert_eq!(PairingCode::parse(&code.to_string()), Some(code));
            }
        }
        assert_eq!(seen.len(), 160);
        assert_eq!(PairingCode::draw(CODES.to_le_bytes()), PairingCode::draw([0; 8]));
        assert_eq!(CODES, 25_600_000_000);
    }
}
