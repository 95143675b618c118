//! The lines of a new order or a sale, as a client gives them.

use std::fmt;

use serde_json::{Map, Value};

use crate::domain::amount::read_amount;
use crate::domain::check::{parse_integer, read_note, required};
use crate::domain::decimal::Decimal;
use crate::domain::product::gtin;
use crate::domain::{Code, FieldError, Thousandths, Violation, text};
use crate::limits::{ORDER_LINES_MAX, QUANTITY_MAX};

/// The product of a line, as the client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProductRef {
    /// By its id.
    Id(i64),
    /// By its stock keeping unit.
    Sku(String),
    /// By its barcode, in the form in which it is unique.
    Gtin(String),
}

/// One line of a new order or a sale as the client gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// The product.
    pub product: ProductRef,
    /// The quantity, in the product's unit.
    pub quantity: Thousandths,
    /// The discount of the line; its minor units need the order's currency.
    pub discount: Option<Decimal>,
    /// A text for the staff.
    pub note: Option<String>,
    /// The price of one unit, if the till has another one than the product; only in a sale.
    pub unit_price: Option<Decimal>,
}

impl ProductRef {
    /// The member of a line that names the product.
    pub fn member(&self) -> &'static str {
        match self {
            Self::Id(_) => "product_id",
            Self::Sku(_) => "sku",
            Self::Gtin(_) => "barcode",
        }
    }
}

impl fmt::Display for ProductRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(out),
            Self::Sku(text) | Self::Gtin(text) => write!(out, "with the {} {text}", self.member()),
        }
    }
}

/// The members that a line may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineForm {
    /// Those of an order.
    Order,
    /// Those of a sale.
    Sale,
}

/// The text of the refusal of nothing.
const QUANTITY_MIN: &str = "must be at least 1, or 0.001 of goods that are not sold by the piece";

/// Reads the lines.
pub(super) fn read_order_lines(
    value: Value,
    form: LineForm,
    errors: &mut Vec<FieldError>,
) -> Vec<OrderLine> {
    let Value::Array(lines) = value else {
        errors.push(FieldError::new("items", Code::WrongType, "must be an array of lines"));
        return Vec::new();
    };
    if lines.is_empty() || lines.len() > ORDER_LINES_MAX {
        let or = if form == LineForm::Sale { "" } else { ", or be left out" };
        let message = format!("must have 1 to {ORDER_LINES_MAX} lines{or}");
        let code = if lines.is_empty() { Code::TooShort } else { Code::TooLong };
        errors.push(FieldError::new("items", code, message));
        return Vec::new();
    }
    let lines = lines.into_iter().enumerate();
    lines.filter_map(|(at, line)| read_line(at, line, form, errors)).collect()
}

fn read_line(
    at: usize,
    line: Value,
    form: LineForm,
    errors: &mut Vec<FieldError>,
) -> Option<OrderLine> {
    let Value::Object(mut line) = line else {
        errors.push(FieldError::new(format!("items[{at}]"), Code::WrongType, "must be an object"));
        return None;
    };
    let mut members = Members { at, line: &mut line, errors };
    let product = members.read_product(form);
    let quantity = members.read("quantity", read_quantity);
    let discount = members.read("discount", |amount| amount.map(read_amount).transpose());
    let note = members.read("note", read_note);
    let unit_price = match form {
        LineForm::Order => Some(None),
        LineForm::Sale => members.read("unit_price", |price| price.map(read_amount).transpose()),
    };
    let unknown = line.keys().map(|name| {
        let message = "is not a field of a new line";
        FieldError::new(format!("items[{at}].{name}"), Code::UnknownField, message)
    });
    errors.extend(unknown);
    Some(OrderLine {
        product: product?,
        quantity: quantity?,
        discount: discount?,
        note: note?,
        unit_price: unit_price?,
    })
}

fn read_quantity(number: Option<Value>) -> Result<Thousandths, Violation> {
    let most = Thousandths::whole(QUANTITY_MAX);
    let quantity = Thousandths::read(&number.ok_or_else(required)?, Thousandths(1), most);
    quantity.map_err(|wrong| match wrong.code {
        Code::TooSmall => Violation::new(Code::TooSmall, QUANTITY_MIN),
        _ => wrong,
    })
}

fn read_text(text: Value) -> Result<String, Violation> {
    match text {
        Value::String(text) => Ok(text::normalize(text)),
        _ => Err(Violation::new(Code::WrongType, "must be a string")),
    }
}

/// The members of one line that are still to be read.
struct Members<'l> {
    at: usize,
    line: &'l mut Map<String, Value>,
    errors: &'l mut Vec<FieldError>,
}

impl Members<'_> {
    /// Reads the one member that names the product.
    fn read_product(&mut self, form: LineForm) -> Option<ProductRef> {
        if form == LineForm::Sale {
            let names = ["sku", "barcode", "product_id"];
            let mut given = names.into_iter().filter(|name| self.line.contains_key(*name));
            if let (Some(first), Some(second)) = (given.next(), given.next()) {
                let message = format!("is one name too many: the line has {first} already");
                let wrong = Violation::new(Code::UnknownField, message);
                self.line.retain(|name, _| !names.contains(&name.as_str()));
                self.errors.push(wrong.at(format!("items[{}].{second}", self.at)));
                return None;
            }
        }
        if form == LineForm::Sale && self.line.contains_key("sku") {
            return self
                .read("sku", |sku| read_text(sku.ok_or_else(required)?))
                .map(ProductRef::Sku);
        }
        if form == LineForm::Sale && self.line.contains_key("barcode") {
            let barcode = self.read("barcode", |code| read_text(code.ok_or_else(required)?));
            return barcode.map(|barcode| ProductRef::Gtin(gtin(&barcode).to_owned()));
        }
        let read = |id: Option<Value>| parse_integer(&id.ok_or_else(required)?, 1, i64::MAX);
        self.read("product_id", read).map(ProductRef::Id)
    }

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
