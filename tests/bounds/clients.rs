//! Clients that take as much of the server's memory as they can.

use crate::common::{Client, PATIENCE, Raw, Server, Socket, json_request, password_of};
use crate::shop::{Shop, long_note};
use serde_json::json;
use socket2::{Domain, Type};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::scope;
use std::time::{Duration, Instant};

/// Clients that each use their whole share of a pool; together they fill it.
pub(crate) const TILLS: usize = 8;
/// Threads of this test that each serve a share of its connections.
const HANDS: usize = 4;

/// Runs `work` this many times on a few threads; returns the results.
pub(crate) fn in_parallel<T: Send>(times: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    scope(|threads| {
        let hands: Vec<_> = (0..HANDS)
            .map(|hand| {
                let work = &work;
                let share = move || (hand..times).step_by(HANDS).map(work).collect::<Vec<_>>();
                threads.spawn(share)
            })
            .collect();
        hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
    })
}

/// Clients of `TILLS` users, who may read everything.
pub(crate) fn tills(admin: &Client, server: &Server) -> Vec<Client> {
    let log_in = |number| {
        let name = format!("till{number}");
        let user = json!({"username": name, "password": password_of(&name), "role": "admin"});
        admin.post("/api/users", &user).expect(201);
        server.login(&name)
    };
    (0..TILLS).map(log_in).collect()
}

fn request(client: &Client, method: &str, path: &str, body: &str) -> Vec<u8> {
    json_request(method, path, client.cookie(), "", body)
}

/// A connection with a small receive buffer, which is soon full.
fn narrow(client: &Client) -> TcpStream {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.connect(&client.address().into()).unwrap();
    socket.set_read_timeout(Some(3 * PATIENCE)).unwrap();
    socket.into()
}

/// A subscriber that never reads an event.
pub(crate) fn stuck_socket(client: &Client) -> Socket {
    let mut socket = Socket::over(narrow(client), client.address(), client.cookie(), &[]).unwrap();
    assert_eq!(socket.recv()["type"], "connected");
    socket.subscribe("order_changes");
    socket
}

/// Sends a pong on each socket before the server would close it as silent, and reads nothing.
pub(crate) fn stay_alive(mut sockets: Vec<Socket>, ended: &Receiver<()>) {
    const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];
    let silence = Duration::from_secs(20);
    while ended.recv_timeout(silence) == Err(RecvTimeoutError::Timeout) {
        for socket in &mut sockets {
            // A socket that accepts nothing for a minute is closed, whatever it sends.
            drop(socket.stream().write_all(&PONG));
        }
    }
}

/// Sends requests at once; their responses have begun to arrive and are read no further.
pub(crate) fn unread<'a>(
    tills: &[Client],
    count: usize,
    ask: impl Fn(usize) -> (&'a str, &'a str, &'a str) + Sync,
) -> Vec<TcpStream> {
    let mut streams = in_parallel(count, |at| {
        let (method, path, body) = ask(at);
        let till = &tills[at % TILLS];
        let mut stream = narrow(till);
        stream.write_all(&request(till, method, path, body)).unwrap();
        stream
    });
    let mut begun = [0; 12];
    for stream in &mut streams {
        stream.read_exact(&mut begun).unwrap();
    }
    streams
}

/// A body of `kib` KiB without its last byte, of which 1 KiB is in the smallest possible chunks.
pub(crate) fn half_body(client: &Client, kib: usize) -> TcpStream {
    let rest = (kib - 1) * 1024 - 1;
    let body = "1\r\n{\r\n".repeat(1024) + &format!("{rest:x}\r\n") + &"{".repeat(rest);
    let (cookie, kind) = (client.cookie().unwrap(), "Content-Type: application/json");
    let head = "POST /api/orders HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked";
    let request = format!("{head}\r\nCookie: {cookie}\r\n{kind}\r\n\r\n{body}");
    let mut stream = narrow(client);
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Waits until the server has read the bytes that the kernel holds for it, apart from a few single
/// requests.
pub(crate) fn wait_until_read(server: &Server) {
    let here = format!("{:04X}", server.address().port());
    let waits = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, queues) = (columns.next()?, columns.nth(2)?);
        let bytes = u64::from_str_radix(queues.split_once(':')?.1, 16).ok()?;
        (local.ends_with(&here) && bytes > 4096).then_some(bytes)
    };
    let deadline = Instant::now() + 3 * PATIENCE;
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let bytes: u64 = table.lines().filter_map(waits).sum();
        if bytes == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{bytes} bytes are still not read");
    }
}

/// Changes the notes of orders to the longest possible ones, all at the same time.
pub(crate) fn write_at_once(tills: &[Client], shop: &Shop, count: usize) {
    let sent = in_parallel(count, |at| {
        let path = format!("/api/orders/{}", shop.orders[at % shop.orders.len()]);
        let body = json!({"notes": long_note()}).to_string();
        let till = &tills[at % TILLS];
        let mut raw = Raw::connect(till.address()).unwrap();
        raw.send(&request(till, "PATCH", &path, &body)).unwrap();
        raw
    });
    for mut raw in sent {
        // While requests of the last round still leave, a new one may be refused, even without a
        // response.
        if let Ok(Some(answer)) = raw.answer(false) {
            answer.status_is_one_of(&[200, 429, 503]);
        }
    }
}

/// Logs in; returns 1 if too many logins wait already.
pub(crate) fn log_in(server: &Server) -> usize {
    let body = json!({"username": "admin", "password": server.admin_password()}).to_string();
    let mut raw = Raw::connect(server.address()).unwrap();
    // Among this many connections one may be closed even without a response.
    let sent = raw.send(&json_request("POST", "/api/auth/login", None, "", &body));
    let Ok(Some(answer)) = sent.and_then(|()| raw.answer(false)) else {
        return 0;
    };
    answer.status_is_one_of(&[200, 429]);
    usize::from(answer.text().contains("too many logins"))
}

/// Reads the log from its beginning.
pub(crate) fn catch_up(client: &Client, events: usize) {
    if let Ok(mut socket) = client.upgrade(&[]) {
        assert_eq!(socket.recv()["type"], "connected");
        assert_eq!(socket.subscribe_since("order_changes", 0)["type"], "subscribed");
        // It ends with the last event, or when the server closes the socket.
        (0..events).all(|_| socket.recv_message().is_ok());
    }
}
