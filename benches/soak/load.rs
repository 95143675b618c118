//! The staff of the shop and its devices, ten times as many as a shop has.

use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::{Value, json};
use tungstenite::{Error, Message};

use crate::common::{PATIENCE, Socket, customer, pay, shipment, unique};
use crate::{ENTITIES, Soak};

/// The milliseconds for which devices stay, and for which they are away.
const STAY: std::ops::Range<u64> = 2_000..60_000;
const AWAY: std::ops::Range<u64> = 0..5_000;
/// How long a device waits for events before it checks the time.
const LOOK: Duration = Duration::from_millis(500);

/// Repeats `work` at this pace, until the run is over.
fn again_and_again(soak: &Soak, pace: Duration, mut work: impl FnMut(u64)) {
    let mut next = Instant::now();
    for number in 0.. {
        if soak.is_over() {
            return;
        }
        work(number);
        next += pace;
        sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Sells two products, takes the payment, and ships every tenth order.
pub(crate) fn sell(soak: &Soak, till: usize) {
    let staff = soak.server.login("staff");
    again_and_again(soak, Duration::from_millis(200), |number| {
        let item =
            |_| json!({"product_id": fastrand::choice(&soak.products).unwrap(), "quantity": 1});
        let (first, mut second) = (item(1), item(2));
        while second == first {
            second = item(2);
        }
        let key = format!("till-{till}-{number}");
        let body = json!({"items": [first, second]});
        let begun = Instant::now();
        let order = staff.post_with("/api/orders", &body, &[("idempotency-key", &key)]).expect(201);
        soak.orders.lock().unwrap().push(begun.elapsed());
        let order = order.json();
        let id = order["id"].as_i64().unwrap();
        pay(&staff, id, order["total"].as_f64().unwrap());
        if number % 10 == 0 {
            let path = format!("/api/shipments/{}", shipment(&staff, id));
            for status in ["shipped", "delivered"] {
                staff.patch(&path, &json!({"status": status})).expect(200);
            }
        }
    });
}

/// Renames products, and creates customers.
pub(crate) fn manage(soak: &Soak) {
    let staff = soak.server.login("staff");
    again_and_again(soak, Duration::from_millis(500), |number| {
        let path = format!("/api/products/{}", fastrand::choice(&soak.products).unwrap());
        staff.patch(&path, &json!({"name": unique("Coffee")})).expect(200);
        if number % 4 == 0 {
            customer(&staff);
        }
    });
}

/// Reads lists, as the screens of an office do.
pub(crate) fn read(soak: &Soak) {
    let staff = soak.server.login("staff");
    again_and_again(soak, Duration::from_millis(200), |number| {
        let after = fastrand::u64(0..=soak.began_at + number);
        for path in ["orders?limit=50", "products?limit=200", "transactions?status=completed"] {
            staff.get(&format!("/api/{path}")).expect(200);
        }
        staff.get(&format!("/api/events?after={after}&limit=100")).expect(200);
    });
}

/// Logs in and out, not in step with the samples, because a hash's 19 MiB would otherwise be in all
/// of them.
pub(crate) fn log_in_and_out(soak: &Soak) {
    again_and_again(soak, Duration::from_millis(1_900), |_| {
        let staff = soak.server.login("staff");
        staff.get("/api/auth/me").expect(200);
        staff.post("/api/auth/logout", &json!({})).expect(204);
        soak.logins.fetch_add(1, Ordering::AcqRel);
    });
}

/// Subscribes to everything and never reads; when the server closes the connection, it comes back
/// and does the same.
pub(crate) fn get_stuck(soak: &Soak) {
    while !soak.is_over() {
        let stream = TcpStream::connect(soak.server.address()).unwrap();
        set_socket_recv_buffer_size(&stream, 4 * 1024).unwrap();
        let cookie = soak.admin.cookie();
        let mut socket = Socket::over(stream, soak.server.address(), cookie, &[]).unwrap();
        for entity in ENTITIES {
            socket.send(&subscription(entity, soak.began_at));
        }
        let peer = socket.into_stream();
        // A peer that is gone answers the next bytes with a reset. The bytes are an empty pong.
        while !soak.is_over() {
            let said = std::io::Write::write_all(&mut &peer, &[0x8a, 0x80, 0, 0, 0, 0]);
            if said.is_err() {
                soak.stuck_closed.fetch_add(1, Ordering::AcqRel);
                break;
            }
            sleep(Duration::from_secs(1));
        }
    }
}

fn subscription(entity: &str, since: u64) -> Value {
    json!({"type": "subscribe", "channel": format!("{entity}_changes"), "since": since})
}

/// Follows one channel, leaves and comes back, and must see all of it, once and in order.
pub(crate) fn follow(soak: &Soak, entity: usize) {
    let (mut seen, mut told_at) = (Vec::new(), None);
    loop {
        let mut socket = soak.admin.ws();
        socket.send(&subscription(ENTITIES[entity], *seen.last().unwrap_or(&soak.began_at)));
        assert_eq!(socket.recv()["type"], "subscribed");
        socket.set_patience(LOOK);
        let leaves = Instant::now() + Duration::from_millis(fastrand::u64(STAY));
        while Instant::now() < leaves {
            match socket.recv_message() {
                Ok(Message::Text(text)) => seen.push(seq_of(text.as_str())),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                other => panic!("a client that reads got {other:?}"),
            }
            let Some(told) = soak.told.get() else { continue };
            if seen == told[entity] {
                return;
            }
            let told_at = *told_at.get_or_insert_with(Instant::now);
            if told_at.elapsed() > PATIENCE {
                let (have, all) = (seen.len(), told[entity].len());
                let wrong = seen.iter().zip(&told[entity]).find(|(seen, told)| seen != told);
                panic!("{have} of {all} events of {}, and first {wrong:?}", ENTITIES[entity]);
            }
        }
        drop(socket);
        soak.came_back.fetch_add(1, Ordering::AcqRel);
        if soak.told.get().is_none() {
            sleep(Duration::from_millis(fastrand::u64(AWAY)));
        }
    }
}

fn seq_of(event: &str) -> u64 {
    let (_, rest) = event.rsplit_once(r#","seq":"#).unwrap_or_else(|| panic!("{event}"));
    rest.trim_end_matches('}').parse().unwrap()
}
