//! Guards what is seen: pages without a barrier, in the light and in the dark, on each screen. It leaves their pictures
//! in `target/screens`, for people to look at.

use super::browser::{Browser, MONITOR, PHONE, TABLET};
use super::common::Server;
use super::shop;

/// Each page with its name, the role that it is for, and what it shows once it is there.
const PAGES: [(&str, &str, &str, &str); 12] = [
    ("/", "login", "", "#login"),
    ("/pair", "pair", "", "#code"),
    ("/docs#createOrder", "docs", "", "#createOrder pre"),
    ("/board", "board", "kitchen", "article"),
    ("/numbers", "numbers", "display", "li"),
    ("/pick", "pick", "picker", "#orders li"),
    ("/kiosk", "kiosk", "kiosk", "#products button"),
    ("/sell", "sell", "staff", "#products button"),
    ("/admin", "admin", "admin", "figure"),
    ("/admin#users", "admin-users", "admin", "#users li"),
    ("/admin#audit", "admin-audit", "admin", "#audit li"),
    ("/admin#backups", "admin-backups", "admin", "#back-up"),
];

#[test]
fn each_page_is_for_everybody_on_each_screen() {
    let server = Server::with_users(&["kitchen", "display", "picker", "kiosk", "staff"], &[]);
    shop::add_goods(&server.admin());
    shop::fill(&server.admin());
    let browser = Browser::of(&server);
    let mut barriers = Vec::new();
    for (path, page, role, shown) in PAGES {
        if !role.is_empty() {
            browser.log_in(&server.login(role));
        }
        barriers.extend(look(&browser, path, page, shown));
    }
    assert!(barriers.is_empty(), "{barriers:#?}");
}

#[test]
fn the_first_page_is_for_everybody_on_each_screen() {
    let (server, code) = Server::first_start(&[]);
    let barriers = look(&Browser::of(&server), &format!("/setup#{code}"), "setup", "#setup");
    assert!(barriers.is_empty(), "{barriers:#?}");
}

/// Takes the pictures of a page, and returns its barriers.
fn look(browser: &Browser, path: &str, page: &str, shown: &str) -> Vec<String> {
    let mut barriers = Vec::new();
    for screen in [PHONE, TABLET, MONITOR] {
        browser.show_on(screen);
        browser.open(path);
        browser.wait_for(shown);
        for (is_dark, suffix) in [(false, ""), (true, "-dark")] {
            browser.set_dark(is_dark);
            let name = format!("{page}-{}{suffix}", screen.name);
            browser.picture(&name);
            let found = browser.barriers().into_iter();
            barriers.extend(found.map(|barrier| format!("{name}: {barrier}")));
        }
    }
    barriers
}
