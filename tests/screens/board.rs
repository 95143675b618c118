//! Guards the board: what a kitchen looks at all day.

use super::browser::Browser;
use super::common::Server;
use super::shop::{self, ESPRESSO, PIE, SANDWICH, SOUP};
use serde_json::json;

/// A shop with goods and a board for this role.
fn open(role: &str) -> (Server, Browser) {
    let server = Server::with_users(&[role], &[]);
    shop::add_goods(&server.admin());
    let browser = board(&server, role);
    (server, browser)
}

fn board(server: &Server, role: &str) -> Browser {
    let browser = Browser::of(server);
    browser.take_the_clock();
    browser.count_the_tones();
    browser.log_in(&server.login(role));
    browser.open("/board");
    browser.wait_for_text("shop-status", "Live");
    browser
}

/// The first order of the day is as new as each other.
#[test]
fn an_order_appears_and_each_change_of_it_is_seen() {
    let (server, browser) = open("kitchen");
    let admin = server.admin();
    let id = shop::order(&admin, &[(ESPRESSO, 3)]);
    browser.wait_for_text("[data-status=pending] article.new", "3 Espresso");
    browser.wait_for_text("#news", "New order 1.");
    shop::patch(&admin, id, &json!({"notes": "to take away"}));
    browser.wait_for_text("[data-status=pending] article.changed", "to take away");
    shop::patch(&admin, id, &json!({"status": "processing"}));
    browser.wait_for_text("[data-status=processing] article.changed", "3 Espresso");
    assert_eq!(browser.texts("article").len(), 1);
    let parcel =
        json!({"order_id": id, "tracking_number": "T", "carrier": "UPS", "status": "shipped"});
    admin.post("/api/shipments", &parcel).expect(201);
    browser.wait_for_text("[data-status=shipped] article", "3 Espresso");
    let counts = ["0", "0", "0", "1"];
    assert_eq!(browser.texts("section output"), counts);
    admin.patch("/api/shipments/1", &json!({"status": "delivered"})).expect(200);
    browser.wait_until("document.querySelectorAll('article').length === 0");
}

#[test]
fn it_sounds_after_the_first_touch() {
    let (server, browser) = open("kitchen");
    let admin = server.admin();
    shop::order(&admin, &[(PIE, 1)]);
    browser.wait_for_text("article", "Apple pie");
    assert_eq!(browser.run("return tones", &[]), 0);
    browser.click("h1");
    shop::order(&admin, &[(SOUP, 1)]);
    browser.wait_until("tones === 1");
}

/// The device's own clock is an hour fast.
#[test]
fn an_order_ages_by_the_servers_clock() {
    let server = Server::with_users(&["display"], &[]);
    shop::add_goods(&server.admin());
    shop::order(&server.admin(), &[(PIE, 1)]);
    let browser = Browser::of(&server);
    browser.take_the_clock();
    browser.before_each_page("clock.skip(3_600_000)");
    browser.log_in(&server.login("display"));
    browser.open("/board");
    browser.wait_for_text("article time", "0:");
    browser.wait_until("document.querySelector('article').dataset.late === '0'");
    browser.skip(5 * 60);
    browser.wait_for_text("article[data-late='1'] time", "5:");
    browser.skip(3 * 60);
    browser.wait_for_text("article[data-late='2'] time", "8:");
    // A display may change nothing.
    assert_eq!(browser.texts(".bump").len(), 0);
    assert_eq!(browser.run("return document.querySelector('.tick').disabled", &[]), true);
}

#[test]
fn lines_are_ticked_one_by_one() {
    let (server, browser) = open("kitchen");
    let admin = server.admin();
    let id = shop::order(&admin, &[(ESPRESSO, 2), (SOUP, 1), (PIE, 1)]);
    browser.wait_for_text("#totals", "2 Espresso");
    // A second tick comes before the server has answered the first.
    browser.run("const [a, b] = document.querySelectorAll('.tick'); b.click(); a.click();", &[]);
    assert_eq!(browser.run("return document.querySelectorAll('.tick').length", &[]), 3);
    shop::wait_for(&admin, id, "done", &json!([0, 1]));
    browser.wait_until("document.querySelectorAll('.tick[aria-pressed=true]').length === 2");
    assert_eq!(browser.texts("#totals li"), ["1 Apple pie"]);
    browser.click(".tick[aria-pressed=true]");
    shop::wait_for(&admin, id, "done", &json!([1]));
    // Another screen ticks.
    shop::patch(&admin, id, &json!({"done": []}));
    browser.wait_until("document.querySelectorAll('.tick[aria-pressed=true]').length === 0");
    // A tick that the server hears late does not undo those of other screens.
    browser.set_offline(true);
    browser.click(".tick");
    browser.wait_until("document.querySelectorAll('.tick[aria-pressed=true]').length === 1");
    shop::patch(&admin, id, &json!({"done": [2]}));
    browser.set_offline(false);
    browser.skip(5);
    shop::wait_for(&admin, id, "done", &json!([0, 2]));
}

#[test]
fn a_bump_can_be_undone_for_ten_seconds() {
    let (server, browser) = open("kitchen");
    let admin = server.admin();
    let id = shop::order(&admin, &[(ESPRESSO, 1)]);
    browser.wait_for_text("[data-status=pending] .bump", "Start");
    browser.hold_the_clock();
    browser.press("Start");
    shop::wait_for(&admin, id, "status", &json!("processing"));
    browser.press("Undo");
    shop::wait_for(&admin, id, "status", &json!("pending"));
    browser.press("Start");
    browser.wait_for_text("[data-status=processing] .bump", "Ready");
    browser.click("[data-status=processing] .bump");
    browser.wait_for_text("[data-status=ready] article", "Espresso");
    // A kitchen does not hand over.
    assert_eq!(browser.texts(".bump").len(), 0);
    browser.skip(9);
    assert_eq!(browser.texts("shop-toast button").len(), 2);
    browser.skip(1);
    assert_eq!(browser.texts("shop-toast button").len(), 0);
}

/// The server takes no order back that was handed over, so it hears of it once nobody can undo it.
#[test]
fn an_order_that_was_handed_over_can_come_back() {
    let (server, browser) = open("staff");
    let admin = server.admin();
    let id = shop::order(&admin, &[(ESPRESSO, 1)]);
    shop::take_to(&admin, id, "ready");
    browser.press("Handed over");
    browser.wait_until("document.querySelectorAll('article').length === 0");
    browser.press("Undo");
    browser.wait_for_text("[data-status=ready] article", "Espresso");
    browser.skip(10);
    browser.press("Handed over");
    shop::wait_for(&admin, id, "status", &json!("ready"));
    browser.skip(10);
    shop::wait_for(&admin, id, "status", &json!("completed"));
}

#[test]
fn an_order_that_was_handed_over_is_told_by_a_page_that_closes_and_after_one_that_died() {
    let (server, browser) = open("staff");
    let admin = server.admin();
    let ids = [(); 3].map(|()| shop::order(&admin, &[(ESPRESSO, 1)]));
    for id in ids {
        shop::take_to(&admin, id, "ready");
    }
    browser.wait_until("document.querySelectorAll('[data-status=ready] .bump').length === 3");
    // A double tap does not hand over the next one, which moves up.
    browser.tap_twice("[data-status=ready] .bump");
    browser.wait_until("document.querySelectorAll('article').length === 2");
    browser.wait_for_text("shop-toast", "Order 1 was handed over");
    browser.key("r");
    browser.wait_for_text("#recalls", "1 → Ready");
    browser.open("/board");
    shop::wait_for(&admin, ids[0], "status", &json!("completed"));
    browser.wait_until("document.querySelectorAll('article').length === 2");
    browser.press("Handed over");
    browser.wait_until(
        "await new Promise((resolve) => {
            indexedDB.open('tillcast pages').onsuccess = ({ target: { result: base } }) => {
                const kept = base.transaction('values').objectStore('values').get('board unsent');
                kept.onsuccess = () => resolve(kept.result?.length === 1);
                base.close();
            };
        })",
    );
    let browser = browser.again();
    browser.take_the_clock();
    browser.log_in(&server.login("staff"));
    browser.open("/board");
    browser.wait_for_text("article", "3");
    browser.wait_until("document.querySelectorAll('article').length === 1");
    browser.skip(10);
    shop::wait_for(&admin, ids[1], "status", &json!("completed"));
}

#[test]
fn the_last_ten_bumps_can_be_called_back() {
    let server = Server::with_users(&["kitchen"], &[]);
    let admin = server.admin();
    shop::add_goods(&admin);
    let ids: Vec<i64> = (0..11).map(|_| shop::order(&admin, &[(PIE, 1)])).collect();
    let browser = board(&server, "kitchen");
    browser.click("#recall");
    browser.wait_for_text("#recalls", "There is nothing to call back.");
    browser.press("Close");
    for id in &ids {
        // A program's click: a second tap that quick in the same place would be ignored.
        browser.run("document.querySelector('[data-status=pending] .bump').click()", &[]);
        shop::wait_for(&admin, *id, "status", &json!("processing"));
        browser.wait_until(&format!(
            "document.querySelector('[data-status=processing] [data-key=\"{id}\"]')"
        ));
    }
    browser.key("r");
    let listed = browser.texts("#recalls li");
    assert_eq!(listed.len(), 10, "{listed:?}");
    assert_eq!(listed[0], "11 → New");
    browser.inspect("board-recall-monitor");
    browser.click("#recalls li button");
    shop::wait_for(&admin, 11, "status", &json!("pending"));
    // What a card does follows its order, which has moved since.
    shop::take_to(&admin, 10, "ready");
    browser.wait_for_text("[data-status=ready] article", "10");
    browser.key("r");
    browser.press("10 → In preparation");
    shop::wait_for(&admin, 10, "status", &json!("processing"));
}

#[test]
fn one_category_can_be_shown_alone() {
    let (server, browser) = open("kitchen");
    let admin = server.admin();
    shop::order(&admin, &[(ESPRESSO, 2), (SOUP, 1)]);
    shop::order(&admin, &[(SANDWICH, 4)]);
    shop::order(&admin, &[(ESPRESSO, 1)]);
    browser.wait_until("document.querySelectorAll('article').length === 3");
    assert_eq!(browser.texts("#totals li"), ["4 Cheese sandwich", "3 Espresso", "1 Tomato soup"]);
    browser.wait_for_text("#category", "Drinks");
    browser.type_into("#category", "Drinks");
    browser.wait_until("document.querySelectorAll('article').length === 2");
    assert_eq!(browser.texts("#totals li"), ["3 Espresso"]);
    browser.wait_for_text("article", "1 and 1 more");
    assert_eq!(browser.texts("article li"), ["2 Espresso", "1 Espresso"]);
    browser.open("/board");
    browser.wait_until("document.querySelectorAll('article').length === 2");
}

#[test]
fn keys_do_all_that_a_hand_does() {
    let server = Server::with_users(&["kitchen"], &[]);
    let admin = server.admin();
    shop::add_goods(&admin);
    for _ in 0..3 {
        shop::order(&admin, &[(PIE, 1)]);
    }
    let browser = board(&server, "kitchen");
    let focused = "document.activeElement.closest('article').dataset.key";
    browser.key("ArrowDown");
    browser.key("ArrowDown");
    browser.wait_until(&format!("{focused} === '2'"));
    browser.key("Enter");
    shop::wait_for(&admin, 2, "status", &json!("processing"));
    // One key bumps one order after the other.
    browser.wait_until(&format!("{focused} === '3'"));
    browser.key("ArrowUp");
    browser.wait_until(&format!("{focused} === '1'"));
    browser.key("ArrowRight");
    browser.wait_until(&format!("{focused} === '2'"));
    let told = browser.run("return document.activeElement.getAttribute('aria-label')", &[]);
    assert_eq!(told, "Order 2");
    browser.key("f");
    browser.wait_until("document.fullscreenElement");
    browser.key("f");
    browser.wait_until("!document.fullscreenElement");
}
