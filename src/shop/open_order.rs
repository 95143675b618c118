//! Changing the lines of an open order: the stock, the amounts and the payment status follow.

use std::collections::BTreeMap;

use crate::domain::input::{Input, Provided};
use crate::domain::order::{CURRENCY, DISCOUNT, DONE, ITEMS, OrderStatus, TOTAL};
use crate::domain::order_line::OrderLine;
use crate::domain::order_lists::{self, Item, Oversold};
use crate::domain::{Code, EntityKind, FieldError, Reject, Role, Row, Thousandths};
use crate::shop::order::{Order, check_done, check_status};
use crate::shop::pricing::Terms;
use crate::shop::reads::Reads;
use crate::shop::step::Step;
use crate::shop::sums::Sums;
use crate::shop::{new_order, pricing, product};

/// The steps of a patch of an order that gives new lines or a new discount: the order itself, then each product
/// whose quantity differs.
pub(super) fn update(
    reads: &impl Reads,
    role: Role,
    input: &Input,
    before: Row,
    mut after: Row,
) -> Result<Vec<Step>, Reject> {
    let order = Order::read(&before)?;
    let sums = Sums::of(&reads.payments(before.id)?);
    check_open(order, sums.has_refund() || !order_lists::RESTOCKED.read(&before)?.is_empty())?;
    if input.get(TOTAL).is_some() {
        return Err(new_order::follows_from_items(TOTAL));
    }
    let old = order_lists::ITEMS.read(&before)?;
    let (items, mut products) = match input.get(ITEMS) {
        Some(Provided::Lines(lines)) => changed_items(reads, role, lines, &old, &before)?,
        _ => (old.clone(), BTreeMap::new()),
    };
    if items.is_empty() {
        let message = "needs items; leave it out of an order that has only a total";
        return Err(Reject::field(DISCOUNT.name, Code::TooLarge, message));
    }
    if !input.has_any(&[DONE]) {
        keep_done(&mut after, &old, &items)?;
    }
    pricing::set(&mut after, &items, reads.tax_mode())?;
    check_done(&after)?;
    let mut changed = check_status(order, &after)?;
    changed.total = after.int(TOTAL)?;
    changed.with_sums(sums).write(&mut after);
    shrink_oversold(&before, &mut after)?;
    let (had, wants) = (order_lists::taken(&before)?, order_lists::taken(&after)?);
    let mut steps = vec![Step::Update { before, after }];
    for id in had.keys().chain(wants.keys().filter(|id| !had.contains_key(id))) {
        let of =
            |taken: &BTreeMap<i64, Thousandths>| taken.get(id).map_or(0, |quantity| quantity.0);
        let more = of(&wants) - of(&had);
        let stored = || reads.load(EntityKind::Product, *id);
        let Some(row) = products.remove(id).map_or_else(stored, |row| Ok(Some(row)))? else {
            continue;
        };
        if more > 0 {
            steps.extend(product::take(row, Thousandths(more))?);
        } else if more < 0 {
            steps.extend(product::take_back(row, Thousandths(-more))?);
        }
    }
    Ok(steps)
}

/// Of goods that are taken off an order, those come off first that the shop did not have.
fn shrink_oversold(before: &Row, after: &mut Row) -> Result<(), Reject> {
    let (had, wants) = (order_lists::sold(before)?, order_lists::sold(after)?);
    let of = |sold: &BTreeMap<i64, Thousandths>, id| sold.get(&id).map_or(0, |sold| sold.0);
    let mut oversold = order_lists::OVERSOLD.read(before)?;
    for Oversold { product_id, quantity } in &mut oversold {
        let less = of(&had, *product_id) - of(&wants, *product_id);
        *quantity = Thousandths((quantity.0 - less.max(0)).max(0));
    }
    oversold.retain(|one| one.quantity > Thousandths::ZERO);
    order_lists::OVERSOLD.write(after, &oversold)
}

/// A line that stays as it is in its place stays finished.
fn keep_done(order: &mut Row, old: &[Item], new: &[Item]) -> Result<(), Reject> {
    let stays = |at: &usize| {
        let same = |old: &Item, new: &Item| {
            (old.product_id, old.quantity, &old.note) == (new.product_id, new.quantity, &new.note)
        };
        old.get(*at).zip(new.get(*at)).is_some_and(|(old, new)| same(old, new))
    };
    let done: Vec<usize> = order_lists::DONE.read(order)?.into_iter().filter(stays).collect();
    order_lists::DONE.write(order, &done)
}

fn check_open(order: Order, has_refund: bool) -> Result<(), Reject> {
    let is_open = matches!(order.status, OrderStatus::Pending | OrderStatus::Processing);
    if is_open && !has_refund {
        return Ok(());
    }
    let why = if is_open { "partly refunded".to_owned() } else { order.status.word().to_owned() };
    let text = format!(
        "this order is {why}; its items and its discount can be changed while it is {} or {} and nothing was \
         refunded",
        OrderStatus::Pending.word(),
        OrderStatus::Processing.word()
    );
    Err(Reject::conflict(Code::OrderFixed, text))
}

/// The new lines, priced, and their products. A line of a product that the order has already keeps its price.
fn changed_items(
    reads: &impl Reads,
    role: Role,
    lines: &[OrderLine],
    old: &[Item],
    order: &Row,
) -> Result<(Vec<Item>, BTreeMap<i64, Row>), Reject> {
    let mut errors = Vec::new();
    let products = new_order::load_products(reads, role, lines, &mut errors)?;
    for (at, product) in products.iter().enumerate() {
        if errors.is_empty() && product.currency() != order.text(CURRENCY)? {
            let message =
                format!("is sold in {}, the order is in {}", product.currency(), order.currency());
            let field = format!("items[{at}].product_id");
            errors.push(FieldError::new(field, Code::CurrencyMismatch, message));
        }
    }
    if !errors.is_empty() {
        return Err(Reject::Invalid(errors));
    }
    let items = pricing::items(lines, &products, &Terms { kept: old, has_happened: false })?;
    Ok((items, products.into_iter().map(|product| (product.id, product)).collect()))
}
