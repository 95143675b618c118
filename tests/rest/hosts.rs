//! Guards against a page whose name somebody lets lead to the shop's address (DNS rebinding): the browser takes
//! the server for a part of that page, so the server has to know its own names.

use std::net::SocketAddr;

use crate::common::{Answer, Client, Raw, Server, password_of};

/// Names that are not the server's, some of which only look like it.
const FOREIGN: [&str; 14] = [
    "attacker.example",
    "localhost.attacker.example",
    "attacker.localhost",
    "127.0.0.1.attacker.example",
    "shop.attacker.example",
    "shop.example",
    "shopx",
    "xshop",
    "localhost..",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "[::ffff:7f00:1",
    "",
];

/// The answer to a request that was written by hand.
fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut raw = Raw::connect(address).unwrap();
    raw.send(request.as_bytes()).unwrap();
    raw.answer(false).unwrap().expect("an answer")
}

fn get(address: SocketAddr, path: &str, host: &str) -> Answer {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}

#[track_caller]
fn expect_misdirected(answer: &Answer) {
    assert_eq!(answer.problem(421)["code"], "misdirected_request");
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(answer.header("set-cookie"), "");
}

/// What a browser sends for a page whose name leads here: for it the page and the server are one origin.
#[test]
fn a_page_of_another_name_gets_nothing() {
    let server = Server::with_users(&[], &[]);
    let (address, admin) = (server.address(), server.admin());
    let (cookie, password) = (admin.cookie().unwrap(), password_of("admin"));
    let host = format!("attacker.example:{}", address.port());
    let as_own =
        format!("Host: {host}\r\nOrigin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n");
    for path in
        ["/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/api/products", "/nothing"]
    {
        let request = format!("GET {path} HTTP/1.1\r\n{as_own}Cookie: {cookie}\r\n\r\n");
        expect_misdirected(&ask(address, &request));
    }
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let request = format!("GET /ws HTTP/1.1\r\n{as_own}{upgrade}Cookie: {cookie}\r\n\r\n");
    expect_misdirected(&ask(address, &request));
    // More failures than a name may have: none of them counts.
    for password in [&password, "wrong"].into_iter().cycle().take(24) {
        let body = format!(r#"{{"username":"admin","password":"{password}"}}"#);
        let length = body.len();
        let head =
            format!("POST /api/auth/login HTTP/1.1\r\n{as_own}Content-Type: application/json\r\n");
        expect_misdirected(&ask(address, &format!("{head}Content-Length: {length}\r\n\r\n{body}")));
    }
    server.login("admin").get("/api/auth/me").expect(200);
}

#[test]
fn names_that_only_look_like_the_servers_are_refused() {
    let server = Server::start();
    for host in FOREIGN {
        for port in ["", ":3000"] {
            let answer = get(server.address(), "/healthz", &format!("{host}{port}"));
            answer.status_is_one_of(&[400, 421]);
            answer.problem(answer.status);
        }
        if !host.is_empty() && !host.starts_with('[') {
            expect_misdirected(&get(server.address(), "/healthz", host));
        }
    }
    let detail =
        get(server.address(), "/healthz", "till.fritz.box:3000").problem(421)["detail"].to_string();
    assert!(detail.contains("till.fritz.box") && detail.contains("--allow-host"), "{detail}");
}

#[test]
fn the_servers_own_names_are_answered() {
    let server = Server::with(&["--allow-host", "Till.Shop.example", "--allow-host", "kasse"]);
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let (label, _) = machine.split_once('.').unwrap_or((&machine, ""));
    for host in [
        "127.0.0.1",
        "192.168.1.20",
        "[::1]",
        "[2001:db8::7]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "till.shop.example",
        "TILL.shop.example.",
        "kasse",
        label,
        &machine,
        &format!("{label}.local"),
    ] {
        for port in ["", ":3000"] {
            get(server.address(), "/healthz", &format!("{host}{port}")).expect(200);
        }
    }
    // Monitors speak HTTP/1.0 without a Host; browsers do not.
    ask(server.address(), "GET /healthz HTTP/1.0\r\n\r\n").expect(200);
}

/// RFC 9112, section 3.2.2: the host of the target counts, not the one of the header.
#[test]
fn a_host_in_the_target_is_looked_at_too() {
    let server = Server::start();
    for (target, host) in [("attacker.example", "localhost"), ("localhost", "attacker.example")] {
        let request = format!("GET http://{target}/healthz HTTP/1.1\r\nHost: {host}\r\n\r\n");
        expect_misdirected(&ask(server.address(), &request));
    }
    let own = "GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    ask(server.address(), own).expect(200);
}

#[test]
fn a_trusted_proxy_names_a_host_that_must_be_known() {
    let flags = ["--trusted-proxy", "127.0.0.1", "--allow-host", "shop.example"];
    let server = Server::with(&flags);
    let forwarded =
        |client: &Client, host| client.get_with("/healthz", &[("x-forwarded-host", host)]);
    forwarded(&server.anonymous(), "shop.example").expect(200);
    expect_misdirected(&forwarded(&server.anonymous(), "attacker.example"));
    // From anybody else the header says nothing.
    let server = Server::with(&["--allow-host", "shop.example"]);
    forwarded(&server.anonymous(), "attacker.example").expect(200);
    let request =
        "GET /healthz HTTP/1.1\r\nHost: attacker.example\r\nX-Forwarded-Host: shop.example\r\n\r\n";
    expect_misdirected(&ask(server.address(), request));
}
