//! Currencies by their ISO 4217 code: which exist, and how many decimals their amounts have.

use std::sync::LazyLock;

use iso_currency::Currency;

/// The decimals of each currency, sorted by code. The crate compares a code with one after the other, and a
/// single order has amounts in several rows and events.
static EXPONENTS: LazyLock<Vec<(&str, u32)>> = LazyLock::new(|| {
    let mut sorted = Vec::new();
    for currency in (0..1000).filter_map(Currency::from_numeric) {
        if let Some(exponent) = currency.exponent() {
            let code = currency.code();
            let at = sorted.partition_point(|(other, _)| *other < code);
            sorted.insert(at, (code, u32::from(exponent)));
        }
    }
    sorted
});

/// The number of decimals of a currency's amounts; `None` for a code that is not in ISO 4217 or is
/// no means of payment (gold, the code for tests).
pub fn exponent(code: &str) -> Option<u32> {
    find(code).map(|(_, exponent)| exponent)
}

/// The code itself, if it has an exponent.
pub fn known(code: &str) -> Option<&'static str> {
    find(code).map(|(code, _)| code)
}

fn find(code: &str) -> Option<(&'static str, u32)> {
    let at = EXPONENTS.binary_search_by_key(&code, |(other, _)| *other).ok()?;
    EXPONENTS.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_decimals() {
        assert_eq!(exponent("USD"), Some(2));
        assert_eq!(exponent("JPY"), Some(0));
        assert_eq!(exponent("KWD"), Some(3));
        assert_eq!(exponent("XAU"), None);
        assert_eq!(exponent("usd"), None);
        assert_eq!(exponent("ZZZ"), None);
        assert_eq!(exponent(""), None);
        assert_eq!(exponent("USDX"), None);
    }

    #[test]
    fn every_code_is_found() {
        let letters = || ('A'..='Z').map(String::from);
        let pairs =
            letters().flat_map(|first| letters().map(move |second| first.clone() + &second));
        let codes = pairs.flat_map(|pair| letters().map(move |third| pair.clone() + &third));
        let mut known = 0;
        for code in codes {
            let expected = Currency::from_code(&code).and_then(Currency::exponent).map(u32::from);
            assert_eq!(exponent(&code), expected, "{code}");
            known += usize::from(expected.is_some());
        }
        assert_eq!(known, EXPONENTS.len());
    }
}
