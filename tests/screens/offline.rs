//! Guards the pages without the server, and with a newer one: a till that shows an error in place of its page sells
//! nothing.

use super::browser::{Browser, SECURE_NAME};
use super::common::{Keys, Server};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

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
