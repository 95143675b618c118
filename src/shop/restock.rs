//! Goods that come back with a refund.

use std::collections::BTreeMap;

use crate::domain::order::STOCK_RETURNED;
use crate::domain::order_lists::{self};
use crate::domain::restock::Restock;
use crate::domain::transaction::RESTOCK;
use crate::domain::{Code, EntityKind, FieldError, Reject, Row, Thousandths};
use crate::shop::product;
use crate::shop::reads::{Reads, all_found};
use crate::shop::step::Step;

/// Notes in an order's row which goods come back, and returns the steps of their products. At most what was sold
/// and has not come back can.
pub(super) fn bring_back(
    reads: &impl Reads,
    order: &mut Row,
    restock: &[Restock],
) -> Result<Vec<Step>, Reject> {
    if restock.is_empty() {
        return Ok(Vec::new());
    }
    let items = order_lists::ITEMS.read(order)?;
    let mut restocked = order_lists::RESTOCKED.read(order)?;
    restocked.resize(items.len(), Thousandths::ZERO);
    // What came back by itself, by product, because the order ended.
    let mut returned =
        if order.int(STOCK_RETURNED)? == 0 { BTreeMap::new() } else { order_lists::taken(order)? };
    let mut errors = Vec::new();
    let mut back: BTreeMap<i64, Thousandths> = BTreeMap::new();
    for (at, Restock { line, quantity }) in restock.iter().enumerate() {
        let mut wrong = |member: &str, code, message: String| {
            let field = format!("{}[{at}].{member}", RESTOCK.name);
            errors.push(FieldError::new(field, code, message));
        };
        let Some(item) = items.get(*line) else {
            let message =
                format!("must be a line of the order: it has {}, and the first is 0", items.len());
            wrong("line", Code::UnknownReference, message);
            continue;
        };
        let by_itself = returned.entry(item.product_id).or_default();
        let left = Thousandths(item.quantity.0 - restocked[*line].0);
        let here = Thousandths(by_itself.0.clamp(0, left.0));
        let most = Thousandths(left.0 - here.0);
        if *quantity > most {
            let message = format!("must be at most {most}, which has not come back yet");
            wrong("quantity", Code::TooLarge, message);
            continue;
        }
        *by_itself = Thousandths(by_itself.0 - here.0);
        restocked[*line] += *quantity;
        *back.entry(item.product_id).or_default() += *quantity;
    }
    all_found(errors)?;
    let mut steps = Vec::with_capacity(back.len());
    for (id, quantity) in back {
        if let Some(before) = reads.load(EntityKind::Product, id)? {
            steps.extend(product::take_back(before, quantity)?);
        }
    }
    order_lists::RESTOCKED.write(order, &restocked)?;
    Ok(steps)
}
