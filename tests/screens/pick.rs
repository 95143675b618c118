//! Guards the pick list on a handheld: goods that are not packed, packed twice, or packed wrong.

use super::browser::{Browser, PHONE};
use super::common::{Client, Server};
use super::shop::{self, ESPRESSO, PIE, SANDWICH, SOUP};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

const ESPRESSO_CODE: &str = "0036000291452"; // as an EAN-13; the shop has the UPC-A
const SANDWICH_CODE: &str = "4012345000023";
const SOUP_CODE: &str = "4012345000030";
const UNKNOWN_CODE: &str = "4012345999999";

/// A handheld with these orders to pick, the first of them open.
fn handheld(orders: &[&[(usize, u32)]]) -> (Server, Client, Browser) {
    let server = Server::with_users(&["picker"], &[]);
    let admin = server.admin();
    shop::add_goods(&admin);
    for goods in orders {
        let id = shop::order(&admin, goods);
        shop::take_to(&admin, id, "processing");
    }
    let browser = Browser::on(&server, PHONE);
    browser.take_the_clock();
    browser.count_the_tones();
    browser.log_in(&server.login("picker"));
    browser.open("/pick");
    browser.click("#orders button");
    browser.wait_for_text("#title", "Order 1");
    (server, admin, browser)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn an_order_is_picked_from_place_to_place() {
    let orders: [&[(usize, u32)]; 2] = [&[(ESPRESSO, 1), (SANDWICH, 2), (SOUP, 1)], &[(PIE, 1)]];
    let (_server, admin, browser) = handheld(&orders);
    let lines = [
        "A2 Tomato soup 0 / 1 next SKU-5",
        "A10 Cheese sandwich 0 / 2 open SKU-4",
        "B1 Espresso 0 / 1 open SKU-1",
    ];
    assert_eq!(browser.texts("#lines li"), lines);
    browser.inspect("pick-lines-phone");
    let begun = now();
    browser.scan(SOUP_CODE, "Enter", begun);
    shop::wait_for(&admin, 1, "done", &json!([2]));
    browser.wait_for_text("#lines [data-state=here]", "Cheese sandwich");
    browser.scan(SANDWICH_CODE, "Tab", begun + 1.0);
    browser.wait_for_text("#lines [data-state=here]", "1 / 2");
    browser.scan(SANDWICH_CODE, "Tab", begun + 2.0);
    browser.wait_for_text("#lines [data-state=here]", "Espresso");
    assert_eq!(browser.texts("#finish"), ["Open lines: 1"]);
    browser.scan(ESPRESSO_CODE, "Enter", begun + 3.0);
    browser.press("All picked");
    shop::wait_for(&admin, 1, "status", &json!("ready"));
    // The next order follows by itself.
    browser.wait_for_text("#title", "Order 2");
    browser.scan("SKU-6", "Enter", begun + 4.0);
    browser.press("All picked");
    browser.wait_for_text("#nothing", "There is nothing to pick.");
}

#[test]
fn a_scanner_that_repeats_itself_counts_once() {
    let (_server, _, browser) = handheld(&[&[(SOUP, 5)]]);
    let begun = now();
    for (after, counted) in [(0.0, "1 / 5"), (0.25, "1 / 5"), (0.6, "2 / 5"), (1.2, "3 / 5")] {
        browser.scan(SOUP_CODE, "Enter", begun + after);
        browser.wait_for_text("#lines .count", counted);
    }
    // Some scanners send a group separator.
    browser.scan("4012345\u{1d}000030", "Enter", begun + 2.0);
    browser.wait_for_text("#lines .count", "4 / 5");
    // A person types slower than a scanner.
    for (at, key) in "4012345000030".chars().enumerate() {
        browser.scan(
            "",
            &key.to_string(),
            begun + 3.0 + f64::from(u8::try_from(at).unwrap()) / 10.0,
        );
    }
    browser.scan("", "Enter", begun + 5.0);
    browser.wait_for_text("#lines .count", "4 / 5");
}

#[test]
fn a_wrong_scan_blocks_until_a_person_has_seen_it() {
    let (_server, admin, browser) = handheld(&[&[(SOUP, 1), (ESPRESSO, 2)]]);
    browser.click("#title"); // only a touched page may sound
    let begun = now();
    browser.scan(UNKNOWN_CODE, "Enter", begun);
    browser.wait_for_text("#wrong", &format!("No article has the code {UNKNOWN_CODE}."));
    assert_eq!(browser.run("return tones", &[]), 1);
    browser.inspect("pick-wrong-phone");
    // Neither the scanner's Enter nor Escape confirms.
    browser.scan(SOUP_CODE, "Enter", begun + 1.0);
    browser.wait_until("tones === 2");
    browser.key("Escape");
    browser.key("Escape");
    assert_eq!(browser.texts("#wrong p").len(), 1);
    assert_eq!(browser.texts("#lines .count"), ["0 / 1", "0 / 2"]);
    browser.press("Understood");
    browser.scan(SANDWICH_CODE, "Enter", begun + 2.0);
    browser.wait_for_text("#wrong", "Cheese sandwich is not in this order.");
    browser.press("Understood");
    browser.scan(SOUP_CODE, "Enter", begun + 3.0);
    shop::wait_for(&admin, 1, "done", &json!([0]));
    browser.scan(SOUP_CODE, "Enter", begun + 4.0);
    browser.wait_for_text("#wrong", "There is enough of Tomato soup already.");
    browser.press("Understood");
    assert_eq!(browser.texts("#lines .count"), ["1 / 1", "0 / 2"]);
}

#[test]
fn what_is_not_there_is_given_to_the_staff() {
    let (_server, admin, browser) = handheld(&[&[(SOUP, 3)]]);
    browser.scan(SOUP_CODE, "Enter", now());
    browser.wait_for_text("#lines .count", "1 / 3");
    browser.click("#lines button");
    browser.inspect("pick-line-phone");
    browser.press("There are no more");
    browser.press("Give to the staff");
    // An order has no field for it.
    browser.wait_for_text("#wrong", "only this device knows it: 2 × Tomato soup.");
    browser.inspect("pick-short-phone");
    browser.press("Understood");
    browser.wait_for_text("#orders li", "0 of 1 lines no more there");
    let order = admin.get("/api/orders/1").expect(200).json();
    assert_eq!((&order["status"], &order["done"]), (&json!("processing"), &json!([])));
    // Somebody has found the others.
    browser.click("#orders button");
    // A tap in the same place that comes so fast would be ignored, a key is not.
    browser.wait_for_text("#lines", "Tomato soup");
    browser.run("document.querySelector('#lines button').focus()", &[]);
    browser.key("Enter");
    browser.press("Take all 2");
    shop::wait_for(&admin, 1, "done", &json!([0]));
    browser.click("#lines button");
    browser.press("Put back");
    shop::wait_for(&admin, 1, "done", &json!([]));
    browser.wait_for_text("#lines .count", "0 / 3");
}

#[test]
fn it_works_through_a_gap_in_the_wifi() {
    let orders: [&[(usize, u32)]; 2] = [&[(ESPRESSO, 1), (SOUP, 1)], &[(SOUP, 2)]];
    let (_server, admin, browser) = handheld(&orders);
    // Its lists are stored, a while after they have changed.
    browser.skip(2);
    browser.wait_until(
        "await new Promise((resolve) => {
            indexedDB.open(`tillcast ${location.origin}`).onsuccess = ({ target: { result: base } }) => {
                const kept = base.transaction('lists').objectStore('lists').count();
                kept.onsuccess = () => resolve(kept.result === 2);
                base.close();
            };
        })",
    );
    browser.set_offline(true);
    let begun = now();
    browser.scan(SOUP_CODE, "Enter", begun);
    browser.wait_for_text("#lines [data-state=done]", "Tomato soup");
    // The page opens from the browser's store, and knows what it did.
    browser.open("/pick");
    browser.wait_for_text("#lines [data-state=done]", "Tomato soup");
    browser.scan(ESPRESSO_CODE, "Enter", begun + 2.0);
    browser.press("All picked");
    browser.wait_for_text("#title", "Order 2");
    browser.press("Back");
    browser.wait_for_text("#orders", "2 0 of 1 lines");
    assert_eq!(browser.texts("#orders li").len(), 1);
    let order = admin.get("/api/orders/1").expect(200).json();
    assert_eq!((&order["status"], &order["done"]), (&json!("processing"), &json!([])));
    browser.set_offline(false);
    browser.skip(5);
    shop::wait_for(&admin, 1, "status", &json!("ready"));
    shop::wait_for(&admin, 1, "done", &json!([0, 1]));
}
