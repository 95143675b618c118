//! Guards the public protocol: the example client of its document (`example_client.js`, unchanged) runs in a
//! real browser against the real server.

use super::browser::Browser;
use crate::common::{Server, order, product};
use serde_json::json;

/// From `const ws = new WebSocket(` to the end of `onclose`, as the document has it.
const EXAMPLE: &str = include_str!("example_client.js");

/// Records the example's output and calls. The example does not show that it is subscribed, so the frames
/// that its socket receives are recorded, too.
const RECORDER: &str = r"
    window.logged = [];
    window.invalidated = [];
    window.received = [];
    console.log = (...words) => window.logged.push(words);
    console.error = (...words) => window.logged.push(['error', ...words.map(String)]);
    window.invalidateQueries = (key) => window.invalidated.push(key);
    const Original = window.WebSocket;
    window.WebSocket = class extends Original {
        constructor(url) {
            super(url);
            this.addEventListener('message', (event) => window.received.push(event.data));
        }
    };
";

/// Logs in as the page would, and returns the reply.
const LOGIN: &str = r"
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify(arguments[0]);
    return fetch('/api/auth/login', { method: 'POST', headers, body })
        .then(async (answer) => [answer.status, await answer.text()]);
";

#[test]
fn the_example_client_of_the_public_document_runs_unchanged() {
    let mut server = Server::start();
    let admin = server.admin();
    let product = product(&admin, 29.99, 10);
    let browser = Browser::at_the_documents_address(server.address().port());
    // The document says port 3000, which the browser maps to the free port. The policy of the server's own
    // page applies to a line typed into its console, too.
    browser.open("/");
    let credentials = json!({"username": "admin", "password": server.admin_password()});
    let login = browser.run(LOGIN, &[credentials]);
    assert_eq!(login[0], 200, "{login}");

    browser.run(RECORDER, &[]);
    browser.run(EXAMPLE, &[]);
    browser.wait_until("window.received.some((text) => text.includes('\"subscribed\"'))");
    let order = order(&admin, product, 3);
    browser.wait_until("window.invalidated.length > 0");

    let logged = browser.run("return window.logged", &[]);
    let expected = json!({
        "id": order["id"], "order_number": order["order_number"], "status": "pending",
        "payment_status": "pending", "total": 89.97, "customer_id": null, "currency": "USD",
    });
    assert_eq!(logged, json!([["Connected"], ["Event:", "order:created", expected]]));
    let invalidated = browser.run("return window.invalidated", &[]);
    assert_eq!(invalidated, json!([["orders"]]));

    assert_eq!(server.stop(), Some(0));
    browser.wait_until("window.logged.at(-1)[0].startsWith('Disconnected')");
}
