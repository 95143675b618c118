//! Guards what customers see: the numbers that they wait for, and the kiosk, which is alone with them.

use super::browser::{Browser, TABLET};
use super::common::Server;
use super::shop::{self, ESPRESSO, PIE};
use serde_json::{Value, json};

#[test]
fn a_number_is_called_once_its_order_is_ready() {
    let server = Server::with_users(&["display"], &[]);
    let admin = server.admin();
    shop::add_goods(&admin);
    for _ in 0..3 {
        shop::order(&admin, &[(PIE, 1)]);
    }
    let browser = Browser::of(&server);
    browser.count_the_tones();
    browser.log_in(&server.login("display"));
    browser.open("/numbers");
    browser.wait_for_text("#processing", "1 2 3");
    browser.click("main");
    shop::take_to(&admin, 2, "ready");
    browser.wait_for_text("#ready li.new", "2");
    browser.wait_until("tones === 1");
    assert_eq!(browser.texts("#processing li"), ["1", "3"]);
    shop::patch(&admin, 2, &json!({"status": "completed"}));
    shop::patch(&admin, 3, &json!({"status": "cancelled"}));
    browser.wait_until("document.querySelectorAll('li').length === 1");
    assert_eq!(browser.run("return tones", &[]), 1);
}

/// A kiosk in a shop whose prices are without the tax, with one pie left.
fn kiosk() -> (Server, Browser) {
    let server = Server::with_users(&["kiosk"], &[]);
    let admin = server.admin();
    shop::add_goods(&admin);
    admin.patch("/api/shop", &json!({"tax": "added"})).expect(200);
    let product = |id: usize, patch: &Value| {
        admin.patch(&format!("/api/products/{id}"), patch).expect(200);
    };
    product(ESPRESSO, &json!({"tax_rate": 10}));
    product(PIE, &json!({"stock": 1}));
    let browser = Browser::on(&server, TABLET);
    browser.take_the_clock();
    browser.log_in(&server.login("kiosk"));
    browser.open("/kiosk");
    browser.wait_for_text("#products", "Apple pie $3.90");
    (server, browser)
}

#[test]
fn a_customer_orders_alone() {
    let (server, browser) = kiosk();
    assert_eq!(browser.texts("#categories button"), ["Cakes", "Drinks", "Food"]);
    browser.press("Apple pie");
    browser.wait_for_text("#products", "Sold out");
    browser.press("Drinks");
    browser.press("Espresso");
    browser.press("Espresso");
    browser.press("Cappuccino");
    browser.wait_for_text("#lines", "1 × Cappuccino");
    browser.click("#lines li:nth-child(2) button");
    browser.wait_for_text("#order", "$8.74");
    // What is not sold any more does not stay in the order.
    browser.press("Lemonade");
    browser.wait_for_text("#lines", "1 × Lemonade");
    server.admin().patch("/api/products/3", &json!({"status": "draft"})).expect(200);
    browser.wait_for_text("shop-toast", "Something was sold out meanwhile.");
    browser.wait_for_text("#order", "$8.74");
    browser.inspect("kiosk-basket-tablet");
    // A second touch does not order twice, though there are goods enough for it.
    server.admin().patch(&format!("/api/products/{PIE}"), &json!({"stock": 5})).expect(200);
    browser.run(
        "const button = document.querySelector('#order'); button.click(); button.click();",
        &[],
    );
    browser.wait_for_text("#done", "Your number 1 Please pay at the till.");
    browser.inspect("kiosk-number-tablet");
    let orders = server.admin().get("/api/orders").expect(200).json()["data"].take();
    assert_eq!(orders.as_array().unwrap().len(), 1);
    let items = [&orders[0]["items"][0], &orders[0]["items"][1]];
    let items = items.map(|item| (item["product_id"].clone(), item["quantity"].clone()));
    assert_eq!(items, [(json!(PIE), json!(1)), (json!(ESPRESSO), json!(2))]);
    assert_eq!(
        (&orders[0]["total"], &orders[0]["payment_status"]),
        (&json!(8.74), &json!("pending"))
    );
    // The next customer finds an empty basket.
    browser.skip(60);
    browser.wait_until("!document.querySelector('#done').open");
    browser.wait_until("document.querySelectorAll('#lines button').length === 0");
    let orders = server.admin().get("/api/orders").expect(200).json()["data"].take();
    assert_eq!(orders.as_array().unwrap().len(), 1);
}

#[test]
fn a_customer_who_left_leaves_nothing() {
    let (server, browser) = kiosk();
    browser.hold_the_clock();
    browser.press("Food");
    browser.press("Tomato soup");
    browser.wait_for_text("#lines", "1 × Tomato soup");
    browser.skip(59);
    browser.press("Tomato soup");
    browser.wait_for_text("#lines", "2 × Tomato soup");
    browser.skip(59);
    assert_eq!(browser.texts("#lines span"), ["2 × Tomato soup"]);
    browser.skip(1);
    assert_eq!(browser.texts("#lines span"), [""; 0]);
    assert_eq!(browser.texts("#categories [aria-pressed=true]"), ["Cakes"]);
    assert_eq!(server.admin().get("/api/orders").expect(200).json()["data"], json!([]));
}

#[test]
fn a_kiosk_promises_nothing_that_the_server_did_not() {
    let (mut server, browser) = kiosk();
    browser.press("Food");
    browser.press("Tomato soup");
    server.kill();
    browser.press("Order for");
    browser.wait_for_text("shop-toast", "Please ask the staff.");
    // The page was drawn again: the order can be sent once more.
    browser.wait_until("!document.querySelector('#order').disabled");
    assert_eq!(browser.texts("#lines span"), ["1 × Tomato soup"]);
    assert_eq!(browser.texts("#done").len(), 0);
}
