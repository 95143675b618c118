//! The lines of a new order, as a client gives them.

use serde_json::{Map, Value};

use crate::domain::amount::read_amount;
use crate::domain::check::{parse_integer, read_note};
use crate::domain::decimal::Decimal;
use crate::domain::{Code, FieldError, Thousandths, Violation};
use crate::limits::{ORDER_LINES_MAX, QUANTITY_MAX};

/// One line of a new order as the client gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// The product's id.
    pub product_id: i64,
    /// The quantity, in the product's unit.
    pub quantity: Thousandths,
    /// The discount of the line; its minor units need the order's currency.
    pub discount: Option<Decimal>,
    /// A text for the staff.
    pub note: Option<String>,
}

/// The text of the refusal of nothing.
const QUANTITY_MIN: &str = "must be at least 1, or 0.001 of goods that are not sold by the piece";

/// Reads the lines of a new order.
pub(super) fn read_order_lines(value: Value, errors: &mut Vec<FieldError>) -> Vec<OrderLine> {
    let Value::Array(lines) = value else {
        errors.push(FieldError::new("items", Code::WrongType, "must be an array of lines"));
        return Vec::new();
    };
    if lines.is_empty() || lines.len() > ORDER_LINES_MAX {
        let message = format!("must have 1 to {ORDER_LINES_MAX} lines, or be left out");
        let code = if lines.is_empty() { Code::TooShort } else { Code::TooLong };
        errors.push(FieldError::new("items", code, message));
        return Vec::new();
    }
    let lines = lines.into_iter().enumerate();
    lines.filter_map(|(at, line)| read_line(at, line, errors)).collect()
}

fn read_line(at: usize, line: Value, errors: &mut Vec<FieldError>) -> Option<OrderLine> {
    let Value::Object(mut line) = line else {
        errors.push(FieldError::new(format!("items[{at}]"), Code::WrongType, "must be an object"));
        return None;
    };
    let mut members = Members { at, line: &mut line, errors };
    let required = || Violation::new(Code::Required, "is required");
    let product_id =
        members.read("product_id", |id| parse_integer(&id.ok_or_else(required)?, 1, i64::MAX));
    let most = Thousandths::whole(QUANTITY_MAX);
    let quantity = members.read("quantity", |number| {
        let quantity = Thousandths::read(&number.ok_or_else(required)?, Thousandths(1), most);
        quantity.map_err(|wrong| match wrong.code {
            Code::TooSmall => Violation::new(Code::TooSmall, QUANTITY_MIN),
            _ => wrong,
        })
    });
    let discount = members.read("discount", |amount| amount.map(read_amount).transpose());
    let note = members.read("note", read_note);
    let unknown = line.keys().map(|name| {
        FieldError::new(
            format!("items[{at}].{name}"),
            Code::UnknownField,
            "is not a field of a new line",
        )
    });
    errors.extend(unknown);
    Some(OrderLine {
        product_id: product_id?,
        quantity: quantity?,
        discount: discount?,
        note: note?,
    })
}

/// The members of one line that are still to be read.
struct Members<'l> {
    at: usize,
    line: &'l mut Map<String, Value>,
    errors: &'l mut Vec<FieldError>,
}

impl Members<'_> {
    /// Reads a member, or adds what is wrong with it.
    fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Option<Value>) -> Result<T, Violation>,
    ) -> Option<T> {
        let wrong =
            |wrong: Violation| self.errors.push(wrong.at(format!("items[{}].{name}", self.at)));
        read(self.line.remove(name)).map_err(wrong).ok()
    }
}
