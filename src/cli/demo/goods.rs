//! The goods and the customers of the demo's shop.

use serde_json::Value;

use crate::cli::demo::client::Client;
use crate::domain::json_literal::json;

/// A kind of goods.
pub(super) struct Goods {
    sku: &'static str,
    name: &'static str,
    price: &'static str,
    unit: &'static str,
    /// `None` for goods that are not counted, such as what is made to order.
    stock: Option<u32>,
    /// In per cent.
    tax_rate: u8,
    category: &'static str,
    location: Option<&'static str>,
    pub(super) barcode: Option<&'static str>,
}

#[rustfmt::skip]
pub(super) const GOODS: [Goods; 12] = [
    Goods::made("COFFEE-1", "Espresso", "2.40", "coffee"),
    Goods::made("COFFEE-2", "Flat white", "3.90", "coffee"),
    Goods::made("WRAP-1", "Gift wrapping", "1.50", "services"),
    Goods::of("BREAD-1", "Croissant", "2.10", "piece", 120, 7, "bakery", "counter"),
    Goods::of("BREAD-2", "Sourdough loaf", "5.60", "piece", 40, 7, "bakery", "shelf B-1"),
    Goods::of("CHEESE-1", "Mountain cheese", "28.90", "kg", 12, 7, "deli", "fridge 1"),
    Goods::of("OLIVES-1", "Green olives", "0.02", "g", 9_000, 7, "deli", "fridge 1"),
    Goods::of("JUICE-1", "Orange juice", "6.40", "l", 30, 19, "drinks", "fridge 2"),
    Goods::of("RIBBON-1", "Linen ribbon", "1.80", "m", 100, 19, "gifts", "drawer 3"),
    Goods::of("GRANOLA-1", "Granola, 500 g", "6.95", "piece", 60, 7, "pantry", "aisle A-4").barcode("4006381333931"),
    Goods::of("BLEND-1", "House blend, 250 g", "9.80", "piece", 60, 7, "pantry", "aisle A-2").barcode("036000291452"),
    LAST,
];
/// Few enough that a till without a network sells more of it than the shop believes to have.
pub(super) const LAST: Goods =
    Goods::of("HONEY-1", "Forest honey", "7.50", "piece", 2, 7, "pantry", "aisle A-3")
        .barcode("5901234123457");

const CUSTOMERS: [(&str, &str); 4] =
    [("Ana", "Silva"), ("Ben", "Okafor"), ("Chen", "Li"), ("Dora", "Novak")];

impl Goods {
    #[expect(clippy::too_many_arguments, reason = "a row of a table, one for each column")]
    const fn of(
        sku: &'static str,
        name: &'static str,
        price: &'static str,
        unit: &'static str,
        stock: u32,
        tax_rate: u8,
        category: &'static str,
        location: &'static str,
    ) -> Self {
        let (stock, location) = (Some(stock), Some(location));
        Self { sku, name, price, unit, stock, tax_rate, category, location, barcode: None }
    }

    /// Goods that are made to order: they are not counted, and lie nowhere.
    const fn made(
        sku: &'static str,
        name: &'static str,
        price: &'static str,
        category: &'static str,
    ) -> Self {
        let goods = Self::of(sku, name, price, "piece", 0, 19, category, "");
        Self { stock: None, location: None, ..goods }
    }

    const fn barcode(mut self, barcode: &'static str) -> Self {
        self.barcode = Some(barcode);
        self
    }

    pub(super) fn is_counted(&self) -> bool {
        self.stock.is_some()
    }

    /// A line of an order with some of these goods.
    pub(super) fn line(&self, id: i64) -> Value {
        let some = fastrand::u32(1..=3);
        let quantity = match self.unit {
            "piece" => json!(some),
            "g" => json!(some * 50),
            _ => number(&format!("{}.{}5", some - 1, fastrand::u32(1..10))),
        };
        json!({"product_id": id, "quantity": quantity})
    }
}

/// A number as it is written, which a binary float would not be.
pub(super) fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// Names the shop, brings the goods into it, and returns their ids.
pub(super) fn bring(admin: &mut Client) -> Result<Vec<i64>, String> {
    let shop = json!({"name": "Corner Market", "currency": "EUR"});
    admin.call("PATCH", "/api/shop", &shop)?;
    let mut ids = Vec::with_capacity(GOODS.len());
    for goods in &GOODS {
        let path = format!("/api/products/by-sku/{}", goods.sku);
        let product = json!({
            "name": goods.name, "price": number(goods.price), "unit": goods.unit,
            "stock": goods.stock, "tax_rate": goods.tax_rate, "category": goods.category,
            "location": goods.location, "barcode": goods.barcode,
        });
        ids.push(id(&admin.call("PUT", &path, &product)?));
    }
    Ok(ids)
}

/// The ids of the customers; the first call makes them.
pub(super) fn customers(admin: &mut Client) -> Result<Vec<i64>, String> {
    let listed = admin.call("GET", "/api/customers?order=asc", &Value::Null)?;
    let mut ids: Vec<i64> = listed["data"].as_array().into_iter().flatten().map(id).collect();
    for (first, last) in CUSTOMERS.into_iter().skip(ids.len()) {
        let email = format!("{}@example.com", first.to_lowercase());
        let customer = json!({"email": email, "first_name": first, "last_name": last});
        ids.push(id(&admin.call("POST", "/api/customers", &customer)?));
    }
    Ok(ids)
}

/// The id of an entity.
pub(super) fn id(entity: &Value) -> i64 {
    entity["id"].as_i64().unwrap_or_default()
}
