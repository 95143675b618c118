//! A sale as a client gives it: an order and its payments in one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::amount::read_amount;
use crate::domain::check::{check_line, required};
use crate::domain::decimal::Decimal;
use crate::domain::input::Purpose;
use crate::domain::order::ITEMS;
use crate::domain::{
    Code, EntityKind, FieldError, Input, Reject, Thousandths, Violation, text, timestamp,
};
use crate::limits::{CLIENT_ID_CHARS_MAX, NAME_CHARS_MAX, SALE_PAYMENTS_MAX};

/// The gateway of notes and coins, of which change is given.
pub const CASH: &str = "cash";

/// A sale as a client gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sale {
    /// The client's own name of the sale, unique in the shop for ever.
    pub client_id: String,
    /// The order: its lines, and what else the client gave.
    pub order: Input,
    /// The payments, in their order.
    pub payments: Vec<Tender>,
    /// The time of a sale that has already happened; milliseconds since 1970, UTC.
    pub sold_at: Option<i64>,
    /// The sum that the customer was told.
    pub total: Option<Decimal>,
}

/// One payment of a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tender {
    /// The means of payment.
    pub gateway: String,
    /// The amount that the customer gave.
    pub amount: Decimal,
}

/// A line of a sale as it was first sent, to tell a repeat from another sale with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoldLine {
    /// The product's id.
    pub product_id: i64,
    /// The member by which the line named the product, and its text; `None` for the id.
    pub named: Option<(String, String)>,
    /// The quantity, in the product's unit.
    pub quantity: Thousandths,
    /// The price that the line gave, in minor units.
    pub unit_price: Option<i64>,
    /// The discount that the line gave, in minor units.
    pub discount: i64,
}

impl Sale {
    /// Reads a request's body; the error lists every wrong member.
    pub fn read(mut body: Map<String, Value>) -> Result<Self, Reject> {
        let mut errors = Vec::new();
        let client_id = member(&mut body, "client_id", &mut errors, read_client_id);
        let sold_at = member(&mut body, "sold_at", &mut errors, read_time);
        let total =
            member(&mut body, "total", &mut errors, |total| total.map(read_amount).transpose());
        let payments = body.remove("payments").map(|payments| read_payments(payments, &mut errors));
        if !body.contains_key(ITEMS.name) {
            errors.push(required().at(ITEMS.name));
            body.insert(ITEMS.name.to_owned(), Value::Null);
        }
        let order = match Input::read(EntityKind::Order, Purpose::Sell, body) {
            Ok(order) => Some(order),
            Err(Reject::Invalid(more)) => {
                let is_new = |error: &FieldError| errors.iter().all(|one| one.field != error.field);
                let more: Vec<_> = more.into_iter().filter(is_new).collect();
                errors.extend(more);
                None
            }
            Err(other) => return Err(other),
        };
        match (client_id, order, sold_at, total) {
            (Some(client_id), Some(order), Some(sold_at), Some(total)) if errors.is_empty() => {
                Ok(Self {
                    client_id,
                    order,
                    payments: payments.unwrap_or_default(),
                    sold_at,
                    total,
                })
            }
            _ => Err(Reject::Invalid(errors)),
        }
    }
}

fn member<T>(
    body: &mut Map<String, Value>,
    name: &str,
    errors: &mut Vec<FieldError>,
    read: impl FnOnce(Option<Value>) -> Result<T, Violation>,
) -> Option<T> {
    read(body.remove(name)).map_err(|wrong| errors.push(wrong.at(name))).ok()
}

fn read_client_id(value: Option<Value>) -> Result<String, Violation> {
    read_line(value.ok_or_else(required)?, CLIENT_ID_CHARS_MAX)
}

fn read_line(value: Value, most: usize) -> Result<String, Violation> {
    let Value::String(text) = value else {
        return Err(Violation::new(Code::WrongType, "must be a string"));
    };
    let text = text::normalize(text);
    check_line(&text, 1, most)?;
    Ok(text)
}

fn read_time(value: Option<Value>) -> Result<Option<i64>, Violation> {
    let message = "must be an RFC 3339 time, such as 2026-01-25T10:30:00Z";
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            let time = timestamp::parse(&text);
            time.map(Some).ok_or_else(|| Violation::new(Code::BadFormat, message))
        }
        Some(_) => Err(Violation::new(Code::WrongType, message)),
    }
}

fn read_payments(value: Value, errors: &mut Vec<FieldError>) -> Vec<Tender> {
    let Value::Array(payments) = value else {
        errors.push(FieldError::new("payments", Code::WrongType, "must be an array of payments"));
        return Vec::new();
    };
    if payments.len() > SALE_PAYMENTS_MAX {
        let message = format!("must have at most {SALE_PAYMENTS_MAX} payments");
        errors.push(FieldError::new("payments", Code::TooLong, message));
        return Vec::new();
    }
    let payments = payments.into_iter().enumerate();
    payments.filter_map(|(at, payment)| read_payment(at, payment, errors)).collect()
}

fn read_payment(at: usize, payment: Value, errors: &mut Vec<FieldError>) -> Option<Tender> {
    let field = |name: &str| format!("payments[{at}]{name}");
    let Value::Object(mut payment) = payment else {
        errors.push(FieldError::new(field(""), Code::WrongType, "must be an object"));
        return None;
    };
    let gateway = payment.remove("gateway").ok_or_else(required);
    let gateway = gateway.and_then(|gateway| read_line(gateway, NAME_CHARS_MAX));
    let amount = payment.remove("amount").ok_or_else(required).and_then(read_amount);
    let is_zero = |amount: Decimal| {
        let nothing = Violation::new(Code::TooSmall, "must be more than 0");
        if amount.is_zero() { Err(nothing) } else { Ok(amount) }
    };
    let amount = amount.and_then(is_zero);
    errors.extend(payment.keys().map(|name| {
        let message = "is not a field of a payment";
        FieldError::new(field(&format!(".{name}")), Code::UnknownField, message)
    }));
    let gateway = gateway.map_err(|wrong| errors.push(wrong.at(field(".gateway"))));
    let amount = amount.map_err(|wrong| errors.push(wrong.at(field(".amount"))));
    Some(Tender { gateway: gateway.ok()?, amount: amount.ok()? })
}
