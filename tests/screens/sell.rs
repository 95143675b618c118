//! Guards the till: a sale that is not what the cashier entered, or that costs something else on the server.

use super::browser::{Browser, PHONE, TABLET};
use super::common::{Client, PATIENCE, Server};
use super::shop;
use serde_json::{Value, json};
use std::time::Instant;

/// A shop with a scale and a scanner, and its till.
struct Till {
    /// It ends with the till.
    _server: Server,
    admin: Client,
    browser: Browser,
}

impl Till {
    fn open(flags: &[&str]) -> Self {
        let server = Server::with_users(&["staff"], flags);
        let admin = server.admin();
        shop::add_goods(&admin);
        let cheese = json!({
            "name": "Gouda", "sku": "gouda", "status": "published", "price": 18.9, "unit": "kg", "stock": null,
            "currency": "USD", "tax_rate": 7, "category": "Food",
        });
        admin.post("/api/products", &cheese).expect(201);
        let wine = json!({
            "name": "Wine", "sku": "wine", "status": "published", "price": 11.99, "stock": 5, "currency": "USD",
            "tax_rate": 19, "barcode": "4006381333931", "category": "Drinks",
        });
        admin.post("/api/products", &wine).expect(201);
        let browser = Browser::on(&server, TABLET);
        browser.log_in(&server.login("staff"));
        browser.open("/sell");
        browser.wait_for_text("shop-status", "Live");
        browser.wait_for_text("#products", "Wine");
        Self { _server: server, admin, browser }
    }

    /// The order of the last sale, once the server has so many.
    #[track_caller]
    fn order(&self, count: usize) -> Value {
        let begun = Instant::now();
        loop {
            let orders = self.admin.get("/api/orders").expect(200).json();
            let orders = orders["data"].as_array().unwrap();
            if orders.len() == count {
                let rounding = orders[0]["rounding"].as_f64();
                assert_eq!(rounding, Some(0.0), "the page worked out another total");
                return orders[0].clone();
            }
            assert!(begun.elapsed() < PATIENCE, "{} sales, not {count}", orders.len());
        }
    }

    /// Type, gateway and amount of each transaction of an order, in their order.
    fn transactions(&self, order: &Value) -> Vec<Value> {
        let path = format!("/api/transactions?order_id={}&order=asc", order["id"]);
        let list = self.admin.get(&path).expect(200).json();
        let rows = list["data"].as_array().unwrap().iter();
        rows.map(|one| json!([one["type"], one["gateway"], one["amount"].as_f64()])).collect()
    }
}

#[test]
fn a_cashier_sells_with_keys_and_a_scanner() {
    let till = Till::open(&[]);
    let browser = &till.browser;
    browser.keys(&["e", "s", "p", "Enter"]);
    browser.wait_for_text("#lines", "1 Espresso $2.20");
    browser.keys(&["3", "*", "p", "i", "e", "Enter"]);
    browser.wait_for_text("#lines", "3 Apple pie $11.70");
    browser.keys(&["+"]);
    browser.wait_for_text("#lines", "4 Apple pie $15.60");
    browser.keys(&["g", "o", "u", "Enter"]);
    browser.wait_for_text("dialog", "Quantity in kg");
    // Not a weight: the dialog stays.
    browser.keys(&["x", "Enter"]);
    browser.wait_until("document.querySelector('[name=quantity][aria-invalid]')");
    browser.keys(&["0", ",", "2", "5", "6", "Enter"]);
    browser.wait_for_text("#lines", "0.256 kg Gouda $4.84");
    let now = browser.run("return Date.now() / 1000", &[]).as_f64().unwrap();
    browser.scan("4006381333931", "Enter", now);
    browser.wait_for_text("#lines", "1 Wine $11.99");
    assert_eq!(browser.run("return document.querySelector('#search').value", &[]), "");
    browser.wait_for_text("#sums", "Total $34.63");
    browser.click("#pay");
    browser.wait_for_text("dialog", "To pay $34.63");
    // A part in cash, then more than the rest. A scan does not get into the amount.
    browser.run("document.querySelector('dialog input').select()", &[]);
    browser.keys(&["2", "0"]);
    browser.scan("4006381333931", "Enter", now + 30.0);
    browser.wait_for_text("dialog [role=alert]", "Finish this first, then scan.");
    assert_eq!(browser.run("return document.querySelector('dialog input').value", &[]), "20");
    browser.click("dialog .row:last-of-type button");
    browser.wait_for_text("dialog", "To pay $14.63");
    browser.run("document.querySelector('dialog input').select()", &[]);
    browser.keys(&["5", "0", "Enter"]);
    browser.wait_for_text("dialog", "Change $35.37");
    browser.keys(&["Enter"]);
    let order = till.order(1);
    assert_eq!(order["total"], 34.63);
    assert_eq!(order["payment_status"], "paid");
    assert_eq!(
        till.transactions(&order),
        [json!(["payment", "cash", 20.0]), json!(["payment", "cash", 14.63])]
    );
    // The next customer's first article closes the dialog of the last one's change.
    browser.keys(&["s", "o", "u", "Enter"]);
    browser.wait_for_text("#lines", "1 Tomato soup");
    browser.click("#pay");
    browser.press("Cash, exact");
    browser.wait_for_text("dialog", "Change $0.00");
    browser.scan("4006381333931", "Enter", now + 60.0);
    browser.wait_for_text("#lines", "1 Wine $11.99");
    till.order(2);
}

#[test]
fn a_cashier_sells_by_touch_with_discounts_a_customer_and_two_cards() {
    let till = Till::open(&["--tax", "added"]);
    let browser = &till.browser;
    for (first, last) in [("Ana", "Ng"), ("Anna", "Bauer"), ("Bo", "Li")] {
        let customer = json!({"first_name": first, "last_name": last});
        till.admin.post("/api/customers", &customer).expect(201);
    }
    browser.press("Wine");
    browser.press("Wine");
    browser.press("Cheese sandwich");
    browser.wait_for_text("#lines", "2 Wine");
    browser.click("#lines li:nth-child(1) .line");
    browser.run("document.querySelector('[name=discount]').value = '23.99'", &[]);
    browser.press("OK");
    browser.wait_until("document.querySelector('[name=discount][aria-invalid]')"); // it costs 23.98
    browser.run("document.querySelector('[name=discount]').value = '10 %'", &[]);
    browser.type_into("[name=note]", "a gift");
    assert_eq!(browser.barriers(), [""; 0]);
    browser.press("OK");
    browser.wait_for_text("#lines", "$21.58 a gift · less $2.40");
    // A part follows what it is given on.
    browser.click("#lines li:nth-child(1) .step:last-child");
    browser.wait_for_text("#lines", "$32.37 a gift · less $3.60");
    browser.click("#lines li:nth-child(1) .step");
    browser.wait_for_text("#lines", "$21.58 a gift · less $2.40");
    browser.click("#discount");
    browser.type_into("[name=discount]", "1,08");
    browser.press("OK");
    browser.wait_for_text("#sums", "Discount −$1.08");
    browser.click("#customer");
    browser.type_into("[name=words]", "an");
    browser.press("OK");
    browser.wait_for_text("dialog", "Ana Ng");
    browser.press("Anna Bauer");
    browser.wait_for_text("#sums", "Anna Bauer");
    browser.click("#customer");
    browser.type_into("[name=words]", "nobody");
    browser.press("OK");
    browser.wait_for_text("shop-toast", "No customer “nobody”.");
    browser.wait_for_text("#sums", "Anna Bauer");
    browser.picture("sell-tablet");
    assert_eq!(browser.barriers(), [""; 0]);
    let total = browser.texts("#sums dd.total").concat();
    browser.click("#pay");
    let card = "dialog .row:last-of-type button:last-child";
    browser.run("document.querySelector('dialog input').value = '100'", &[]);
    browser.click(card);
    browser.wait_for_text("dialog", "That is more than is to be paid.");
    browser.run("document.querySelector('dialog input').select()", &[]);
    browser.keys(&["1", "0"]);
    browser.click(card);
    browser.wait_for_text("dialog", "Card $10.00");
    // A reload in the middle does not forget that the card was charged.
    browser.open("/sell");
    browser.wait_for_text("#sums", &total);
    browser.click("#clear");
    browser.wait_for_text("shop-toast", "A part is paid.");
    browser.click("#pay");
    browser.wait_for_text("dialog", "Card $10.00");
    browser.picture("sell-pay-tablet");
    assert_eq!(browser.barriers(), [""; 0]);
    browser.press("Card, all");
    browser.wait_for_text("dialog", "Change $0.00");
    let order = till.order(1);
    assert_eq!(order["customer_id"], 2);
    assert_eq!(order["items"][0]["discount"], 2.4);
    assert_eq!(order["items"][0]["note"], "a gift");
    assert_eq!(order["discount"], 1.08);
    assert_eq!(total, format!("${}", order["total"]));
    assert_eq!(till.transactions(&order).len(), 2);
}

#[test]
fn several_baskets_are_held_and_one_is_chosen() {
    let till = Till::open(&[]);
    let browser = &till.browser;
    for name in ["Espresso", "Wine"] {
        browser.press(name);
        browser.click("#hold");
    }
    browser.press("Apple pie");
    browser.wait_for_text("#held", "Held (2)");
    browser.open("/sell");
    browser.wait_for_text("#held", "Held (2)");
    browser.wait_for_text("#lines", "Apple pie");
    browser.click("#held");
    browser.wait_for_text("dialog", "Espresso");
    browser.click("dialog li:nth-child(1) button");
    browser.wait_for_text("#lines", "Espresso");
    browser.wait_for_text("#held", "Held (2)");
    browser.click("#clear");
    // The next customer came meanwhile.
    browser.press("Wine");
    browser.press("Undo");
    browser.wait_for_text("#lines", "Espresso");
    browser.wait_for_text("#held", "Held (3)");
    browser.click("#pay");
    browser.press("Cash, exact");
    browser.wait_for_text("dialog", "Change $0.00");
    let order = till.order(1);
    assert_eq!(order["items"][0]["name"], "Espresso");
    assert_eq!(order["total"], 2.2);
    // What was sold is not held any more; the others are.
    browser.open("/sell");
    browser.wait_for_text("#held", "Held (3)");
    assert_eq!(browser.texts("#lines li"), [""; 0]);
}

#[test]
fn a_basket_keeps_the_prices_that_the_customer_has_seen() {
    let till = Till::open(&[]);
    let browser = &till.browser;
    browser.press("Wine");
    browser.wait_for_text("#lines", "1 Wine $11.99");
    let wine = till.admin.get("/api/products?sku=wine").expect(200).json()["data"][0]["id"].clone();
    till.admin.patch(&format!("/api/products/{wine}"), &json!({"price": 12.5})).expect(200);
    browser.wait_for_text("#products", "Wine $12.50");
    browser.press("Wine");
    browser.wait_for_text("#lines", "1 Wine $12.50");
    browser.press("Espresso");
    // Nobody has sold it yet, so it can be deleted; the server would refuse the sale.
    till.admin.delete("/api/products/1").expect(204);
    browser.wait_for_text("shop-toast", "Espresso was deleted.");
    browser.click("#lines li:nth-child(3) .step");
    browser.wait_for_text("#sums", "Total $24.49");
    browser.click("#pay");
    browser.press("Cash, exact");
    browser.wait_for_text("dialog", "Change $0.00");
    assert_eq!(till.order(1)["total"], 24.49);
}

#[test]
fn a_refund_takes_goods_back() {
    let till = Till::open(&[]);
    let browser = &till.browser;
    let stock =
        || till.admin.get("/api/products?sku=wine").expect(200).json()["data"][0]["stock"].clone();
    browser.press("Wine");
    browser.press("Wine");
    browser.click("#pay");
    browser.press("Cash, exact");
    browser.press("Next customer");
    let order = till.order(1);
    assert_eq!(stock(), 3);
    browser.click("#sales");
    browser.press("Order 1");
    browser.wait_for_text("dialog", "2 Wine $23.98");
    browser.press("Refund");
    browser.wait_for_text("dialog", "Wine (2)");
    browser.run(
        "const field = document.querySelector('dialog input');
         field.value = '1';
         field.dispatchEvent(new Event('input', { bubbles: true }));",
        &[],
    );
    browser.wait_until("document.querySelector('dialog [name=amount]').value === '11.99'");
    assert_eq!(browser.barriers(), [""; 0]);
    browser.press("Refund in cash");
    browser.wait_for_text("shop-toast", "$11.99 refunded");
    let expected = [json!(["payment", "cash", 23.98]), json!(["refund", "cash", 11.99])];
    assert_eq!(till.transactions(&order), expected);
    assert_eq!(stock(), 4);
    // It can be found by its number, and no more than the rest can be refunded.
    browser.click("#sales");
    browser.press("By its number");
    browser.wait_for_text("dialog", "Order number");
    browser.keys(&["1", "Enter"]);
    browser.press("Refund");
    browser.wait_until("document.querySelector('dialog [name=amount]').value === '11.99'");
    browser.press("Back");
    // What has come back cannot come back again.
    browser.click("#sales");
    browser.press("Order 1");
    browser.press("Refund");
    browser.wait_for_text("dialog", "Wine (1)");
}

#[test]
fn a_sale_is_refunded_without_the_server() {
    let till = Till::open(&[]);
    let browser = &till.browser;
    browser.set_offline(true);
    browser.press("Wine");
    browser.press("Wine");
    browser.click("#pay");
    browser.press("Cash, exact");
    browser.press("Next customer");
    browser.click("#sales");
    browser.press("Waits for the server");
    browser.wait_for_text("dialog", "2 Wine $23.98");
    browser.inspect("sell-sale-offline-tablet");
    browser.press("Refund");
    browser.wait_for_text("dialog", "Wine (2)");
    browser.run("document.querySelector('dialog input').select()", &[]);
    browser.keys(&["2"]);
    browser.press("Refund in cash");
    browser.wait_for_text("#sales", "Sales · 1 waiting");
    // Nothing is left of it to refund.
    browser.click("#sales");
    browser.wait_for_text("dialog", "Refund · Waits for the server -$23.98");
    browser.click("dialog li:last-child button");
    browser.wait_for_text("dialog", "Refund · Cash -$23.98");
    assert!(!browser.texts("dialog button").contains(&"Refund".to_owned()));
    browser.press("Back");
    browser.set_offline(false);
    browser.wait_for_text("shop-toast", "$23.98 refunded");
    let order = till.order(1);
    let expected = [json!(["payment", "cash", 23.98]), json!(["refund", "cash", 23.98])];
    assert_eq!(till.transactions(&order), expected);
    assert_eq!(order["payment_status"], "refunded");
    let wine = till.admin.get("/api/products?sku=wine").expect(200).json();
    assert_eq!(wine["data"][0]["stock"], 5);
    browser.wait_until("document.querySelector('#sales').textContent === 'Sales'");
}

#[test]
fn only_a_cashier_has_a_till() {
    let server = Server::with_users(&["kitchen"], &[]);
    let browser = Browser::on(&server, PHONE);
    browser.log_in(&server.login("kitchen"));
    browser.open("/sell");
    browser.wait_until("location.pathname === '/'");
}
