//! Numbers with three decimals, always exact: quantities of goods, and rates in per cent.

use std::fmt;
use std::iter::Sum;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::decimal::{self, AmountError, Decimal};
use crate::domain::{Code, Violation};

const DECIMALS: u32 = 3;
const THOUSAND: i64 = 10_i64.pow(DECIMALS);

/// A number in thousandths, which is how it is stored.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Thousandths(pub i64);

impl Thousandths {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// A whole number.
    pub const fn whole(number: i64) -> Self {
        Self(number.saturating_mul(THOUSAND))
    }

    /// Whether it is a whole number.
    pub const fn is_whole(self) -> bool {
        self.0 % THOUSAND == 0
    }

    /// This number times an amount in minor units, rounded half away from zero, and at most `i64::MAX`.
    pub fn times(self, minor: i64) -> i64 {
        let thousandths = i128::from(self.0) * i128::from(minor);
        let half = i128::from(THOUSAND / 2) * thousandths.signum();
        i64::try_from((thousandths + half) / i128::from(THOUSAND)).unwrap_or(i64::MAX)
    }

    /// Reads a JSON number within bounds.
    pub(super) fn read(value: &Value, least: Self, most: Self) -> Result<Self, Violation> {
        let too_small = || Violation::new(Code::TooSmall, format!("must be at least {least}"));
        let too_large = || Violation::new(Code::TooLarge, format!("must be at most {most}"));
        let Value::Number(number) = value else {
            return Err(Violation::new(Code::WrongType, "must be a number"));
        };
        let (sign, size) = match number.as_str().strip_prefix('-') {
            Some(size) if least.0 < 0 => (-1, size),
            _ => (1, number.as_str()),
        };
        let size = Decimal::parse(size).and_then(|size| size.minor(DECIMALS));
        match size.map(|size| sign * size) {
            Ok(thousandths) if thousandths < least.0 => Err(too_small()),
            Ok(thousandths) if thousandths > most.0 => Err(too_large()),
            Ok(thousandths) => Ok(Self(thousandths)),
            Err(AmountError::Negative) => Err(too_small()),
            Err(AmountError::Large) if sign < 0 => Err(too_small()),
            Err(AmountError::Large) => Err(too_large()),
            Err(AmountError::Decimals) => {
                let message = format!("must have at most {DECIMALS} decimals");
                Err(Violation::new(Code::TooManyDecimals, message))
            }
        }
    }

    /// Appends it as a JSON number, without zeros at its end: two is `2`, a quarter is `0.25`.
    pub fn write(self, out: &mut String) {
        if self.is_whole() {
            return decimal::write_integer(out, self.0 / THOUSAND, 1);
        }
        decimal::write(out, self.0, DECIMALS);
        out.truncate(out.trim_end_matches('0').len());
    }
}

impl AddAssign for Thousandths {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl Sum for Thousandths {
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        numbers.fold(Self::ZERO, |mut sum, number| {
            sum += number;
            sum
        })
    }
}

impl fmt::Display for Thousandths {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        out.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::json;

    fn read(number: &str) -> Result<Thousandths, Code> {
        let number = json::parse(number.as_bytes()).unwrap();
        Thousandths::read(&number, Thousandths(1), Thousandths::whole(1_000))
            .map_err(|wrong| wrong.code)
    }

    #[test]
    fn numbers_are_exact() {
        assert_eq!(read("2"), Ok(Thousandths(2_000)));
        assert_eq!(read("2.000"), Ok(Thousandths::whole(2)));
        assert_eq!(read("0.25"), Ok(Thousandths(250)));
        assert_eq!(read("1e-3"), Ok(Thousandths(1)));
        assert_eq!(read("0.0005"), Err(Code::TooManyDecimals));
        assert_eq!(read("0"), Err(Code::TooSmall));
        assert_eq!(read("-1"), Err(Code::TooSmall));
        assert_eq!(read("1000.001"), Err(Code::TooLarge));
        assert_eq!(read("\"1\""), Err(Code::WrongType));
    }

    #[test]
    fn products_are_rounded_half_away_from_zero() {
        assert_eq!(Thousandths(500).times(1), 1);
        assert_eq!(Thousandths(499).times(1), 0);
        assert_eq!(Thousandths(1_500).times(5), 8);
        assert_eq!(Thousandths::whole(3).times(999), 2_997);
        assert_eq!(Thousandths(i64::MAX).times(i64::MAX), i64::MAX);
    }

    proptest! {
        #[test]
        fn written_numbers_are_read_back(thousandths in 1..=1_000_000_i64) {
            let text = Thousandths(thousandths).to_string();
            prop_assert_eq!(read(&text), Ok(Thousandths(thousandths)), "{}", text);
            prop_assert!(!text.contains('.') || !text.ends_with(['0', '.']), "{}", text);
        }
    }
}
