//! The amounts of an order, as a pure function of its lines.
//!
//! All amounts are whole minor units of one currency. `round` rounds half away from zero.
//!
//! ```text
//! line_total = round(quantity x unit_price) - the line's discount
//! discount   = the order's; it is spread over the lines in proportion to line_total. Each share is rounded
//!              down, and the units that are left go to the lines with the largest remainders, among equal
//!              ones to the earlier line.
//! base       = for each tax rate, the sum of line_total - share over the lines with this rate
//! tax        = for each rate, round(base x rate / (100 + rate)) if prices include the tax,
//!              else round(base x rate / 100)
//! net        = for each rate, base - tax if prices include the tax, else base
//! total      = the sum of line_total - discount + rounding, and if the tax is added, + the sum of tax
//! ```
//!
//! `rounding` is not taxed. A line without a rate has no tax; a rate of 0 has its row.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::domain::Thousandths;
use crate::domain::tax::{TaxMode, TaxSum};

/// The part of a line on which the amounts depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The quantity, in the product's unit.
    pub(super) quantity: Thousandths,
    /// The price of one unit.
    pub(super) unit_price: i64,
    /// The discount of the line, at most its price.
    pub(super) discount: i64,
    /// The tax in per cent.
    pub(super) tax_rate: Option<Thousandths>,
}

impl Line {
    pub(super) fn total(&self) -> i64 {
        self.quantity.times(self.unit_price).saturating_sub(self.discount)
    }
}

/// The amounts of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Amounts {
    /// The sum that the customer pays.
    pub(super) total: i64,
    /// The tax in it.
    pub(super) tax_total: i64,
    /// The tax of each rate, in ascending order of the rates.
    pub(super) taxes: Vec<TaxSum>,
}

/// The amounts of an order with these lines. `discount` is at most the sum of the lines.
pub(super) fn amounts(lines: &[Line], discount: i64, rounding: i64, mode: TaxMode) -> Amounts {
    let totals: Vec<i64> = lines.iter().map(Line::total).collect();
    let mut bases: BTreeMap<Thousandths, i64> = BTreeMap::new();
    for ((line, total), share) in lines.iter().zip(&totals).zip(spread(discount, &totals)) {
        if let Some(rate) = line.tax_rate {
            let base = bases.entry(rate).or_default();
            *base = base.saturating_add(total - share);
        }
    }
    let taxes: Vec<_> = bases.into_iter().map(|(rate, base)| tax(rate, base, mode)).collect();
    let tax_total = sum(taxes.iter().map(|one| one.tax));
    let added = if mode == TaxMode::Added { tax_total } else { 0 };
    let total = sum([sum(totals), -discount, rounding, added]);
    Amounts { total, tax_total, taxes }
}

/// Sums that are too large for an order saturate, and are refused by their size.
pub(super) fn sum(amounts: impl IntoIterator<Item = i64>) -> i64 {
    amounts.into_iter().fold(0, i64::saturating_add)
}

/// The part of a discount that each line bears. The parts add up to the discount.
fn spread(discount: i64, totals: &[i64]) -> Vec<i64> {
    let whole: i128 = totals.iter().copied().map(i128::from).sum();
    if discount == 0 || whole == 0 {
        return vec![0; totals.len()];
    }
    let exact = |total: &i64| i128::from(discount) * i128::from(*total);
    let mut shares: Vec<i64> = totals
        .iter()
        .map(|total| i64::try_from(exact(total) / whole).unwrap_or(i64::MAX))
        .collect();
    let left = discount - sum(shares.iter().copied());
    let mut lines: Vec<usize> = (0..totals.len()).collect();
    lines.sort_by_key(|at| Reverse(exact(&totals[*at]) % whole));
    for at in lines.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        shares[at] += 1;
    }
    shares
}

fn tax(rate: Thousandths, base: i64, mode: TaxMode) -> TaxSum {
    let hundred = i128::from(Thousandths::whole(100).0);
    let whole = match mode {
        TaxMode::Included => hundred + i128::from(rate.0),
        TaxMode::Added => hundred,
    };
    let product = i128::from(base) * i128::from(rate.0);
    let tax = i64::try_from((2 * product + whole) / (2 * whole)).unwrap_or(i64::MAX);
    let net = if mode == TaxMode::Included { base - tax } else { base };
    TaxSum { rate, net, tax }
}
