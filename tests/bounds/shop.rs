//! A shop whose entities are as large as they may be.

use crate::clients::in_parallel;
use crate::common::{Client, Server, outside_order, unique};
use rusqlite::Connection;
use serde_json::json;

/// Entities as large as they may be.
pub(crate) struct Shop {
    pub(crate) orders: Vec<i64>,
    /// The order with the most and the longest lines, and the body that makes another.
    pub(crate) long_order: i64,
    pub(crate) long_lines: String,
    /// The number of events in the log, most of them large.
    pub(crate) events: usize,
}

/// The longest notes, with the longest characters: 8 KB.
pub(crate) fn long_note() -> String {
    let note = unique("note");
    "\u{1f375}".repeat(2_000 - note.len()) + &note
}

impl Shop {
    pub(crate) fn fill(admin: &Client, server: &Server) -> Self {
        let orders: Vec<i64> = (0..64).map(|_| outside_order(admin, 9.99)).collect();
        for round in 0..4 {
            in_parallel(orders.len(), |at| {
                let note = json!({"notes": format!("{round}{}", &long_note()[4..])});
                admin.patch(&format!("/api/orders/{}", orders[at]), &note).expect(200);
            });
        }
        let name = "\u{1f375}".repeat(200);
        let product = json!({"name": name, "sku": unique("SKU"), "price": 1, "stock": 1_000_000});
        let product = admin.post("/api/products", &product).expect(201).id();
        let line = json!({"product_id": product, "quantity": 1});
        let lines = json!({"items": vec![line; 100]});
        let long_order = admin.post("/api/orders", &lines).expect(201).id();
        let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
        let sql = "INSERT INTO users (username, role, password_hash, created_at, updated_at)
                   VALUES (?, 'display', '', 0, 0)";
        for number in 0..200 {
            let name = format!("{}{number:03}", "\u{1f375}".repeat(61));
            database.execute(sql, [name]).unwrap();
        }
        Self { events: 5 * orders.len(), orders, long_order, long_lines: lines.to_string() }
    }
}
