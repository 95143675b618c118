//! Guards the QR code of a pairing: a code that a phone does not read, a link that leads nowhere, a stranger who gets it.

use super::{ask, begin, pair};
use crate::common::{Answer, Client, Server};
use serde_json::json;

/// Pixels of a module in the picture that is decoded.
const MODULE: usize = 4;

/// Draws the paths of the SVG, of which the last is the dark one, and reads the code with another program's library.
#[track_caller]
fn decode(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "image/svg+xml");
    assert_eq!(answer.header("cache-control"), "no-store");
    let svg = answer.text();
    let (_, size) = svg.split_once("viewBox=\"0 0 ").unwrap();
    let size: usize = size.split(' ').next().unwrap().parse().unwrap();
    let dark = svg.rsplit_once("<path d=\"").unwrap().1.split('"').next().unwrap();
    let mut pixels = vec![255; (size * MODULE).pow(2)];
    for bar in dark.split('z').filter(|bar| !bar.is_empty()) {
        let numbers = bar.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse().ok());
        let [left, top, width, 1, back] = numbers.collect::<Vec<usize>>()[..] else {
            panic!("{bar}");
        };
        assert_eq!(width, back, "{bar}");
        for y in top * MODULE..(top + 1) * MODULE {
            pixels[y * size * MODULE..][left * MODULE..(left + width) * MODULE].fill(0);
        }
    }
    let mut picture =
        rqrr::PreparedImage::prepare_from_greyscale(size * MODULE, size * MODULE, |x, y| {
            pixels[y * size * MODULE + x]
        });
    let codes = picture.detect_grids();
    assert_eq!(codes.len(), 1, "{svg}");
    codes[0].decode().unwrap().1
}

fn qr(device: &Client, headers: &[(&str, &str)]) -> Answer {
    device.get_with("/api/pairing/qr.svg", headers)
}

#[test]
fn the_code_is_a_link_to_the_address_that_the_device_used() {
    let server = Server::with(&["--allow-host", "till.example"]);
    let asking = ask(&server.anonymous(), &[]);
    let (code, port) = (&asking.code, server.address().port());
    for (host, authority) in [
        (format!("127.0.0.1:{port}"), format!("127.0.0.1:{port}")),
        ("192.168.1.20:3000".to_owned(), "192.168.1.20:3000".to_owned()),
        ("192.168.1.20".to_owned(), "192.168.1.20".to_owned()),
        ("[fd00::20]:3000".to_owned(), "[fd00::20]:3000".to_owned()),
    ] {
        let link = decode(&qr(&asking.client, &[("host", &host)]).expect(200));
        assert_eq!(link, format!("http://{authority}/pair#{code}"));
    }
}

/// Not each phone can resolve a name of the local network, and none this machine's `localhost`.
#[test]
fn a_local_name_becomes_an_address_for_others() {
    let server = Server::with(&["--allow-host", "till.local", "--allow-host", "till.example"]);
    let interfaces = if_addrs::get_if_addrs().unwrap();
    let own = interfaces.iter().filter(|one| !one.is_loopback() && !one.is_link_local());
    let own: Vec<String> = own.map(|one| one.ip().to_string()).collect();
    let asking = ask(&server.anonymous(), &[]);
    for host in ["localhost", "till.local", "till.example"] {
        let host = format!("{host}:3000");
        let link = decode(&qr(&asking.client, &[("host", &host)]).expect(200));
        let rest = link.strip_prefix("http://").unwrap();
        let (authority, code) = rest.split_once("/pair#").unwrap();
        assert_eq!(code, asking.code);
        let address = authority.strip_suffix(":3000").unwrap().trim_matches(['[', ']']);
        let expected =
            if own.is_empty() { address == host } else { own.iter().any(|one| one == address) };
        assert!(expected, "{link}, not one of {own:?}");
    }
}

/// The certificate of a proxy is for the shop's name.
#[test]
fn over_tls_a_name_with_a_certificate_stays() {
    let server = Server::with(&[
        "--trusted-proxy",
        "127.0.0.1",
        "--allow-host",
        "shop.example",
        "--allow-host",
        "till.local",
    ]);
    let host = |host| [("x-forwarded-proto", "https"), ("x-forwarded-host", host)];
    let answer = begin(&server.anonymous(), &host("shop.example")).expect(201);
    let client = server.anonymous().with_cookie(Some(pair(answer.header("set-cookie"))));
    let code = answer.json()["code"].as_str().unwrap().to_owned();
    let link = decode(&qr(&client, &host("shop.example")).expect(200));
    assert_eq!(link, format!("https://shop.example/pair#{code}"));
    let link = decode(&qr(&client, &host("192.168.1.20")).expect(200));
    assert_eq!(link, format!("https://192.168.1.20/pair#{code}"));
    for local in ["till.local", "TILL.LOCAL."] {
        let link = decode(&qr(&client, &host(local)).expect(200));
        assert!(link.starts_with("https://") && !link.contains(local), "{link}");
    }
}

#[test]
fn only_a_device_that_waits_has_a_code() {
    let server = Server::start();
    let admin = server.admin();
    for client in [&server.anonymous(), &admin] {
        assert_eq!(qr(client, &[]).problem(401)["code"], "no_pairing");
    }
    let asking = ask(&server.anonymous(), &[]);
    // The page asks for it with a query, so that a browser loads another for another code.
    asking.client.get(&format!("/api/pairing/qr.svg?{}", asking.code)).expect(200);
    let name = pair(asking.client.cookie().unwrap()).split_once('=').unwrap().0;
    let unknown = format!("{name}={}", "0".repeat(64));
    let forged = server.anonymous().with_cookie(Some(&unknown));
    assert_eq!(qr(&forged, &[]).problem(410)["code"], "pairing_ended");
    let both = format!("{unknown}; {}", asking.client.cookie().unwrap());
    qr(&server.anonymous().with_cookie(Some(&both)), &[]).expect(200);
    // An approved code is of no use any more.
    admin.post(&asking.path(), &json!({"name": "Screen", "role": "display"})).expect(201);
    assert_eq!(qr(&asking.client, &[]).problem(410)["code"], "pairing_ended");
}
