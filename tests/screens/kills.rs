//! Guards a till that loses power in the middle of sales, over and over, and a server that does: each sale that the till
//! confirmed is there once, and in its order.

use super::browser::Browser;
use super::common::{Client, PATIENCE, Server};
use rustix::process::{Signal, kill_process_group};
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

/// A kill comes at any moment of a sale.
const KILLED_WITHIN_MS: u64 = 250;

/// Sells as many pieces as the number of the sale, in cash, and waits until the till says that it has it. A till that
/// came back looks first whether it has the sale, as a cashier would in the list of sales.
pub(crate) const SELL: &str = "return (async (number) => {
    const at = (selector) => document.querySelector(selector);
    const until = async (holds) => {
        while (!holds()) await new Promise((next) => setTimeout(next, 2));
    };
    const press = (text) => [...document.querySelectorAll('button')].find((one) => one.textContent.includes(text)).click();
    const stored = () => new Promise((resolve, reject) => {
        const open = indexedDB.open('tillcast ' + location.origin);
        open.onerror = reject;
        open.onsuccess = () => {
            const asked = open.result.transaction('outbox').objectStore('outbox').getAll();
            asked.onsuccess = () => {
                open.result.close();
                resolve(asked.result.some(({ sale }) => sale.items[0].quantity === number));
            };
        };
    });
    await until(() => at('.product'));
    if (at('dialog').open) at('dialog').close();
    if (await stored()) return 'stored';
    // A basket of before may have come back, perhaps with its payment.
    if (at('#sums').textContent.includes('To pay')) {
        at('#pay').click();
        press('×');
        at('dialog').close();
    }
    if (!at('#clear').disabled) press('Clear');
    await until(() => at('#clear').disabled);
    at('#search').value = `${number}*Espresso`;
    at('#search').focus();
    at('#search').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
    await until(() => !at('#pay').disabled && at('.line b').textContent === String(number));
    at('#pay').click();
    await until(() => at('dialog').textContent.includes('Cash, exact'));
    press('Cash, exact');
    await until(() => at('dialog').textContent.includes('The sale is stored on this till'));
    return 'sold';
})(arguments[0])";

/// Waits until the browser keeps the list of products; then it can sell without the server.
pub(crate) const KEPT: &str = "return (async () => {
    const rows = () => new Promise((resolve) => {
        indexedDB.open('tillcast ' + location.origin).onsuccess = ({ target: { result: base } }) => {
            const asked = base.transaction('lists').objectStore('lists').getAll();
            asked.onsuccess = () => {
                base.close();
                resolve(asked.result.flat().length);
            };
        };
    });
    while (!(await rows())) await new Promise((next) => setTimeout(next, 50));
    return true;
})()";

/// A few minutes of a power supply that fails all the time are `cargo bench --bench screens -- kills`.
#[test]
fn each_sale_is_there_once_after_kills_of_browser_and_server() {
    trial(20, 8, fastrand::u64(..));
}

/// Makes so many sales, with so many kills of browser or server at random times.
pub(crate) fn trial(sales: usize, kills: usize, seed: u64) {
    eprintln!("{sales} sales with {kills} kills, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut till = Till::open();
    let (mut number, mut killed) = (1, 0);
    // Kills that are left when all is sold hit the sending.
    while number <= sales || killed < kills {
        let is_killed = killed < kills && (number > sales || random.usize(..sales) < 2 * kills);
        let after = Duration::from_millis(random.u64(..KILLED_WITHIN_MS));
        let sold = match is_killed.then(|| random.bool()) {
            Some(true) => till.sell_and_kill_browser(number, after),
            Some(false) => till.sell_and_kill_server(number, after),
            None => till.sell(number),
        };
        number += usize::from(sold && number <= sales);
        killed += usize::from(is_killed);
        if random.bool() {
            till.start_server();
        }
    }
    till.start_server();
    till.has_sent(sales);
    eprintln!("the page was lost {} times", till.lost_pages);
}

/// A till, and the server that it may not reach. Each is `None` only while it is replaced.
struct Till {
    server: Option<Server>,
    browser: Option<Browser>,
    cashier: Client,
    is_up: bool,
    /// Times that the browser did not open the page without the server.
    lost_pages: usize,
}

impl Till {
    fn open() -> Self {
        let server = Server::with_users(&["staff"], &[]);
        let product = json!({
            "name": "Espresso", "sku": "1", "status": "published", "price": 0.07, "currency": "USD", "stock": null,
            "tax_rate": 19,
        });
        server.admin().post("/api/products", &product).expect(201);
        let cashier = server.login("staff");
        let browser = Browser::of(&server);
        browser.log_in(&cashier);
        browser.open("/sell");
        browser.wait_until("localStorage['tillcast stored /sell']");
        assert_eq!(browser.run(KEPT, &[]), true);
        Self { server: Some(server), browser: Some(browser), cashier, is_up: true, lost_pages: 0 }
    }

    /// Whether the till confirmed the sale.
    fn sell(&self, number: usize) -> bool {
        let browser = self.browser.as_ref().expect("there is one");
        browser.try_run(SELL, &[json!(number)]).is_some()
    }

    fn sell_and_kill_browser(&mut self, number: usize, after: Duration) -> bool {
        let group = self.browser.as_ref().expect("there is one").group();
        let sold = thread::scope(|threads| {
            threads.spawn(|| {
                thread::sleep(after);
                kill_process_group(group, Signal::KILL).expect("it was not waited for");
            });
            self.sell(number)
        });
        let browser = self.browser.take().expect("there is one").again();
        // A browser writes its cookies every 30 s.
        browser.log_in(&self.cashier);
        if !browser.try_open("/sell") {
            // A browser that dies may lose a page of its cache, but never a sale.
            self.lost_pages += 1;
            self.start_server();
            browser.open("/sell");
        }
        self.browser = Some(browser);
        sold
    }

    fn sell_and_kill_server(&mut self, number: usize, after: Duration) -> bool {
        self.start_server();
        let mut server = self.server.take().expect("there is one");
        self.is_up = false;
        let (server, sold) = thread::scope(|threads| {
            let killer = threads.spawn(move || {
                thread::sleep(after);
                server.kill();
                server
            });
            let sold = self.sell(number);
            (killer.join().expect("it was killed"), sold)
        });
        self.server = Some(server);
        sold
    }

    fn start_server(&mut self) {
        if !std::mem::replace(&mut self.is_up, true) {
            let server = self.server.take().expect("there is one");
            let address = server.address().to_string();
            self.server = Some(server.again_with(&["--listen", &address]));
        }
    }

    /// Waits until the server has all sales, each once, in their order.
    fn has_sent(&self, sales: usize) {
        let admin = self.server.as_ref().expect("there is one").admin();
        let (begun, mut after) = (Instant::now(), String::new());
        let mut numbers: Vec<usize> = Vec::new();
        while numbers.len() < sales {
            let path = format!("/api/orders?order=asc&limit=200{after}");
            let orders = admin.get(&path).expect(200).json();
            for order in orders["data"].as_array().expect("a list") {
                let number = order["items"][0]["quantity"].as_u64().expect("a number");
                assert_eq!(order["payment_status"], "paid");
                let rounding = order["rounding"].as_f64();
                assert_eq!(rounding, Some(0.0), "the till worked out another total");
                numbers.push(usize::try_from(number).expect("a small number"));
                after = format!("&after={}", order["id"]);
            }
            assert!(begun.elapsed() < 4 * PATIENCE, "there are {} of {sales}", numbers.len());
        }
        assert_eq!(numbers, (1..=sales).collect::<Vec<_>>());
    }
}
