//! Amounts as clients write them: exact decimal numbers, never a binary float.

use crate::limits::AMOUNT_MINOR_MAX;

/// `digits × 10^exponent`, with no zero at the end of `digits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: i64,
    exponent: i32,
}

/// The reason that a number is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountError {
    /// It has more decimals than the currency.
    Decimals,
    /// It is larger than `AMOUNT_MINOR_MAX`.
    Large,
    /// It is below zero.
    Negative,
}

impl Decimal {
    /// Reads the text of a JSON number (RFC 8259, section 6).
    pub fn parse(number: &str) -> Result<Self, AmountError> {
        let (mantissa, exponent) = match number.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)),
            None => (number, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return Ok(Self { digits: 0, exponent: 0 });
        }
        if negative {
            return Err(AmountError::Negative);
        }
        let dropped = i32::try_from(digits.len() - significant.len()).unwrap_or(i32::MAX);
        let decimals = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
        let exponent = exponent.saturating_sub(decimals).saturating_add(dropped);
        let too_long = if exponent < 0 { AmountError::Decimals } else { AmountError::Large };
        let digits = significant.parse().map_err(|_| too_long)?;
        Ok(Self { digits, exponent })
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// The amount in minor units of a currency with this many decimals.
    pub fn minor(self, decimals: u32) -> Result<i64, AmountError> {
        let shift = i64::from(self.exponent) + i64::from(decimals);
        let shift = u32::try_from(shift).map_err(|_| AmountError::Decimals)?;
        let minor = 10_i64.checked_pow(shift).and_then(|factor| self.digits.checked_mul(factor));
        minor.filter(|minor| *minor <= AMOUNT_MINOR_MAX).ok_or(AmountError::Large)
    }
}

/// Reads the text of a JSON number that has to be whole, however it is written: `2.0` and `20e-1`
/// are 2.
pub fn parse_integer(number: &str) -> Result<i64, AmountError> {
    if let Ok(integer) = number.parse() {
        return Ok(integer);
    }
    let (sign, size) = number.strip_prefix('-').map_or((1, number), |size| (-1, size));
    let Decimal { digits, exponent } = Decimal::parse(size)?;
    let power = u32::try_from(exponent).map_err(|_| AmountError::Decimals)?;
    let size = 10_i64.checked_pow(power).and_then(|factor| digits.checked_mul(factor));
    let too_far = if sign < 0 { AmountError::Negative } else { AmountError::Large };
    size.map(|size| sign * size).ok_or(too_far)
}

/// An exponent that is too long for an integer counts as the largest one.
fn parse_exponent(text: &str) -> i32 {
    let huge = if text.starts_with('-') { -1_000_000 } else { 1_000_000 };
    text.parse::<i32>().map_or(huge, |value| value.clamp(-1_000_000, 1_000_000))
}

/// Appends an amount as a JSON number: 9999 minor units of a currency with 2 decimals are `99.99`.
pub fn write(out: &mut String, minor: i64, decimals: u32) {
    write_integer(out, minor, 1 + decimals as usize);
    if decimals > 0 {
        out.insert(out.len() - decimals as usize, '.');
    }
}

/// Appends a whole number with at least `width` digits. Every event has a dozen of them, so this
/// does not use `format!`.
pub fn write_integer(out: &mut String, number: i64, width: usize) {
    if number < 0 {
        out.push('-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number.unsigned_abs());
    for _ in digits.len()..width {
        out.push('0');
    }
    out.push_str(digits);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minor(text: &str, decimals: u32) -> Result<i64, AmountError> {
        Decimal::parse(text)?.minor(decimals)
    }

    #[test]
    fn numbers_are_exact() {
        assert_eq!(minor("99.99", 2), Ok(9999));
        assert_eq!(minor("0.1", 2), Ok(10));
        assert_eq!(minor("1e2", 2), Ok(10_000));
        assert_eq!(minor("1.50e-1", 3), Ok(150));
        assert_eq!(minor("10.00", 0), Ok(10));
        assert_eq!(minor("-0.00", 2), Ok(0));
        assert_eq!(minor("0e99999999999", 2), Ok(0));
    }

    #[test]
    fn an_amount_that_does_not_fit_is_named() {
        assert_eq!(minor("9.999", 2), Err(AmountError::Decimals));
        assert_eq!(minor("0.5", 0), Err(AmountError::Decimals));
        assert_eq!(minor("0.33333333333333333333333333", 2), Err(AmountError::Decimals));
        assert_eq!(minor("1e-999999999999", 2), Err(AmountError::Decimals));
        assert_eq!(minor("1e999999999999", 2), Err(AmountError::Large));
        assert_eq!(minor("99999999999999999999", 2), Err(AmountError::Large));
        assert_eq!(minor("-1", 2), Err(AmountError::Negative));
    }

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        for (text, number) in [
            ("2", Ok(2)),
            ("2.0", Ok(2)),
            ("5e0", Ok(5)),
            ("20e-1", Ok(2)),
            ("1E3", Ok(1000)),
            ("-3.00", Ok(-3)),
            ("-0.0", Ok(0)),
            ("9223372036854775807.0", Ok(i64::MAX)),
            ("2.5", Err(AmountError::Decimals)),
            ("1e-1", Err(AmountError::Decimals)),
            ("1e19", Err(AmountError::Large)),
            ("-1e19", Err(AmountError::Negative)),
        ] {
            assert_eq!(parse_integer(text), number, "{text}");
        }
    }

    #[test]
    fn whole_numbers_have_their_digits() {
        let written = |number, width| {
            let mut text = String::new();
            write_integer(&mut text, number, width);
            text
        };
        assert_eq!(written(0, 1), "0");
        assert_eq!(written(42, 10), "0000000042");
        assert_eq!(written(1234, 2), "1234");
        assert_eq!(written(i64::MAX, 1), i64::MAX.to_string());
        assert_eq!(written(i64::MIN, 1), i64::MIN.to_string());
    }

    proptest! {
        #[test]
        fn written_text_is_read_back(amount in 0..=AMOUNT_MINOR_MAX, decimals in 0_u32..=4) {
            let mut text = String::new();
            write(&mut text, amount, decimals);
            prop_assert_eq!(minor(&text, decimals), Ok(amount));
        }

        #[test]
        fn no_text_panics(text in "-?[0-9]{1,30}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,12})?") {
            let _amount = minor(&text, 2);
        }
    }
}
