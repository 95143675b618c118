//! The goods that come back with a refund, as a client gives them and as they are stored.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::check::{parse_integer, required};
use crate::domain::{Code, FieldError, Thousandths, Violation};
use crate::limits::{ORDER_LINES_MAX, QUANTITY_MAX};

/// Goods of one line that come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restock {
    /// The number of the order's line, from 0.
    pub line: usize,
    /// How much comes back, in the product's unit.
    pub quantity: Thousandths,
}

/// Reads the goods that come back; adds what is wrong in them.
pub(super) fn read_restock(
    value: Value,
    errors: &mut Vec<FieldError>,
) -> Result<Vec<Restock>, Violation> {
    let Value::Array(entries) = value else {
        return Err(Violation::new(Code::WrongType, "must be an array"));
    };
    if entries.len() > ORDER_LINES_MAX {
        let message = format!("must have at most {ORDER_LINES_MAX} entries");
        return Err(Violation::new(Code::TooLong, message));
    }
    let entries = entries.into_iter().enumerate();
    Ok(entries.filter_map(|(at, entry)| read_entry(at, entry, errors)).collect())
}

fn read_entry(at: usize, entry: Value, errors: &mut Vec<FieldError>) -> Option<Restock> {
    let field = |member: &str| format!("restock[{at}]{member}");
    let Value::Object(mut entry) = entry else {
        errors.push(FieldError::new(field(""), Code::WrongType, "must be an object"));
        return None;
    };
    let line = entry.remove("line").ok_or_else(required);
    let most = i64::try_from(ORDER_LINES_MAX - 1).unwrap_or(i64::MAX);
    let line = line.and_then(|line| parse_integer(&line, 0, most));
    let quantity = entry.remove("quantity").ok_or_else(required);
    let most = Thousandths::whole(QUANTITY_MAX);
    let quantity = quantity.and_then(|one| Thousandths::read(&one, Thousandths(1), most));
    errors.extend(entry.keys().map(|name| {
        let message = "is not a field of goods that come back";
        FieldError::new(field(&format!(".{name}")), Code::UnknownField, message)
    }));
    let line = line.map_err(|wrong| errors.push(wrong.at(field(".line"))));
    let quantity = quantity.map_err(|wrong| errors.push(wrong.at(field(".quantity"))));
    Some(Restock { line: usize::try_from(line.ok()?).ok()?, quantity: quantity.ok()? })
}
