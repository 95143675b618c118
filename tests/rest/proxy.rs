//! Guards the addresses of clients behind a reverse proxy. If any X-Forwarded-For were believed, an attacker
//! could guess passwords without limit; if the proxy's were not, one attacker would lock out the shop.

use crate::common::{Answer, Client, Keys, Server, Socket, curl};
use serde_json::json;

const TRUSTED: [&str; 4] = ["--trusted-proxy", "127.0.0.0/8", "--allow-host", "shop.example"];

/// A failed login for a name that nobody else has tried.
fn guess(client: &Client, number: usize, forwarded_for: &str) -> Answer {
    let login = json!({"username": format!("guess-{number}"), "password": "password-1"});
    client.post_with("/api/auth/login", &login, &[("x-forwarded-for", forwarded_for)])
}

fn log_in(server: &Server, headers: &[(&str, &str)]) -> Answer {
    let login = json!({"username": "admin", "password": server.admin_password()});
    server.anonymous().post_with("/api/auth/login", &login, headers)
}

#[test]
fn forwarded_headers_of_an_untrusted_address_are_ignored() {
    let server = Server::with(&["--trusted-proxy", "192.0.2.1"]);
    let client = server.anonymous();
    let headers = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
        ("x-forwarded-for", "rubbish"),
    ];
    let cookie = log_in(&server, &headers).expect(200).header("set-cookie").to_owned();
    assert!(!cookie.contains("Secure"), "{cookie}");
    let origin = [&headers[..], &[("origin", "https://shop.example")]].concat();
    log_in(&server, &origin).problem(403);
    for number in 0..20 {
        guess(&client, number, &format!("203.0.113.{number}")).problem(401);
    }
    guess(&client, 20, "203.0.113.20").problem(429);
}

#[test]
fn forwarded_headers_of_a_trusted_proxy_are_used() {
    let server = Server::with(&TRUSTED);
    let client = server.anonymous();
    let headers = [("x-forwarded-proto", "https"), ("x-forwarded-host", "shop.example")];
    let origin = [&headers[..], &[("origin", "https://shop.example")]].concat();
    let cookie = log_in(&server, &origin).expect(200).header("set-cookie").to_owned();
    assert!(cookie.contains("; Secure"), "{cookie}");
    let session = log_in(&server, &[]).expect(200).session_cookie();
    let user = client.with_cookie(Some(&session));
    assert!(user.upgrade(&origin).is_ok());
    assert!(user.upgrade(&[("origin", "https://shop.example")]).is_err());
    // The proxy's client cannot hide behind a header of its own.
    for number in 0..20 {
        guess(&client, number, &format!("198.51.100.{number}, 203.0.113.7")).problem(401);
    }
    guess(&client, 20, "198.51.100.20, 203.0.113.7").problem(429);
    guess(&client, 21, "203.0.113.8").problem(401);
    guess(&client, 22, "203.0.113.7, 127.0.0.9").problem(429);
}

#[test]
fn a_trusted_proxys_headers_must_be_valid() {
    let server = Server::with(&TRUSTED);
    for (name, value) in [
        ("x-forwarded-for", "unknown"),
        ("x-forwarded-for", "203.0.113.7, "),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-host", "user@shop.example"),
    ] {
        let problem = server.anonymous().get_with("/healthz", &[(name, value)]).problem(400);
        assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
    }
}

#[test]
fn clients_behind_a_proxy_have_each_their_own_share() {
    let flags = ["--max-connections-per-address", "2", "--connect-rate", "2/s"];
    let server = Server::with(&[&TRUSTED[..], &flags].concat());
    let admin = server.admin();
    // The bounds on one address and on its rate do not apply to a proxy.
    let other = |number: usize| format!("203.0.113.{number}");
    let ws = |address: &str| admin.upgrade(&[("x-forwarded-for", address)]);
    let sockets: Vec<Socket> = (0..40).map(|number| ws(&other(number)).unwrap()).collect();
    let second = ws(&other(0)).unwrap();
    let refused = ws(&other(0)).err().expect("a third of one client");
    refused.problem(429);
    assert!(!refused.header("retry-after").is_empty());
    drop((sockets, second));
    // A share is released once the server has seen its socket end.
    while let Err(answer) = ws(&other(1)) {
        answer.problem(429);
    }
}

#[test]
fn a_proxy_that_ended_tls_itself_is_not_sent_back_to_it() {
    let keys = Keys::make();
    let server = keys.server(&TRUSTED);
    let url = format!("http://{}/healthz", server.address());
    curl(&[&url]).expect(308);
    curl(&[&url, "-H", "x-forwarded-proto: http"]).expect(308);
    let hsts = curl(&[&url, "-H", "x-forwarded-proto: https"]).expect(200);
    assert_eq!(hsts.header("strict-transport-security"), "", "off by default");
}
