//! Amounts in requests, and the words for those that are wrong.

use serde_json::Value;

use crate::domain::decimal::{AmountError, Decimal};
use crate::domain::{Code, Violation, currency};

/// Reads an amount, as far as that is possible without its currency.
pub(super) fn read_amount(value: Value) -> Result<Decimal, Violation> {
    match value {
        Value::Number(number) => {
            Decimal::parse(number.as_str()).map_err(|error| amount_violation(error, ""))
        }
        _ => Err(Violation::new(Code::WrongType, "must be a number, such as 9.99")),
    }
}

/// The minor units of an amount in a currency.
pub fn minor(amount: Decimal, currency_code: &str) -> Result<i64, Violation> {
    let decimals = currency::exponent(currency_code).unwrap_or(0);
    amount.minor(decimals).map_err(|error| amount_violation(error, currency_code))
}

fn amount_violation(error: AmountError, currency_code: &str) -> Violation {
    let decimals = |message| Violation::new(Code::TooManyDecimals, message);
    match error {
        AmountError::Negative => Violation::new(Code::TooSmall, "must not be negative"),
        AmountError::Large => Violation::new(Code::TooLarge, "is too large"),
        AmountError::Decimals => decimals(match currency::exponent(currency_code) {
            Some(0) => format!("must be a whole number, {currency_code} has no decimals"),
            Some(most) => format!("has more decimals than the {most} of {currency_code}"),
            None => "has too many decimals".to_owned(),
        }),
    }
}
