//! A new order: its lines are priced by the server and taken from the stock.

use std::collections::BTreeMap;

use crate::domain::input::{Input, Provided};
use crate::domain::order::{
    CURRENCY, CUSTOMER_ID, DISCOUNT, ITEMS, KIOSK_ID, OrderStatus, STATUS, TOTAL,
};
use crate::domain::order_line::OrderLine;
use crate::domain::order_lists::{self};
use crate::domain::product::is_draft;
use crate::domain::{
    Cell, Code, EntityKind, FieldError, FieldRef, Principal, Reject, Role, Row, Thousandths,
};
use crate::limits::{KIOSK_PIECES_MAX, KIOSK_UNPAID_ORDERS_MAX};
use crate::shop::order::Order;
use crate::shop::pricing::Terms;
use crate::shop::reads::{Reads, all_found, missing_references};
use crate::shop::step::Step;
use crate::shop::sums::Sums;
use crate::shop::{pricing, product};

/// The steps of a new order: the order itself, then each product that it takes from.
pub(super) fn create(
    reads: &impl Reads,
    principal: Principal,
    input: &Input,
) -> Result<Vec<Step>, Reject> {
    let mut row = Row::blank_in(EntityKind::Order, reads.currency());
    if let Some(id) = principal.own_orders() {
        let Some(Provided::Lines(lines)) = input.get(ITEMS) else {
            return Err(Reject::field(ITEMS.name, Code::Required, "is required from a kiosk"));
        };
        let has_extras = |line: &OrderLine| line.discount.is_some() || line.note.is_some();
        if input.has_any(&[DISCOUNT]) || lines.iter().any(has_extras) {
            let text = "a kiosk has no right to give a discount or to note something at a line";
            return Err(Reject::NotAllowed(text.to_owned()));
        }
        check_kiosk(reads, id, input, lines)?;
        row.set(KIOSK_ID, Cell::Int(id));
    }
    let mut errors = missing_references(reads, input)?;
    let lines = match input.get(ITEMS) {
        Some(Provided::Lines(lines)) => lines.as_slice(),
        _ => &[],
    };
    let products = load_products(reads, principal.role(), lines, &mut errors)?;
    all_found(errors)?;
    if lines.is_empty() {
        order_lists::ITEMS.write(&mut row, &[])?;
        input.apply_to(&mut row)?;
        if row.int(DISCOUNT)? != 0 {
            let message = "needs items; leave it out of an order that has only a total";
            return Err(Reject::field(DISCOUNT.name, Code::TooLarge, message));
        }
    } else {
        price(reads, &mut row, input, lines, &products)?;
    }
    if row.int(TOTAL)? == 0 {
        Order::read(&row)?.with_sums(Sums::default()).write(&mut row);
    }
    let wanted = quantities(lines, products);
    let mut steps = Vec::with_capacity(1 + wanted.len());
    steps.push(Step::Create {
        row,
        products: wanted.keys().copied().collect(),
        payments: Vec::new(),
    });
    for (product, quantity) in wanted.into_values() {
        steps.extend(product::take(product, quantity)?);
    }
    Ok(steps)
}

/// Refuses fields that a kiosk may not set. Anyone can use a kiosk, so it may set neither the price
/// nor the status of an order, and it may not probe which customers exist.
pub(super) fn check_kiosk(
    reads: &impl Reads,
    id: i64,
    input: &Input,
    lines: &[OrderLine],
) -> Result<(), Reject> {
    if input.id(CUSTOMER_ID).is_some() {
        let message = "must not be given by a kiosk";
        return Err(Reject::field(CUSTOMER_ID.name, Code::RoleNotAllowed, message));
    }
    if !matches!(OrderStatus::from_word(input.text(STATUS)), None | Some(OrderStatus::Pending)) {
        let message = format!("must be {} from a kiosk", OrderStatus::Pending.word());
        return Err(Reject::field(STATUS.name, Code::UnknownValue, message));
    }
    if lines.iter().map(|line| line.quantity).sum::<Thousandths>()
        > Thousandths::whole(KIOSK_PIECES_MAX)
    {
        let message = format!("must have at most {KIOSK_PIECES_MAX} pieces in all from a kiosk");
        return Err(Reject::field(ITEMS.name, Code::TooLarge, message));
    }
    if reads.unpaid_orders(id)? >= KIOSK_UNPAID_ORDERS_MAX {
        let text = format!(
            "this kiosk has {KIOSK_UNPAID_ORDERS_MAX} open orders that are not paid; pay, complete or \
             cancel one first"
        );
        return Err(Reject::conflict(Code::TooManyOpenOrders, text));
    }
    Ok(())
}

/// The product of each line; adds an error for each that does not exist.
pub(super) fn load_products(
    reads: &impl Reads,
    role: Role,
    lines: &[OrderLine],
    errors: &mut Vec<FieldError>,
) -> Result<Vec<Row>, Reject> {
    let mut products = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        match reads.product(&line.product)? {
            Some(product) if role.sees_drafts() || !is_draft(&product)? => products.push(product),
            _ => errors.push(FieldError::new(
                format!("items[{at}].{}", line.product.member()),
                Code::UnknownReference,
                format!("is unknown: there is no product {}", line.product),
            )),
        }
    }
    Ok(products)
}

/// Sets the currency of the products, if the client gave no other one.
pub(super) fn set_currency(order: &mut Row, input: &Input, products: &[Row]) -> Result<(), Reject> {
    let currency = products.first().map(Row::currency).unwrap_or_default();
    if input.has_any(&[CURRENCY]) && input.text(CURRENCY) != currency {
        return Err(follows_from_items(CURRENCY));
    }
    order.set_text(CURRENCY, currency);
    Ok(())
}

/// The refusal of a field that the lines decide.
pub(super) fn follows_from_items(field: FieldRef) -> Reject {
    Reject::field(field.name, Code::FieldFixed, "follows from the items; leave it out")
}

/// Sets the fields that the client gave, and the amounts that follow from the lines.
fn price(
    reads: &impl Reads,
    order: &mut Row,
    input: &Input,
    lines: &[OrderLine],
    products: &[Row],
) -> Result<(), Reject> {
    let items = pricing::items(lines, products, &Terms { kept: &[], has_happened: false })?;
    if input.has_any(&[TOTAL]) {
        return Err(follows_from_items(TOTAL));
    }
    set_currency(order, input, products)?;
    input.apply_to(order)?;
    pricing::set(order, &items, reads.tax_mode())
}

/// Each product with its quantity over all lines, by the product's id.
pub(super) fn quantities(
    lines: &[OrderLine],
    products: Vec<Row>,
) -> BTreeMap<i64, (Row, Thousandths)> {
    let mut wanted = BTreeMap::new();
    for (line, product) in lines.iter().zip(products) {
        wanted.entry(product.id).or_insert((product, Thousandths::ZERO)).1 += line.quantity;
    }
    wanted
}
