//! Guards the server against slow clients: one that was away for long, or that never reads, must not cost
//! memory, delay others, or lose an event.

use crate::common::{
    Client, PATIENCE, Reader, Server, Socket, cheap_events, outside_order, unique,
};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::json;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const AWAY_FOR: u64 = 10_000;
const OTHERS: usize = 200;

#[test]
fn ten_thousand_missed_events_arrive_once_and_in_order_beside_live_traffic() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 9.99);
    let mut socket = admin.ws();
    let left_at = socket.subscribe("order_changes");
    drop(socket);

    let meanwhile = 500;
    let last = left_at + AWAY_FOR + meanwhile;
    let others: Vec<Reader> = (0..OTHERS).map(|_| live(&admin)).collect();
    std::thread::scope(|scope| {
        for mut other in others {
            scope.spawn(move || other.expect_all(left_at, last));
        }
        cheap_events(&admin, order, usize::try_from(AWAY_FOR).unwrap());
        scope.spawn(|| cheap_events(&admin, order, usize::try_from(meanwhile).unwrap()));

        let mut back = admin.ws();
        let ack = back.subscribe_since("order_changes", left_at);
        assert_eq!(ack["type"], "subscribed", "{ack}");
        for expected in left_at + 1..=last {
            let text = back.recv_text();
            let end = format!(r#","seq":{expected}}}"#);
            assert!(text.ends_with(&end), "expected {expected}, got {text}");
        }
        back.expect_quiet();
    });
}

/// A subscribed client that reads.
fn live(client: &Client) -> Reader {
    let mut socket = client.ws();
    socket.subscribe("order_changes");
    Reader::new(socket)
}

/// A subscribed client with a small receive buffer, which is soon full. A smaller one would measure TCP's
/// silly-window timer (200 ms per window) when it reads again.
fn stuck(client: &Client) -> Reader {
    Reader::new(stuck_socket(client))
}

fn stuck_socket(client: &Client) -> Socket {
    let stream = TcpStream::connect(client.address()).unwrap();
    set_socket_recv_buffer_size(&stream, 32 * 1024).unwrap();
    let mut socket = Socket::over(stream, client.address(), client.cookie(), &[]).unwrap();
    assert_eq!(socket.recv()["type"], "connected");
    socket.subscribe("order_changes");
    socket
}

/// Makes events of 1 KiB each, over several connections.
fn fat_events(client: &Client, order_id: i64, count: usize) {
    const WRITERS: usize = 8;
    let path = format!("/api/orders/{order_id}");
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            let (client, path) = (client.separate(), &path);
            scope.spawn(move || {
                for _ in 0..count / WRITERS {
                    let notes = format!("{} {}", unique("note"), "x".repeat(900));
                    client.patch(path, &json!({"notes": notes})).expect(200);
                }
            });
        }
    });
}

/// Makes many events, which the healthy clients have to receive at once.
fn flood(client: &Client, order_id: i64, healthy: &mut [Reader], from: u64) {
    std::thread::scope(|scope| {
        for reader in healthy {
            scope.spawn(move || reader.expect_all(from, from + FLOOD as u64));
        }
        fat_events(client, order_id, FLOOD);
    });
}

/// Stuck clients: enough that other growth (about 100 KiB) does not matter.
const STUCK: usize = 200;
/// Events of 1 KiB while they are stuck: many times the kernel's buffer of a socket.
const FLOOD: usize = 2_000;
/// The bytes that a stuck client may cost: a connection (0.3 KiB), the rest of an event that the kernel
/// accepted in part (1 KiB), and as much again for the allocator's pages.
const BYTES_MAX: u64 = 2560;

#[test]
fn clients_that_never_read_cost_no_memory_delay_nobody_and_lose_nothing() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 9.99);
    let mut healthy: Vec<Reader> = (0..STUCK).map(|_| live(&admin)).collect();
    // Everything that grows only once grows here: the ring, the caches, the pools.
    flood(&admin, order, &mut healthy, 1);
    let from = 1 + FLOOD as u64;
    let before = server.resident_bytes();

    let stuck: Vec<Reader> = (0..STUCK).map(|_| stuck(&admin)).collect();
    flood(&admin, order, &mut healthy, from);
    let mut last = from + FLOOD as u64;
    let each = server.resident_bytes().saturating_sub(before) / STUCK as u64;
    eprintln!("a client that never reads costs {each} bytes"); // for --nocapture
    assert!(each < BYTES_MAX, "a client that never reads costs {each} bytes");

    last += in_time(&admin, order, &mut healthy[0], last);
    std::thread::scope(|scope| {
        for mut reader in stuck {
            scope.spawn(move || reader.expect_all(from, last));
        }
    });
}

/// Makes changes one after the other, each of which has to arrive soon; returns their number.
fn in_time(client: &Client, order_id: i64, healthy: &mut Reader, last: u64) -> u64 {
    const CHANGES: u64 = 50;
    let path = format!("/api/orders/{order_id}");
    for change in 1..=CHANGES {
        client.patch(&path, &json!({"notes": unique("note")})).expect(200);
        let answered = Instant::now();
        assert_eq!(healthy.next_seq(), last + change);
        let waited = answered.elapsed();
        assert!(waited < Duration::from_secs(1), "the event came after {waited:?}");
    }
    CHANGES
}

/// With 40 connections, 30 KiB may wait for sockets.
const FEW: &str = "40";
const GREEDY: usize = 20;
/// Simultaneous changes, whose events leave together.
const AT_ONCE: u64 = 16;
/// Enough to fill the kernel's buffer of a socket.
const ROUNDS: usize = 10;

#[test]
fn a_client_with_too_much_unsent_is_closed_and_misses_nothing() {
    let server = Server::with(&["--max-connections", FEW]);
    let admin = server.admin();
    let order = outside_order(&admin, 9.99);
    let path = format!("/api/orders/{order}");
    let tills: Vec<Client> = (0..AT_ONCE).map(|_| admin.separate()).collect();
    // Several texts of 6 KiB in one write: the kernel accepts a single one whole or not at all, but of many,
    // a part waits at each full socket.
    let change = || {
        std::thread::scope(|threads| {
            for till in &tills {
                threads.spawn(|| {
                    let notes = format!("{}{}", unique("note"), "\u{20ac}".repeat(1_900));
                    till.patch(&path, &json!({"notes": notes})).expect(200);
                });
            }
        });
    };
    let mut last = 1;
    let (first, greedy) = loop {
        let first = last;
        let greedy: Vec<Socket> = (0..GREEDY).map(|_| stuck_socket(&admin)).collect();
        let closed = (0..ROUNDS).any(|_| {
            change();
            last += AT_ONCE;
            admin.metric("websockets") < GREEDY
        });
        if closed {
            break (first, greedy);
        }
        // All sockets may have been full at the end of a frame; then other ones are.
        assert!(last < 5_000, "nobody was closed");
        drop(greedy);
        let begun = Instant::now();
        while admin.metric("websockets") > 0 {
            assert!(begun.elapsed() < PATIENCE, "who left is still there");
        }
    };
    for mut socket in greedy {
        let mut had = first;
        while had < last {
            let Ok(message) = socket.recv_message() else {
                socket = admin.ws();
                socket.subscribe_since("order_changes", had);
                continue;
            };
            let end = format!(r#","seq":{}}}"#, had + 1);
            assert!(message.to_text().unwrap().ends_with(&end), "not {end}: {message}");
            had += 1;
        }
    }
}
