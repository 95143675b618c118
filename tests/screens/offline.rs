//! Guards the pages without the server, and with a newer one: a till that shows an error in place of its page sells
//! nothing.

use super::browser::{Browser, SECURE_NAME};
use super::common::{Client, Keys, PATIENCE, Server};
use super::kills::{KEPT, SELL};
use super::shop;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// It has the length of the real one, so that nothing moves.
const NEXT_VERSION: &str = "9.9.9";

/// Over plain HTTP the browser's cache keeps the page, with all that belongs to it.
#[test]
fn a_page_opens_in_a_new_browser_without_the_server() {
    let mut server = Server::with_users(&["staff"], &[]);
    let mut browser = Browser::of(&server);
    browser.log_in(&server.login("staff"));
    browser.open("/sell");
    browser.wait_for_text("shop-status", "Live");
    server.kill();
    browser.kill();
    let browser = browser.again();
    browser.open("/sell");
    browser.wait_for_text("shop-status", "Offline");
    browser.wait_for_text("h1", "Till");
}

#[test]
fn the_worker_opens_each_page_without_the_server_also_when_asked_again() {
    let keys = Keys::make_for(&["--name", SECURE_NAME]);
    let mut server = keys.server(&[]);
    let mut browser = Browser::trusting(&keys.file("ca.pem"), &server);
    browser.open("/");
    browser.run("return navigator.serviceWorker.ready.then(() => isSecureContext)", &[]);
    browser.wait_until("navigator.serviceWorker.controller");
    server.kill();
    browser.kill();
    let browser = browser.again();
    for page in ["/", "/board", "/kiosk", "/numbers", "/pair", "/pick", "/sell"] {
        browser.open(page);
        browser.wait_until("document.querySelector('shop-status').textContent");
    }
    browser.run("location.reload()", &[]);
    browser.wait_for_text("shop-status", "Offline");
    let asked = "return fetch('/api/orders').then(() => 'answered', () => 'not kept')";
    assert_eq!(browser.run(asked, &[]), "not kept");
}

/// It sells in a new browser process, with the server down, and sends when that is back.
#[test]
fn a_till_sells_without_the_server() {
    let mut server = shop_with_cashier();
    let (mut browser, cashier) = till(&server);
    sell(&browser, 1);
    has_sold(&server, 1);
    server.kill();
    sell(&browser, 2);
    browser.kill();
    let mut browser = browser.again();
    browser.open("/sell");
    browser.wait_for_text("shop-status", "1 waiting");
    sell(&browser, 3);
    browser.wait_for_text("shop-status", "2 waiting");
    browser.kill();
    let server = up_again(server);
    let browser = browser.again();
    browser.log_in(&cashier);
    browser.open("/sell");
    has_sold(&server, 3);
    browser.wait_until("!document.querySelector('shop-status').textContent.includes('waiting')");
}

/// As in the tools for developers: requests fail, and an open socket is left as it is, so that nothing closes.
#[test]
fn a_till_sells_without_the_network() {
    let server = shop_with_cashier();
    let (browser, _) = till(&server);
    browser.set_offline(true);
    sell(&browser, 1);
    browser.wait_for_text("shop-status", "1 waiting");
    browser.set_offline(false);
    has_sold(&server, 1);
}

#[test]
fn two_tabs_send_each_sale_once() {
    let mut server = shop_with_cashier();
    let (browser, _) = till(&server);
    server.kill();
    for number in 1..=5 {
        sell(&browser, number);
    }
    browser.run("window.other = window.open('/sell')", &[]);
    let waiting = "querySelector('shop-status').textContent.includes('5 waiting')";
    browser.wait_until(&format!("other.document.{waiting} && document.{waiting}"));
    let server = up_again(server);
    has_sold(&server, 5);
    let none = "!document.querySelector('shop-status').textContent.includes('waiting')";
    browser.wait_until(none);
    browser.wait_until(&none.replace("document", "other.document"));
    let sent = "const of = (tab) => tab.performance.getEntriesByType('resource')
         .filter(({ name, responseStatus }) => name.endsWith('/api/sales') && responseStatus > 0).length;
         return of(window) + of(other)";
    assert_eq!(browser.run(sent, &[]), 5);
}

#[test]
fn a_till_that_was_signed_out_keeps_its_sales_and_asks_for_a_login() {
    let mut server = shop_with_cashier();
    let (browser, _) = till(&server);
    server.kill();
    sell(&browser, 1);
    // Another password ends the session.
    let changed = server.cli(&["user", "passwd", "staff"], "another secret word\n");
    assert!(changed.status.success(), "{changed:?}");
    let server = up_again(server);
    browser.run("dispatchEvent(new Event('online'))", &[]);
    browser.wait_for_text("shop-status", "Signed out · 1 waiting Log in");
    sell(&browser, 2);
    browser.press("Next customer");
    browser.click("shop-status a");
    browser.type_into("[name=username]", "staff");
    browser.type_into("[name=password]", "another secret word");
    browser.press("Log in");
    browser.wait_until("location.pathname === '/sell'");
    has_sold(&server, 2);
}

fn shop_with_cashier() -> Server {
    let server = Server::with_users(&["staff"], &[]);
    shop::add_goods(&server.admin());
    server
}

/// A till that has been there for a while: it keeps the page and the goods.
fn till(server: &Server) -> (Browser, Client) {
    let (browser, cashier) = (Browser::of(server), server.login("staff"));
    browser.log_in(&cashier);
    browser.open("/sell");
    browser.wait_for_text("#products", "Espresso");
    browser.wait_until("localStorage['tillcast stored /sell']");
    assert_eq!(browser.run(KEPT, &[]), true);
    (browser, cashier)
}

#[track_caller]
fn sell(browser: &Browser, number: u64) {
    let sold = browser.run(SELL, &[json!(number)]);
    assert_eq!(sold, "sold");
}

/// Waits until the server has these sales, in their order.
#[track_caller]
fn has_sold(server: &Server, count: u64) {
    let (admin, begun) = (server.admin(), Instant::now());
    loop {
        let orders = admin.get("/api/orders?order=asc").expect(200).json();
        let orders = orders["data"].as_array().unwrap().iter();
        let sold: Vec<u64> =
            orders.map(|one| one["items"][0]["quantity"].as_u64().unwrap()).collect();
        if sold == (1..=count).collect::<Vec<_>>() {
            return;
        }
        assert!(begun.elapsed() < 2 * PATIENCE, "{sold:?}");
    }
}

fn up_again(server: Server) -> Server {
    let address = server.address().to_string();
    server.again_with(&["--listen", &address])
}

/// The page was stored when the server had another version. It is replaced, and stored with its parts.
#[test]
fn a_page_follows_the_version_of_the_server() {
    let server = Server::with_users(&["staff"], &[]);
    let proxy = Proxy::before(server.address());
    let mut browser = Browser::behind(proxy.address);
    browser.log_in(&server.login("staff"));
    browser.open("/sell");
    browser.wait_for_text("shop-status", "Live");
    browser.wait_until("localStorage['tillcast stored /sell']");
    let version = "return document.documentElement.dataset.version";
    assert_eq!(browser.run(version, &[]), VERSION);
    // A till in the middle of a sale is left alone.
    browser.run("document.querySelector('dialog').showModal(); window.isOld = true;", &[]);
    proxy.update();
    browser.run("dispatchEvent(new Event('online'))", &[]);
    browser.wait_for_text("shop-status", "Live");
    let looks = "return new Promise((resolve) => setTimeout(() => resolve(window.isOld), 5000))";
    assert_eq!(browser.run(looks, &[]), true, "the page was replaced");
    browser.run("document.querySelector('dialog').close()", &[]);
    browser.wait_until(&format!("document.documentElement.dataset.version === '{NEXT_VERSION}'"));
    // What is stored now is the new page, also in a new browser, and without the server.
    proxy.close();
    browser.kill();
    let browser = browser.again();
    browser.open("/sell");
    browser.wait_for_text("shop-status", "Offline");
    assert_eq!(browser.run(version, &[]), NEXT_VERSION);
}

/// A server that names a version but has a page of another must not make the page load itself for ever.
#[test]
fn a_page_of_another_version_than_the_servers_is_asked_for_once() {
    let server = Server::with_users(&["staff"], &[]);
    let proxy = Proxy::before(server.address());
    let browser = Browser::behind(proxy.address);
    browser.log_in(&server.login("staff"));
    proxy.update_without_pages();
    browser.open("/sell");
    browser.wait_for_text("shop-status", "Live");
    browser.wait_until("localStorage['tillcast stored /sell']");
    browser.run("window.isSame = true", &[]);
    let looks = "return new Promise((resolve) => setTimeout(() => resolve(window.isSame), 5000))";
    assert_eq!(browser.run(looks, &[]), true);
    let asked = json!([
        "return performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/sell')).length"
    ]);
    assert_eq!(browser.run(asked[0].as_str().unwrap(), &[]), 2, "one read and one to store it");
}

/// A server whose next version has come, once `update` was called.
struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    has_new_headers: AtomicBool,
    has_new_pages: AtomicBool,
    is_closed: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let proxy = Self { address, state: Arc::clone(&state) };
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if state.is_closed.load(Ordering::SeqCst) {
                    return;
                }
                let server = TcpStream::connect(server).unwrap();
                state.connections.lock().unwrap().push(client.try_clone().unwrap());
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                // The pages come as text then.
                thread::spawn(move || {
                    pass(from, to, |bytes| replace(bytes, "Accept-Encoding", "X-ccept-encodin"));
                });
                let state = Arc::clone(&state);
                thread::spawn(move || pass(server, client, |bytes| state.rewrite(bytes)));
            }
        });
        proxy
    }

    fn update(&self) {
        self.state.has_new_pages.store(true, Ordering::SeqCst);
        self.update_without_pages();
    }

    /// All answers name the next version, but the pages are of this one.
    fn update_without_pages(&self) {
        self.state.has_new_headers.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Ends all connections, as a server does that stops.
    fn cut(&self) {
        for connection in self.state.connections.lock().unwrap().drain(..) {
            // It may have ended already.
            drop(connection.shutdown(Shutdown::Both));
        }
    }

    /// Takes no more connections.
    fn close(&self) {
        self.state.is_closed.store(true, Ordering::SeqCst);
        TcpStream::connect(self.address).unwrap();
        self.cut();
    }
}

impl State {
    fn rewrite(&self, bytes: &mut [u8]) {
        let header = |version| format!("tillcast-version: {version}");
        let page = |version| format!("data-version=\"{version}\"");
        if self.has_new_headers.load(Ordering::SeqCst) {
            replace(bytes, &header(VERSION), &header(NEXT_VERSION));
        }
        if self.has_new_pages.load(Ordering::SeqCst) {
            replace(bytes, &page(VERSION), &page(NEXT_VERSION));
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, change: impl Fn(&mut [u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        change(&mut buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // The other side may have ended already.
    drop(to.shutdown(Shutdown::Both));
}

/// Replaces each such text by one of the same length.
fn replace(bytes: &mut [u8], old: &str, new: &str) {
    assert_eq!(old.len(), new.len());
    for at in 0..(bytes.len() + 1).saturating_sub(old.len()) {
        if bytes[at..].starts_with(old.as_bytes()) {
            bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
        }
    }
}
