//! Guards the metrics, which tell how much a shop sells, against the guests of its Wi-Fi.

use crate::common::{Answer, Client, Server};

/// What a client at this address gets through a trusted proxy.
fn read(client: &Client, from: &str) -> Answer {
    client.get_with("/metrics", &[("x-forwarded-for", from)])
}

/// An address of this machine that is no loopback, if it has one.
fn own_address() -> Option<String> {
    let interfaces = if_addrs::get_if_addrs().unwrap();
    let mut own = interfaces.iter().map(if_addrs::Interface::ip);
    own.find(|address| !address.is_loopback()).map(|address| address.to_string())
}

#[test]
fn by_default_only_programs_of_this_machine_read_them() {
    let server = Server::with(&["--trusted-proxy", "127.0.0.1"]);
    for client in [server.anonymous(), server.admin()] {
        for own in
            ["127.0.0.1", "127.9.9.9", "::1"].map(ToOwned::to_owned).iter().chain(&own_address())
        {
            assert!(read(&client, own).expect(200).text().contains("tillcast_"), "{own}");
        }
        for foreign in ["203.0.113.9", "192.168.255.254", "2001:db8::7", "127.0.0.1, 203.0.113.9"] {
            let problem = read(&client, foreign).problem(403);
            assert_eq!(problem["code"], "metrics_not_allowed", "{foreign}");
            assert!(problem["detail"].as_str().unwrap().contains("--metrics"));
            client.get_with("/healthz", &[("x-forwarded-for", foreign)]).expect(200);
        }
    }
    // Whoever is no trusted proxy says nothing about its address.
    let server = Server::start();
    read(&server.anonymous(), "203.0.113.9").expect(200);
}

#[test]
fn admins_read_them_if_they_are_for_admins() {
    let server = Server::with_users(&["staff", "kiosk"], &["--metrics", "admin"]);
    server.admin().get("/metrics").expect(200);
    server.anonymous().get("/metrics").problem(401);
    for role in ["staff", "kiosk"] {
        assert_eq!(server.login(role).get("/metrics").problem(403)["code"], "role_not_allowed");
    }
}

#[test]
fn everybody_reads_them_if_they_are_open() {
    let server = Server::with(&["--metrics", "open", "--trusted-proxy", "127.0.0.1"]);
    for from in ["127.0.0.1", "203.0.113.9"] {
        read(&server.anonymous(), from).expect(200);
    }
}
