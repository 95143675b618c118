//! Guards the reference: an operation that cannot be found, read or tried, an example that the server refuses, an
//! address of a problem that explains nothing.

use super::browser::{Browser, MONITOR, PHONE, TABLET};
use super::common::{Server, order, product};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Opens the page and waits until it is drawn.
fn open(browser: &Browser, path: &str) {
    browser.open(path);
    browser.wait_until("document.querySelector('nav a')");
}

#[test]
fn a_developer_finds_reads_and_tries_an_operation() {
    let server = Server::with_users(&["staff"], &[]);
    product(&server.admin(), 2.5, 10);
    let browser = Browser::of(&server);
    browser.log_in(&server.login("staff"));
    open(&browser, "/docs");
    // Anywhere on the page, this key leads to the search.
    browser.key("/");
    browser.type_into("#search:focus", "list products");
    browser.wait_for_text("#found", "1 found");
    assert_eq!(browser.texts("main h2"), ["products"]);
    browser.click("#listProducts summary");
    browser.wait_for_text("#listProducts", "limit integer · 1 – 200 · default 50");
    browser.type_into("#listProducts [name=limit]", "1");
    browser.click("#listProducts .try button");
    browser.wait_for_text("#listProducts [role=status]", "200");
    browser.wait_for_text("#listProducts .try", "GET /api/products?limit=1");
    browser.wait_for_text("#listProducts .try", "tillcast-seq: 1");
    browser.wait_for_text("#listProducts .try", "\"price\": 2.5");

    browser.type_into("#listProducts [name=limit]", "000");
    browser.click("#listProducts .try button");
    browser.wait_for_text("#listProducts [role=status]", "422");
    browser.click("#listProducts [role=status] a");
    browser
        .wait_for_text("#invalid[open]", "Fields of the body or parameters of the query are wrong");
    browser.wait_for_text("#invalid", "listProducts");
    assert_eq!(browser.path(), "/docs#invalid");
}

#[test]
fn a_role_without_the_right_is_told_so() {
    let server = Server::with_users(&["kitchen"], &[]);
    let browser = Browser::of(&server);
    browser.log_in(&server.login("kitchen"));
    open(&browser, "/docs#listUsers");
    browser.wait_for_text("#listUsers", "Allowed roles: admin.");
    browser.click("#listUsers .try button");
    browser.wait_for_text("#listUsers [role=status]", "403");
    browser.wait_for_text("#listUsers [role=status]", "role_not_allowed");
}

#[test]
fn the_type_of_a_problem_is_the_address_of_its_explanation() {
    let server = Server::start();
    let problem = server.anonymous().get("/api/orders").problem(401);
    let browser = Browser::of(&server);
    browser.open(problem["type"].as_str().unwrap());
    browser.wait_for_text("#not_logged_in[open] summary:focus", "has no valid session or token");
    let is_in_sight = "document.activeElement.getBoundingClientRect().top < innerHeight";
    browser.wait_until(is_in_sight);
    browser.click("#not_logged_in p a");
    browser.wait_until("document.querySelector('details[open] summary:focus b')");
    open(&browser, "/docs/problems");
    browser.wait_until(
        "document.querySelector('#problems').getBoundingClientRect().top < innerHeight",
    );
}

#[test]
fn everything_in_the_documents_has_one_place_and_each_link_leads_to_one() {
    let server = Server::start();
    let browser = Browser::of(&server);
    open(&browser, "/docs");
    browser.press("Open all");
    browser.wait_until(
        "document.querySelectorAll('details[data-words]:not(:has(> :nth-child(2)))').length === 0",
    );
    let strings =
        |script: &str| -> Vec<String> { serde_json::from_value(browser.run(script, &[])).unwrap() };
    let places = strings("return [...document.querySelectorAll('[id]')].map((one) => one.id)");
    let known: BTreeSet<&String> = places.iter().collect();
    assert_eq!(known.len(), places.len(), "{places:?}");
    let links = strings(
        "return [...document.querySelectorAll('main a, nav a')].map((one) => one.getAttribute('href'))",
    );
    for link in links.iter().filter_map(|link| link.strip_prefix('#')) {
        assert!(known.contains(&link.to_owned()), "{link}");
    }
    let document = |path| server.anonymous().get(path).expect(200).json();
    let (open, live) = (document("/openapi.json"), document("/asyncapi.json"));
    let methods = open["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values());
    let mut names: Vec<&str> =
        methods.filter_map(|operation| operation["operationId"].as_str()).collect();
    let keys = |of: &'static str, value: &Value| -> Vec<String> {
        value["components"][of].as_object().unwrap().keys().cloned().collect()
    };
    let (messages, schemas) = (keys("messages", &live), keys("schemas", &open));
    let codes = &open["components"]["schemas"]["ProblemCode"]["enum"];
    names.extend(messages.iter().chain(&schemas).map(String::as_str));
    names.extend(codes.as_array().unwrap().iter().map(|code| code.as_str().unwrap()));
    assert!(names.len() > 200, "{names:?}");
    for name in names {
        assert!(known.contains(&name.to_owned()), "{name}");
    }
    let shown = browser.run("return document.querySelector('main').textContent", &[]);
    assert!(
        !["undefined", "docs_", "NaN"].iter().any(|word| shown.as_str().unwrap().contains(word))
    );
}

/// Each example of a body has what the server needs.
#[test]
fn the_server_takes_each_example() {
    let server = Server::start();
    let admin = server.admin();
    let sold = product(&admin, 2.5, 100);
    order(&admin, sold, 10);
    let browser = Browser::of(&server);
    open(&browser, "/docs");
    browser.press("Open all");
    let commands = "[...document.querySelectorAll('pre')].map((one) => one.textContent).filter((one) => \
                    one.startsWith('curl ') && one.includes(' -d '))";
    browser.wait_until(&format!("{commands}.length >= 20"));
    let commands = browser.run(&format!("return {commands}"), &[]);
    let mut taken = 0;
    for command in commands.as_array().unwrap() {
        let command = command.as_str().unwrap();
        let after =
            |mark: &str| command.split_once(mark).unwrap().1.split([' ', '\'']).next().unwrap();
        let path = &after(" http://")[after(" http://").find('/').unwrap()..];
        let body = command.split_once(" -d '").unwrap().1.trim_end_matches('\'');
        let media = command.split_once("Content-Type: ").unwrap().1.split('\'').next().unwrap();
        let headers = [("content-type", media)];
        // A password that ends the session, or a login that is no user's.
        if path.starts_with("/api/auth/") || path.starts_with("/api/users/1") {
            continue;
        }
        let answer = admin.request(after(" -X "), path, &headers, Some(body.as_bytes()));
        // What the example names is not there, is in another state, or has ended.
        let is_taken = answer.status < 300 || [404, 409, 410].contains(&answer.status);
        assert!(is_taken, "{command}: {}", answer.text());
        taken += usize::from(answer.status < 300);
    }
    assert!(taken >= 10, "{taken} of {commands}");
}

#[test]
fn each_kind_of_part_can_be_read_on_each_screen() {
    let server = Server::start();
    let browser = Browser::on(&server, PHONE);
    open(&browser, "/docs");
    for name in ["listOrders", "createOrder", "SubscribeMessage", "Order", "not_found"] {
        browser.run("location.hash = arguments[0]", &[json!(name)]);
        browser.wait_for(&format!("#{name}[open] > :nth-child(2)"));
    }
    for screen in [TABLET, MONITOR, PHONE] {
        browser.show_on(screen);
        browser.wait_until("document.documentElement.scrollWidth <= innerWidth");
    }
    assert_eq!(browser.barriers(), [""; 0]);
}
