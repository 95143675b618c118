//! The shop assistant of the demo, a client of the API like any till.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::cli::demo::login::Login;
use crate::domain::order::OrderStatus;
use crate::domain::shipment::ShipmentStatus;
use crate::domain::transaction::{TransactionStatus, TransactionType};

const PRODUCTS: [(&str, &str); 8] = [
    ("Espresso", "2.40"),
    ("Flat white", "3.90"),
    ("Croissant", "2.10"),
    ("Sourdough loaf", "5.60"),
    ("Cheesecake", "4.50"),
    ("Orange juice", "3.20"),
    ("Granola, 500 g", "6.95"),
    ("House blend, 250 g", "9.80"),
];
const CUSTOMERS: [(&str, &str); 4] =
    [("Ana", "Silva"), ("Ben", "Okafor"), ("Chen", "Li"), ("Dora", "Novak")];
/// The most orders in progress; no new one is placed beyond that.
const OPEN_ORDERS_MAX: usize = 50;

/// Sells, `rate` actions per second, until the connection breaks.
pub(super) async fn run(mut assistant: Assistant, rate: f64) -> Result<(), String> {
    assistant.stock_shelves().await?;
    let mut next = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        next.tick().await;
        assistant.step().await?;
    }
}

/// A logged-in client, and the ids that it knows.
pub(super) struct Assistant {
    requests: SendRequest<Full<Bytes>>,
    cookie: String,
    address: SocketAddr,
    products: Vec<i64>,
    customers: Vec<i64>,
    open: VecDeque<OpenOrder>,
}

/// An order in progress, with what happens to it next.
struct OpenOrder {
    id: i64,
    total: Value,
    next: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Pay,
    Send,
    Arrive(i64),
}

impl Assistant {
    pub(super) async fn log_in(address: SocketAddr, staff: &Login) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (requests, connection) = handshake.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let (products, customers, open) = (Vec::new(), Vec::new(), VecDeque::new());
        let mut assistant =
            Self { requests, cookie: String::new(), address, products, customers, open };
        let login = json!({"username": staff.role.name(), "password": staff.password.0});
        let reply = assistant.send(Method::POST, "/api/auth/login", &login).await?;
        let cookie =
            reply.headers().get(header::SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).ok_or("no cookie came")?;
        cookie.clone_into(&mut assistant.cookie);
        Ok(assistant)
    }

    /// The session, as the value of a `Cookie` header.
    pub(super) fn cookie(&self) -> &str {
        &self.cookie
    }

    async fn stock_shelves(&mut self) -> Result<(), String> {
        let listed = self.call(Method::GET, "/api/products?order=asc", &Value::Null).await?;
        self.products = ids(&listed["data"]);
        let listed = self.call(Method::GET, "/api/customers?order=asc", &Value::Null).await?;
        self.customers = ids(&listed["data"]);
        for (at, (name, price)) in PRODUCTS.iter().enumerate().skip(self.products.len()) {
            let price: Value = serde_json::from_str(price).unwrap_or_default();
            let sku = format!("DEMO-{at:03}");
            let product =
                json!({"name": name, "sku": sku, "price": price, "stock": 500, "currency": "EUR"});
            let made = self.call(Method::POST, "/api/products", &product).await?;
            self.products.push(id(&made));
        }
        for (first, last) in CUSTOMERS.into_iter().skip(self.customers.len()) {
            let email = format!("{}@example.com", first.to_lowercase());
            let customer = json!({"email": email, "first_name": first, "last_name": last});
            let made = self.call(Method::POST, "/api/customers", &customer).await?;
            self.customers.push(id(&made));
        }
        Ok(())
    }

    /// Places an order, or advances the oldest open one.
    async fn step(&mut self) -> Result<(), String> {
        let busy =
            self.open.len() >= OPEN_ORDERS_MAX || (!self.open.is_empty() && fastrand::u8(..10) < 6);
        match self.open.pop_front() {
            Some(order) if busy => self.advance(order).await,
            order => {
                self.open.extend(order);
                self.place_order().await
            }
        }
    }

    async fn place_order(&mut self) -> Result<(), String> {
        let mut lines = Vec::new();
        for _ in 0..fastrand::usize(1..=3) {
            let product = self.products.get(fastrand::usize(..self.products.len().max(1)));
            lines.extend(
                product.map(|id| json!({"product_id": id, "quantity": fastrand::u8(1..=3)})),
            );
        }
        let customer = self.customers.get(fastrand::usize(..=self.customers.len() * 2)); // half have no name
        let order = json!({"customer_id": customer, "items": lines});
        let reply = self.send(Method::POST, "/api/orders", &order).await?;
        if reply.status() == StatusCode::CONFLICT {
            return self.restock().await;
        }
        let order = body(reply).await?;
        self.open.push_back(OpenOrder {
            id: id(&order),
            total: order["total"].clone(),
            next: Step::Pay,
        });
        Ok(())
    }

    async fn restock(&mut self) -> Result<(), String> {
        for at in 0..self.products.len() {
            let path = format!("/api/products/{}", self.products[at]);
            self.call(Method::PATCH, &path, &json!({"stock": 500})).await?;
        }
        Ok(())
    }

    async fn advance(&mut self, order: OpenOrder) -> Result<(), String> {
        let OpenOrder { id: order_id, total, next } = order;
        let next = match next {
            Step::Pay if fastrand::u8(..20) == 0 => {
                let cancel = json!({"status": OrderStatus::Cancelled.word()});
                self.call(Method::PATCH, &format!("/api/orders/{order_id}"), &cancel).await?;
                return Ok(());
            }
            Step::Pay => {
                let gateway = if fastrand::bool() { "card" } else { "cash" };
                let payment = json!({
                    "order_id": order_id, "amount": total, "gateway": gateway,
                    "type": TransactionType::Payment.word(),
                    "status": TransactionStatus::Completed.word(),
                });
                self.call(Method::POST, "/api/transactions", &payment).await?;
                Step::Send
            }
            Step::Send => {
                let number = format!("TRACK{:06}", fastrand::u32(..1_000_000));
                let parcel = json!({
                    "order_id": order_id, "carrier": "UPS", "tracking_number": number,
                    "status": ShipmentStatus::Shipped.word(),
                });
                Step::Arrive(id(&self.call(Method::POST, "/api/shipments", &parcel).await?))
            }
            Step::Arrive(parcel) => {
                let arrived = json!({"status": ShipmentStatus::Delivered.word()});
                self.call(Method::PATCH, &format!("/api/shipments/{parcel}"), &arrived).await?;
                return Ok(());
            }
        };
        self.open.push_back(OpenOrder { id: order_id, total, next });
        Ok(())
    }

    /// Sends a request that must succeed, and returns its JSON.
    async fn call(&mut self, method: Method, path: &str, json: &Value) -> Result<Value, String> {
        let reply = self.send(method, path, json).await?;
        let status = reply.status();
        let json = body(reply).await?;
        if status.is_success() { Ok(json) } else { Err(format!("{path}: {status}: {json}")) }
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        json: &Value,
    ) -> Result<hyper::Response<hyper::body::Incoming>, String> {
        self.requests.ready().await.map_err(|error| error.to_string())?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(json.to_string())))
            .map_err(|error| error.to_string())?;
        self.requests.send_request(request).await.map_err(|error| error.to_string())
    }
}

async fn body(reply: hyper::Response<hyper::body::Incoming>) -> Result<Value, String> {
    let bytes = reply.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

fn id(entity: &Value) -> i64 {
    entity["id"].as_i64().unwrap_or_default()
}

fn ids(entities: &Value) -> Vec<i64> {
    entities.as_array().into_iter().flatten().map(id).collect()
}
