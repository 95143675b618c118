//! Products, customers and sales, created over REST; fields that a test is not about have default
//! values.

use super::Client;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// A text that is unique in this test run: `sku-7`.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A published product in USD; its id.
#[track_caller]
pub(crate) fn product(client: &Client, price: f64, stock: u32) -> i64 {
    let body = json!({
        "name": "Coffee", "sku": unique("SKU"), "status": "published",
        "price": price, "currency": "USD", "stock": stock,
    });
    client.post("/api/products", &body).expect(201).id()
}

/// A customer; its id.
#[track_caller]
pub(crate) fn customer(client: &Client) -> i64 {
    let email = format!("{}@example.com", unique("ana"));
    let body = json!({"email": email, "first_name": "Ana", "last_name": "Ng", "phone": "555"});
    client.post("/api/customers", &body).expect(201).id()
}

/// A sale of one product over the counter; the whole order.
#[track_caller]
pub(crate) fn order(client: &Client, product_id: i64, quantity: u32) -> Value {
    let body = json!({"items": [{"product_id": product_id, "quantity": quantity}]});
    client.post("/api/orders", &body).expect(201).json()
}

/// An order with a total and no items, so that no stock moves; its id.
#[track_caller]
pub(crate) fn outside_order(client: &Client, total: f64) -> i64 {
    client.post("/api/orders", &json!({"total": total, "currency": "USD"})).expect(201).id()
}

/// A transaction; its id.
#[track_caller]
pub(crate) fn transaction(
    client: &Client,
    order_id: i64,
    kind: &str,
    status: &str,
    amount: f64,
) -> i64 {
    let body = json!({
        "order_id": order_id, "type": kind, "status": status, "amount": amount, "gateway": "cash",
    });
    client.post("/api/transactions", &body).expect(201).id()
}

/// A completed cash payment; its id.
#[track_caller]
pub(crate) fn pay(client: &Client, order_id: i64, amount: f64) -> i64 {
    transaction(client, order_id, "payment", "completed", amount)
}

/// A pending shipment; its id.
#[track_caller]
pub(crate) fn shipment(client: &Client, order_id: i64) -> i64 {
    let body = json!({"order_id": order_id, "tracking_number": "TRACK1", "carrier": "UPS"});
    client.post("/api/shipments", &body).expect(201).id()
}

/// Makes `count` events `order:updated` of this order by changing only its notes, over several
/// connections at once so that the server can commit them in groups.
pub(crate) fn cheap_events(client: &Client, order_id: i64, count: usize) {
    const WRITERS: usize = 8;
    let path = format!("/api/orders/{order_id}");
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (client, path) = (client.separate(), &path);
            let share = count / WRITERS + usize::from(writer < count % WRITERS);
            scope.spawn(move || {
                for _ in 0..share {
                    client.patch(path, &json!({"notes": unique("note")})).expect(200);
                }
            });
        }
    });
}
