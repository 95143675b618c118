//! Tests of goods that come back with a refund.

use serde_json::{Value, json};

use crate::domain::{Code, EntityKind, Thousandths, product};
use crate::shop::tests::{MemoryShop, refused};

/// A paid order of five teas in two lines and a cup, of ten each in stock.
struct Sold {
    shop: MemoryShop,
    products: [i64; 2],
    order: i64,
}

fn sold() -> Sold {
    let mut shop = MemoryShop::default();
    let products = ["Tea", "Cup"].map(|name| {
        let body = json!({"name": name, "sku": name, "price": 1, "stock": 10});
        shop.create(EntityKind::Product, body).unwrap()
    });
    let [tea, cup] = products;
    let lines = [(tea, 3), (cup, 1), (tea, 2)];
    let items = lines.map(|(id, quantity)| json!({"product_id": id, "quantity": quantity}));
    let order = shop.create(EntityKind::Order, json!({"items": items})).unwrap();
    let paid = json!({"order_id": order, "type": "payment", "status": "completed", "amount": 6});
    shop.create(EntityKind::Transaction, paid).unwrap();
    Sold { shop, products, order }
}

impl Sold {
    fn refund(&mut self, amount: i64, status: &str, restock: &Value) -> Result<(), Code> {
        let body = json!({
            "order_id": self.order, "type": "refund", "status": status, "amount": amount,
            "restock": restock,
        });
        let made = self.shop.create(EntityKind::Transaction, body);
        if made.is_err() { Err(refused(made)) } else { Ok(()) }
    }

    #[track_caller]
    fn has_in_stock(&self, stock: [i64; 2]) {
        let found = self.products.map(|id| {
            Thousandths(self.shop.row(EntityKind::Product, id).int(product::STOCK).unwrap())
        });
        assert_eq!(found, stock.map(Thousandths::whole));
    }
}

fn back(line: usize, quantity: i64) -> Value {
    json!({"line": line, "quantity": quantity})
}

#[test]
fn a_refund_brings_back_what_was_sold_and_no_more() {
    let mut sold = sold();
    sold.has_in_stock([5, 9]);
    sold.refund(2, "completed", &json!([back(0, 1), back(2, 1)])).unwrap();
    sold.has_in_stock([7, 9]);
    for (restock, code) in [
        (json!([back(2, 2)]), Code::TooLarge),
        (json!([back(0, 1), back(0, 2)]), Code::TooLarge),
        (json!([back(3, 1)]), Code::UnknownReference),
        (json!([{"line": 0}]), Code::Required),
        (json!([back(0, 0)]), Code::TooSmall),
        (json!({}), Code::WrongType),
    ] {
        assert_eq!(sold.refund(1, "completed", &restock), Err(code), "{restock}");
    }
    assert_eq!(sold.refund(1, "failed", &json!([back(0, 1)])), Err(Code::UnknownValue));
    sold.has_in_stock([7, 9]);
    sold.refund(1, "pending", &json!([back(0, 2)])).unwrap();
    sold.has_in_stock([9, 9]);
    // The rest comes back by itself, once.
    sold.shop.update(EntityKind::Order, sold.order, json!({"status": "refunded"})).unwrap();
    sold.has_in_stock([10, 10]);
    assert_eq!(sold.refund(1, "completed", &json!([back(2, 1)])), Err(Code::TooLarge));
    assert_eq!(sold.refund(1, "completed", &json!([back(1, 1)])), Err(Code::TooLarge));
}

#[test]
fn goods_that_left_come_back_with_their_refund_alone() {
    let mut sold = sold();
    sold.shop.update(EntityKind::Order, sold.order, json!({"status": "completed"})).unwrap();
    sold.refund(6, "completed", &json!([back(0, 3), back(1, 1)])).unwrap();
    sold.has_in_stock([8, 10]);
    sold.shop.update(EntityKind::Order, sold.order, json!({"status": "refunded"})).unwrap();
    sold.has_in_stock([8, 10]);
}

#[test]
fn only_a_refund_brings_goods_back() {
    let mut sold = sold();
    sold.shop.update(EntityKind::Product, sold.products[0], json!({"price": 2})).unwrap();
    let restock = json!([back(0, 1)]);
    let body = json!({"order_id": sold.order, "type": "payment", "amount": 1, "status": "failed", "restock": restock});
    assert_eq!(refused(sold.shop.create(EntityKind::Transaction, body)), Code::UnknownValue);
    // An open order whose goods came back keeps its lines.
    sold.refund(1, "pending", &restock).unwrap();
    let items = json!([{"product_id": sold.products[0], "quantity": 1}]);
    let patched = sold.shop.update(EntityKind::Order, sold.order, json!({"items": items}));
    assert_eq!(refused(patched), Code::OrderFixed);
}
