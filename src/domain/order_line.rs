//! The lines of a new order, as a client gives them.

use serde_json::Value;

use crate::domain::check::parse_integer;
use crate::domain::{Code, FieldError, Thousandths, Violation};
use crate::limits::{ORDER_LINES_MAX, QUANTITY_MAX};

/// One line of a new order as the client gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// The product's id.
    pub product_id: i64,
    /// The quantity, in the product's unit.
    pub quantity: Thousandths,
}

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
    let mut member = |name: &str| {
        let missing = || Violation::new(Code::Required, "is required");
        line.remove(name).ok_or_else(missing)
    };
    let product_id = member("product_id").and_then(|id| parse_integer(&id, 1, i64::MAX));
    let most = Thousandths::whole(QUANTITY_MAX);
    let quantity =
        member("quantity").and_then(|number| Thousandths::read(&number, Thousandths(1), most));
    let mut wrong = |name: &str, wrong: Violation| {
        errors.push(wrong.at(format!("items[{at}].{name}")));
    };
    let product_id = product_id.map_err(|violation| wrong("product_id", violation));
    let quantity = quantity.map_err(|violation| wrong("quantity", violation));
    let unknown = line.keys().map(|name| {
        FieldError::new(
            format!("items[{at}].{name}"),
            Code::UnknownField,
            "is not a field of a new line",
        )
    });
    errors.extend(unknown);
    Some(OrderLine { product_id: product_id.ok()?, quantity: quantity.ok()? })
}
