//! Products: taking goods from the stock, and taking them back.

use crate::domain::product::{NAME, ProductStatus, STATUS, STOCK};
use crate::domain::{Cell, Code, Reject, Row};
use crate::shop::step::Step;

/// Takes goods from the stock of a product that is for sale.
pub(super) fn take(before: Row, quantity: i64) -> Result<Step, Reject> {
    let status = ProductStatus::from_word(before.text(STATUS)?);
    let status = status.ok_or_else(|| before.damaged(STATUS))?;
    let (id, name, stock) = (before.id, before.text(NAME)?, before.int(STOCK)?);
    if status != ProductStatus::Published {
        let text = format!("product {id} ({name}) is {} and cannot be ordered", status.word());
        return Err(Reject::conflict(Code::NotForSale, text));
    }
    if stock < quantity {
        let text =
            format!("product {id} ({name}) has {stock} in stock, the order needs {quantity}");
        return Err(Reject::conflict(Code::OutOfStock, text));
    }
    Ok(with_stock(before, stock - quantity))
}

/// Takes goods back into the stock, whether or not the product is still for sale.
pub(super) fn take_back(before: Row, quantity: i64) -> Result<Step, Reject> {
    let stock = before.int(STOCK)?.saturating_add(quantity);
    Ok(with_stock(before, stock))
}

fn with_stock(before: Row, stock: i64) -> Step {
    let mut after = before.clone();
    after.set(STOCK, Cell::Int(stock));
    Step::Update { before, after }
}
