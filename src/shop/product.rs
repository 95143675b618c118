//! Products: their units and barcodes, taking goods from the stock, and taking them back.

use crate::domain::product::{BARCODE, GTIN, NAME, ProductStatus, STATUS, STOCK, UNIT, Unit, gtin};
use crate::domain::stock_change::StockChange;
use crate::domain::{Cell, Code, Reject, Row, Thousandths};
use crate::limits::STOCK_MAX;
use crate::shop::step::Step;

/// Checks the fields of a product against each other, and sets the form in which its barcode is unique. `before` is
/// the stored state, blank for a new product: a stock that stays is not checked, because a sale that has happened
/// may leave half a piece.
pub(super) fn check(before: &Row, product: &mut Row) -> Result<(), Reject> {
    let stays = [STOCK, UNIT].iter().all(|field| before.cell(*field) == product.cell(*field));
    if let Some(stock) = stock(product)?
        && !stays
        && !fits_unit(product, stock)?
    {
        return Err(Reject::field(STOCK.name, Code::TooManyDecimals, WHOLE));
    }
    let unique = match product.cell(BARCODE) {
        Cell::Text(barcode) => Cell::Text(gtin(barcode).to_owned()),
        none => none.clone(),
    };
    product.set(GTIN, unique);
    Ok(())
}

/// The text of the refusal of half a piece.
pub(super) const WHOLE: &str = "must be whole: the product is sold by the piece";

/// Whether a product can have this quantity: pieces are whole.
pub(super) fn fits_unit(product: &Row, quantity: Thousandths) -> Result<bool, Reject> {
    let unit = Unit::from_word(product.text(UNIT)?).ok_or_else(|| product.damaged(UNIT))?;
    Ok(unit != Unit::Piece || quantity.is_whole())
}

/// The quantity in stock; `None` for goods that are not counted.
pub(super) fn stock(product: &Row) -> Result<Option<Thousandths>, Reject> {
    match product.cell(STOCK) {
        Cell::Null => Ok(None),
        _ => product.int(STOCK).map(Thousandths).map(Some),
    }
}

/// Takes goods from the stock of a product that is for sale; `None` if they are not counted.
pub(super) fn take(before: Row, quantity: Thousandths) -> Result<Option<Step>, Reject> {
    let status = ProductStatus::from_word(before.text(STATUS)?);
    let status = status.ok_or_else(|| before.damaged(STATUS))?;
    let (id, name) = (before.id, before.text(NAME)?);
    if status != ProductStatus::Published {
        let text = format!("product {id} ({name}) is {} and cannot be ordered", status.word());
        return Err(Reject::conflict(Code::NotForSale, text));
    }
    let Some(stock) = stock(&before)? else { return Ok(None) };
    if stock < quantity {
        let text =
            format!("product {id} ({name}) has {stock} in stock, the order needs {quantity}");
        return Err(Reject::conflict(Code::OutOfStock, text));
    }
    Ok(Some(with_stock(before, Thousandths(stock.0 - quantity.0))))
}

/// Takes goods from the stock that were sold already, whatever the product's status, and what there is of them.
/// Returns what was missing as well.
pub(super) fn take_what_is_there(
    before: Row,
    quantity: Thousandths,
) -> Result<(Option<Step>, Thousandths), Reject> {
    let Some(stock) = stock(&before)? else { return Ok((None, Thousandths::ZERO)) };
    let taken = stock.min(quantity);
    let step =
        (taken > Thousandths::ZERO).then(|| with_stock(before, Thousandths(stock.0 - taken.0)));
    Ok((step, Thousandths(quantity.0 - taken.0)))
}

/// Takes goods back into the stock, whether or not the product is still for sale; `None` if they are not counted
/// any more.
pub(super) fn take_back(before: Row, quantity: Thousandths) -> Result<Option<Step>, Reject> {
    let Some(mut stock) = stock(&before)? else { return Ok(None) };
    stock += quantity;
    Ok(Some(with_stock(before, stock)))
}

/// Changes the stock by a quantity, for another reason than an order.
pub(super) fn change_stock(before: Row, by: &StockChange) -> Result<Step, Reject> {
    let (id, name, by) = (before.id, before.text(NAME)?, by.change);
    if !fits_unit(&before, by)? {
        return Err(Reject::field("change", Code::TooManyDecimals, WHOLE));
    }
    let Some(mut stock) = stock(&before)? else {
        let text =
            format!("the stock of product {id} ({name}) is not counted; set it to a number first");
        return Err(Reject::conflict(Code::NotCounted, text));
    };
    let had = stock;
    stock += by;
    if stock < Thousandths::ZERO {
        let text = format!("product {id} ({name}) has {had} in stock");
        return Err(Reject::conflict(Code::OutOfStock, text));
    }
    if stock > Thousandths::whole(STOCK_MAX) {
        let message = format!("would make the stock more than {STOCK_MAX}");
        return Err(Reject::field("change", Code::TooLarge, message));
    }
    Ok(with_stock(before, stock))
}

fn with_stock(before: Row, stock: Thousandths) -> Step {
    let mut after = before.clone();
    after.set(STOCK, Cell::Int(stock.0));
    Step::Update { before, after }
}
