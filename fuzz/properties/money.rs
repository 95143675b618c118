//! Amounts of money.

use serde_json::Number;
use tillcast::domain::decimal::{self, Decimal};

/// An accepted amount survives writing and reading.
pub(crate) fn hold(bytes: &[u8]) {
    let Ok(number) = serde_json::from_slice::<Number>(bytes) else {
        return;
    };
    for decimals in 0..=4 {
        let minor = |text: &str| Decimal::parse(text).and_then(|amount| amount.minor(decimals));
        if let Ok(amount) = minor(&number.to_string()) {
            let mut text = String::new();
            decimal::write(&mut text, amount, decimals);
            assert_eq!(minor(&text), Ok(amount), "{number} as {text}");
        }
    }
}
