//! Tests of each rule by itself.

use serde_json::json;

use crate::domain::order::{self, OrderStatus};
use crate::domain::order_lists::{self};
use crate::domain::shipment::ShipmentStatus;
use crate::domain::transaction::{TransactionStatus, TransactionType};
use crate::domain::{
    Cell, Code, EntityKind, Precondition, Reject, Role, Thousandths, Versions, event, product,
};
use crate::shop::tests::{ADMIN, KIOSK, MemoryShop, refused};
use crate::shop::{Change, Operation, plan};

fn product(shop: &mut MemoryShop, price: f64, stock: i64) -> i64 {
    let sku = format!("TEA-{}", shop.rows.len());
    let body = json!({"name": "Tea", "sku": sku, "price": price, "stock": stock});
    shop.create(EntityKind::Product, body).unwrap()
}

fn sell(shop: &mut MemoryShop, product: i64, quantity: i64) -> i64 {
    let items = json!([{"product_id": product, "quantity": quantity}]);
    shop.create(EntityKind::Order, json!({"items": items})).unwrap()
}

fn stock(shop: &MemoryShop, product: i64) -> i64 {
    let stock = Thousandths(shop.row(EntityKind::Product, product).int(product::STOCK).unwrap());
    assert!(stock.is_whole());
    stock.0 / 1_000
}

/// The names of the events of the last change.
fn events(shop: &MemoryShop) -> Vec<String> {
    let body = |step: &crate::shop::Step| {
        let event = event::envelope(step.before(), step.after(), 0, 1).unwrap()?;
        let event: serde_json::Value = serde_json::from_str(&event.body).unwrap();
        Some(event["event"].as_str().unwrap().to_owned())
    };
    shop.steps.iter().filter_map(body).collect()
}

#[test]
fn an_order_takes_each_product_once_and_in_one_step() {
    let mut shop = MemoryShop::default();
    let (tea, cup) = (product(&mut shop, 2.5, 10), product(&mut shop, 4.0, 1));
    let lines = [(tea, 2), (cup, 1), (tea, 3)];
    let line = |(id, quantity)| json!({"product_id": id, "quantity": quantity});
    let items: Vec<_> = lines.into_iter().map(line).collect();
    let id = shop.create(EntityKind::Order, json!({"items": items})).unwrap();
    assert_eq!(events(&shop), ["order:created", "product:updated", "product:updated"]);
    assert_eq!((stock(&shop, tea), stock(&shop, cup)), (5, 0));
    assert_eq!(shop.row(EntityKind::Order, id).int(order::TOTAL), Ok(1650));
    let more = json!({"items": [{"product_id": tea, "quantity": 6}]});
    assert_eq!(refused(shop.create(EntityKind::Order, more)), Code::OutOfStock);
    assert_eq!(stock(&shop, tea), 5);
}

#[test]
fn only_a_published_product_is_sold_but_any_comes_back() {
    let mut shop = MemoryShop::default();
    let tea = product(&mut shop, 2.5, 10);
    let order = sell(&mut shop, tea, 4);
    shop.update(EntityKind::Product, tea, json!({"status": "archived"})).unwrap();
    let items = json!([{"product_id": tea, "quantity": 1}]);
    assert_eq!(refused(shop.create(EntityKind::Order, json!({"items": items}))), Code::NotForSale);
    shop.update(EntityKind::Order, order, json!({"status": "cancelled"})).unwrap();
    assert_eq!(stock(&shop, tea), 10);
}

#[test]
fn goods_are_sold_by_weight_and_pieces_whole() {
    let mut shop = MemoryShop::default();
    let body = json!({"name": "Tea", "sku": "T", "price": 19.99, "stock": 1.5, "unit": "kg"});
    let tea = shop.create(EntityKind::Product, body.clone()).unwrap();
    let by_piece = json!({"unit": "piece"});
    assert_eq!(refused(shop.update(EntityKind::Product, tea, by_piece)), Code::TooManyDecimals);
    let mut pieces = body;
    pieces["unit"] = json!("piece");
    assert_eq!(refused(shop.create(EntityKind::Product, pieces)), Code::TooManyDecimals);

    let cup = product(&mut shop, 4.0, 3);
    let line = |id: i64, quantity: f64| json!({"product_id": id, "quantity": quantity});
    let half = json!({"items": [line(cup, 0.5), line(tea, 0.5)]});
    assert_eq!(refused(shop.create(EntityKind::Order, half)), Code::TooManyDecimals);
    let items = json!({"items": [line(cup, 2.0), line(tea, 0.125), line(tea, 0.25)]});
    let order = shop.create(EntityKind::Order, items).unwrap();
    // 2.49875 and 4.9975, each rounded by itself.
    assert_eq!(shop.row(EntityKind::Order, order).int(order::TOTAL), Ok(800 + 250 + 500));
    assert_eq!(shop.row(EntityKind::Product, tea).int(product::STOCK), Ok(1_125));
    shop.update(EntityKind::Order, order, json!({"status": "cancelled"})).unwrap();
    assert_eq!(shop.row(EntityKind::Product, tea).int(product::STOCK), Ok(1_500));
    assert_eq!(stock(&shop, cup), 3);
}

/// Goods that were not counted when they were sold were taken from no stock.
#[test]
fn goods_that_are_not_counted_are_never_short_and_never_come_back() {
    let mut shop = MemoryShop::default();
    let tea = product(&mut shop, 2.5, 10);
    shop.update(EntityKind::Product, tea, json!({"stock": null})).unwrap();
    let order = sell(&mut shop, tea, 1_000);
    assert_eq!(events(&shop), ["order:created"]);
    shop.update(EntityKind::Product, tea, json!({"stock": 5})).unwrap();
    let counted = sell(&mut shop, tea, 2);
    shop.update(EntityKind::Order, order, json!({"status": "cancelled"})).unwrap();
    assert_eq!(stock(&shop, tea), 3);
    shop.update(EntityKind::Product, tea, json!({"stock": null})).unwrap();
    shop.update(EntityKind::Order, counted, json!({"status": "cancelled"})).unwrap();
    assert_eq!(*shop.row(EntityKind::Product, tea).cell(product::STOCK), Cell::Null);
}

#[test]
fn a_barcode_is_found_in_both_of_its_forms() {
    let mut shop = MemoryShop::default();
    for (barcode, unique) in [
        ("0012345678905", Some("012345678905")),
        ("012345678905", Some("012345678905")),
        ("4006381333931", Some("4006381333931")),
        ("00123", Some("00123")),
        ("0ABCDEFGHIJKL", Some("0ABCDEFGHIJKL")),
    ] {
        let body = json!({"name": "Tea", "sku": barcode, "price": 1, "barcode": barcode});
        let id = shop.create(EntityKind::Product, body).unwrap();
        let row = shop.row(EntityKind::Product, id);
        assert_eq!(row.text(product::BARCODE), Ok(barcode));
        assert_eq!(row.text(product::GTIN).ok(), unique);
        shop.update(EntityKind::Product, id, json!({"barcode": null})).unwrap();
        assert_eq!(*shop.row(EntityKind::Product, id).cell(product::GTIN), Cell::Null);
    }
}

/// Anyone can use a kiosk, so it may name products and nothing else.
#[test]
fn a_kiosk_can_neither_price_nor_move_an_order_nor_probe_customers() {
    let mut shop = MemoryShop::default();
    let tea = product(&mut shop, 2.5, 10);
    let ana = json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "A"});
    let ana = shop.create(EntityKind::Customer, ana).unwrap();
    let items = json!([{"product_id": tea, "quantity": 1}]);
    let mut refused_with = |body| refused(shop.create_as(KIOSK, EntityKind::Order, body));
    assert_eq!(refused_with(json!({"total": 5})), Code::Required);
    let ready = json!({"items": items, "status": "ready"});
    assert_eq!(refused_with(ready), Code::UnknownValue);
    for customer in [ana, 999] {
        let body = json!({"items": items, "customer_id": customer});
        assert_eq!(refused_with(body), Code::RoleNotAllowed, "whether or not there is one");
    }
    let body = json!({"items": items, "customer_id": null});
    let id = shop.create_as(KIOSK, EntityKind::Order, body).unwrap();
    assert_eq!(*shop.row(EntityKind::Order, id).cell(order::KIOSK_ID), Cell::Int(2));
}

#[test]
fn if_match_must_name_the_stored_version() {
    let mut shop = MemoryShop::default();
    let tea = product(&mut shop, 2.5, 10);
    let listed = |versions: &[i64]| Some(Versions::Listed(versions.to_vec()));
    for (if_match, fits) in [(None, true), (listed(&[0]), true), (listed(&[7, 8]), false)] {
        let operation = Operation::Delete(tea);
        let precondition = Precondition { if_match, ..Precondition::default() };
        let change = Change { kind: EntityKind::Product, operation, precondition };
        let planned = plan(&shop, ADMIN, &change);
        assert_eq!(planned.err(), (!fits).then_some(Reject::PreconditionFailed));
    }
}

/// A field that a later version adds must not cost every old order its lines.
#[test]
fn unreadable_lines_are_an_error_and_unknown_fields_are_not() {
    let mut shop = MemoryShop::default();
    let tea = product(&mut shop, 2.5, 10);
    let id = sell(&mut shop, tea, 4);
    let row = shop.rows.get_mut(&(EntityKind::Order.index(), id)).unwrap();
    let later = row.text(order::ITEMS).unwrap().replace("\"sku\"", "\"colour\":7,\"sku\"");
    row.set_text(order::ITEMS, &later);
    assert_eq!(order_lists::ITEMS.read(row).unwrap().len(), 1);
    row.set_text(order::ITEMS, "[{}]");
    let cancelled = shop.update(EntityKind::Order, id, json!({"status": "cancelled"}));
    assert_eq!(cancelled, Err(Reject::Unavailable));
    assert_eq!(stock(&shop, tea), 6);
}

#[test]
fn an_unknown_status_is_an_error() {
    let mut shop = MemoryShop::default();
    let tea = product(&mut shop, 2.5, 10);
    let id = sell(&mut shop, tea, 4);
    let row = shop.rows.get_mut(&(EntityKind::Order.index(), id)).unwrap();
    row.set_text(order::STATUS, "dreaming");
    let changed = shop.update(EntityKind::Order, id, json!({"status": "ready"}));
    assert_eq!(changed, Err(Reject::Unavailable));
}

#[test]
fn an_erased_customer_stays_without_personal_data() {
    let mut shop = MemoryShop::default();
    let body = json!({"email": "a@b.de", "first_name": "A", "last_name": "", "phone": "1"});
    let ana = shop.create(EntityKind::Customer, body).unwrap();
    shop.create(EntityKind::Order, json!({"total": 5, "customer_id": ana})).unwrap();
    shop.change(ADMIN, EntityKind::Customer, Operation::Erase(ana)).unwrap();
    assert_eq!(events(&shop), ["customer:updated"]);
    let row = shop.row(EntityKind::Customer, ana);
    assert!(row.cells.iter().all(|cell| *cell == Cell::Null), "{row:?}");
    shop.change(ADMIN, EntityKind::Customer, Operation::Erase(ana)).unwrap();
    assert_eq!(events(&shop), [""; 0]);
}

#[test]
fn an_order_has_a_bounded_number_of_payments_and_parcels() {
    let mut shop = MemoryShop::default();
    let order = shop.create(EntityKind::Order, json!({"total": 5})).unwrap();
    let body = json!({"order_id": order, "type": "payment", "status": "failed", "amount": 1});
    let mut full = |kind, body: &serde_json::Value, most| {
        let id = shop.create(kind, body.clone()).unwrap();
        let row = shop.row(kind, id).clone();
        let copies = (1..most).map(|at| ((kind.index(), -at), row.clone()));
        shop.rows.extend(copies);
        refused(shop.create(kind, body.clone()))
    };
    let most = i64::try_from(crate::limits::ORDER_TRANSACTIONS_MAX).unwrap();
    assert_eq!(full(EntityKind::Transaction, &body, most), Code::TooManyTransactions);
    let most = i64::try_from(crate::limits::ORDER_SHIPMENTS_MAX).unwrap();
    let body = json!({"order_id": order});
    assert_eq!(full(EntityKind::Shipment, &body, most), Code::TooManyShipments);
}

/// Clients rely on each word and each transition.
#[test]
fn statuses_and_their_transitions_are_pinned() {
    let ways = |status: OrderStatus| {
        let next: Vec<&str> = status.next().iter().map(|next| next.word()).collect();
        format!("{}: {}", status.word(), next.join(" "))
    };
    let orders: Vec<String> = OrderStatus::ALL.iter().copied().map(ways).collect();
    let expected = [
        "pending: processing ready shipped completed cancelled",
        "processing: pending ready shipped completed cancelled refunded",
        "ready: processing shipped completed cancelled refunded",
        "shipped: completed refunded",
        "completed: refunded",
        "cancelled: ",
        "refunded: ",
    ];
    assert_eq!(orders, expected);
    assert_eq!(TransactionType::WORDS, ["payment", "refund"]);
    assert_eq!(TransactionStatus::WORDS, ["pending", "completed", "failed"]);
    let parcels = ["pending", "shipped", "in_transit", "delivered", "returned"];
    assert_eq!(ShipmentStatus::WORDS, parcels);
    assert_eq!(
        Role::ALL.map(Role::name),
        ["admin", "staff", "kiosk", "display", "kitchen", "picker"]
    );
}
