//! The price of an order: its lines get what their products cost, and the order its amounts.

use crate::domain::decimal::Decimal;
use crate::domain::order::{CURRENCY, DISCOUNT, ITEMS, ROUNDING, TAX_TOTAL, TOTAL};
use crate::domain::order_line::OrderLine;
use crate::domain::order_lists::{self, Item};
use crate::domain::product::{NAME, PRICE, SKU, TAX_RATE};
use crate::domain::tax::TaxMode;
use crate::domain::{Cell, Code, Reject, Row, Thousandths, Violation, amount, currency, decimal};
use crate::limits::AMOUNT_MINOR_MAX;
use crate::shop::amounts::{self, Amounts, Line};
use crate::shop::product;
use crate::shop::reads::all_found;

/// The terms of a sale.
pub(super) struct Terms<'i> {
    /// The items of the order up to now, whose products keep their price.
    pub(super) kept: &'i [Item],
    /// Whether the sale has happened, so that it cannot be refused.
    pub(super) has_happened: bool,
}

/// The lines with what their products cost: what the till says, else that of the item that the order has of them
/// already, else their price now. Of several items of a product, each line has its own, and further lines the last.
/// `products` has the product of each line, in the order of the lines.
pub(super) fn items(
    lines: &[OrderLine],
    products: &[Row],
    terms: &Terms<'_>,
) -> Result<Vec<Item>, Reject> {
    let currency = products.first().map(Row::currency).unwrap_or_default();
    let mut errors = Vec::new();
    let mut items = Vec::with_capacity(lines.len());
    for (at, (line, product)) in lines.iter().zip(products).enumerate() {
        let mut wrong = |member: &str, violation: Violation| {
            errors.push(violation.at(format!("items[{at}].{member}")));
        };
        if product.currency() != currency {
            let message =
                format!("is sold in {}, the lines before in {currency}", product.currency());
            wrong(line.product.member(), Violation::new(Code::CurrencyMismatch, message));
        }
        let mut minor = |member: &str, given: Option<Decimal>| {
            let minor = given.map(|given| amount::minor(given, currency)).transpose();
            minor.map_err(|violation| wrong(member, violation)).ok().flatten()
        };
        let (unit_price, discount) =
            (minor("unit_price", line.unit_price), minor("discount", line.discount));
        let of_product = products[..at].iter().filter(|one| one.id == product.id).count();
        let kept = terms.kept.iter().filter(|item| item.product_id == product.id);
        let kept = kept.take(of_product + 1).last();
        // A sale that has happened may have half a piece, which then stays.
        let stays = kept.is_some_and(|item| item.quantity == line.quantity);
        if !terms.has_happened && !stays && !product::fits_unit(product, line.quantity)? {
            wrong("quantity", Violation::new(Code::TooManyDecimals, product::WHOLE));
        }
        let sold = kept.cloned().map_or_else(|| item(product), Ok)?;
        let mut item = Item {
            quantity: line.quantity,
            unit_price: unit_price.unwrap_or(sold.unit_price),
            note: line.note.clone(),
            discount: discount.unwrap_or(0),
            ..sold
        };
        let price = item.price();
        if item.discount > price && terms.has_happened {
            item.discount = price;
        } else if item.discount > price {
            let most = shown(price, currency);
            let message = format!("must be at most the price of the line, which is {most}");
            wrong("discount", Violation::new(Code::TooLarge, message));
        }
        items.push(item);
    }
    all_found(errors)?;
    Ok(items)
}

/// Nothing of a product, as it is sold now.
fn item(product: &Row) -> Result<Item, Reject> {
    let tax_rate = match product.cell(TAX_RATE) {
        Cell::Null => None,
        _ => Some(Thousandths(product.int(TAX_RATE)?)),
    };
    Ok(Item {
        product_id: product.id,
        name: product.text(NAME)?.to_owned(),
        sku: product.text(SKU)?.to_owned(),
        quantity: Thousandths::ZERO,
        unit_price: product.int(PRICE)?,
        uncounted: product::stock(product)?.is_none(),
        note: None,
        discount: 0,
        tax_rate,
    })
}

/// Stores the lines of an order, and its total and taxes, which follow from them. Of what a till had charged less, so
/// much remains that the order costs nothing.
pub(super) fn set(order: &mut Row, items: &[Item], tax: TaxMode) -> Result<(), Reject> {
    let lines: Vec<Line> = items.iter().map(Line::from).collect();
    let goods = amounts::sum(lines.iter().map(Line::total));
    let discount = order.int(DISCOUNT)?;
    if discount > goods {
        let most = shown(goods, order.text(CURRENCY)?);
        let message = format!("must be at most the sum of the lines, which is {most}");
        return Err(Reject::field(DISCOUNT.name, Code::TooLarge, message));
    }
    let rounding = order.int(ROUNDING)?;
    let Amounts { total, tax_total, taxes } = amounts::amounts(&lines, discount, rounding, tax);
    let below = total.min(0);
    let (rounding, total) = (rounding - below, total - below);
    if total > AMOUNT_MINOR_MAX {
        let message = "add up to more than an order can cost";
        return Err(Reject::field(ITEMS.name, Code::TooLarge, message));
    }
    order.set(ROUNDING, Cell::Int(rounding));
    order.set(TOTAL, Cell::Int(total));
    order.set(TAX_TOTAL, Cell::Int(tax_total));
    order_lists::TAXES.write(order, &taxes)?;
    order_lists::ITEMS.write(order, items)
}

/// An amount as people read it, such as `2.50 USD`.
pub(super) fn shown(minor: i64, code: &str) -> String {
    let mut text = String::new();
    decimal::write(&mut text, minor, currency::exponent(code).unwrap_or(0));
    format!("{text} {code}")
}

impl From<&Item> for Line {
    fn from(item: &Item) -> Self {
        let Item { quantity, unit_price, discount, tax_rate, .. } = *item;
        Self { quantity, unit_price, discount, tax_rate }
    }
}
