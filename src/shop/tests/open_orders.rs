//! Tests of changing an open order's lines.

use serde_json::{Value, json};

use crate::domain::{Code, EntityKind, Sale, Thousandths, event, product};
use crate::shop::Operation;
use crate::shop::tests::{ADMIN, MemoryShop, refused};

struct Setting {
    shop: MemoryShop,
    tea: i64,
    cup: i64,
    order: i64,
}

/// An order of four teas for 2.50 each, of ten in stock.
fn setting() -> Setting {
    let mut shop = MemoryShop::default();
    let [tea, cup] = [("Tea", 2.5), ("Cup", 4.0)].map(|(name, price)| {
        let body = json!({"name": name, "sku": name, "price": price, "stock": 10});
        shop.create(EntityKind::Product, body).unwrap()
    });
    let items = json!([{"product_id": tea, "quantity": 4}]);
    let order = shop.create(EntityKind::Order, json!({"items": items})).unwrap();
    Setting { shop, tea, cup, order }
}

impl Setting {
    fn patch(&mut self, body: Value) -> Result<(), Code> {
        let done = self.shop.update(EntityKind::Order, self.order, body);
        if done.is_err() { Err(refused(done)) } else { Ok(()) }
    }

    fn order(&self) -> Value {
        let row = self.shop.row(EntityKind::Order, self.order);
        serde_json::from_str(&event::entity(row).unwrap()).unwrap()
    }

    #[track_caller]
    fn has(&self, total: &str, payment_status: &str, stock: [i64; 2]) {
        let order = self.order();
        assert_eq!(order["total"].to_string(), total);
        assert_eq!(order["payment_status"], payment_status);
        let found = [self.tea, self.cup].map(|id| {
            Thousandths(self.shop.row(EntityKind::Product, id).int(product::STOCK).unwrap())
        });
        assert_eq!(found, stock.map(Thousandths::whole));
    }

    fn pay(&mut self, kind: &str, amount: f64) {
        let body =
            json!({"order_id": self.order, "type": kind, "status": "completed", "amount": amount});
        self.shop.create(EntityKind::Transaction, body).unwrap();
    }
}

fn lines(lines: &[(i64, i64)]) -> Value {
    lines.iter().map(|(id, quantity)| json!({"product_id": id, "quantity": quantity})).collect()
}

#[test]
fn new_lines_move_the_stock_the_total_and_the_payment_in_one_event() {
    let mut here = setting();
    let (tea, cup) = (here.tea, here.cup);
    here.pay("payment", 10.0);
    here.has("10.00", "paid", [6, 10]);
    here.patch(json!({"items": lines(&[(cup, 2), (tea, 3), (cup, 1)])})).unwrap();
    here.has("19.50", "pending", [7, 7]);
    let events: Vec<Value> = here
        .shop
        .steps
        .iter()
        .map(|step| {
            let event = event::envelope(step.before(), step.after(), 0, 1).unwrap().unwrap();
            serde_json::from_str(&event.body).unwrap()
        })
        .collect();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["order:updated", "product:updated", "product:updated"]);
    let changed = json!({"total": serde_json::from_str::<Value>("19.50").unwrap(), "payment_status": "pending"});
    assert_eq!(events[0]["data"]["changed_fields"], changed);
    here.patch(json!({"items": lines(&[(cup, 1)]), "discount": 1.5})).unwrap();
    here.has("2.50", "paid", [10, 9]);
    assert_eq!(here.order()["status"], "processing");
}

#[test]
fn a_product_that_stays_keeps_its_price_and_may_be_archived() {
    let mut here = setting();
    let (tea, cup) = (here.tea, here.cup);
    here.shop.update(EntityKind::Product, tea, json!({"price": 9, "status": "archived"})).unwrap();
    here.patch(json!({"items": lines(&[(tea, 3), (cup, 1)])})).unwrap();
    here.has("11.50", "pending", [7, 9]);
    assert_eq!(here.patch(json!({"items": lines(&[(tea, 4)])})), Err(Code::NotForSale));
    here.patch(json!({"items": lines(&[(cup, 1)])})).unwrap();
    assert_eq!(
        here.patch(json!({"items": lines(&[(tea, 1)])})),
        Err(Code::NotForSale),
        "it is gone"
    );
}

#[test]
fn what_cannot_change_is_refused_and_nothing_happens() {
    let mut here = setting();
    let (tea, cup) = (here.tea, here.cup);
    let euros = json!({"name": "Mug", "sku": "Mug", "price": 4, "stock": 10, "currency": "EUR"});
    let mug = here.shop.create(EntityKind::Product, euros).unwrap();
    for (body, code) in [
        (json!({"items": lines(&[(tea, 11)])}), Code::OutOfStock),
        (json!({"items": lines(&[(mug, 1)])}), Code::CurrencyMismatch),
        (json!({"items": lines(&[(999, 1)])}), Code::UnknownReference),
        (json!({"items": []}), Code::TooShort),
        (json!({"items": lines(&[(cup, 1)]), "total": 4}), Code::FieldFixed),
        (json!({"discount": 10.01}), Code::TooLarge),
        (json!({"items": null}), Code::WrongType),
    ] {
        assert_eq!(here.patch(body.clone()), Err(code), "{body}");
        here.has("10.00", "pending", [6, 10]);
    }
    here.pay("payment", 10.0);
    here.pay("refund", 1.0);
    assert_eq!(here.patch(json!({"items": lines(&[(tea, 1)])})), Err(Code::OrderFixed));
    let mut here = setting();
    here.patch(json!({"status": "ready", "discount": 1})).unwrap();
    here.has("9.00", "pending", [6, 10]);
    assert_eq!(here.patch(json!({"discount": 2})), Err(Code::OrderFixed));
    here.patch(json!({"status": "cancelled"})).unwrap();
    here.has("9.00", "pending", [10, 10]);
}

#[test]
fn finished_lines_stay_so_where_the_order_stays_as_it_is() {
    let mut here = setting();
    let (tea, cup) = (here.tea, here.cup);
    here.patch(json!({"items": lines(&[(tea, 1), (cup, 1), (cup, 2)]), "done": [2, 0, 2]}))
        .unwrap();
    assert_eq!(here.order()["done"], json!([0, 2]));
    here.patch(json!({"items": lines(&[(tea, 1), (cup, 1), (cup, 3), (tea, 1)])})).unwrap();
    assert_eq!(here.order()["done"], json!([0]));
    for (done, code) in [
        (json!([4]), Code::UnknownReference),
        (json!([-1]), Code::TooSmall),
        (json!([0.5]), Code::WrongType),
        (json!("0"), Code::WrongType),
    ] {
        assert_eq!(here.patch(json!({"done": done})), Err(code), "{done}");
    }
    here.patch(json!({"done": []})).unwrap();
    assert_eq!(here.order()["done"], json!([]));
}

#[test]
fn an_order_from_outside_can_get_lines() {
    let mut here = setting();
    here.order = here.shop.create(EntityKind::Order, json!({"total": 7})).unwrap();
    assert_eq!(here.patch(json!({"discount": 1})), Err(Code::TooLarge));
    let cup = here.cup;
    here.patch(json!({"items": lines(&[(cup, 2)])})).unwrap();
    here.has("8.00", "pending", [6, 8]);
    assert_eq!(here.patch(json!({"total": 9})), Err(Code::FieldFixed));
}

/// The setting, with a sale that has happened as its order.
fn sold(items: &Value, total: f64) -> Setting {
    let mut here = setting();
    let body = json!({
        "client_id": "a", "items": items, "total": total, "sold_at": "2026-03-01T10:30:00Z",
    });
    let Value::Object(body) = body else { unreachable!() };
    let sale = Operation::Sell(Sale::read(body).unwrap());
    here.shop.change(ADMIN, EntityKind::Order, sale).unwrap();
    here.order = here.shop.steps[0].row().id;
    here
}

/// Six of the ten teas are left, so a sale of eight takes six, and two are missing.
#[test]
fn what_was_oversold_comes_back_first_and_not_into_the_stock() {
    for (quantity, stock, oversold) in
        [(9, 0, 2), (8, 0, 2), (7, 0, 1), (6, 0, 0), (5, 1, 0), (0, 6, 0)]
    {
        let (tea, cup) = (setting().tea, setting().cup);
        let mut here = sold(&lines(&[(tea, 8)]), 20.0);
        here.has("20.00", "pending", [0, 10]);
        let more = lines(&[(tea, quantity), (cup, 1)]);
        let patch = json!({"items": if quantity > 0 { more } else { lines(&[(cup, 1)]) }});
        if quantity > 8 {
            assert_eq!(here.patch(patch), Err(Code::OutOfStock));
            continue;
        }
        here.patch(patch).unwrap();
        let total = quantity * 5 / 2 + 4;
        let half = if quantity % 2 == 0 { "00" } else { "50" };
        here.has(&format!("{total}.{half}"), "pending", [stock, 9]);
        let left = json!([{"product_id": tea, "quantity": oversold}]);
        assert_eq!(here.order()["oversold"], if oversold > 0 { left } else { json!([]) });
        // What the order took comes back with its end, once.
        here.patch(json!({"status": "cancelled"})).unwrap();
        here.has(&format!("{total}.{half}"), "pending", [6, 10]);
    }
}

/// A till charged 1.00 for goods of 8.00; without half of them nothing is left to pay, and not less.
#[test]
fn an_order_never_costs_less_than_nothing() {
    let cup = setting().cup;
    let mut here = sold(&lines(&[(cup, 2)]), 1.0);
    assert_eq!(here.order()["rounding"].to_string(), "-7.00");
    here.patch(json!({"items": lines(&[(cup, 1)])})).unwrap();
    here.has("0.00", "paid", [6, 9]);
    assert_eq!(here.order()["rounding"].to_string(), "-4.00");
}

/// The same product at two prices keeps both, in the order of its lines.
#[test]
fn each_line_of_a_product_keeps_its_own_price() {
    let (tea, cup) = (setting().tea, setting().cup);
    let at = |price: f64| json!({"product_id": tea, "quantity": 1, "unit_price": price});
    let mut here = sold(&json!([at(2.0), at(1.0)]), 3.0);
    here.patch(json!({"items": lines(&[(tea, 2), (cup, 1), (tea, 1), (tea, 1)])})).unwrap();
    let order = here.order();
    let prices =
        order["items"].as_array().unwrap().iter().map(|line| line["unit_price"].to_string());
    assert_eq!(prices.collect::<Vec<_>>(), ["2.00", "4.00", "1.00", "1.00"]);
}

/// Half a piece was sold; the line stays when others change, and cannot become another half.
#[test]
fn half_a_piece_that_was_sold_stays() {
    let (tea, cup) = (setting().tea, setting().cup);
    let part = |quantity: f64| json!({"product_id": tea, "quantity": quantity});
    let mut here = sold(&json!([part(0.5)]), 1.25);
    let more = json!({"product_id": cup, "quantity": 1});
    here.patch(json!({"items": [part(0.5), more]})).unwrap();
    assert_eq!(here.order()["total"].to_string(), "5.25");
    assert_eq!(here.patch(json!({"items": [part(1.5), more]})), Err(Code::TooManyDecimals));
    assert_eq!(
        here.patch(json!({"items": [more, part(0.5), part(0.25)]})),
        Err(Code::TooManyDecimals)
    );
}
