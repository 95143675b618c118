//! One keep-alive connection of a writer (RFC 9112): one request at a time, and the end of its
//! response.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::common::Outcome;
use crate::common::seed::{ORDERS, PRODUCTS, order_event};
use crate::common::server::{Kind, Server};

/// A writer's connection.
pub(crate) struct Writer {
    pub(crate) stream: TcpStream,
    answer: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, answer: Vec::new() }
    }

    /// Sends a request. It is small and no other is under way, so the kernel accepts all of it.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request)
    }

    /// Reads what has arrived; returns the response once it is complete. A status other than 2xx is
    /// an error.
    pub(crate) fn hear(&mut self, buffer: &mut [u8]) -> Outcome<Option<Answer>> {
        let read = match self.stream.read(buffer) {
            Ok(0) => return Err("the server hung up on a writer".into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error.into()),
        };
        self.answer.extend_from_slice(&buffer[..read]);
        let Some(head) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        if self.answer.len() < head + 4 + content_length(&self.answer[..head]) {
            return Ok(None);
        }
        if self.answer.get(9) != Some(&b'2') {
            return Err(String::from_utf8_lossy(&self.answer).into_owned().into());
        }
        let order = order_in(&self.answer[head + 4..]);
        self.answer.clear();
        Ok(Some(Answer { order }))
    }
}

/// A complete response.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    /// The id of the order in its body.
    pub(crate) order: Option<i64>,
}

fn order_in(body: &[u8]) -> Option<i64> {
    let (id, rest) = str::from_utf8(body).ok()?.strip_prefix("{\"id\":")?.split_once(',')?;
    rest.starts_with("\"order_number\"").then(|| id.parse().ok()).flatten()
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let lines = head.split(|byte| *byte == b'\n');
    let value = lines
        .filter(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))
        .find_map(|line| str::from_utf8(&line[NAME.len()..]).ok()?.trim().parse().ok());
    value.unwrap_or(0)
}

/// The requests of the writers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// New notes of this many characters for an order, which make one event.
    Notes(usize),
    /// An order of one item, which makes an event for it and one for its product.
    Order,
    /// A payment of an order's total, which makes an event for it and one for the order.
    Payment,
    /// An order of one item with its payment, in one request.
    Sale,
    /// The same in two: the payment is sent once the order's response is there.
    OrderThenPayment,
}

/// The number of requests made so far, by all publishers. Equal notes would be no change, and so no
/// event.
static MADE: AtomicI64 = AtomicI64::new(0);

/// Makes requests, each different from all earlier ones.
pub(crate) struct Publisher {
    kind: Kind,
    wish: Wish,
    headers: String,
    body: String,
}

impl Publisher {
    pub(crate) fn new(server: &Server, wish: Wish) -> Self {
        let cookie = match server.cookie.as_str() {
            "" => String::new(),
            cookie => format!("Cookie: {cookie}\r\n"),
        };
        let headers =
            format!("Host: {}\r\n{cookie}Content-Type: application/json\r\n", server.address);
        Self { kind: server.kind, wish, headers, body: String::new() }
    }

    /// Puts a writer's next request into `out`. `before` is the response to the one before.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, before: Option<Answer>) -> Outcome<()> {
        let made = MADE.fetch_add(1, Ordering::Relaxed) + 1;
        let (wish, id) = match (self.wish, before.and_then(|answer| answer.order)) {
            (Wish::OrderThenPayment, None) => (Wish::Order, 0),
            (Wish::OrderThenPayment, Some(order)) => (Wish::Payment, order),
            (wish, _) => (wish, made % ORDERS + 1),
        };
        out.clear();
        self.body = match (self.kind, wish) {
            (Kind::Tillcast, Wish::Notes(width)) => {
                write!(out, "PATCH /api/orders/{id}")?;
                format!(r#"{{"notes":"{made:0width$}"}}"#)
            }
            (Kind::Tillcast, Wish::Order) => {
                write!(out, "POST /api/orders")?;
                let product = made % PRODUCTS + 1;
                format!(r#"{{"items":[{{"product_id":{product},"quantity":1}}]}}"#)
            }
            (Kind::Tillcast, Wish::Payment) => {
                write!(out, "POST /api/transactions")?;
                format!(
                    r#"{{"order_id":{id},"type":"payment","status":"completed","amount":59.98,"gateway":"cash"}}"#
                )
            }
            (Kind::Tillcast, Wish::Sale | Wish::OrderThenPayment) => {
                write!(out, "POST /api/sales")?;
                let product = made % PRODUCTS + 1;
                format!(
                    r#"{{"client_id":"till-{made}","items":[{{"product_id":{product},"quantity":1}}],"payments":[{{"gateway":"cash","amount":59.98}}]}}"#
                )
            }
            (Kind::Bare | Kind::Bun, wish) => {
                write!(out, "POST /publish")?;
                let notes = match wish {
                    Wish::Notes(width) => format!("{made:0width$}"),
                    _ => String::new(),
                };
                order_event(id, 1_000 + made, wish == Wish::Order, &notes)
            }
        };
        let length = self.body.len();
        write!(out, " HTTP/1.1\r\n{}Content-Length: {length}\r\n\r\n{}", self.headers, self.body)?;
        Ok(())
    }
}
