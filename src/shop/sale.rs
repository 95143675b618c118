//! A sale: an order, what it takes from the stock, and its payments, in one.
//!
//! A sale with `sold_at` has already happened. It is a fact and is not refused, whatever the shop believes: the
//! price is what the customer paid, and goods that the shop believed to be gone are oversold.

use crate::domain::amount;
use crate::domain::decimal::Decimal;
use crate::domain::input::Provided;
use crate::domain::order::{
    CLIENT_ID, CUSTOMER_ID, DISCOUNT, ITEMS, KIOSK_ID, OrderStatus, ROUNDING, SOLD_AT, STATUS,
    TOTAL,
};
use crate::domain::order_line::{OrderLine, ProductRef};
use crate::domain::order_lists::{self, Oversold};
use crate::domain::sale::{CASH, Sale, SoldLine, Tender};
use crate::domain::transaction::{self, TransactionStatus, TransactionType};
use crate::domain::{Cell, Code, EntityKind, Principal, Reject, Row, Thousandths};
use crate::shop::order::Order;
use crate::shop::pricing::Terms;
use crate::shop::reads::{Reads, all_found, missing_references};
use crate::shop::step::Step;
use crate::shop::sums::{Payment, Sums};
use crate::shop::{customer, new_order, pricing, product};

/// The steps of a sale: the order with its payments, then each product that it takes from.
pub(super) fn create(
    reads: &impl Reads,
    principal: Principal,
    sale: &Sale,
) -> Result<Vec<Step>, Reject> {
    let lines = lines(sale);
    let mut row = Row::blank(EntityKind::Order);
    if let Some(id) = principal.own_orders() {
        check_kiosk(sale, lines)?;
        new_order::check_kiosk(reads, id, &sale.order, lines)?;
        row.set(KIOSK_ID, Cell::Int(id));
    }
    check_status(sale)?;
    let has_happened = sale.sold_at.is_some();
    let mut errors = missing_references(reads, &sale.order)?;
    errors.retain(|error| !(has_happened && error.field == CUSTOMER_ID.name));
    let products = new_order::load_products(reads, principal.role(), lines, &mut errors)?;
    all_found(errors)?;
    row.set_text(CLIENT_ID, &sale.client_id);
    row.set(SOLD_AT, sale.sold_at.map_or(Cell::Null, Cell::Int));
    price(reads, &mut row, sale, lines, &products)?;
    let Till { payments, .. } = till(sale, &row)?;
    let paid: Vec<Payment> = payments.iter().map(Payment::read).collect::<Result<_, _>>()?;
    Order::read(&row)?.with_sums(Sums::of(&paid)).write(&mut row);

    let wanted = new_order::quantities(lines, products);
    let ids = wanted.keys().copied().collect();
    let (mut steps, mut oversold) = (Vec::with_capacity(wanted.len()), Vec::new());
    for (product_id, (product, quantity)) in wanted {
        if has_happened {
            let (step, quantity) = product::take_what_is_there(product, quantity)?;
            steps.extend(step);
            oversold.extend(
                (quantity > Thousandths::ZERO).then_some(Oversold { product_id, quantity }),
            );
        } else {
            steps.extend(product::take(product, quantity)?);
        }
    }
    order_lists::OVERSOLD.write(&mut row, &oversold)?;
    steps.insert(0, Step::Create { row, products: ids, payments });
    Ok(steps)
}

/// The change of a stored sale, in minor units of its currency.
///
/// # Errors
/// `Unavailable` if the stored order cannot be read.
pub fn change(sale: &Sale, order: &Row) -> Result<i64, Reject> {
    till(sale, order).map(|till| till.change)
}

/// The lines of a stored sale, to be kept with its name.
///
/// # Errors
/// `Unavailable` if the stored order cannot be read, or has other lines.
pub fn sold_lines(sale: &Sale, order: &Row) -> Result<Vec<SoldLine>, Reject> {
    let items = order_lists::ITEMS.read(order)?;
    let ids = items.iter().map(|item| item.product_id);
    Ok(lines(sale)
        .iter()
        .zip(ids)
        .map(|(line, id)| sold_line(line, id, order.currency()))
        .collect())
}

fn sold_line(line: &OrderLine, product_id: i64, currency: &str) -> SoldLine {
    let minor = |given: Decimal| amount::minor(given, currency).unwrap_or(i64::MAX);
    let named = match &line.product {
        ProductRef::Id(_) => None,
        ProductRef::Sku(text) | ProductRef::Gtin(text) => {
            Some((line.product.member().to_owned(), text.clone()))
        }
    };
    SoldLine {
        product_id,
        named,
        quantity: line.quantity,
        unit_price: line.unit_price.map(minor),
        discount: line.discount.map_or(0, minor),
    }
}

/// Whether a sale repeats the one with these lines: the products, quantities, prices and discounts are the same. A
/// name that no product has any more stands for the product that had it.
pub fn is_repeat(
    reads: &impl Reads,
    sale: &Sale,
    first: &[SoldLine],
    currency: &str,
) -> Result<bool, Reject> {
    let lines = lines(sale);
    if lines.len() != first.len() {
        return Ok(false);
    }
    for (line, first) in lines.iter().zip(first) {
        let again = sold_line(line, first.product_id, currency);
        let is_named_so = again.named == first.named && again.named.is_some();
        let is_same = is_named_so
            || match &line.product {
                ProductRef::Id(id) => *id == first.product_id,
                named => reads.product(named)?.is_some_and(|row| row.id == first.product_id),
            };
        if !is_same || (SoldLine { named: first.named.clone(), ..again }) != *first {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The lines of a sale.
fn lines(sale: &Sale) -> &[OrderLine] {
    match sale.order.get(ITEMS) {
        Some(Provided::Lines(lines)) => lines,
        _ => &[],
    }
}

/// Refuses what only staff may give.
fn check_kiosk(sale: &Sale, lines: &[OrderLine]) -> Result<(), Reject> {
    let has_price = |line: &OrderLine| line.discount.is_some() || line.unit_price.is_some();
    let gives = [
        (!sale.payments.is_empty(), "take payments"),
        (sale.sold_at.is_some(), "tell of sales that have happened"),
        (
            sale.order.has_any(&[DISCOUNT]) || lines.iter().any(has_price),
            "set a price or a discount",
        ),
    ];
    match gives.into_iter().find(|(gives, _)| *gives) {
        Some((_, what)) => Err(Reject::NotAllowed(format!("a kiosk has no right to {what}"))),
        None => Ok(()),
    }
}

fn check_status(sale: &Sale) -> Result<(), Reject> {
    match OrderStatus::from_word(sale.order.text(STATUS)) {
        None | Some(OrderStatus::Completed) => Ok(()),
        Some(_) => {
            let message = format!("must be {}, or be left out", OrderStatus::Completed.word());
            Err(Reject::field(STATUS.name, Code::UnknownValue, message))
        }
    }
}

/// Sets the fields that the client gave, and the amounts.
fn price(
    reads: &impl Reads,
    order: &mut Row,
    sale: &Sale,
    lines: &[OrderLine],
    products: &[Row],
) -> Result<(), Reject> {
    let has_happened = sale.sold_at.is_some();
    let items = pricing::items(lines, products, &Terms { kept: &[], has_happened })?;
    new_order::set_currency(order, &sale.order, products)?;
    sale.order.apply_to(order)?;
    if has_happened
        && let Some(id) = sale.order.id(CUSTOMER_ID)
        && !reads.load(EntityKind::Customer, id)?.is_some_and(|row| customer::is_known(&row))
    {
        order.set(CUSTOMER_ID, Cell::Null);
    }
    if has_happened {
        let goods = items.iter().map(order_lists::Item::line_total).fold(0, i64::saturating_add);
        order.set(DISCOUNT, Cell::Int(order.int(DISCOUNT)?.min(goods)));
    }
    pricing::set(order, &items, reads.tax_mode())?;
    let Some(told) = sale.total else { return Ok(()) };
    let wrong =
        |violation: crate::domain::Violation| Reject::Invalid(vec![violation.at(TOTAL.name)]);
    let (told, total) = (amount::minor(told, order.currency()).map_err(wrong)?, order.int(TOTAL)?);
    if told == total {
        return Ok(());
    }
    if !has_happened {
        let text = format!(
            "the sale costs {}, not {}",
            pricing::shown(total, order.currency()),
            pricing::shown(told, order.currency())
        );
        return Err(Reject::conflict(Code::TotalChanged, text));
    }
    order.set(ROUNDING, Cell::Int(told - total));
    pricing::set(order, &items, reads.tax_mode())
}

/// The effect of a sale on the till.
struct Till {
    /// The transactions, without their order.
    payments: Vec<Row>,
    /// The change that the customer gets, in minor units.
    change: i64,
}

/// The payments of a priced sale. Other gateways count first, wherever they stand; cash pays the rest, and what
/// is above it is change.
fn till(sale: &Sale, order: &Row) -> Result<Till, Reject> {
    let (total, currency) = (order.int(TOTAL)?, order.currency());
    let mut errors = Vec::new();
    let mut amounts = Vec::with_capacity(sale.payments.len());
    for (at, Tender { amount, .. }) in sale.payments.iter().enumerate() {
        match amount::minor(*amount, currency) {
            Ok(minor) => amounts.push(minor),
            Err(wrong) => errors.push(wrong.at(format!("payments[{at}].amount"))),
        }
    }
    all_found(errors)?;
    let tenders = || sale.payments.iter().zip(&amounts);
    let is_cash = |tender: &Tender| tender.gateway.eq_ignore_ascii_case(CASH);
    let others: i64 = tenders().filter(|(one, _)| !is_cash(one)).map(|(_, amount)| amount).sum();
    if others > total && sale.sold_at.is_none() {
        let text = format!(
            "the payments are {}, the sale costs {}; only cash may be above that",
            pricing::shown(others, currency),
            pricing::shown(total, currency)
        );
        return Err(Reject::conflict(Code::Overpaid, text));
    }
    let (mut due, mut till) = ((total - others).max(0), Till { payments: Vec::new(), change: 0 });
    for (tender, &given) in tenders() {
        let stays = if is_cash(tender) { given.min(due) } else { given };
        if is_cash(tender) {
            due -= stays;
            till.change += given - stays;
        }
        if stays > 0 {
            let tendered = is_cash(tender).then_some(given);
            till.payments.push(payment(&tender.gateway, stays, tendered, currency));
        }
    }
    Ok(till)
}

/// A completed payment, without its order.
fn payment(gateway: &str, amount: i64, tendered: Option<i64>, currency: &str) -> Row {
    let mut row = Row::blank(EntityKind::Transaction);
    row.set_text(transaction::TYPE, TransactionType::Payment.word());
    row.set_text(transaction::STATUS, TransactionStatus::Completed.word());
    row.set(transaction::AMOUNT, Cell::Int(amount));
    row.set_text(transaction::GATEWAY, gateway);
    row.set(transaction::TENDERED, tendered.map_or(Cell::Null, Cell::Int));
    row.set_text(transaction::CURRENCY, currency);
    row
}
