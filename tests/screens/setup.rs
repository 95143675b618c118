//! Guards the first minute of a shop: from the printed link to the till, with every step that can be left out.

use super::browser::{Browser, PHONE};
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
    browser.run("document.querySelector('[name=tax_rate]').value = '20'", &[]);
    browser.press("Add");

    // The way to the pairing and back.
    browser.wait_for_text("#progress", "Step 2 of 3");
    browser.wait_for_text("#address", "/pair");
    browser.click("#device a");
    browser.wait_until("document.querySelector('#typed')?.offsetParent");
    browser.open("/setup");
    browser.wait_for_text("#progress", "Step 2 of 3");
    browser.press("Continue without");
    browser.wait_for_text("#order", "Till");
    browser.press("Finish");
    browser.wait_until("document.querySelector('#pages')?.offsetParent");
    assert_eq!(browser.complaints(), [""; 0]);

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
    browser.press("Open the shop");
    browser.wait_for_text("#setup .wrong", "User name");
    let focus =
        "return [document.activeElement.name, document.activeElement.getAttribute('aria-invalid')]";
    assert_eq!(browser.run(focus, &[]), json!(["username", "true"]));
    browser.run("document.querySelector('[name=username]').value = 'ana'", &[]);
    browser.run("document.querySelector('#setup [value=included]').click()", &[]);
    browser.press("Open the shop");
    browser.wait_for_text("#setup .wrong", "--tax");
    browser.run("document.querySelector('#setup [value=added]').click()", &[]);
    browser.press("Open the shop");
    browser.wait_for_text("#progress", "Step 1 of 3");
}

#[test]
fn each_step_is_for_everybody_in_each_language() {
    let (server, code) = Server::first_start(&[]);
    for language in ["en", "de", "es"] {
        let browser = Browser::with(&server, PHONE, &[&format!("--accept-lang={language}")]);
        browser.open(&format!("/setup#{code}"));
        browser.wait_until("document.querySelector('#setup').offsetParent");
        let mut barriers = Vec::new();
        for part in ["setup", "ended", "product", "device", "order"] {
            let show = "for (const one of document.querySelectorAll('#setup, #ended, #steps, #steps > :not(button)'))
                            one.hidden = one.id !== arguments[0] && !one.querySelector('#' + arguments[0]);
                        document.querySelector('#next').textContent = '-';";
            browser.run(show, &[json!(part)]);
            for (is_dark, suffix) in [(false, ""), (true, "-dark")] {
                browser.set_dark(is_dark);
                browser.picture(&format!("setup-{part}-{language}{suffix}"));
                barriers.extend(browser.barriers());
            }
        }
        assert_eq!(barriers, [""; 0]);
        let empty = "return [...document.querySelectorAll('[data-text]')]
                         .filter((one) => !one.textContent || one.textContent === one.dataset.text).length";
        assert_eq!(browser.run(empty, &[]), 0, "{language}");
    }
}
