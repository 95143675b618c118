//! Guards the page of the shop's admins: the server's load, and all that needs no shell on the board.

use super::browser::Browser;
use super::common::{Client, Server, free_address};
use super::shop::{self, ESPRESSO, SANDWICH};
use serde_json::{Value, json};

/// A shop, its page for admins, and the admin.
fn open(part: &str) -> (Server, Browser, Client) {
    // It keeps its address when it starts again.
    let server = Server::with_users(&["staff"], &["--listen", &free_address().to_string()]);
    let admin = server.admin();
    shop::add_goods(&admin);
    let browser = Browser::of(&server);
    browser.log_in(&server.login("admin"));
    browser.open(&format!("/admin#{part}"));
    browser.wait_for_text("shop-status", "Live");
    (server, browser, admin)
}

fn first(admin: &Client, path: &str) -> Value {
    admin.get(path).expect(200).json()["data"][0].clone()
}

/// Opens the row with this text, to change it.
fn open_row(browser: &Browser, part: &str, text: &str) {
    browser.wait_for_text(&format!("#{part} .rows"), text);
    let script = "for (const row of document.querySelectorAll(`#${arguments[0]} details`)) {
        if (row.textContent.includes(arguments[1])) row.open = true;
    }";
    browser.run(script, &[json!(part), json!(text)]);
}

/// Waits until a part says that it has nothing to show.
#[track_caller]
fn is_empty(browser: &Browser, part: &str) {
    browser.wait_until(&format!("document.querySelector('#{part} .none').offsetParent"));
    assert_eq!(browser.texts(&format!("#{part} li")), [""; 0]);
}

fn set(browser: &Browser, selector: &str, value: &str) {
    let script = "document.querySelector(arguments[0]).value = arguments[1];";
    browser.run(script, &[json!(selector), json!(value)]);
}

#[test]
fn the_load_is_drawn_and_told() {
    let (_server, browser, admin) = open("load");
    shop::order(&admin, &[(ESPRESSO, 1)]);
    browser.wait_for_text("#state", "All is well.");
    browser.wait_until("document.querySelectorAll('figure svg').length === 7");
    // The next sample has the order.
    browser.wait_until("document.querySelector('.line').getAttribute('points').includes(' ')");
    let told =
        "[...document.querySelectorAll('figure svg')].map((svg) => svg.getAttribute('aria-label'))";
    let told = browser.run(&format!("return {told}"), &[]);
    let memory = told.as_array().unwrap().iter().find_map(|label| {
        label.as_str().filter(|label| label.starts_with("Memory: ")).map(ToOwned::to_owned)
    });
    assert!(memory.as_ref().is_some_and(|label| label.contains("MiB of ")), "{told}");
    let first = "document.querySelector('figure')";
    browser.run(&format!("window.first = {first}"), &[]);
    browser
        .wait_until("document.querySelector('.line').getAttribute('points').split(' ').length > 2");
    assert_eq!(browser.run(&format!("return {first} === window.first"), &[]), true);
}

#[test]
fn users_are_added_changed_and_removed() {
    let (server, browser, admin) = open("users");
    browser.click("#add summary");
    browser.type_into("#add [name=username]", "kim");
    browser.type_into("#add [name=password]", "a password 1");
    set(&browser, "#add select", "kitchen");
    browser.click("#add button");
    open_row(&browser, "users", "kim");
    let kim = first(&admin, "/api/users");
    assert_eq!((&kim["username"], &kim["role"]), (&json!("kim"), &json!("kitchen")));
    set(&browser, "#users .rows details[open] select", "picker");
    browser.type_into("#users .rows details[open] [name=password]", "a password 2");
    browser.click("#users .rows details[open] .main");
    browser.wait_until("!document.querySelector('#users .rows details[open]')");
    browser.wait_for_text("#users .rows li", "Picker");
    server.anonymous().try_login("kim", "a password 2").expect(200);
    open_row(&browser, "users", "kim");
    browser.click("#users .rows details[open] .danger");
    assert_eq!(first(&admin, "/api/users")["username"], "kim");
    browser.click("#users .rows details[open] .danger");
    browser.wait_until("!document.querySelector('#users .rows').textContent.includes('kim')");
    server.anonymous().try_login("kim", "a password 2").problem(401);
    // The last admin stays, and the page says why.
    open_row(&browser, "users", "admin");
    browser.click("#users .rows details[open] .danger");
    browser.click("#users .rows details[open] .danger");
    browser.wait_for_text("shop-toast", "admin");
    assert!(admin.get("/api/users/1").expect(200).text().contains("admin"));
}

#[test]
fn a_device_is_paired_by_its_code_and_renamed() {
    let (server, browser, admin) = open("devices");
    let screen = Browser::of(&server);
    screen.open("/pair");
    screen.wait_until("document.querySelector('#code').textContent.length === 9");
    screen.wait_until("document.querySelector('#qr').naturalWidth > 0");
    let code = screen.texts("#code")[0].clone();
    is_empty(&browser, "devices");
    browser.type_into("#code input", &code.to_lowercase());
    browser.click("#code button");
    browser.wait_for_text("#asking", "127.0.0.1");
    browser.type_into("[name=name]", "Entrance");
    set(&browser, "[name=role]", "display");
    browser.click("#admin button");
    browser.wait_for_text("shop-toast", "Entrance is paired");
    browser.open("/admin#devices");
    open_row(&browser, "devices", "Entrance");
    set(&browser, "#devices details[open] [name=name]", "Window");
    browser.click("#devices details[open] .main");
    browser.wait_for_text("#devices .rows", "Window");
    assert_eq!(first(&admin, "/api/devices")["name"], "Window");
    open_row(&browser, "devices", "Window");
    browser.click("#devices details[open] .danger");
    browser.click("#devices details[open] .danger");
    is_empty(&browser, "devices");
}

#[test]
fn the_trail_is_read_page_by_page() {
    let (_server, browser, admin) = open("load");
    for _ in 0..60 {
        shop::order(&admin, &[(ESPRESSO, 1)]);
    }
    browser.open("/admin#audit");
    browser.wait_until("document.querySelectorAll('#audit li').length === 50");
    browser.wait_for_text("#audit li", "admin created Order 60");
    browser.click("#audit .more");
    browser.wait_until("document.querySelector('#audit .rows').textContent.includes('Order 1 ')");
    set(&browser, "#entity", "product");
    browser.run("document.querySelector('#entity').dispatchEvent(new Event('change'))", &[]);
    browser.wait_until("!document.querySelector('#audit .rows').textContent.includes('Order')");
    browser.wait_for_text("#audit li", "created Product");
}

/// Reads the shown part again, and waits for the answer.
fn refresh(browser: &Browser) {
    let script = "const count = () => performance.getEntriesByType('resource').length;
        const before = count();
        document.dispatchEvent(new Event('visibilitychange'));
        return new Promise((resolve) => {
            const look = () => (count() > before ? setTimeout(resolve, 100) : setTimeout(look, 10));
            look();
        });";
    browser.run(script, &[]);
}

/// A page that is open for a month has no more rows than somebody asked for, and holds still while somebody reads.
#[test]
fn the_trail_stays_short_and_holds_still() {
    let (_server, browser, admin) = open("load");
    for _ in 0..55 {
        shop::order(&admin, &[(ESPRESSO, 1)]);
    }
    browser.open("/admin#audit");
    browser.wait_until("document.querySelectorAll('#audit li').length === 50");
    browser.wait_for_text("#audit li", "Order 55");
    for _ in 0..5 {
        shop::order(&admin, &[(ESPRESSO, 1)]);
    }
    refresh(&browser);
    browser.wait_for_text("#audit li", "Order 60");
    assert_eq!(browser.texts("#audit li").len(), 50);
    browser.click("#audit .more");
    browser.wait_until("document.querySelector('#audit .rows').textContent.includes('Order 1 ')");
    browser.run("document.querySelector('#audit li:nth-child(30)').scrollIntoView()", &[]);
    shop::order(&admin, &[(ESPRESSO, 1)]);
    refresh(&browser);
    assert!(browser.texts("#audit li")[0].contains("Order 60"));
    browser.run("scrollTo(0, 0)", &[]);
    refresh(&browser);
    browser.wait_for_text("#audit li", "Order 61");
}

#[test]
fn a_user_is_found_among_many() {
    let (_server, browser, admin) = open("load");
    for number in 1..=9 {
        let user = json!({"username": format!("kim{number}"), "password": "a password 1", "role": "kitchen"});
        admin.post("/api/users", &user).expect(201);
    }
    browser.open("/admin#users");
    browser.wait_for_text("#users .rows", "kim9");
    browser.type_into("#users .find input", "kit 7");
    assert_eq!(browser.texts("#users .rows li"), ["kim7 Kitchen"]);
    refresh(&browser);
    assert_eq!(browser.texts("#users .rows li"), ["kim7 Kitchen"]);
}

/// A slow network answers two questions at once.
#[test]
fn a_chart_keeps_what_it_has() {
    let (_server, browser, _admin) = open("load");
    let script = "const points = () => document.querySelector('.line').getAttribute('points').split(' ').length;
        return new Promise((resolve) => {
            let [most, told] = [0, ''];
            const look = () => {
                const now = points();
                told = told || (now < most ? `${most} became ${now}` : '');
                most = Math.max(most, now);
                if (told || most > 2) return resolve(told);
                for (let times = 0; times < 4; times += 1) document.dispatchEvent(new Event('visibilitychange'));
                setTimeout(look, 50);
            };
            look();
        });";
    browser.wait_until("document.querySelector('.line')");
    assert_eq!(browser.run(script, &[]), "");
}

#[test]
fn a_backup_is_made_now() {
    let (_server, browser, admin) = open("backups");
    is_empty(&browser, "backups");
    browser.press("Back up now");
    browser.wait_for_text("shop-toast", "is complete");
    browser.wait_for_text("#backups li", ".db");
    let list = admin.get("/api/backups").expect(200).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    let folder = list["folder"].as_str().unwrap().to_owned();
    browser.wait_for_text("#folder", &folder);
    // An error of the server is seen without a shell.
    browser.click("[href='#errors']");
    is_empty(&browser, "errors");
}

#[test]
fn an_order_that_lacks_goods_is_listed_until_it_ends() {
    let (_server, browser, admin) = open("oversold");
    is_empty(&browser, "oversold");
    admin.patch(&format!("/api/products/{SANDWICH}"), &json!({"stock": 1})).expect(200);
    let sale = json!({
        "client_id": "offline-1", "sold_at": "2026-01-25T10:30:00Z",
        "items": [{"product_id": SANDWICH, "quantity": 3}],
    });
    let sold = admin.post("/api/sales", &sale).expect(201).json();
    browser.wait_for_text("#oversold li", "2 × ");
    let order = format!("/api/orders/{}", sold["order"]["id"]);
    admin.patch(&order, &json!({"status": "cancelled"})).expect(200);
    is_empty(&browser, "oversold");
}

#[test]
fn it_is_for_admins_and_keeps_trying() {
    let (mut server, browser, _admin) = open("load");
    browser.wait_for_text("#state", "All is well.");
    server.stop();
    browser.wait_for_text("#away", "cannot be reached");
    let server = server.again();
    browser.wait_until("document.querySelector('#away').hidden");
    browser.log_in(&server.login("staff"));
    browser.open("/admin");
    browser.wait_for_text("#away", "for admins");
    assert_eq!(browser.run("return document.querySelector('main').hidden", &[]), true);
}
