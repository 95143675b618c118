//! Turns a change into its steps, and a saved step into those that follow. The kind of the entity
//! decides which rules apply.

use crate::domain::order::{DISCOUNT, ITEMS};
use crate::domain::order_line::ProductRef;
use crate::domain::{EntityKind, Input, Principal, Reject, Row};
use crate::shop::order::Order;
use crate::shop::reads::{Reads, all_found, missing_references};
use crate::shop::step::{Change, Operation, Put, Step};
use crate::shop::{customer, new_order, open_order, order, payment, product, sale, shipment};

/// The steps of a change. The first is that of the entity itself.
///
/// # Errors
/// The rule that the change breaks. Nothing may be saved then.
pub fn plan(
    reads: &impl Reads,
    principal: Principal,
    change: &Change,
) -> Result<Vec<Step>, Reject> {
    match &change.operation {
        Operation::Create(input) => create(reads, principal, input),
        Operation::Sell(sale) => sale::create(reads, principal, sale),
        Operation::Update(id, input) => {
            if change.kind == EntityKind::Order {
                order::check_preparation(principal.role(), input)?;
            }
            let before = stored(reads, change, *id)?;
            all_found(missing_references(reads, input)?)?;
            let mut after = before.clone();
            input.apply_to(&mut after)?;
            match change.kind {
                EntityKind::Transaction => return payment::update(reads, before, after),
                EntityKind::Order if input.has_any(&[ITEMS, DISCOUNT]) => {
                    return open_order::update(reads, principal.role(), input, before, after);
                }
                EntityKind::Order => order::check_update(reads, &before, &mut after)?,
                EntityKind::Product => product::check(&before, &mut after)?,
                EntityKind::Customer => customer::check(&after)?,
                EntityKind::Shipment => {}
            }
            Ok(vec![Step::Update { before, after }])
        }
        Operation::Put(put) => product_by_sku(reads, principal, change, put),
        Operation::ChangeStock(id, by) => {
            Ok(vec![product::change_stock(stored(reads, change, *id)?, by)?])
        }
        Operation::Delete(id) => {
            let row = stored(reads, change, *id)?;
            match change.kind {
                EntityKind::Transaction => payment::delete(reads, row),
                EntityKind::Order => {
                    Order::read(&row)?.check_deletable()?;
                    Ok(vec![Step::Delete(row)])
                }
                _ => Ok(vec![Step::Delete(row)]),
            }
        }
        Operation::Erase(id) => Ok(vec![customer::erase(stored(reads, change, *id)?)]),
    }
}

fn product_by_sku(
    reads: &impl Reads,
    principal: Principal,
    change: &Change,
    put: &Put,
) -> Result<Vec<Step>, Reject> {
    let Some(before) = reads.product(&ProductRef::Sku(put.sku.clone()))? else {
        if change.precondition.if_match.is_some() {
            return Err(Reject::PreconditionFailed);
        }
        return create(reads, principal, put.create.as_ref().map_err(Clone::clone)?);
    };
    change.precondition.check(before.seq)?;
    let mut after = before.clone();
    put.patch.as_ref().map_err(Clone::clone)?.apply_to(&mut after)?;
    product::check(&before, &mut after)?;
    Ok(vec![Step::Update { before, after }])
}

/// The steps that follow from one that was saved.
///
/// # Errors
/// `Unavailable` if a stored row cannot be read.
pub fn follow(reads: &impl Reads, step: &Step) -> Result<Vec<Step>, Reject> {
    match step.row().kind {
        EntityKind::Order => order::follow(reads, step),
        EntityKind::Shipment => shipment::follow(reads, step),
        EntityKind::Product | EntityKind::Customer | EntityKind::Transaction => Ok(Vec::new()),
    }
}

fn create(reads: &impl Reads, principal: Principal, input: &Input) -> Result<Vec<Step>, Reject> {
    if input.kind == EntityKind::Order {
        return new_order::create(reads, principal, input);
    }
    all_found(missing_references(reads, input)?)?;
    let mut row = Row::blank_in(input.kind, reads.currency());
    if input.kind == EntityKind::Transaction {
        return payment::create(reads, row, input);
    }
    input.apply_to(&mut row)?;
    match input.kind {
        EntityKind::Shipment => shipment::check_create(reads, &row)?,
        EntityKind::Product => product::check(&Row::blank(input.kind), &mut row)?,
        EntityKind::Customer => customer::check(&row)?,
        EntityKind::Order | EntityKind::Transaction => {}
    }
    Ok(vec![Step::create(row)])
}

fn stored(reads: &impl Reads, change: &Change, id: i64) -> Result<Row, Reject> {
    let row = reads.load(change.kind, id)?.ok_or(Reject::NotFound)?;
    change.precondition.check(row.seq)?;
    Ok(row)
}
