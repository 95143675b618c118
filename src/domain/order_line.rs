//! The lines of a new order, as a client gives them.

use serde_json::Value;

use crate::domain::check::parse_integer;
use crate::domain::{Code, FieldError, Violation};
use crate::limits::{ORDER_LINES_MAX, QUANTITY_MAX};

/// One line of a new order as the client gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// The product's id.
    pub product_id: i64,
    /// The number of pieces.
    pub quantity: i64,
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
    let mut number = |name: &str, most| {
        match line.remove(name) {
            None => Err(Violation::new(Code::Required, "is required")),
            Some(value) => parse_integer(&value, 1, most),
        }
        .map_err(|wrong| errors.push(wrong.at(format!("items[{at}].{name}"))))
    };
    let product_id = number("product_id", i64::MAX);
    let quantity = number("quantity", QUANTITY_MAX);
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
