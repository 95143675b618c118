//! The shop's terms: when its currency and its tax mode may still change.

use crate::domain::{Code, Reject, ShopTerms};

/// The reasons for which the terms of a shop stay as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct TermsInUse {
    /// It has products or orders, which have amounts.
    pub has_amounts: bool,
    /// It has orders, whose totals depend on the tax mode.
    pub has_orders: bool,
}

/// Checks a change of the shop's terms. Amounts are stored in minor units, and each product keeps its own currency:
/// with another one of the shop, a till would add up what does not belong together.
///
/// # Errors
/// `ShopFixed` for terms that are in use.
pub fn check_terms(before: ShopTerms, after: ShopTerms, used: TermsInUse) -> Result<(), Reject> {
    let fixed = |text: String| Err(Reject::conflict(Code::ShopFixed, text));
    if after.currency != before.currency && used.has_amounts {
        let currency = before.currency;
        return fixed(format!("the shop has amounts in {currency}, which stays its currency"));
    }
    if after.tax != before.tax && used.has_orders {
        let tax = before.tax.word();
        return fixed(format!(
            "the prices of this shop's orders have the tax {tax}, which stays so"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tax::TaxMode;

    #[test]
    fn terms_stay_once_they_are_in_use() {
        let terms = |currency, tax| ShopTerms { currency, tax };
        let before = terms("EUR", TaxMode::Included);
        let used = |has_amounts, has_orders| TermsInUse { has_amounts, has_orders };
        for (after, used, allowed) in [
            (before, used(true, true), true),
            (terms("USD", TaxMode::Added), used(false, false), true),
            (terms("USD", TaxMode::Included), used(true, false), false),
            (terms("EUR", TaxMode::Added), used(true, false), true),
            (terms("EUR", TaxMode::Added), used(true, true), false),
        ] {
            let done = check_terms(before, after, used);
            assert_eq!(done.is_ok(), allowed, "{after:?} {used:?}");
            let is_fixed = matches!(done, Ok(()) | Err(Reject::Conflict(Code::ShopFixed, _)));
            assert!(is_fixed, "{done:?}");
        }
    }
}
