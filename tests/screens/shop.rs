//! A small restaurant for the pages to show.

use super::common::Client;
use serde_json::{Value, json};

/// Name, category, price, place and barcode of its goods. The first has the number 1.
const GOODS: [(&str, &str, f64, &str, &str); 6] = [
    ("Espresso", "Drinks", 2.2, "B1", "036000291452"),
    ("Cappuccino", "Drinks", 3.2, "B1", "4012345000054"),
    ("Lemonade with fresh mint", "Drinks", 3.5, "C4", "4012345000016"),
    ("Cheese sandwich", "Food", 5.5, "A10", "4012345000023"),
    ("Tomato soup", "Food", 4.9, "A2", "4012345000030"),
    ("Apple pie", "Cakes", 3.9, "A3", "4012345000047"),
];

pub(crate) const ESPRESSO: usize = 1;
pub(crate) const SANDWICH: usize = 4;
pub(crate) const SOUP: usize = 5;
pub(crate) const PIE: usize = 6;

/// Its goods, in an empty shop.
pub(crate) fn add_goods(admin: &Client) {
    for (at, (name, category, price, location, barcode)) in GOODS.iter().enumerate() {
        let product = json!({
            "name": name, "sku": format!("SKU-{}", at + 1), "status": "published", "price": price,
            "currency": "USD", "category": category, "location": location, "barcode": barcode, "stock": null,
        });
        admin.post("/api/products", &product).expect(201);
    }
}

/// An order of these goods, each with its quantity; its number.
#[track_caller]
pub(crate) fn order(client: &Client, goods: &[(usize, u32)]) -> i64 {
    let item =
        |(product, quantity): &(usize, u32)| json!({"product_id": product, "quantity": quantity});
    let items: Vec<Value> = goods.iter().map(item).collect();
    client.post("/api/orders", &json!({"items": items})).expect(201).id()
}

/// Changes an order.
#[track_caller]
pub(crate) fn patch(client: &Client, id: i64, patch: &Value) {
    client.patch(&format!("/api/orders/{id}"), patch).expect(200);
}

/// Takes an order to a status, step by step.
#[track_caller]
pub(crate) fn take_to(client: &Client, id: i64, status: &str) {
    for step in ["processing", "ready", "completed"] {
        patch(client, id, &json!({"status": step}));
        if step == status {
            return;
        }
    }
}

/// Waits until the order has this value; a page needs a moment to tell the server.
#[track_caller]
pub(crate) fn wait_for(client: &Client, id: i64, field: &str, value: &Value) {
    let begun = std::time::Instant::now();
    loop {
        let order = client.get(&format!("/api/orders/{id}")).expect(200).json();
        if order[field] == *value {
            return;
        }
        assert!(begun.elapsed() < super::common::PATIENCE, "{field} is not {value}: {order}");
    }
}

/// Its orders at noon, in each status.
pub(crate) fn fill(admin: &Client) {
    for at in 0..14 {
        let note = if at % 4 == 1 { "no onions" } else { "" };
        let items = json!([
            {"product_id": 1 + at % 6, "quantity": 1 + at % 3, "note": note},
            {"product_id": 1 + (at * 2 + 1) % 6, "quantity": 1},
        ]);
        let notes = if at == 3 { "Table 7" } else { "" };
        let order = json!({"items": items, "notes": notes});
        admin.post("/api/orders", &order).expect(201);
    }
    for (id, status) in
        [(1, "ready"), (2, "ready"), (3, "processing"), (4, "processing"), (5, "processing")]
    {
        take_to(admin, id, status);
        patch(admin, id, &json!({"done": [0]}));
    }
    let parcel =
        json!({"order_id": 6, "tracking_number": "TRACK1", "carrier": "UPS", "status": "shipped"});
    admin.post("/api/shipments", &parcel).expect(201);
}
