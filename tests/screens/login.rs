//! Guards the login: a person who does not come to the work that the login is for.

use super::browser::Browser;
use super::common::{Running, Server, password_of};
use rustix::process::Signal;
use tempfile::tempdir;

/// Each role with the page that it works with, what that shows to it alone, and all of its pages.
const ROLES: [(&str, &str, &str, &[&str]); 6] = [
    (
        "admin",
        "/admin",
        "#charts svg",
        &["Shop", "Orders", "Till", "Pick list", "Numbers for customers", "Pair a device"],
    ),
    ("staff", "/sell", "#search", &["Till", "Orders", "Pick list", "Numbers for customers"]),
    ("kitchen", "/board", "#totals", &["Orders", "Numbers for customers"]),
    ("picker", "/pick", "#nothing", &["Pick list", "Orders"]),
    ("display", "/board", "#totals", &["Orders", "Numbers for customers"]),
    ("kiosk", "/kiosk", "#order", &["Kiosk"]),
];

#[test]
fn a_login_leads_to_the_screen_of_the_role_and_back_to_a_choice() {
    let server = Server::with_users(&ROLES.map(|(role, ..)| role), &[]);
    let browser = Browser::of(&server);
    browser.open("/");
    browser.wait_until("document.activeElement.name === 'username'");
    assert_eq!(browser.texts("#demo"), [""; 0]);
    for (role, page, at_work, pages) in ROLES {
        browser.type_into("[name=username]", role);
        browser.type_into("[name=password]", "wrong");
        browser.press("Log in");
        browser.wait_for_text("#wrong", "The user name or the password is wrong.");
        // The wrong one is marked, so that it is typed over.
        browser.type_into("[name=password]", &password_of(role));
        browser.press("Log in");
        browser.wait_until(&format!("location.pathname === '{page}'"));
        browser.wait_for(at_work);
        browser.wait_for_text("shop-status", "Live");
        browser.open("/");
        browser.wait_for("#pages");
        assert_eq!(browser.texts("#pages a"), pages, "{role}");
        browser.press("Log out");
        browser.wait_until("document.activeElement.name === 'username'");
        assert_eq!(browser.texts("#pages"), [""; 0]);
    }
}

#[test]
fn a_page_that_needs_a_login_comes_back_after_it() {
    let server = Server::with_users(&["kitchen"], &[]);
    let browser = Browser::of(&server);
    browser.open("/numbers");
    browser.wait_until("location.search === '?next=%2Fnumbers'");
    browser.wait_until("document.activeElement.name === 'username'");
    browser.type_into("[name=username]", "kitchen");
    browser.type_into("[name=password]", &password_of("kitchen"));
    browser.press("Log in");
    browser.wait_until("location.pathname === '/numbers'");
}

/// Somebody may send a link that looks like the shop's.
#[test]
fn a_login_leads_to_no_other_server_and_no_other_roles_page() {
    let server = Server::with_users(&["staff"], &[]);
    let browser = Browser::of(&server);
    browser.log_in(&server.login("staff"));
    for foreign in ["//shop.example/board", "https://shop.example/", "/admin", "/board/../admin"] {
        let query = foreign.replace('/', "%2F");
        browser.open(&format!("/?next={query}"));
        browser.wait_until("location.pathname === '/sell'");
    }
    browser.open("/?next=%2Fboard");
    browser.wait_until("location.pathname === '/board'");
}

#[test]
fn a_person_hears_when_to_come_back_after_too_many_wrong_passwords() {
    let server = Server::with_users(&["staff"], &[]);
    for _ in 0..5 {
        server.anonymous().try_login("staff", "a wrong password").expect(401);
    }
    let browser = Browser::of(&server);
    browser.open("/");
    browser.wait_until("document.activeElement.name === 'username'");
    browser.type_into("[name=username]", "staff");
    browser.type_into("[name=password]", &password_of("staff"));
    browser.press("Log in");
    browser.wait_for_text("#wrong", "Too many tries. Please try again in 15 min.");
    browser.inspect("login-refused-monitor");
}

/// The first minute of somebody who tries Tillcast: a button, and a shop at work.
#[test]
fn each_button_of_the_demo_leads_to_a_screen_at_work() {
    let folder = tempdir().unwrap();
    let variables = [("TMPDIR", folder.path().to_str().unwrap())];
    let arguments = [
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--allow-host",
        "shop",
        "--rate",
        "100",
        "--drain",
        "1s",
    ];
    let mut demo = Running::start(&arguments, &variables, folder.path());
    let line = demo.line_with("A demo shop is open at http://");
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap();
    let browser = Browser::behind(address.parse().unwrap());
    for (button, path, at_work) in [
        ("Till", "/sell", "#products button"),
        ("Kitchen", "/board", "article"),
        ("Picker", "/pick", "#orders"),
        ("Display", "/board", "article"),
        ("Kiosk", "/kiosk", "#products button"),
        ("Admin", "/admin", "#charts svg"),
    ] {
        browser.open("/");
        browser.wait_until("document.querySelectorAll('#demo button').length === 6");
        browser.press(button);
        browser.wait_until(&format!("location.pathname === '{path}'"));
        browser.wait_until(&format!("document.querySelector('{at_work}')"));
    }
    browser.open("/");
    browser.wait_until("document.querySelector('#pages').offsetParent");
    browser.picture("login-demo");
    assert_eq!(browser.barriers(), [""; 0]);
    assert_eq!(demo.end(Signal::TERM), Some(0));
}
