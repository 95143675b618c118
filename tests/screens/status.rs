//! Guards the line that every page has: it tells the truth about the connection.

use super::browser::Browser;
use super::common::{Server, free_address};
use super::shop::{self, PIE};
use rustix::process::Signal;
use serde_json::json;

/// Keeps all that the line has said.
const RECORDER: &str = "
    window.told = [];
    const line = document.querySelector('shop-status');
    new MutationObserver(() => told.push(line.innerText)).observe(line, { childList: true, characterData: true, subtree: true });";

/// Opens a page whose line can be watched.
fn watch(browser: &Browser, server: &Server) {
    browser.take_the_clock();
    browser.log_in(&server.login("kitchen"));
    browser.open("/board");
    browser.wait_for_text("shop-status", "Live");
}

#[test]
fn a_server_that_is_away_is_told() {
    let address = free_address().to_string();
    let mut server = Server::with_users(&["kitchen"], &["--listen", &address]);
    shop::add_goods(&server.admin());
    let browser = Browser::of(&server);
    watch(&browser, &server);
    // Another page of this browser has a sale to send.
    let sale = json!({"client_id": "a-sale", "items": [{"product_id": PIE, "quantity": 1}]});
    browser.run(
        "return import('/client.js').then(({ connect }) => window.other = connect()).then(() => {})",
        &[],
    );
    browser.run(RECORDER, &[]);
    assert_eq!(server.stop(), Some(0));
    browser.wait_for_text("shop-status", "Offline for 0 s");
    browser.wait_for_text("shop-status", "Offline for 2 s");
    browser.run("return other.outbox.add(arguments[0]).then(() => {})", &[sale]);
    browser.wait_for_text("shop-status", "1 waiting");
    browser.picture("status-monitor");
    let server = server.again();
    shop::order(&server.admin(), &[(PIE, 1)]);
    browser.run("dispatchEvent(new Event('online'))", &[]);
    browser.wait_for_text("shop-status", "Live");
    let told = browser.run("return told", &[]);
    let catches_up = |line: &serde_json::Value| line.as_str().unwrap().starts_with("Catching up");
    assert!(told.as_array().unwrap().iter().any(catches_up), "{told}");
    browser.wait_for_text("article", "Apple pie");
}

/// The socket stays open and hears nothing, as behind a Wi-Fi that is gone.
#[test]
fn a_server_that_says_nothing_is_told() {
    let server = Server::with_users(&["kitchen"], &[]);
    let browser = Browser::of(&server);
    // Without its intervals the page notices the silence only by its question.
    browser.before_each_page("window.setInterval = () => 0");
    watch(&browser, &server);
    server.signal(Signal::STOP);
    browser.hold_the_clock();
    // The page asks whether the socket still lives, and waits for three seconds.
    browser.run("dispatchEvent(new Event('focus'))", &[]);
    browser.skip(2);
    assert_eq!(browser.texts("shop-status"), ["Live"]);
    browser.skip(1);
    assert_eq!(browser.texts("shop-status"), ["Offline for 0 s"]);
    server.signal(Signal::CONT);
    browser.release_the_clock();
    browser.wait_for_text("shop-status", "Live");
}

/// As in the tools for developers: an open socket goes on, and nothing else does.
#[test]
fn a_network_that_is_gone_is_told() {
    let server = Server::with_users(&["kitchen"], &[]);
    let browser = Browser::of(&server);
    watch(&browser, &server);
    browser.set_offline(true);
    browser.wait_for_text("shop-status", "Offline for");
    browser.run(RECORDER, &[]);
    browser.wait_for_text("shop-status", "Offline for 3 s");
    let told = browser.run("return told", &[]);
    let is_offline = |line: &serde_json::Value| line.as_str().unwrap().starts_with("Offline");
    assert!(told.as_array().unwrap().iter().all(is_offline), "{told}");
    browser.set_offline(false);
    browser.wait_for_text("shop-status", "Live");
}

/// A private window may refuse to keep anything, which a cashier has to know before the first sale.
#[test]
fn a_till_that_keeps_no_sales_says_so() {
    let server = Server::with_users(&["staff"], &[]);
    let browser = Browser::of(&server);
    browser.before_each_page(
        "IDBFactory.prototype.open = () => { throw new DOMException('private', 'SecurityError'); };
         console.error = () => {};",
    );
    browser.log_in(&server.login("staff"));
    browser.open("/sell");
    browser.wait_for_text("shop-status", "Live · this browser keeps no sales");
}
