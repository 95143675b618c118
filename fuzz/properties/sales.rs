//! Sales, compared with a model of their price and of the stock.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tillcast::domain::input::Purpose;
use tillcast::domain::order_line::ProductRef;
use tillcast::domain::shipment::ShipmentStatus;
use tillcast::domain::tax::TaxMode;
use tillcast::domain::{
    Cell, EntityKind, Input, Precondition, Principal, Reject, Role, Row, Thousandths, order,
    order_lists, product,
};
use tillcast::limits::{AMOUNT_MINOR_MAX, KIOSK_PIECES_MAX, QUANTITY_MAX};
use tillcast::shop::{Change, Operation, Payment, Reads, Step, plan};

const PRODUCTS: usize = 4;
const USER: i64 = 7;

/// A sale costs what its products cost, takes what it sells from the stock, and is refused exactly if a product
/// is missing, not for sale or in another currency, or if it is too much.
pub(crate) fn hold(bytes: &[u8]) {
    let Some(([role, rest @ ..], lines)) = bytes.split_first_chunk::<{ 1 + 4 * PRODUCTS }>() else {
        return;
    };
    let role = [Role::Admin, Role::Staff, Role::Kiosk][usize::from(role % 3)];
    let products = (1..).zip(rest.as_chunks().0).map(|(id, bytes)| product_of(id, *bytes));
    let shelf = Shelf(products.collect());
    let lines: Vec<_> = lines.as_chunks().0.iter().copied().map(line_of).collect();
    match (sell(&shelf, role, &lines), expected(&shelf, role, &lines)) {
        (Ok(steps), Some((total, sold))) => check_steps(&steps, role, total, &sold),
        (Err(Reject::Invalid(errors)), None) => assert!(!errors.is_empty()),
        (Err(Reject::Conflict(..)), None) => {}
        (done, expected) => panic!("{done:?} instead of {expected:?}"),
    }
}

/// A product by four bytes: its price, whether it is in yen and a draft, and its stock.
fn product_of(id: i64, [digits, zeros, flags, stock]: [u8; 4]) -> Row {
    let currency = if flags & 1 == 0 { "USD" } else { "JPY" };
    let status = if flags & 2 == 0 { "published" } else { "draft" };
    let price = u64::from(digits) * 10_u64.pow(u32::from(zeros % 11));
    let body = json!({
        "name": "Tea", "sku": id.to_string(), "price": price, "currency": currency,
        "status": status, "stock": u32::from(stock) * u32::from(flags),
    });
    let mut row = Row::blank(EntityKind::Product);
    let input = read(EntityKind::Product, body);
    input.and_then(|input| input.apply_to(&mut row)).unwrap();
    row.id = id;
    row
}

/// A line by three bytes: a product, of which the last does not exist, and its pieces.
fn line_of([product, digits, zeros]: [u8; 3]) -> (i64, i64) {
    let pieces = i64::from(digits) * 10_i64.pow(u32::from(zeros % 5));
    (i64::from(product % 5) + 1, pieces)
}

fn read(kind: EntityKind, body: Value) -> Result<Input, Reject> {
    let Value::Object(body) = body else { unreachable!("{body}") };
    Input::read(kind, Purpose::Create("USD"), body)
}

fn sell(shelf: &Shelf, role: Role, lines: &[(i64, i64)]) -> Result<Vec<Step>, Reject> {
    let items: Vec<_> = lines
        .iter()
        .map(|(product, pieces)| json!({"product_id": product, "quantity": pieces}))
        .collect();
    let operation = Operation::Create(read(EntityKind::Order, json!({"items": items}))?);
    let precondition = Precondition::default();
    let change = Change { kind: EntityKind::Order, operation, precondition };
    plan(shelf, Principal::User { id: USER, role }, &change)
}

/// The first step creates the order, and the others take what it sells from the stock.
fn check_steps(steps: &[Step], role: Role, total: i64, sold: &BTreeMap<i64, i64>) {
    let Some((Step::Create { row, products, .. }, taken)) = steps.split_first() else {
        panic!("{steps:?}")
    };
    assert_eq!(row.int(order::TOTAL), Ok(total));
    let kiosk = if role == Role::Kiosk { Cell::Int(USER) } else { Cell::Null };
    assert_eq!(*row.cell(order::KIOSK_ID), kiosk);
    let pieces = |taken: BTreeMap<_, Thousandths>| -> BTreeMap<i64, i64> {
        taken.into_iter().map(|(id, quantity)| (id, quantity.0 / 1_000)).collect()
    };
    assert_eq!(pieces(order_lists::taken(row).unwrap()), *sold);
    assert!(products.iter().eq(sold.keys()), "{products:?} of {sold:?}");
    let stock = |row: &Row| row.int(product::STOCK).unwrap();
    let fell = |step: &Step| {
        let (before, after) = (step.before().unwrap(), step.after().unwrap());
        assert!(stock(after) >= 0, "{step:?}");
        (after.id, (stock(before) - stock(after)) / 1_000)
    };
    assert_eq!(taken.iter().map(fell).collect::<BTreeMap<_, _>>(), *sold);
    assert_eq!(taken.len(), sold.len(), "{taken:?}");
}

/// The total of a sale, and its pieces of each product; `None` if it must be refused.
fn expected(shelf: &Shelf, role: Role, lines: &[(i64, i64)]) -> Option<(i64, BTreeMap<i64, i64>)> {
    let (mut total, mut sold) = (0_i128, BTreeMap::new());
    let mut currency = None;
    for (id, pieces) in lines {
        let product = shelf.load(EntityKind::Product, *id).unwrap()?;
        let is_sold = product.text(product::STATUS) == Ok("published")
            && product.currency() == *currency.get_or_insert(product.currency().to_owned());
        if !is_sold || !(1..=QUANTITY_MAX).contains(pieces) {
            return None;
        }
        total += i128::from(product.int(product::PRICE).unwrap()) * i128::from(*pieces);
        *sold.entry(*id).or_insert(0) += pieces;
    }
    let in_stock = |(id, pieces): (&i64, &i64)| {
        let product = shelf.load(EntityKind::Product, *id).unwrap().unwrap();
        1_000 * *pieces <= product.int(product::STOCK).unwrap()
    };
    let has_room = role != Role::Kiosk || sold.values().sum::<i64>() <= KIOSK_PIECES_MAX;
    let fits = (1..=100).contains(&lines.len()) && has_room && sold.iter().all(in_stock);
    let total = i64::try_from(total).ok().filter(|total| *total <= AMOUNT_MINOR_MAX);
    total.filter(|_| fits).map(|total| (total, sold))
}

/// A shop that has these products, with ids from 1, and nothing else.
struct Shelf(Vec<Row>);

impl Reads for Shelf {
    fn load(&self, kind: EntityKind, id: i64) -> Result<Option<Row>, Reject> {
        let at = usize::try_from(id - 1).ok().filter(|_| kind == EntityKind::Product);
        Ok(at.and_then(|at| self.0.get(at)).cloned())
    }

    fn product(&self, named: &ProductRef) -> Result<Option<Row>, Reject> {
        match named {
            ProductRef::Id(id) => self.load(EntityKind::Product, *id),
            ProductRef::Sku(_) | ProductRef::Gtin(_) => Ok(None),
        }
    }

    fn exists(&self, kind: EntityKind, id: i64) -> Result<bool, Reject> {
        Ok(self.load(kind, id)?.is_some())
    }

    fn payments(&self, _: i64) -> Result<Vec<Payment>, Reject> {
        Ok(Vec::new())
    }

    fn parcels(&self, _: i64) -> Result<Vec<ShipmentStatus>, Reject> {
        Ok(Vec::new())
    }

    fn currency(&self) -> &'static str {
        "USD"
    }

    fn tax_mode(&self) -> TaxMode {
        TaxMode::Included
    }

    fn unpaid_orders(&self, _: i64) -> Result<i64, Reject> {
        Ok(0)
    }
}
