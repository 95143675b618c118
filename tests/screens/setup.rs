//! Guards the first minute of a shop: from the printed link to the till, with every step that can be left out.

use super::browser::{Browser, PHONE, TABLET};
use super::common::{Server, amount};
use serde_json::json;

/// Fills in the form of the setup.
fn fill(browser: &Browser, name: &str) {
    browser.wait_until("document.querySelector('#setup').offsetParent");
    browser.type_into("#setup [name=username]", name);
    browser.type_into("#setup [name=password]", "correct horse");
    browser.type_into("#setup [name=name]", "Corner");
}

#[test]
fn whoever_opens_the_link_ends_with_an_open_shop() {
    let (server, code) = Server::first_start(&[]);
    let browser = Browser::with(&server, PHONE, &["--accept-lang=en-GB"]);
    browser.open(&format!("/setup#{code}"));
    fill(&browser, "ana");
    assert_eq!(browser.run("return document.querySelector('[name=currency]').value", &[]), "GBP");
    browser.run("document.querySelector('[name=currency]').value = 'EUR'", &[]);
    browser.click("#shown");
    assert_eq!(browser.run("return document.querySelector('[name=password]').type", &[]), "text");
    browser.press("Open the shop");

    browser.wait_for_text("#progress", "Step 1 of 3");
    browser.wait_for_text("#product", "Price EUR");
    assert!(!browser.path().contains(&code), "the code stays in the history");
    browser.type_into("#product [name=name]", "Espresso");
    browser.type_into("#product [name=price]", "2,40");
    browser.type_into("#product [name=tax_rate]", "none");
    browser.press("Add");
    browser.wait_for_text("#product .wrong", "Tax in per cent");
    browser.inspect("setup-product-phone");
    browser.run("document.querySelector('[name=tax_rate]').value = '20'", &[]);
    browser.press("Add");

    // The way to the pairing and back.
    browser.wait_for_text("#progress", "Step 2 of 3");
    let address = browser.texts("#address").concat();
    let kitchen = Browser::on(&server, TABLET);
    kitchen.open(address.strip_prefix(browser.base()).expect("a page of this server"));
    kitchen.wait_until("document.querySelector('#code').innerText.length === 9");
    browser.inspect("setup-device-phone");
    browser.click("#device a");
    browser.type_into("#typed", &format!("{}\t", kitchen.texts("#code").concat()));
    browser.wait_for("#asking");
    browser.type_into("[name=name]", "Kitchen");
    browser.press("Pair");
    kitchen.wait_until("location.pathname === '/board'");
    browser.open("/setup");
    browser.wait_for_text("#progress", "Step 2 of 3");
    browser.press("Continue without");

    browser.wait_for_text("#progress", "Step 3 of 3");
    browser.inspect("setup-order-phone");
    browser.click("#order a");
    browser.press("Espresso");
    browser.click("#pay");
    browser.press("Cash, exact");
    browser.wait_for_text("dialog", "Change €0.00");
    kitchen.wait_for_text("[data-status=processing] article", "1 Espresso");
    browser.open("/setup");
    browser.wait_for_text("#progress", "Step 3 of 3");
    browser.press("Finish");
    browser.wait_for("#pages");
    assert_eq!(browser.complaints(), [""; 0]);
    browser.open("/setup");
    browser.wait_for("#ended");

    let admin = server.anonymous().login("ana", "correct horse");
    let shop = json!({"name": "Corner", "currency": "EUR", "decimals": 2, "tax": "included"});
    assert_eq!(admin.get("/api/shop").expect(200).json(), shop);
    let goods = admin.get("/api/products").expect(200).json();
    let [espresso] = goods["data"].as_array().unwrap().as_slice() else { panic!("{goods}") };
    let told = ["name", "price", "currency", "tax_rate", "stock"].map(|field| &espresso[field]);
    assert_eq!(json!(told), json!(["Espresso", amount("2.40"), "EUR", 20, null]));
}

#[test]
fn a_link_that_does_not_work_says_what_to_do() {
    let (server, code) = Server::first_start(&[]);
    let browser = Browser::of(&server);
    for wrong in ["/setup", "/setup#BCDF-GHJK-LMNP-QRST"] {
        browser.open(wrong);
        browser.wait_for_text("#ended", "tillcast setup");
        assert_eq!(browser.texts("#setup"), [""; 0], "{wrong}");
        browser.open("/");
    }
    // Somebody else is faster.
    browser.open(&format!("/setup#{code}"));
    fill(&browser, "ben");
    let body = json!({"code": code, "username": "ana", "password": "a password 1"});
    server.anonymous().post("/api/setup", &body).expect(201);
    browser.press("Open the shop");
    browser.wait_for_text("#ended", "log in");
    assert!(server.anonymous().try_login("ben", "correct horse").status == 401);
    browser.open("/");
    browser.open(&format!("/setup#{code}"));
    browser.wait_for_text("#ended", "log in");
}

#[test]
fn what_the_server_refuses_is_shown_at_its_field() {
    let (server, code) = Server::first_start(&["--tax", "added"]);
    let browser = Browser::of(&server);
    browser.open(&format!("/setup#{code}"));
    fill(&browser, "an\u{200b}a");
    browser.type_into("#setup [name=name]", "\u{200b}");
    browser.press("Open the shop");
    browser.wait_for_text("#setup .wrong", "User name, Name of the shop");
    let focus =
        "return [document.activeElement.name, document.activeElement.getAttribute('aria-invalid')]";
    assert_eq!(browser.run(focus, &[]), json!(["username", "true"]));
    browser.run("document.querySelector('[name=username]').value = 'ana'", &[]);
    browser.run("document.querySelector('#setup [name=name]').value = 'Corner'", &[]);
    browser.run("document.querySelector('#setup [value=included]').click()", &[]);
    browser.press("Open the shop");
    browser.wait_for_text("#setup .wrong", "--tax");
    browser.run("document.querySelector('#setup [value=added]').click()", &[]);
    browser.press("Open the shop");
    browser.wait_for_text("#progress", "Step 1 of 3");
}

/// The texts of some languages are longer.
#[test]
fn each_step_is_for_everybody_in_each_language() {
    let (server, code) = Server::first_start(&[]);
    for language in ["de", "es"] {
        let browser = Browser::with(&server, PHONE, &[&format!("--accept-lang={language}")]);
        browser.open(&format!("/setup#{code}"));
        browser.wait_for("#setup");
        let untold = "return [...document.querySelectorAll('[data-text]')]
                          .filter((one) => !one.textContent || one.textContent === one.dataset.text).length";
        assert_eq!(browser.run(untold, &[]), 0, "{language}");
        for part in ["setup", "ended", "product", "device", "order"] {
            let show = "for (const one of document.querySelectorAll('#setup, #ended, #steps, #steps > :not(button)'))
                            one.hidden = one.id !== arguments[0] && !one.querySelector('#' + arguments[0]);
                        document.querySelector('#next').textContent = '-';";
            browser.run(show, &[json!(part)]);
            browser.inspect(&format!("setup-{part}-{language}"));
        }
    }
}
