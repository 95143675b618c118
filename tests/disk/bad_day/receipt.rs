//! A sale of a till that was offline, and what the shop must make of it, worked out by hand: whole cents, and
//! quantities in thousandths.

use super::SALES;
use fastrand::Rng;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

const YEAR_S: u64 = 31_556_952;

/// A product, as the tills and the shop know it.
pub(super) struct Goods {
    pub(super) id: i64,
    pub(super) sku: String,
    pub(super) barcode: String,
    pub(super) unit: &'static str,
    /// Its price in the shop when the tills come back.
    pub(super) price: i64,
    /// Its price when they were last there.
    pub(super) shelf: i64,
    /// The tax in per cent.
    pub(super) rate: Option<i64>,
    pub(super) stock: Option<i64>,
}

/// One sale.
pub(super) struct Receipt {
    pub(super) client_id: String,
    /// The request.
    pub(super) body: Value,
    pub(super) sold_at: String,
    /// The quantity of each product.
    pub(super) quantities: BTreeMap<i64, i64>,
    /// The means of payment, what stays in the till, and what was given.
    pub(super) payments: Vec<(&'static str, i64, Option<i64>)>,
    /// The fields of the order, as the shop must show them.
    order: Value,
    change: i64,
}

/// One line: what was sold at which rate, and what it costs.
struct Line {
    rate: Option<i64>,
    total: i64,
}

impl Receipt {
    /// The sale with this number. Every eighth till's clock is a year ahead, and every eighth a year behind.
    pub(super) fn made(rng: &mut Rng, at: usize, goods: &[Goods], customers: [i64; 2]) -> Self {
        let client_id = format!("till-{at}");
        let year = 1970 + SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / YEAR_S;
        let year = [year + 1, year - 1, year][(at / SALES % 8).min(2)];
        let sold_at = format!("{year}-03-{:02}T{:02}:30:00.000Z", rng.u8(5..8), rng.u8(8..20));
        let (mut items, mut lines, mut quantities) = (Vec::new(), Vec::new(), BTreeMap::new());
        for _ in 0..rng.usize(1..5) {
            let goods = rng.choice(goods).unwrap();
            let (item, line, sold) = line(rng, goods);
            items.push(item);
            lines.push(line);
            *quantities.entry(goods.id).or_default() += sold;
        }
        let sum: i64 = lines.iter().map(|line| line.total).sum();
        let given = if rng.u8(..4) == 0 { rng.i64(1..=300) } else { 0 };
        let (discount, customer) = (
            given.min(sum),
            *rng.choice([None, Some(customers[0]), Some(customers[1])].iter()).unwrap(),
        );
        // What the customer paid, in coins of five cents.
        let told = (rng.u8(..3) > 0).then(|| (sum - discount + rng.i64(-20..=20)).max(0) / 5 * 5);
        let total = told.unwrap_or(sum - discount);
        let (tenders, payments, change) = pay(rng, total);
        let taxes = taxes(&lines, discount);
        let mut body = json!({
            "client_id": client_id, "items": items, "payments": tenders, "sold_at": sold_at,
            "discount": money(given), "customer_id": customer,
        });
        if let Some(told) = told {
            body["total"] = money(told);
        }
        let is_handed_over = rng.bool();
        if is_handed_over {
            body["status"] = json!("completed");
        }
        let is_paid = payments.iter().map(|(_, stays, _)| stays).sum::<i64>() >= total;
        let order = json!({
            "client_id": client_id, "sold_at": sold_at, "currency": "EUR",
            "customer_id": customer.filter(|id| *id == customers[0]),
            "total": money(total), "discount": money(discount), "rounding": money(total - (sum - discount)),
            "tax_total": money(taxes.iter().map(|(_, _, tax)| tax).sum()),
            "taxes": taxes.iter().map(|(rate, net, tax)| json!({"rate": rate, "net": money(*net), "tax": money(*tax)}))
                .collect::<Vec<_>>(),
            "status": if is_handed_over { "completed" } else if is_paid { "processing" } else { "pending" },
            "payment_status": if is_paid { "paid" } else { "pending" },
        });
        Self { client_id, body, sold_at, quantities, payments, order, change }
    }

    /// Checks the order and the answer that the shop made of the sale.
    pub(super) fn check(&self, order: &Value, answer: &Value) {
        for (field, expected) in self.order.as_object().unwrap() {
            assert_eq!(&order[field], expected, "{field} of {order} for {}", self.body);
        }
        let stored =
            |row: &Value| (row["gateway"].clone(), row["amount"].clone(), row["tendered"].clone());
        let stored: Vec<_> =
            answer["transactions"].as_array().unwrap().iter().map(stored).collect();
        let paid = |(gateway, stays, given): &(&str, i64, Option<i64>)| {
            (json!(gateway), money(*stays), given.map_or(Value::Null, money))
        };
        assert_eq!(stored, self.payments.iter().map(paid).collect::<Vec<_>>(), "{}", self.body);
        assert_eq!(answer["change"], money(self.change), "{}", self.body);
    }
}

/// A line as the till sends it and as the shop must price it, and the quantity. Some are sold by half a piece, some
/// have a discount above their price, and some have the price that the till knew.
fn line(rng: &mut Rng, goods: &Goods) -> (Value, Line, i64) {
    let sold = match goods.unit {
        "piece" if rng.u8(..20) == 0 => 500,
        "piece" => 1_000 * rng.i64(1..6),
        _ => rng.i64(1..3_000),
    };
    let mut item = match rng.u8(..3) {
        0 => json!({"product_id": goods.id}),
        1 => json!({"sku": goods.sku}),
        _ => json!({"barcode": goods.barcode}),
    };
    item["quantity"] = quantity(sold);
    let mut price = goods.price;
    if rng.bool() {
        price = goods.shelf;
        item["unit_price"] = money(price);
    }
    let whole = (sold * price + 500) / 1_000;
    let mut discount = 0;
    if rng.u8(..4) == 0 {
        discount = rng.i64(1..600);
        item["discount"] = money(discount);
    }
    (item, Line { rate: goods.rate, total: whole - discount.min(whole) }, sold)
}

/// For each rate: the net, and the tax, which is in the prices.
fn taxes(lines: &[Line], discount: i64) -> Vec<(i64, i64, i64)> {
    let sum: i64 = lines.iter().map(|line| line.total).sum();
    let part = |at: usize| discount * lines[at].total;
    let mut shares: Vec<i64> = (0..lines.len()).map(|at| part(at) / sum.max(1)).collect();
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|at| Reverse(part(*at) % sum.max(1)));
    let left = usize::try_from(discount - shares.iter().sum::<i64>()).unwrap();
    order[..left].iter().for_each(|at| shares[*at] += 1);
    let mut bases: BTreeMap<i64, i64> = BTreeMap::new();
    for (line, share) in lines.iter().zip(shares) {
        if let Some(rate) = line.rate {
            *bases.entry(rate).or_default() += line.total - share;
        }
    }
    let tax = |(rate, base): (i64, i64)| {
        let tax = (2 * base * rate + 100 + rate) / (2 * (100 + rate));
        (rate, base - tax, tax)
    };
    bases.into_iter().map(tax).collect()
}

/// The payments as the till sends them, what of them stays in the till, and the change. Some customers paid too much
/// by card, some too little, some not at all.
#[expect(clippy::type_complexity, reason = "it is read once")]
fn pay(rng: &mut Rng, total: i64) -> (Value, Vec<(&'static str, i64, Option<i64>)>, i64) {
    let card = match rng.u8(..6) {
        0 => total + rng.i64(1..500),
        1 => total,
        2 => total / 2,
        _ => 0,
    };
    let cash = match rng.u8(..6) {
        0 => 0,
        1 => total / 3,
        _ => (total / 500 + 1) * 500,
    };
    let stays = cash.min((total - card).max(0));
    let (mut tenders, mut payments) = (Vec::new(), Vec::new());
    if cash > 0 {
        tenders.push(json!({"gateway": "cash", "amount": money(cash)}));
        payments.extend((stays > 0).then_some(("cash", stays, Some(cash))));
    }
    if card > 0 {
        tenders.push(json!({"gateway": "card", "amount": money(card)}));
        payments.push(("card", card, None));
    }
    (json!(tenders), payments, cash - stays)
}

/// Cents as a JSON number with two decimals.
pub(super) fn money(cents: i64) -> Value {
    let sign = if cents < 0 { "-" } else { "" };
    let (whole, rest) = (cents.abs() / 100, cents.abs() % 100);
    serde_json::from_str(&format!("{sign}{whole}.{rest:02}")).unwrap()
}

/// Thousandths as a JSON number without zeros at its end.
pub(super) fn quantity(thousandths: i64) -> Value {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    serde_json::from_str(text.trim_end_matches('0').trim_end_matches('.')).unwrap()
}

/// A JSON number in thousandths.
pub(super) fn thousandths(number: &Value) -> i64 {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<3}").parse().unwrap()
}
