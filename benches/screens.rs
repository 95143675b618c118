//! `cargo bench --bench screens` measures the pages in Chromium, on the release program: a busy board, first paints of a
//! slow device, and the sales of a till under kills. `-- board`, `-- paints` or `-- kills` does one of them; `-- kills 7`
//! repeats the one with the seed 7.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "any failure ends the run, and figures are printed"
)]

#[path = "../tests/common/browser.rs"]
mod browser;
#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/screens/kills.rs"]
mod kills;

use browser::{Browser, MONITOR};
use common::{Client, Server, order, product};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Orders in the file, and those of them that the board shows.
const ORDERS: usize = 10_000;
const OPEN_ORDERS: usize = 200;
const EVENTS_PER_S: u32 = 20;
const RUN: Duration = Duration::from_secs(60);
/// A frame after this time is seen as a jerk; milliseconds.
const FRAME_MAX: f64 = 50.0;
/// A new order is seen at once within this time; milliseconds.
const APPEARS_WITHIN: f64 = 100.0;
/// A tablet of 2020: a fourth of this machine's speed, and the Wi-Fi behind two walls, bit/s.
const CPU_SHARE: u32 = 4;
const NETWORK: f64 = 1_600_000.0;
const PAINTS: usize = 5;
const SALES: usize = 500;
const KILLS: usize = 200;

/// Records the time between frames, tasks of the page that hold one up, and when each order came: by the machine's clock,
/// at the end of the next frame after its card is in the document.
const RECORD: &str = "
    window.gaps = [];
    window.tasks = [];
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)))
        .observe({ type: 'longtask' });
    let last = performance.now();
    const frame = (now) => {
        gaps.push(now - last);
        last = now;
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    window.came = {};
    new MutationObserver((changes) => {
        const cards = changes.flatMap(({ addedNodes }) => [...addedNodes]).filter(({ localName }) => localName === 'article');
        requestAnimationFrame(() => setTimeout(() => {
            for (const { dataset } of cards) came[dataset.key] ||= Date.now();
        }));
    }).observe(document.body, { childList: true, subtree: true });
";

fn main() {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_asked = |name| words.is_empty() || words[0] == name;
    if is_asked("board") {
        board();
    }
    if is_asked("paints") {
        paints();
    }
    if is_asked("kills") {
        let seed = words.get(1).map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
        let begun = Instant::now();
        kills::trial(SALES, KILLS, seed);
        println!(
            "kills: {SALES} sales, {KILLS} kills in {:?}: each there once, in order",
            begun.elapsed()
        );
    }
}

/// A board with 200 of 10,000 orders, on which something changes 20 times a second.
fn board() {
    let server = Server::with_users(&["kitchen"], &[]);
    let admin = server.admin();
    let goods: Vec<i64> =
        (1..=40).map(|price| product(&admin, f64::from(price), 1_000_000)).collect();
    fill(&server, &admin, &goods);
    let browser = Browser::on(&server, MONITOR);
    browser.log_in(&server.login("kitchen"));
    browser.open("/board");
    browser.wait_until(&format!("document.querySelectorAll('article').length === {OPEN_ORDERS}"));
    let heap = || {
        browser.cdp("HeapProfiler.collectGarbage", &json!({}));
        browser.cdp("Runtime.getHeapUsage", &json!({}))["usedSize"].as_f64().unwrap()
            / f64::from(1 << 20)
    };
    // The first changes take what every page takes once.
    change(&admin, &goods, Duration::from_secs(5));
    let before = heap();
    browser.run(RECORD, &[]);
    let sent = change(&admin, &goods, RUN);
    browser.wait_until(&format!("came[{}]", sent.keys().max().unwrap()));
    let grown = heap() - before;
    let orders = browser.run("return document.querySelectorAll('article').length", &[]);
    let recorded = browser.run("return [gaps, tasks, came]", &[]);
    let (gaps, tasks, came): (Vec<f64>, Vec<f64>, BTreeMap<i64, f64>) =
        serde_json::from_value(recorded).unwrap();
    let gaps = Times::of(gaps);
    println!(
        "frames: {gaps} ms, over {FRAME_MAX} ms {}; tasks of the page over 50 ms: {}, longest {:.0} ms; heap \
         {before:.1} MB, {grown:+.1} MB; {orders} orders shown",
        gaps.over(FRAME_MAX),
        tasks.len(),
        tasks.iter().copied().fold(0.0, f64::max),
    );
    let waits = Times::of(sent.iter().map(|(id, sent)| came[id] - sent).collect());
    println!(
        "new orders, from before the request until they are seen: {waits} ms, over {APPEARS_WITHIN} ms {}",
        waits.over(APPEARS_WITHIN)
    );
}

/// Times in order, milliseconds.
struct Times(Vec<f64>);

impl Times {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    fn over(&self, limit: f64) -> usize {
        self.0.iter().filter(|time| **time > limit).count()
    }
}

impl Display for Times {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(times) = self;
        let at = |percent| times[(times.len() - 1) * percent / 100];
        let [median, late, longest] = [50, 99, 100].map(at);
        write!(
            f,
            "{} in {RUN:?}: median {median:.0}, 99 % {late:.0}, longest {longest:.0}",
            times.len()
        )
    }
}

/// Makes the orders: the first ones were handed over.
fn fill(server: &Server, admin: &Client, goods: &[i64]) {
    thread::scope(|threads| {
        for till in 0..8 {
            let admin = server.admin();
            threads.spawn(move || {
                for number in (till..ORDERS - OPEN_ORDERS).step_by(8) {
                    let sale = json!({
                        "client_id": format!("bench {number}"), "status": "completed",
                        "items": [{"product_id": goods[number % goods.len()], "quantity": 1}],
                        "payments": [{"gateway": "cash", "amount": 100}],
                    });
                    admin.post("/api/sales", &sale).expect(201);
                }
            });
        }
    });
    for number in 0..OPEN_ORDERS {
        open_order(admin, goods, number);
    }
}

fn open_order(admin: &Client, goods: &[i64], number: usize) -> i64 {
    let item = |at: usize| json!({"product_id": goods[(number * 7 + at * 3) % goods.len()], "quantity": 1 + at});
    let items: Vec<Value> = (0..=number % 4).map(item).collect();
    admin.post("/api/orders", &json!({"items": items})).expect(201).id()
}

/// Makes the changes of a rush: a new order, one that is begun, a line that is ready, one that is handed over.
/// Returns when each new order was sent, in milliseconds since 1970.
fn change(admin: &Client, goods: &[i64], run: Duration) -> BTreeMap<i64, f64> {
    let list = admin
        .get(&format!("/api/orders?status=pending,processing,ready&limit={OPEN_ORDERS}"))
        .expect(200)
        .json();
    let mut open: Vec<i64> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|one| one["id"].as_i64().unwrap())
        .collect();
    let patch = |id: i64, body: Value| admin.patch(&format!("/api/orders/{id}"), &body).expect(200);
    let mut sent = BTreeMap::new();
    let begun = Instant::now();
    let mut events = 0;
    let mut tick = || {
        events += 1;
        let due = Duration::from_secs(1) / EVENTS_PER_S * events;
        thread::sleep(due.saturating_sub(begun.elapsed()));
    };
    while begun.elapsed() < run {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let id = open_order(admin, goods, open.len() + sent.len());
        open.push(id);
        sent.insert(id, now.as_secs_f64() * 1000.0);
        tick();
        let oldest = open.remove(0);
        let now = admin.get(&format!("/api/orders/{oldest}")).expect(200).json();
        patch(oldest, json!({"done": [0]}));
        tick();
        for step in ["processing", "ready", "completed"] {
            if now["status"] != step && !(now["status"] == "ready" && step == "processing") {
                patch(oldest, json!({"status": step}));
                tick();
            }
        }
    }
    sent
}

/// The first paint of a slow device: with nothing of the page, and with the server down.
fn paints() {
    let mut server = Server::with_users(&["staff", "kitchen"], &[]);
    let admin = server.admin();
    for price in 1..=100 {
        let id = product(&admin, f64::from(price), 1_000);
        order(&admin, id, 1);
    }
    for (page, role) in [("/", "staff"), ("/board", "kitchen"), ("/sell", "staff")] {
        let cashier = server.login(role);
        let mut cold = Vec::new();
        let mut cached = Vec::new();
        for _ in 0..PAINTS {
            let mut browser = Browser::of(&server);
            if page != "/" {
                browser.log_in(&cashier);
            }
            slow_down(&browser);
            cold.push(paint(&browser, page));
            browser.wait_until(&format!("localStorage['tillcast stored {page}']"));
            browser.kill();
            let address = server.address().to_string();
            server.kill();
            let browser = browser.again();
            slow_down(&browser);
            cached.push(paint(&browser, page));
            drop(browser);
            server = server.again_with(&["--listen", &address]);
        }
        for (name, limit, mut times) in
            [("cold", 500.0, cold), ("cached, server down", 300.0, cached)]
        {
            times.sort_by(|one, other| one.0.total_cmp(&other.0));
            let (first, largest) = times[PAINTS / 2];
            println!(
                "paints: {page} {name}: first {first:.0} ms (of {limit:.0}), largest {largest:.0} ms"
            );
        }
    }
}

fn slow_down(browser: &Browser) {
    browser.cdp("Emulation.setCPUThrottlingRate", &json!({"rate": CPU_SHARE}));
    browser.limit_network(false, NETWORK);
}

/// Milliseconds from the start of the navigation to the first content, and to the largest.
fn paint(browser: &Browser, page: &str) -> (f64, f64) {
    browser.open(page);
    browser.wait_until("document.querySelector('shop-status')?.textContent && performance.getEntriesByName('first-contentful-paint')[0]");
    let told = browser.run(
        "return new Promise((resolve) => new PerformanceObserver((list) =>
            setTimeout(() => resolve([
                performance.getEntriesByName('first-contentful-paint')[0].startTime,
                list.getEntries().pop().startTime,
            ]), 500)).observe({ type: 'largest-contentful-paint', buffered: true }))",
        &[],
    );
    (told[0].as_f64().unwrap(), told[1].as_f64().unwrap())
}
