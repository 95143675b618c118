//! Guards the board: what a kitchen looks at all day.

use super::browser::Browser;
use super::common::{Server, order, product};

#[test]
fn an_order_appears_at_once() {
    let server = Server::with_users(&["kitchen"], &[]);
    let admin = server.admin();
    let product = product(&admin, 2.5, 10);
    let browser = Browser::of(&server);
    browser.log_in(&server.login("kitchen"));
    browser.open("/board");
    browser.wait_for_text("shop-status", "Live");
    order(&admin, product, 3);
    browser.wait_for_text("[data-status=pending] article", "3 Coffee");
    browser.picture("board-monitor");
    browser.is_accessible();
}
