//! Currencies by their ISO 4217 code: which exist, and how many decimals their amounts have.

/// The currency of an entity that names none.
pub const DEFAULT_CURRENCY: &str = "USD";

/// The number of decimals of a currency's amounts; `None` for a code that is not in ISO 4217 or is
/// no means of payment (gold, the code for tests).
pub fn exponent(code: &str) -> Option<u32> {
    let exponent = iso_currency::Currency::from_code(code)?.exponent()?;
    Some(u32::from(exponent))
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
    }
}
