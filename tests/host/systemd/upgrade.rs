//! An upgrade under load, as systemd does it: the old program gets SIGTERM, and the new one gets the same
//! socket. Meanwhile no client is refused, no event is lost or duplicated, no order is placed twice, and the
//! clients are not disconnected, and thus do not reconnect, all at once.

use crate::common::{
    Answer, Client, PATIENCE, Raw, Server, amount, head, json_request, log_after, outside_order,
    unique,
};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket};

const FOLLOWERS: usize = 120;
const SELLERS: usize = 4;
const UPGRADES: usize = 2;
/// The least number of sales before the first upgrade, between two, and after the last.
const ORDERS: usize = 100;
/// The time between two visitors. All that come during a drain must fit the listen queue.
const PAUSE: Duration = Duration::from_millis(5);
/// Long enough to see clients disconnected one after the other.
const FLAGS: [&str; 2] = ["--drain", "2s"];
/// They are disconnected 8 ms apart, about a second for all of them.
const SPREAD: Duration = Duration::from_millis(500);
/// The total of the last order, in cents.
const LAST: u64 = 471_100;

/// The state that all clients share.
struct Shop {
    client: Client,
    first: u64,
    closing: AtomicBool,
    sold: AtomicUsize,
}

#[test]
fn an_upgrade_under_load_loses_no_client_and_no_event() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = Server::passed(&port, &FLAGS, None);
    let client = server.admin();
    let first = head(&client);
    let shop = Shop { client, first, closing: AtomicBool::new(false), sold: AtomicUsize::new(0) };
    let mut server = thread::scope(|threads| {
        let followers: Vec<_> = (0..FOLLOWERS).map(|_| threads.spawn(|| shop.follow())).collect();
        let sellers: Vec<_> = (0..SELLERS).map(|_| threads.spawn(|| shop.sell())).collect();
        let visitor = threads.spawn(|| shop.visit());
        for upgrades in 1..=UPGRADES {
            shop.wait_for(upgrades * ORDERS);
            shop.wait_for_followers();
            assert_eq!(server.stop(), Some(0));
            server = Server::passed(&port, &FLAGS, Some(server));
        }
        shop.wait_for((UPGRADES + 1) * ORDERS);
        shop.closing.store(true, Ordering::Release);
        let mut sold: Vec<u64> = sellers.into_iter().flat_map(|one| one.join().unwrap()).collect();
        assert!(visitor.join().unwrap() > ORDERS);
        let client = shop.client.separate();
        outside_order(&client, 4711.0);

        let closings: Vec<Vec<Instant>> =
            followers.into_iter().map(|one| one.join().unwrap()).collect();
        for upgrade in 0..UPGRADES {
            let mut left: Vec<Instant> = closings.iter().map(|own| own[upgrade]).collect();
            left.sort_unstable();
            let middle = left[FOLLOWERS * 3 / 4] - left[FOLLOWERS / 4];
            assert!(middle >= SPREAD / 2, "half of them left within {middle:?}");
            assert!(left[FOLLOWERS - 1] - left[0] >= SPREAD);
        }

        sold.push(LAST);
        sold.sort_unstable();
        let mut made: Vec<u64> =
            log_after(&client, first).iter().map(|event| cents(event)).collect();
        made.sort_unstable();
        assert!(made == sold, "{} orders were sold, {} exist", sold.len(), made.len());
        server
    });
    assert_eq!(server.stop(), Some(0));
    assert!(server.cli(&["check"], "").status.success());
}

/// The total of the order that an event is about.
fn cents(event: &str) -> u64 {
    let event: Value = serde_json::from_str(event).unwrap();
    event["data"]["total"].to_string().replace('.', "").parse().unwrap()
}

impl Shop {
    fn wait_for(&self, sold: usize) {
        let begun = Instant::now();
        while self.sold.load(Ordering::Acquire) < sold {
            assert!(begun.elapsed() < 3 * PATIENCE, "nothing is sold any more");
            thread::sleep(PAUSE);
        }
    }

    /// Waits until all followers are connected.
    fn wait_for_followers(&self) {
        let (client, begun) = (self.client.separate(), Instant::now());
        while client.metric("websockets") < FOLLOWERS {
            assert!(begun.elapsed() < 3 * PATIENCE, "they do not come back");
            thread::sleep(PAUSE);
        }
    }

    /// Connects again and again, and is never refused; returns how often.
    fn visit(&self) -> usize {
        let mut visits = 0;
        while !self.closing.load(Ordering::Acquire) {
            TcpStream::connect_timeout(&self.client.address(), PATIENCE)
                .expect("nobody is refused");
            visits += 1;
            thread::sleep(PAUSE);
        }
        visits
    }

    /// Sells until the shop closes, and repeats a sale without a reply; returns the totals of the orders, in
    /// cents.
    fn sell(&self) -> Vec<u64> {
        let mut totals = Vec::new();
        while !self.closing.load(Ordering::Acquire) {
            let cents = self.sold.fetch_add(1, Ordering::AcqRel) + 1;
            let total = amount(&format!("{}.{:02}", cents / 100, cents % 100));
            let body = json!({"total": total, "currency": "USD"});
            let (key, begun) = (unique("till"), Instant::now());
            while self.ask(&key, &body).is_none_or(|answer| answer.status != 201) {
                assert!(begun.elapsed() < PATIENCE, "an order is not taken");
            }
            totals.push(cents as u64);
        }
        totals
    }

    /// Tries once to place an order; no reply if the server stopped before it had the request.
    fn ask(&self, key: &str, body: &Value) -> Option<Answer> {
        let stream = TcpStream::connect(self.client.address()).expect("nobody is refused");
        let mut raw = Raw::over(stream).unwrap();
        let cookie = self.client.cookie().unwrap();
        let key = format!("Idempotency-Key: {key}\r\n");
        let request = json_request("POST", "/api/orders", Some(cookie), &key, &body.to_string());
        raw.send(&request).ok()?;
        let answer = raw.answer(false).ok()??;
        answer.status_is_one_of(&[201, 503]);
        Some(answer)
    }

    /// Follows all orders up to the last one, through every upgrade; returns when it was disconnected.
    fn follow(&self) -> Vec<Instant> {
        let (mut seq, mut sent_away) = (self.first, Vec::new());
        loop {
            let Some(mut socket) = self.connect(seq) else { continue };
            loop {
                match socket.read() {
                    Ok(Message::Text(text)) if text.contains(r#""event":"#) => {
                        let event: Value = serde_json::from_str(&text).unwrap();
                        assert_eq!(event["seq"], seq + 1, "{event}");
                        seq += 1;
                        if cents(&text) == LAST {
                            return sent_away;
                        }
                    }
                    Ok(Message::Close(Some(frame))) => {
                        assert_eq!(u16::from(frame.code), 1001, "{frame:?}");
                        sent_away.push(Instant::now());
                        break;
                    }
                    Ok(Message::Close(None)) => panic!("sent away without a reason"),
                    Ok(_) => {}
                    Err(error) => panic!("left without a word: {error}"),
                }
            }
        }
    }

    /// Connects with the last `seq`; `None` if the server stopped during the handshake.
    fn connect(&self, since: u64) -> Option<WebSocket<TcpStream>> {
        let address: SocketAddr = self.client.address();
        let stream = TcpStream::connect(address).expect("nobody is refused");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        request.headers_mut().insert("cookie", self.client.cookie().unwrap().parse().unwrap());
        let (mut socket, _) = tungstenite::client(request, stream).ok()?;
        let ask = json!({"type": "subscribe", "channel": "order_changes", "since": since});
        socket.send(Message::text(ask.to_string())).ok()?;
        Some(socket)
    }
}
