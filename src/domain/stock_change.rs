//! Relative changes of a product's stock: goods that come or go without an order.

use serde_json::{Map, Value};

use crate::domain::check::{one_of, read_note, required};
use crate::domain::words::words;
use crate::domain::{Code, FieldError, Reject, Thousandths, Violation};
use crate::limits::STOCK_MAX;

words! {
    /// Why goods came or went.
    StockReason {
        /// A supplier brought them.
        Delivery = "delivery",
        /// They were counted.
        Count = "count",
        /// They are broken, lost or stolen.
        Loss = "loss",
        /// A customer brought them back, or they went back to the supplier.
        Return = "return",
        /// Another reason; see the note.
        Other = "other",
    }
}

/// A relative change of a product's stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockChange {
    /// The quantity that came; below zero, the one that went.
    pub change: Thousandths,
    /// Why.
    pub reason: StockReason,
    /// A text for the staff.
    pub note: Option<String>,
}

impl StockChange {
    /// Reads a request's body; the error lists every wrong member.
    pub fn read(mut body: Map<String, Value>) -> Result<Self, Reject> {
        let mut errors = Vec::new();
        let mut member = |name: &str| body.remove(name);
        let change = member("change").ok_or_else(required).and_then(|change| read_change(&change));
        let reason = member("reason").ok_or_else(required).and_then(|reason| read_reason(&reason));
        let note = read_note(member("note"));
        errors.extend(body.keys().map(|name| {
            FieldError::new(name, Code::UnknownField, "is not a field of a change of the stock")
        }));
        match (change, reason, note) {
            (Ok(change), Ok(reason), Ok(note)) if errors.is_empty() => {
                Ok(Self { change, reason, note })
            }
            (change, reason, note) => {
                errors.extend(change.err().map(|wrong| wrong.at("change")));
                errors.extend(reason.err().map(|wrong| wrong.at("reason")));
                errors.extend(note.err().map(|wrong| wrong.at("note")));
                Err(Reject::Invalid(errors))
            }
        }
    }
}

fn read_change(value: &Value) -> Result<Thousandths, Violation> {
    let most = Thousandths::whole(STOCK_MAX);
    let change = Thousandths::read(value, Thousandths(-most.0), most)?;
    if change == Thousandths::ZERO {
        return Err(Violation::new(Code::TooSmall, "must not be 0"));
    }
    Ok(change)
}

fn read_reason(value: &Value) -> Result<StockReason, Violation> {
    match value {
        Value::String(word) => {
            StockReason::from_word(word).ok_or_else(|| one_of(StockReason::WORDS.iter().copied()))
        }
        _ => Err(Violation::new(Code::WrongType, "must be a string")),
    }
}
