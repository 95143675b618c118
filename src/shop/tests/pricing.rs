//! Tests of an order's price: discounts, taxes, and what is refused.

use serde_json::{Value, json};

use crate::domain::tax::TaxMode;
use crate::domain::{Code, EntityKind, Reject, event};
use crate::shop::tests::{KIOSK, MemoryShop, refused};

/// A shop that sells tea with 7 % tax, cups with 19 %, and stamps without a tax.
fn shop() -> (MemoryShop, [i64; 3]) {
    let mut shop = MemoryShop::default();
    let products =
        [("Tea", 2.5, json!(7)), ("Cup", 4.0, json!(19.0)), ("Stamp", 0.95, Value::Null)];
    let products = products.map(|(name, price, tax_rate)| {
        let body = json!({
            "name": name, "sku": name, "price": price, "stock": 100, "tax_rate": tax_rate,
        });
        shop.create(EntityKind::Product, body).unwrap()
    });
    (shop, products)
}

/// The new order as clients read it.
#[track_caller]
fn order(shop: &mut MemoryShop, body: Value) -> Value {
    let id = shop.create(EntityKind::Order, body).unwrap();
    serde_json::from_str(&event::entity(shop.row(EntityKind::Order, id)).unwrap()).unwrap()
}

fn line(product: i64, quantity: i64, more: &Value) -> Value {
    let mut line = json!({"product_id": product, "quantity": quantity});
    for (name, value) in more.as_object().unwrap() {
        line[name] = value.clone();
    }
    line
}

#[test]
fn discounts_lower_the_total_and_the_tax_in_it() {
    let (mut shop, [tea, cup, stamp]) = shop();
    let items = json!([
        line(tea, 4, &json!({"discount": 1.0, "note": "no sugar"})),
        line(cup, 1, &json!({})),
        line(stamp, 2, &json!({"discount": 0, "note": null})),
    ]);
    // 9.00 + 4.00 + 1.90 less 1.49: of it 0.90, 0.40 and 0.19.
    let order = order(&mut shop, json!({"items": items, "discount": 1.49}));
    let told = |name: &str| order[name].to_string();
    assert_eq!(told("total"), "13.41");
    assert_eq!(told("discount"), "1.49");
    assert_eq!(told("rounding"), "0.00");
    assert_eq!(told("tax_total"), "1.10");
    let taxes = r#"[{"rate":7,"net":7.57,"tax":0.53},{"rate":19,"net":3.03,"tax":0.57}]"#;
    assert_eq!(order["taxes"], serde_json::from_str::<Value>(taxes).unwrap());
    let first = &order["items"][0];
    assert_eq!(first["line_total"].to_string(), "9.00");
    assert_eq!((&first["note"], &first["tax_rate"]), (&json!("no sugar"), &json!(7)));
    assert_eq!(order["items"][2]["note"], Value::Null);
}

#[test]
fn the_tax_is_added_where_prices_do_not_include_it() {
    let (mut shop, [tea, cup, _]) = shop();
    shop.tax = TaxMode::Added;
    let items = json!([line(tea, 4, &json!({})), line(cup, 1, &json!({}))]);
    let order = order(&mut shop, json!({"items": items}));
    assert_eq!(
        (order["total"].to_string(), order["tax_total"].to_string()),
        ("15.46".into(), "1.46".into())
    );
}

/// The rate at the sale stays that of the line.
#[test]
fn a_later_rate_changes_no_order() {
    let (mut shop, [tea, ..]) = shop();
    let body = json!({"items": [line(tea, 1, &json!({}))]});
    let id = shop.create(EntityKind::Order, body).unwrap();
    let before = event::entity(shop.row(EntityKind::Order, id)).unwrap();
    shop.update(EntityKind::Product, tea, json!({"tax_rate": 20})).unwrap();
    shop.update(EntityKind::Order, id, json!({"notes": "x"})).unwrap();
    let after = event::entity(shop.row(EntityKind::Order, id)).unwrap();
    assert_eq!(after, before.replace("\"notes\":null", "\"notes\":\"x\""));
}

#[test]
fn an_order_without_a_price_is_paid() {
    let (mut shop, [tea, ..]) = shop();
    let body = json!({"items": [line(tea, 1, &json!({"discount": 2.5}))]});
    let order = order(&mut shop, body);
    assert_eq!(
        (&order["payment_status"], &order["status"]),
        (&json!("paid"), &json!("processing"))
    );
}

#[test]
fn each_wrong_amount_is_named() {
    let (mut shop, [tea, cup, _]) = shop();
    let body = json!({
        "items": [line(tea, 1, &json!({"discount": 2.51})), line(cup, 1, &json!({"discount": 0.001}))],
    });
    let Err(Reject::Invalid(errors)) = shop.create(EntityKind::Order, body) else { panic!() };
    let named: Vec<_> = errors.iter().map(|error| (&*error.field, error.code)).collect();
    let decimals = ("items[1].discount", Code::TooManyDecimals);
    assert_eq!(named, [("items[0].discount", Code::TooLarge), decimals]);
    assert!(errors[0].message.contains("2.50 USD"), "{}", errors[0].message);

    let tea = || json!([line(tea, 1, &json!({}))]);
    for (body, code) in [
        (json!({"items": tea(), "discount": 2.51}), Code::TooLarge),
        (json!({"items": tea(), "discount": -1}), Code::TooSmall),
        (json!({"items": tea(), "total": 2.5}), Code::FieldFixed),
        (json!({"items": tea(), "currency": "EUR"}), Code::FieldFixed),
        (json!({"total": 2.5, "discount": 1}), Code::TooLarge),
        (json!({"items": tea(), "tax_total": 0}), Code::ReadOnly),
        (json!({"items": tea(), "rounding": 0}), Code::ReadOnly),
        (json!({"items": tea(), "taxes": []}), Code::ReadOnly),
    ] {
        assert_eq!(refused(shop.create(EntityKind::Order, body.clone())), code, "{body}");
    }
    assert!(shop.create(EntityKind::Order, json!({"items": tea(), "currency": "USD"})).is_ok());
}

#[test]
fn a_kiosk_gives_no_discount() {
    let (mut shop, [tea, ..]) = shop();
    for body in [
        json!({"items": [line(tea, 1, &json!({"discount": 1}))]}),
        json!({"items": [line(tea, 1, &json!({"note": "x"}))]}),
        json!({"items": [line(tea, 1, &json!({}))], "discount": 1}),
    ] {
        let made = shop.create_as(KIOSK, EntityKind::Order, body);
        assert!(matches!(made, Err(Reject::NotAllowed(_))), "{made:?}");
    }
}
