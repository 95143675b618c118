//! Guards TLS: without it, anybody with the Wi-Fi's key can read every password and every customer.
//!
//! The clients are curl (a Debian package that `tests/run` installs) and rustls; both trust only the
//! authority that `tillcast cert` created.

use crate::common::{Keys, Secure, Server, Socket, curl, unique};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_shop_is_served_over_tls_from_the_login_to_the_event() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    let login = keys.log_in_answer(&server);
    let cookie = login.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-tillcast_session=") && cookie.contains("; Secure"),
        "{cookie}"
    );
    let cookie = login.session_cookie();
    let mut socket = keys.ws(server.address(), &cookie);
    let seq = socket.subscribe("order_changes");
    let order = ["POST", "/api/orders", r#"{"total":9.99,"currency":"USD"}"#];
    let id = keys.send(&server, &cookie, order).expect(201).id();
    let event = socket.recv_event();
    assert_eq!(event["event"], "order:created");
    assert_eq!(event["data"]["id"], id);
    assert_eq!(event["seq"], seq + 1);
    socket.expect_quiet();
    // Anybody in the network may have written a page that came over plain HTTP.
    let host = server.address();
    for (scheme, status) in [("https", 101), ("http", 403)] {
        let origin = format!("{scheme}://{host}");
        let stream = keys.over(TcpStream::connect(host).unwrap());
        let upgrade = Socket::over_stream(stream, host, Some(&cookie), &[("origin", &origin)]);
        assert_eq!(upgrade.map_or_else(|answer| answer.status, |_| 101), status);
    }
}

/// A client may stop reading over TLS, too. An encrypted record cannot be taken back, so at most one may wait.
#[test]
fn a_slow_reader_over_tls_costs_little_and_loses_nothing() {
    const EVENTS: u64 = 3_000;
    let keys = Keys::make();
    let server = keys.server(&[]);
    let cookie = keys.log_in(&server);
    let address = server.address();
    let id =
        keys.send(&server, &cookie, ["POST", "/api/orders", r#"{"total":1}"#]).expect(201).id();
    let stuck: Vec<(Socket<Secure>, u64)> = (0..20)
        .map(|_| {
            let stream = TcpStream::connect(address).unwrap();
            set_socket_recv_buffer_size(&stream, 32 * 1024).unwrap();
            let mut socket = keys.ws_over(stream, address, &cookie);
            let seq = socket.subscribe("order_changes");
            (socket, seq)
        })
        .collect();
    patch_notes(&keys, address, &cookie, id, 500); // the ring and the caches fill
    let before = server.resident_bytes();
    patch_notes(&keys, address, &cookie, id, EVENTS - 500);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 256 * 1024, "{grown} bytes more");
    // All at once, because TCP probes so small a window less and less often.
    std::thread::scope(|scope| {
        for (mut socket, seq) in stuck {
            scope.spawn(move || {
                for expected in seq + 1..=seq + EVENTS {
                    assert_eq!(socket.recv_event()["seq"], expected);
                }
                socket.expect_quiet();
            });
        }
    });
}

/// Makes events of a kilobyte on one connection; a curl for each would take long.
fn patch_notes(keys: &Keys, address: SocketAddr, cookie: &str, id: i64, count: u64) {
    let mut stream = keys.over(TcpStream::connect(address).unwrap());
    let mut answer = vec![0; 16 * 1024];
    for _ in 0..count {
        let body = format!(r#"{{"notes":"{} {}"}}"#, unique("note"), "x".repeat(900));
        let length = body.len();
        let head = format!("PATCH /api/orders/{id} HTTP/1.1\r\nHost: localhost\r\n");
        let fields = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
        let request = format!("{head}{fields}Cookie: {cookie}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        let mut read = 0;
        while !answer[..read].ends_with(b"}") {
            read += stream.read(&mut answer[read..]).unwrap();
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn plain_http_is_redirected_to_tls_without_any_effect() {
    let keys = Keys::make();
    let server = keys.server(&["--hsts", "365d"]);
    let cookie = format!("cookie: {}", keys.log_in(&server));
    let port = server.address().port();
    let plain = |path: &str, more: &[&str]| {
        let url = format!("http://localhost:{port}{path}");
        curl(&[&[&url, "-H", &cookie], more].concat())
    };
    for (path, more) in [
        ("/api/orders?limit=1", &[][..]),
        ("/ws", &["-H", "connection: upgrade", "-H", "upgrade: websocket"]),
        ("/api/auth/logout", &["-X", "POST"]),
    ] {
        let answer = plain(path, more).expect(308);
        assert_eq!(answer.header("location"), format!("https://localhost:{port}{path}"));
        assert_eq!(answer.header("connection"), "close");
        assert_eq!(answer.header("strict-transport-security"), "", "not over plain HTTP");
    }
    plain("/", &["-H", "host: user@shop"]).problem(400);
    let me = keys.curl(server.address(), "/api/auth/me", &["-H", &cookie]).expect(200);
    assert_eq!(me.header("strict-transport-security"), "max-age=31536000");
}

/// A tablet downloads the authority before it trusts it. The certificate of another authority is not served.
#[test]
fn the_own_authority_is_served_over_plain_http_too() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    let plain = format!("http://{}/ca.pem", server.address());
    let own = std::fs::read_to_string(keys.file("ca.pem")).unwrap();
    for answer in [curl(&[&plain]), keys.curl(server.address(), "/ca.pem", &[])] {
        let answer = answer.expect(200);
        assert_eq!(answer.header("content-type"), "application/x-x509-ca-cert");
        assert_eq!(answer.text(), own);
    }
    curl(&[&plain, "-X", "POST"]).problem(405);
    assert!(curl(&[&plain, "--head"]).expect(200).body.is_empty());
    drop(server);

    let mixed = format!("{}\n{own}", std::fs::read_to_string(keys.file("key.pem")).unwrap());
    std::fs::write(keys.file("ca.pem"), mixed).unwrap();
    let server = keys.server(&[]);
    assert_eq!(curl(&[&format!("http://{}/ca.pem", server.address())]).expect(200).text(), own);
    drop(server);

    let foreign = Keys::make();
    std::fs::copy(foreign.file("ca.pem"), keys.file("ca.pem")).unwrap();
    let server = keys.server(&[]);
    curl(&[&format!("http://{}/ca.pem", server.address())]).expect(404);
    Server::start().anonymous().get("/ca.pem").expect(404);
}

#[test]
fn a_refusal_is_sent_over_tls() {
    let keys = Keys::make();
    let server = keys.server(&["--max-connections", "1"]);
    // The login's connection is the only allowed one until it ends.
    let cookie = keys.log_in(&server);
    let inside = loop {
        let stream = keys.over(connect(&server));
        match Socket::over_stream(stream, server.address(), Some(&cookie), &[]) {
            Ok(socket) => break socket,
            Err(answer) => answer.problem(429),
        };
    };
    let refused = keys.curl(server.address(), "/", &[]);
    refused.problem(429);
    assert!(!refused.header("retry-after").is_empty());
    drop(inside);
}

/// When the Wi-Fi returns, many displays reconnect at once: they resume their TLS sessions, without a
/// signature for each.
#[test]
fn a_returning_client_resumes_its_tls_session() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    let connect = |client: &Arc<ClientConfig>| {
        let stream = TcpStream::connect(server.address()).unwrap();
        let mut stream = Keys::over_as(stream, client);
        let request = b"GET /healthz HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        // Without a close_notify at its end, this is an error.
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
        stream.conn.handshake_kind()
    };
    for version in [&TLS13, &TLS12] {
        let client = keys.client_of(&[version]);
        assert_eq!(connect(&client), Some(HandshakeKind::Full));
        assert_eq!(connect(&client), Some(HandshakeKind::Resumed));
    }
}

/// Tablets that are ten years old speak only TLS 1.2.
#[test]
fn a_client_that_speaks_only_tls_1_2_is_served_too() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    let address = server.address();
    let cookie = keys.log_in(&server);
    let header = format!("cookie: {cookie}");
    keys.curl(address, "/api/auth/me", &["--tls-max", "1.2", "-H", &header]).expect(200);
    let stream = TcpStream::connect(address).unwrap();
    let stream = Keys::over_as(stream, &keys.client_of(&[&TLS12]));
    let mut socket = Socket::over_stream(stream, address, Some(&cookie), &[]).unwrap();
    assert_eq!(socket.recv()["type"], "connected");
    socket.subscribe("order_changes");
    for _ in 0..3 {
        keys.send(&server, &cookie, ["POST", "/api/orders", r#"{"total":1}"#]).expect(201);
        assert_eq!(socket.recv_event()["event"], "order:created");
        socket.expect_quiet();
    }
}

#[test]
fn an_orderly_end_sends_close_notify() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    let cookie = keys.log_in(&server);
    let mut stranger =
        Socket::over_stream(keys.over(connect(&server)), server.address(), None, &[]).unwrap();
    assert_eq!(stranger.drain_until_close().0, 1008);
    let mut socket = keys.ws(server.address(), &cookie);
    keys.send(&server, &cookie, ["POST", "/api/auth/logout", ""]).expect(204);
    assert_eq!(socket.drain_until_close().0, 1008);
    for ended in [stranger, socket] {
        assert_eq!(ended.into_stream().read(&mut [0; 16]).unwrap(), 0);
    }
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Waits until the server closes; returns the time that it took.
fn until_cut(mut stream: TcpStream) -> Duration {
    let begun = Instant::now();
    let mut rest = Vec::new();
    let end = stream.read_to_end(&mut rest).map_err(|error| error.kind());
    assert!(matches!(end, Ok(_) | Err(ErrorKind::ConnectionReset)), "not cut: {end:?}");
    begun.elapsed()
}

/// The bytes of a client's first flight.
fn client_hello(keys: &Keys) -> Vec<u8> {
    let mut hello = Vec::new();
    keys.over(local_stream()).conn.write_tls(&mut hello).unwrap();
    hello
}

/// A stream on which no bytes ever come.
fn local_stream() -> TcpStream {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    TcpStream::connect(listener.local_addr().unwrap()).unwrap()
}

#[test]
fn bytes_that_are_no_tls_handshake_end_the_connection_at_once() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    let hello = client_hello(&keys);
    let mut wrong: Vec<Vec<u8>> = vec![
        b"\x16GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x00\x04rest".to_vec(),
        [b"\x16\x03\x01\x7f\xff", &[0; 9000][..]].concat(),
        // A record of the right type with invalid content.
        [&hello[..9], &vec![0xff; hello.len() - 9]].concat(),
        // Application data before the handshake.
        [&hello[..], b"\x17\x03\x03\x00\x10sixteen letters!"].concat(),
    ];
    // A message in more pieces than the server keeps.
    let pieces = hello[5..9].iter().chain([0; 4000].iter()).copied().collect::<Vec<u8>>();
    let long = [&[1, 0, 0xff, 0xff][..], &pieces].concat();
    wrong.push(
        long.chunks(100)
            .flat_map(|piece| {
                [b"\x16\x03\x01\x00", &[u8::try_from(piece.len()).unwrap()][..], piece].concat()
            })
            .collect(),
    );
    for (at, bytes) in wrong.iter().enumerate() {
        let mut stream = connect(&server);
        stream.write_all(bytes).unwrap();
        let took = until_cut(stream);
        assert!(took < Duration::from_secs(5), "{at}: {took:?}");
    }
    // The peer closes after half of a record.
    let mut stream = connect(&server);
    stream.write_all(&hello[..hello.len() / 2]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(until_cut(stream) < Duration::from_secs(5));
    keys.curl(server.address(), "/healthz", &[]).expect(200);
}

/// A handshake holds no permit of the HTTP phase, of which there are 64 here, and may take ten seconds.
#[test]
fn half_open_handshakes_block_no_client_and_are_cut() {
    let keys = Keys::make();
    let server = keys.server(&["--profile", "tiny"]);
    let hello = client_hello(&keys);
    let begun = Instant::now();
    let open = |bytes: &[u8]| {
        let mut stream = connect(&server);
        stream.write_all(bytes).unwrap();
        stream
    };
    let mut held: Vec<TcpStream> = (0..100).map(|_| open(&hello)).collect();
    for stream in &mut held {
        // The server has sent its flight and waits for the end of the handshake.
        stream.read_exact(&mut [0; 5]).unwrap();
    }
    held.extend((0..100).map(|_| open(&hello[..hello.len() - 1])));
    held.extend((0..50).map(|_| open(&hello[..1])));
    // Finished, and then silent.
    let mut silent = keys.over(connect(&server));
    silent.conn.complete_io(&mut silent.sock).unwrap();
    held.push(silent.sock);
    for _ in 0..10 {
        keys.curl(server.address(), "/healthz", &[]).expect(200);
    }
    assert!(begun.elapsed() < Duration::from_secs(9), "too slow a machine for this test");
    for stream in held {
        until_cut(stream);
    }
    let took = begun.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(14)).contains(&took), "{took:?}");
}

/// A TLS connection takes no more memory than `limits` says, neither as a WebSocket nor during a handshake.
#[test]
fn a_session_takes_no_more_memory_than_limits_says() {
    const MANY: usize = 300;
    let keys = Keys::make();
    let server = keys.server(&[]);
    let cookie = keys.log_in(&server);
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| keys.file(name));
    let tls = ["limits", "--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let table = String::from_utf8(server.cli(&tls, "").stdout).unwrap();
    let bytes = |what: &str| -> u64 {
        let line = table.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_once(" x ").unwrap().1.split_whitespace().next().unwrap().parse().unwrap()
    };
    let most = bytes("connections (") + bytes("TLS connections");
    let plain = String::from_utf8(server.cli(&["limits"], "").stdout).unwrap();
    assert!(!plain.contains("TLS"), "{plain}");

    let sockets = |count: usize| -> Vec<Socket<Secure>> {
        let ws = |_| {
            let mut socket = keys.ws(server.address(), &cookie);
            socket.subscribe("order_changes");
            socket
        };
        (0..count).map(ws).collect()
    };
    let hello = client_hello(&keys);
    let begun = |count: usize| -> Vec<TcpStream> {
        let begin = |_| {
            let mut stream = connect(&server);
            stream.write_all(&hello).unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
            stream
        };
        (0..count).map(begin).collect()
    };
    let _warm = (sockets(20), begun(20));
    let measure = |what: &str, before: u64| {
        let each = server.resident_bytes().saturating_sub(before) / MANY as u64;
        eprintln!("{what}: {each} of {most} bytes"); // for --nocapture
        assert!(each <= most, "{what}: {each} of {most} bytes");
    };
    let before = server.resident_bytes();
    let _sockets = sockets(MANY);
    measure("sockets", before);
    let before = server.resident_bytes();
    let _begun = begun(MANY);
    measure("handshakes", before);
}
