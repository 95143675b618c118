//! The people and devices of the demo's shop, all clients of the API.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::cli::demo::client::Client;
use crate::cli::demo::goods::{self, GOODS, LAST, id, number};
use crate::cli::demo::login::{Login, of_role};
use crate::domain::json_literal::json;
use crate::domain::order::OrderStatus;
use crate::domain::shipment::ShipmentStatus;
use crate::domain::stock_change::StockReason;
use crate::domain::transaction::{TransactionStatus, TransactionType};
use crate::domain::{Role, timestamp};

/// The most orders in progress; no new one is begun beyond that.
const OPEN_ORDERS_MAX: usize = 50;
/// The age of a sale when the till at the market gets a network, in milliseconds.
const MARKET_DELAY_MS: i64 = 20 * 60 * 1000;

/// The clients, each with its own rights, and what they know.
pub(super) struct Shop {
    staff: Client,
    kiosk: Client,
    kitchen: Client,
    picker: Client,
    /// A till at the market, which is a device and often has no network.
    market: Client,
    products: Vec<i64>,
    customers: Vec<i64>,
    /// The number of orders and sales so far.
    begun: usize,
    open: VecDeque<OpenOrder>,
}

/// An order in progress, with what happens to it next.
struct OpenOrder {
    order: Value,
    next: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Pay,
    /// The kitchen finishes the line with this number.
    Cook(usize),
    /// The kitchen finds that it was not ready.
    Recall,
    HandOver,
    /// The customer brings the goods of the last line back.
    Refund,
    Send,
    Arrive(i64),
}

impl Shop {
    /// Logs everyone in, and fills the shelves. `token` is that of the till at the market.
    pub(super) fn open(address: SocketAddr, logins: &[Login], token: &str) -> Result<Self, String> {
        let log_in = |role| Client::log_in(address, of_role(logins, role)?);
        let mut admin = log_in(Role::Admin)?;
        Ok(Self {
            products: goods::bring(&mut admin)?,
            customers: goods::customers(&mut admin)?,
            staff: log_in(Role::Staff)?,
            kiosk: log_in(Role::Kiosk)?,
            kitchen: log_in(Role::Kitchen)?,
            picker: log_in(Role::Picker)?,
            market: Client::of_device(address, token)?,
            begun: 0,
            open: VecDeque::new(),
        })
    }

    /// Acts `rate` times a second, until a connection breaks.
    pub(super) fn run(mut self, rate: f64) -> Result<(), String> {
        let period = Duration::from_secs_f64(1.0 / rate);
        loop {
            let begun = Instant::now();
            self.act()?;
            thread::sleep(period.saturating_sub(begun.elapsed()));
        }
    }

    /// Begins an order, or advances the oldest open one.
    fn act(&mut self) -> Result<(), String> {
        let busy =
            self.open.len() >= OPEN_ORDERS_MAX || (!self.open.is_empty() && fastrand::u8(..10) < 6);
        match self.open.pop_front() {
            Some(order) if busy => self.advance(order),
            order => {
                self.open.extend(order);
                self.begin()
            }
        }
    }

    /// Begins the next order. All ways to order take turns, so that the first minute shows them.
    fn begin(&mut self) -> Result<(), String> {
        self.begun += 1;
        let lines = self.lines();
        let (client, path, body, next) = match self.begun % 8 {
            1 | 4 | 6 => (&mut self.staff, "/api/sales", till(lines, self.begun), Step::Cook(0)),
            3 => (&mut self.market, "/api/sales", market(), Step::HandOver),
            2 | 7 => (&mut self.kiosk, "/api/orders", json!({"items": lines}), Step::Pay),
            _ => {
                let at = fastrand::usize(..self.customers.len().max(1));
                let customer = self.customers.get(at).copied();
                let notes = "Please call before you come.";
                let order = json!({"customer_id": customer, "items": lines, "notes": notes});
                (&mut self.staff, "/api/orders", order, Step::Pay)
            }
        };
        let Some(mut made) = client.try_call("POST", path, &body)? else {
            return self.deliver(); // mostly because something is sold out
        };
        let order = if made["order"].is_object() { made["order"].take() } else { made };
        let is_done = order["status"] == OrderStatus::Completed.word();
        let next = if is_done { Step::Refund } else { next };
        if !is_done || fastrand::u8(..4) == 0 {
            self.open.push_back(OpenOrder { order, next });
        }
        Ok(())
    }

    /// Something from the kitchen, and one or two kinds of other goods.
    fn lines(&self) -> Value {
        let others = 2..GOODS.len() - 1; // the last goods are for the market
        let mut chosen = vec![fastrand::usize(..2), fastrand::usize(others.clone())];
        if fastrand::bool() {
            chosen.push(fastrand::usize(others));
        }
        chosen.iter().map(|at| GOODS[*at].line(self.products[*at])).collect()
    }

    /// Does what is next for an order. If that is refused, somebody else has changed it, whose it is then.
    fn advance(&mut self, OpenOrder { order, next }: OpenOrder) -> Result<(), String> {
        let path = format!("/api/orders/{}", id(&order));
        let lines = order["items"].as_array().map_or(0, Vec::len);
        let (client, method, path, body) = match next {
            Step::Pay if fastrand::u8(..20) == 0 => {
                let cancel = json!({"status": OrderStatus::Cancelled.word()});
                return self.staff.try_call("PATCH", &path, &cancel).map(drop);
            }
            Step::Pay => {
                let body = transaction(&order, TransactionType::Payment);
                (&mut self.staff, "POST", "/api/transactions", body)
            }
            Step::Cook(line) => {
                let mut body = json!({"done": (0..=line).collect::<Vec<_>>()});
                if line + 1 >= lines {
                    body["status"] = OrderStatus::Ready.word().into();
                }
                (&mut self.kitchen, "PATCH", path.as_str(), body)
            }
            Step::Recall => {
                let body = json!({"status": OrderStatus::Processing.word(), "done": []});
                (&mut self.kitchen, "PATCH", path.as_str(), body)
            }
            Step::HandOver => {
                let body = json!({"status": OrderStatus::Completed.word()});
                (&mut self.staff, "PATCH", path.as_str(), body)
            }
            Step::Refund => {
                let line = lines.saturating_sub(1);
                let mut body = transaction(&order, TransactionType::Refund);
                body["restock"] =
                    json!([{"line": line, "quantity": order["items"][line]["quantity"].clone()}]);
                (&mut self.staff, "POST", "/api/transactions", body)
            }
            Step::Send => {
                let number = format!("TRACK{:06}", fastrand::u32(..1_000_000));
                let body = json!({
                    "order_id": id(&order), "carrier": "UPS", "tracking_number": number,
                    "status": ShipmentStatus::Shipped.word(),
                });
                (&mut self.picker, "POST", "/api/shipments", body)
            }
            Step::Arrive(parcel) => {
                let path = format!("/api/shipments/{parcel}");
                let arrived = json!({"status": ShipmentStatus::Delivered.word()});
                return self.picker.try_call("PATCH", &path, &arrived).map(drop);
            }
        };
        if let Some(made) = client.try_call(method, path, &body)?
            && let Some(next) = after(next, lines, &order, &made)
        {
            self.open.push_back(OpenOrder { order, next });
        }
        Ok(())
    }

    /// Brings more of all that is counted, but not of what only the market sells.
    fn deliver(&mut self) -> Result<(), String> {
        let body = json!({"change": 50, "reason": StockReason::Delivery.word()});
        for (goods, id) in GOODS.iter().zip(&self.products) {
            if goods.is_counted() && goods.barcode != LAST.barcode {
                self.staff.try_call("POST", &format!("/api/products/{id}/stock"), &body)?;
            }
        }
        Ok(())
    }
}

/// The next step of an order after one whose response is `made`.
fn after(step: Step, lines: usize, order: &Value, made: &Value) -> Option<Step> {
    match step {
        Step::Pay if order["customer_id"].is_null() => Some(Step::Cook(0)),
        Step::Pay => Some(Step::Send),
        Step::Cook(line) if line + 1 < lines => Some(Step::Cook(line + 1)),
        Step::Cook(_) if fastrand::u8(..8) == 0 => Some(Step::Recall),
        Step::Cook(_) => Some(Step::HandOver),
        Step::Recall => Some(Step::Cook(0)),
        Step::HandOver if fastrand::u8(..8) == 0 => Some(Step::Refund),
        Step::Send => Some(Step::Arrive(id(made))),
        Step::HandOver | Step::Refund | Step::Arrive(_) => None,
    }
}

/// A sale at the till. Some have discounts and a note, some are handed over at once.
fn till(mut lines: Value, begun: usize) -> Value {
    let has_discount = begun.is_multiple_of(4);
    if has_discount {
        lines[0]["discount"] = number("0.10");
        lines[0]["note"] = "no sugar".into();
    }
    let mut sale = json!({
        "client_id": client_id(), "items": lines,
        "discount": number(if has_discount { "0.50" } else { "0" }),
        "payments": [{"gateway": "cash", "amount": 200}],
    });
    if fastrand::bool() {
        sale["status"] = OrderStatus::Completed.word().into();
    }
    sale
}

/// A sale that happened at the market a while ago: the shop may not have had so much, and the customer paid less,
/// because there were no small coins.
fn market() -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    json!({
        "client_id": client_id(), "sold_at": timestamp::text(now - MARKET_DELAY_MS),
        "items": [{"barcode": LAST.barcode, "quantity": 3}], "total": 22,
        "payments": [{"gateway": "cash", "amount": 50}],
        "status": OrderStatus::Completed.word(), "notes": "sold at the market",
    })
}

/// A name that no other sale has.
fn client_id() -> String {
    format!("demo-{:016x}", fastrand::u64(..))
}

/// A transaction of an order's whole total.
fn transaction(order: &Value, direction: TransactionType) -> Value {
    json!({
        "order_id": id(order), "amount": order["total"].clone(),
        "gateway": if fastrand::bool() { "card" } else { "cash" },
        "type": direction.word(), "status": TransactionStatus::Completed.word(),
    })
}
