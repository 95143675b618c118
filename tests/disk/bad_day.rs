//! Guards the sales of a shop on a bad day: 16 tills were offline for three days, two cashiers send the same sales
//! from two tills, the goods were sold out meanwhile, prices changed, a product was archived, the clocks of tills and
//! server are wrong by a year, and the server is killed again and again, also between a commit and its answer.
//!
//! Every sale is there once, the stock is never negative, what was oversold is listed, and the sums of each day are
//! those of the receipts. The receipts are worked out in `receipt.rs`, from the bodies that the tills send.

mod receipt;

use crate::common::{
    Client, PATIENCE, Raw, SEED_VARIABLE, Server, free_address, happened, head, json_request,
    password_of, seed,
};
use fastrand::Rng;
use receipt::{Goods, Receipt, money, quantity, thousandths};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::RwLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

const TILLS: usize = 16;
/// The sales that each till made while it was offline.
const SALES: usize = 60;
const KILLS: usize = 8;
const YEAR_MS: i64 = 365 * 24 * 60 * 60 * 1_000;
/// Logins and the log outlast a clock that is a year ahead.
const KEPT: [&str; 4] =
    ["--session-idle", "--session-max", "--event-retention", "--audit-retention"];
const CASHIERS: [&str; 2] = ["ana", "ben"];

/// What a till learnt of one of its sales: the status, and the body.
type Told = (u16, Value);

/// The shop while the tills come back: it is locked as long as the server is away.
struct Shop {
    address: std::net::SocketAddr,
    is_open: RwLock<()>,
    progress: SyncSender<()>,
}

impl Shop {
    /// Sends a sale until it is answered, however often the server dies meanwhile.
    fn send(&self, connection: &mut Option<Raw>, cashier: &Client, receipt: &Receipt) -> Told {
        let request =
            json_request("POST", "/api/sales", cashier.cookie(), "", &receipt.body.to_string());
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if connection.is_none() {
                drop(self.is_open.read().unwrap());
                *connection = Raw::connect(self.address).ok();
            }
            let answer = connection.as_mut().and_then(|raw| {
                raw.send(&request).ok()?;
                raw.answer(false).ok()?
            });
            match answer {
                Some(answer) if answer.status == 503 => {}
                Some(answer) => {
                    answer.status_is_one_of(&[200, 201]);
                    self.progress.send(()).unwrap();
                    return (answer.status, answer.json());
                }
                None => *connection = None,
            }
        }
        panic!("the sale {} got no answer", receipt.client_id);
    }
}

/// The goods of the shop. Some are scarce, so that they are sold out before the tills come back.
fn stock_up(admin: &Client) -> Vec<Goods> {
    let rates = [Some(7), Some(19), None, Some(0)];
    (0..12)
        .map(|at: usize| {
            let (unit, whole) = if at % 4 == 3 { ("kg", 40) } else { ("piece", 90) };
            let stock = (at != 5).then_some(if at.is_multiple_of(2) { whole } else { 4_000 });
            let price = 95 + 130 * i64::try_from(at).unwrap();
            let (sku, barcode) = (format!("BAD-{at}"), format!("40000000000{at:02}"));
            let body = json!({
                "name": format!("Goods {at}"), "sku": sku, "barcode": barcode, "unit": unit, "currency": "EUR",
                "price": money(price), "stock": stock, "tax_rate": rates[at % 4],
            });
            let id = admin.post("/api/products", &body).expect(201).id();
            let stock = stock.map(|stock| stock * 1_000);
            Goods { id, sku, barcode, unit, price, shelf: price, rate: rates[at % 4], stock }
        })
        .collect()
}

/// What happens in the shop while the tills are away.
fn change_the_shop(admin: &Client, goods: &mut [Goods]) {
    for (at, goods) in goods.iter_mut().enumerate() {
        let path = format!("/api/products/{}", goods.id);
        if at.is_multiple_of(3) {
            goods.price += 37;
            admin.patch(&path, &json!({"price": money(goods.price)})).expect(200);
        }
        if at == 0 || at == 2 {
            let sold = json!({
                "client_id": format!("live-{at}"), "items": [{"product_id": goods.id, "quantity": 85}],
            });
            admin.post("/api/sales", &sold).expect(201);
            *goods.stock.as_mut().unwrap() -= 85_000;
        }
        if at == 4 {
            admin.patch(&path, &json!({"status": "archived"})).expect(200);
        }
    }
}

/// Two customers: one who stays, and one who is erased before the tills come back.
fn customers(admin: &Client) -> [i64; 2] {
    let customers = ["Ana", "Eva"].map(|name| {
        let id = admin.post("/api/customers", &json!({"first_name": name})).expect(201).id();
        admin.post("/api/orders", &json!({"total": 1, "customer_id": id})).expect(201);
        id
    });
    admin.post(&format!("/api/customers/{}/erase", customers[1]), &json!({})).expect(200);
    customers
}

fn cashiers(server: &Server, admin: &Client) -> Vec<Client> {
    let login = |name: &&str| {
        let body = json!({"username": name, "password": password_of(name), "role": "staff"});
        admin.post("/api/users", &body).expect(201);
        server.login(name)
    };
    CASHIERS.iter().map(login).collect()
}

/// Sets the server's clock ahead while it is stopped, or back: the same as a file with other times.
fn set_clock_ahead(data_dir: &Path, years: i64) {
    let database = database(data_dir);
    for change in [
        "UPDATE events SET at = at - ?",
        "UPDATE audit SET at = at - ?",
        "UPDATE sessions SET created_at = created_at - ?1, used_at = used_at - ?1",
    ] {
        database.execute(change, [years * YEAR_MS]).unwrap();
    }
}

/// Kills the server after a commit and before its answer: the till of this sale never reads one. The clock of a board
/// without a battery is then wrong by some years.
fn kill_unanswered(
    mut server: Server,
    shop: &Shop,
    till: &Client,
    receipt: &Receipt,
    years: i64,
) -> Server {
    let mut deaf = Raw::connect(shop.address).unwrap();
    let body = receipt.body.to_string();
    deaf.send(&json_request("POST", "/api/sales", till.cookie(), "", &body)).unwrap();
    let database = database(&server.data_dir());
    let sql = "SELECT count(*) FROM sales WHERE client_id = ?";
    let begun = Instant::now();
    while database.query_row(sql, [&receipt.client_id], |row| row.get(0)) != Ok(1) {
        assert!(begun.elapsed() < PATIENCE, "{} is not stored", receipt.client_id);
        std::thread::yield_now();
    }
    drop(database);
    let closed = shop.is_open.write().unwrap();
    server.kill();
    set_clock_ahead(&server.data_dir(), years);
    let checked = server.cli(&["check"], "");
    assert!(checked.status.success(), "{checked:?}");
    let server = server.again();
    drop(closed);
    server
}

fn database(data_dir: &Path) -> Connection {
    Connection::open(data_dir.join("tillcast.db")).unwrap()
}

/// All tills come back at once. Returns what they were told of each sale, and the server that is there in the end.
fn come_back(
    server: Server,
    cashiers: &[Client],
    receipts: &[Receipt],
    unanswered: &[Receipt],
) -> (Server, BTreeMap<String, Vec<Told>>) {
    let (progress, done) = sync_channel(2 * (TILLS * SALES + KILLS));
    let shop = Shop { address: server.address(), is_open: RwLock::new(()), progress };
    let mut told: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    let server = std::thread::scope(|scope| {
        let shop = &shop;
        let till = |at: usize| {
            // The second cashier has entered the sales of the first one's till again, in the till beside it.
            let outboxes = [at, (at + 1) % TILLS].map(|at| &receipts[at * SALES..(at + 1) * SALES]);
            let cashier = &cashiers[at % CASHIERS.len()];
            scope.spawn(move || {
                let mut connection = None;
                let mut send = |sale: &Receipt| {
                    (sale.client_id.clone(), shop.send(&mut connection, cashier, sale))
                };
                outboxes.into_iter().flatten().map(&mut send).collect::<Vec<_>>()
            })
        };
        let tills: Vec<_> = (0..TILLS).map(till).collect();
        // Right, a year behind, a year ahead, right again.
        let clock = [-1, 2, -1, 0].into_iter().cycle();
        let server = unanswered.iter().zip(clock).fold(server, |server, (receipt, years)| {
            for _ in 0..2 * receipts.len() / (KILLS + 1) {
                done.recv_timeout(PATIENCE).unwrap();
            }
            kill_unanswered(server, shop, &cashiers[0], receipt, years)
        });
        for till in tills {
            for (client_id, answer) in till.join().unwrap() {
                told.entry(client_id).or_default().push(answer);
            }
        }
        server
    });
    for receipt in unanswered {
        for cashier in cashiers {
            let answer = shop.send(&mut None, cashier, receipt);
            assert_eq!(answer.0, 200, "{} was stored before the kill", receipt.client_id);
            told.entry(receipt.client_id.clone()).or_default().push(answer);
        }
    }
    (server, told)
}

/// All entities of a list behind this one, oldest first.
fn all_after(client: &Client, list: &str, mut after: i64) -> Vec<Value> {
    let mut rows = Vec::new();
    loop {
        let position = if after > 0 { format!("&after={after}") } else { String::new() };
        let page = client.get(&format!("{list}limit=200&order=asc{position}")).expect(200).json();
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next"].as_i64() {
            Some(next) => after = next,
            None => return rows,
        }
    }
}

/// Both tills of a sale got the same order, and at most one was told that it is new.
fn check_answers(told: &BTreeMap<String, Vec<Told>>, orders: &BTreeMap<String, Value>) {
    for (client_id, answers) in told {
        let created = answers.iter().filter(|(status, _)| *status == 201).count();
        assert!(answers.len() == 2 && created <= 1, "{client_id}: {answers:?}");
        for (_, body) in answers {
            assert_eq!(body["order"], orders[client_id]);
            assert_eq!(body["change"], answers[0].1["change"]);
            assert_eq!(body["transactions"], answers[0].1["transactions"]);
        }
    }
}

/// Replays the stock in the order in which the sales were stored. Returns the events that this must have made.
fn replay(
    goods: &mut [Goods],
    receipts: &BTreeMap<&str, &Receipt>,
    orders: &[Value],
) -> Vec<Value> {
    let mut events = Vec::new();
    for order in orders {
        let receipt = receipts[order["client_id"].as_str().unwrap()];
        let (mut oversold, mut taken) = (Vec::new(), Vec::new());
        for goods in goods.iter_mut() {
            let Some(wanted) = receipt.quantities.get(&goods.id) else { continue };
            let Some(stock) = goods.stock.as_mut() else { continue };
            let (taking, missing) = ((*stock).min(*wanted), (*wanted - *stock).max(0));
            *stock -= taking;
            if missing > 0 {
                oversold.push(json!({"product_id": goods.id, "quantity": quantity(missing)}));
            }
            if taking > 0 {
                taken.push(json!(["product:updated", {"stock": quantity(*stock)}]));
            }
        }
        assert_eq!(order["oversold"], json!(oversold), "{order}");
        events.push(json!(["order:created"]));
        events.append(&mut taken);
        events.extend(receipt.payments.iter().map(|_| json!(["transaction:created"])));
    }
    events
}

/// The sums of each day and means of payment, in cents.
fn sums<'r>(
    payments: impl Iterator<Item = (&'r str, &'r str, i64)>,
) -> BTreeMap<(String, String), i64> {
    let mut sums = BTreeMap::new();
    for (sold_at, gateway, amount) in payments {
        *sums.entry((sold_at[..10].to_owned(), gateway.to_owned())).or_default() += amount;
    }
    sums
}

fn check_money(admin: &Client, receipts: &[Receipt], orders: &[Value]) {
    let sold_at: BTreeMap<i64, &str> = orders
        .iter()
        .map(|order| (order["id"].as_i64().unwrap(), order["sold_at"].as_str().unwrap()))
        .collect();
    let rows = all_after(admin, "/api/transactions?", 0);
    let stored = rows.iter().map(|row| {
        let (day, gateway) =
            (sold_at[&row["order_id"].as_i64().unwrap()], row["gateway"].as_str().unwrap());
        (day, gateway, thousandths(&row["amount"]) / 10)
    });
    let paid = receipts.iter().flat_map(|receipt| {
        let of_receipt =
            |(gateway, stays, _): &(&'static str, i64, Option<i64>)| (*gateway, *stays);
        receipt
            .payments
            .iter()
            .map(of_receipt)
            .map(|(gateway, stays)| (&*receipt.sold_at, gateway, stays))
    });
    assert_eq!(sums(stored), sums(paid));
}

#[test]
fn every_sale_of_a_bad_day_is_there_once() {
    let seed = seed();
    eprintln!("{SEED_VARIABLE}={seed}");
    let mut rng = Rng::with_seed(seed);
    let address = free_address().to_string();
    let kept = KEPT.iter().flat_map(|flag| [flag, "1000d"]);
    let flags: Vec<&str> = ["--listen", &address].into_iter().chain(kept).collect();
    let server = Server::with(&flags);
    let admin = server.admin();
    let mut goods = stock_up(&admin);
    let customers = customers(&admin);
    let cashiers = cashiers(&server, &admin);
    change_the_shop(&admin, &mut goods);
    let before =
        (head(&admin), admin.get("/api/orders?limit=1").json()["data"][0]["id"].as_i64().unwrap());

    let mut receipts: Vec<Receipt> = (0..TILLS * SALES + KILLS)
        .map(|at| Receipt::made(&mut rng, at, &goods, customers))
        .collect();
    let unanswered = receipts.split_off(TILLS * SALES);
    let (mut server, told) = come_back(server, &cashiers, &receipts, &unanswered);
    receipts.extend(unanswered);

    let orders = all_after(&admin, "/api/orders?", before.1);
    let by_name: BTreeMap<&str, &Receipt> =
        receipts.iter().map(|receipt| (&*receipt.client_id, receipt)).collect();
    let stored: BTreeMap<String, Value> = orders
        .iter()
        .map(|order| (order["client_id"].as_str().unwrap().to_owned(), order.clone()))
        .collect();
    assert_eq!((orders.len(), stored.len()), (receipts.len(), receipts.len()));
    check_answers(&told, &stored);
    for (client_id, order) in &stored {
        by_name[&**client_id].check(order, &told[client_id][0].1);
    }
    let events = replay(&mut goods, &by_name, &orders);
    assert_eq!(happened(&admin, before.0), json!(events));
    for goods in &goods {
        let product = admin.get(&format!("/api/products/{}", goods.id)).expect(200).json();
        assert_eq!(product["stock"], goods.stock.map_or(Value::Null, quantity), "{product}");
    }
    let oversold = |order: &&Value| order["oversold"] != json!([]);
    let listed: BTreeSet<_> = all_after(&admin, "/api/orders?oversold=true&", before.1)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(listed.len() > TILLS, "{} sales were oversold", listed.len());
    assert_eq!(listed, orders.iter().filter(oversold).map(ToString::to_string).collect());
    check_money(&admin, &receipts, &orders);

    assert_eq!(server.stop(), Some(0));
    assert!(server.cli(&["check"], "").status.success());
    let database = database(&server.data_dir());
    let integrity: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    assert!(!database.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap());
    for wrong in [
        "SELECT count(*) FROM products WHERE stock < 0",
        "SELECT count(*) FROM events AS a JOIN events AS b ON b.seq = a.seq + 1 WHERE b.at < a.at",
    ] {
        assert_eq!(database.query_row(wrong, [], |row| row.get(0)), Ok(0), "{wrong}");
    }
}
