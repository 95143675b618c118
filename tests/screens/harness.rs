//! Guards the other tests here: a browser that would let a fault pass.

use super::browser::Browser;
use super::common::Server;
use serde_json::json;

/// On `localhost` a browser gives a page what it withholds in a shop.
#[test]
fn a_page_is_opened_as_in_a_shop() {
    let server = Server::start();
    let browser = Browser::of(&server);
    browser.open("/");
    let told = browser.run("return [isSecureContext, !!navigator.locks, !!crypto.randomUUID]", &[]);
    assert_eq!(told, json!([false, false, false]));
}

#[test]
fn a_violation_of_the_policy_is_noticed() {
    let server = Server::start();
    let browser = Browser::of(&server);
    browser.open("/");
    assert_eq!(browser.complaints(), [""; 0]);
    browser.run("document.body.setAttribute('style', 'color: red')", &[]);
    assert!(browser.complaints().concat().contains("style-src"));
    browser.run("setTimeout(() => { throw new Error('of a page'); })", &[]);
    browser.wait_until("true");
    assert!(browser.complaints().concat().contains("of a page"));
}

#[test]
fn a_fault_of_access_is_noticed() {
    let server = Server::start();
    let browser = Browser::of(&server);
    browser.open("/");
    browser.run("document.body.append(document.createElement('button'))", &[]);
    assert!(browser.barriers().concat().contains("button-name"));
}

#[test]
fn a_killed_browser_comes_back_with_its_profile() {
    let server = Server::start();
    let mut browser = Browser::of(&server);
    browser.open("/");
    // The transaction is on the disk once it is complete.
    browser.run(
        "return new Promise((resolve) => {
            const opened = indexedDB.open('kept');
            opened.onupgradeneeded = () => opened.result.createObjectStore('things');
            opened.onsuccess = () => {
                const kept = opened.result.transaction('things', 'readwrite', { durability: 'strict' });
                kept.objectStore('things').put('a thing', 1);
                kept.oncomplete = resolve;
            };
        })",
        &[],
    );
    browser.kill();
    let browser = browser.again();
    browser.open("/");
    let kept = browser.run(
        "return new Promise((resolve) => {
            indexedDB.open('kept').onsuccess = ({ target }) => {
                const asked = target.result.transaction('things').objectStore('things').get(1);
                asked.onsuccess = () => resolve(asked.result);
            };
        })",
        &[],
    );
    assert_eq!(kept, "a thing");
}
