//! The lists that an order stores: its lines, and what follows from them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::stored_list::StoredList;
use crate::domain::tax::TaxSum;
use crate::domain::{Reject, Row, Thousandths, order};

/// The lines.
pub const ITEMS: StoredList<Item> = StoredList::never_null(order::ITEMS);
/// The tax of each rate, in ascending order.
pub const TAXES: StoredList<TaxSum> = StoredList::of(order::TAXES);
/// The goods that were sold beyond the stock, an entry for each product.
pub const OVERSOLD: StoredList<Oversold> = StoredList::of(order::OVERSOLD);
/// The numbers of the lines that are finished, in ascending order.
pub const DONE: StoredList<usize> = StoredList::of(order::DONE);
/// The quantity of each line that came back with refunds; empty if nothing did.
pub const RESTOCKED: StoredList<Thousandths> = StoredList::of(order::RESTOCKED);

/// One line of a stored order. A field that is added later needs `#[serde(default)]`, because the
/// lines of older orders lack it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The product's id.
    pub product_id: i64,
    /// The product's name at the sale.
    pub name: String,
    /// The product's stock keeping unit at the sale.
    pub sku: String,
    /// The quantity, in the product's unit.
    pub quantity: Thousandths,
    /// The price of one unit, in minor units.
    pub unit_price: i64,
    /// Whether the product was not counted at the sale, so that nothing was taken from its stock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uncounted: bool,
    /// A text for the staff, such as "no onions".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The discount of the line, in minor units.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub discount: i64,
    /// The product's tax rate at the sale, in per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_rate: Option<Thousandths>,
}

impl Item {
    /// The price of the line without its discount, in minor units.
    pub fn price(&self) -> i64 {
        self.quantity.times(self.unit_price)
    }

    /// The price of the line, in minor units.
    pub fn line_total(&self) -> i64 {
        self.price().saturating_sub(self.discount)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// The quantity of a product that one order sold beyond its stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oversold {
    /// The product's id.
    pub product_id: i64,
    /// The quantity that was missing.
    pub quantity: Thousandths,
}

/// The products of an order's lines, in ascending order.
pub fn products(order: &Row) -> Result<BTreeSet<i64>, Reject> {
    Ok(ITEMS.read(order)?.iter().map(|item| item.product_id).collect())
}

/// The quantity of each counted product that an order sold, without what came back with refunds.
pub fn sold(order: &Row) -> Result<BTreeMap<i64, Thousandths>, Reject> {
    let mut sold = BTreeMap::new();
    let restocked = RESTOCKED.read(order)?;
    for (at, item) in ITEMS.read(order)?.iter().enumerate().filter(|(_, item)| !item.uncounted) {
        let back = restocked.get(at).map_or(0, |quantity| quantity.0);
        *sold.entry(item.product_id).or_default() += Thousandths(item.quantity.0 - back);
    }
    Ok(sold)
}

/// The quantity of each product that an order took from the stock, without what came back with refunds; below zero
/// where more came back than was taken, because it was oversold.
pub fn taken(order: &Row) -> Result<BTreeMap<i64, Thousandths>, Reject> {
    let mut taken = sold(order)?;
    for Oversold { product_id, quantity } in OVERSOLD.read(order)? {
        *taken.entry(product_id).or_default() += Thousandths(-quantity.0);
    }
    Ok(taken)
}
