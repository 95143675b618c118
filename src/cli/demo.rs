//! `tillcast demo`: a shop in a temporary directory, in which things happen.
//!
//! What happens goes through the HTTP API of the running server, as anybody's requests would.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::auth::{one_time_password, password};
use crate::cli::logging;
use crate::cli::serve::{end, runtime, settings};
use crate::cli::terminal::{explain, print};
use crate::config::Config;
use crate::domain::{Role, Secret};
use crate::server::Server;
use crate::store::Console;

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
/// Orders that are on their way through the shop; more wait at the door.
const OPEN_ORDERS_MAX: usize = 50;

/// Serves a temporary shop, with so many actions a second, until a signal.
pub(super) fn run(config: &Config, rate: f64) -> Result<(), String> {
    let log = logging::start(config);
    let dir = tempfile::Builder::new()
        .prefix("tillcast-demo-")
        .tempdir()
        .map_err(|error| error.to_string())?;
    let config = Config { data_dir: dir.path().to_owned(), ..config.clone() };
    let logins = make_users(&config)?;
    let runtime = runtime(config.workers)?;
    let served = runtime.block_on(async {
        let opened = Server::open(&settings(&config), Vec::new())?;
        let address =
            reachable(opened.addresses.first().copied().ok_or("there is no address to listen on")?);
        print_welcome(address, rate, &logins)?;
        let staff =
            logins.iter().find(|login| login.role == Role::Staff).cloned().ok_or("no staff")?;
        tokio::spawn(log.maintain(config.clone(), None));
        let assistant = tokio::spawn(simulate(address, staff, rate));
        let served = opened.run().await;
        assistant.abort();
        served
    });
    end(runtime, served)
}

#[derive(Clone)]
struct Login {
    role: Role,
    password: Secret,
}

fn make_users(config: &Config) -> Result<Vec<Login>, String> {
    let store = Console::open(&config.data_dir).map_err(|error| error.to_string())?;
    let user = |role: Role| {
        let no_randomness = || "the system gives no random bytes".to_owned();
        let password = one_time_password().ok_or_else(no_randomness)?;
        let hash = password::hash(&password, config.limits.hash).ok_or_else(no_randomness)?;
        store.add_user(role.name(), role, &hash).map_err(explain)?;
        Ok(Login { role, password })
    };
    Role::ALL.into_iter().map(user).collect()
}

/// The address at which a program on this machine reaches the server.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn print_welcome(address: SocketAddr, rate: f64, logins: &[Login]) -> Result<(), String> {
    let users = logins.iter().map(|login| {
        let name = login.role.name();
        format!("  {name:<8} password {}\n", login.password.0)
    });
    let users: String = users.collect();
    let staff =
        logins.iter().find(|login| login.role == Role::Staff).map_or("", |login| &login.password.0);
    print(&format!(
        "A demo shop is open at http://{address} and ws://{address}/ws, {rate} actions a second.\n\
         It is in a temporary directory and goes when this program ends (Ctrl-C).\n\n\
         users:\n{users}\n\
         log in and look:\n\
         \x20 curl -c jar -H 'content-type: application/json' http://{address}/api/auth/login \\\n\
         \x20      -d '{{\"username\":\"staff\",\"password\":\"{staff}\"}}'\n\
         \x20 curl -b jar 'http://{address}/api/orders?limit=3'\n\
         \x20 curl -b jar 'http://{address}/api/events?limit=3'\n\n"
    ))
}

/// Lets things happen; begins anew where the connection breaks.
async fn simulate(address: SocketAddr, staff: Login, rate: f64) {
    loop {
        if let Err(why) = run_assistant(address, &staff, rate).await {
            tracing::warn!(why, "the demo's shop assistant starts again");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn run_assistant(address: SocketAddr, staff: &Login, rate: f64) -> Result<(), String> {
    let mut assistant = Assistant::log_in(address, staff).await?;
    assistant.stock_shelves().await?;
    let mut next = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        next.tick().await;
        assistant.step().await?;
    }
}

/// The shop assistant: a client of the API.
struct Assistant {
    requests: SendRequest<Full<Bytes>>,
    cookie: String,
    address: SocketAddr,
    products: Vec<i64>,
    customers: Vec<i64>,
    open: VecDeque<OpenOrder>,
}

/// An order on its way: what is to happen to it next.
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
    async fn log_in(address: SocketAddr, staff: &Login) -> Result<Self, String> {
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

    /// One thing happens: an order comes in, or the oldest open one goes a step further.
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
                let cancel = json!({"status": "cancelled"});
                self.call(Method::PATCH, &format!("/api/orders/{order_id}"), &cancel).await?;
                return Ok(());
            }
            Step::Pay => {
                let gateway = if fastrand::bool() { "card" } else { "cash" };
                let payment = json!({"order_id": order_id, "type": "payment", "status": "completed",
                                     "amount": total, "gateway": gateway});
                self.call(Method::POST, "/api/transactions", &payment).await?;
                Step::Send
            }
            Step::Send => {
                let number = format!("TRACK{:06}", fastrand::u32(..1_000_000));
                let parcel = json!({"order_id": order_id, "status": "shipped", "carrier": "UPS",
                                    "tracking_number": number});
                Step::Arrive(id(&self.call(Method::POST, "/api/shipments", &parcel).await?))
            }
            Step::Arrive(parcel) => {
                let arrived = json!({"status": "delivered"});
                self.call(Method::PATCH, &format!("/api/shipments/{parcel}"), &arrived).await?;
                return Ok(());
            }
        };
        self.open.push_back(OpenOrder { id: order_id, total, next });
        Ok(())
    }

    /// A request that must succeed; returns its JSON.
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
