//! Peers that vanish without closing: a tablet out of the Wi-Fi's range, a pulled plug.

use crate::common::Network;
use crate::common::{PATIENCE, Server, Socket, is_root, outside_order};
use std::time::{Duration, Instant};

/// A peer may be silent for 75 s; a busy machine gets some more time.
const GONE: Duration = Duration::from_secs(80);
/// The connection must stay at least until the peer could have answered two pings.
const NOT_BEFORE: Duration = Duration::from_secs(60);

#[test]
fn the_connection_of_a_vanished_peer_is_closed() {
    if !is_root() {
        return;
    }
    let network = Network::enter();
    let server = Server::start();
    let admin = server.admin();
    let mut lives = admin.ws();
    lives.subscribe("customer_changes");
    lives.set_patience(Duration::from_millis(250));
    let before = (admin.metric("connections"), server.open_files());

    let vanished: Vec<Socket> = ["product_changes", "order_changes"]
        .map(|channel| {
            let mut socket = admin.ws();
            socket.subscribe(channel);
            let port = socket.stream().local_addr().unwrap().port();
            wait_until_acknowledged(port);
            network.drop_packets(&format!("tcp dport {port}"));
            network.drop_packets(&format!("tcp sport {port}"));
            socket
        })
        .into();
    let begun = Instant::now();
    assert_eq!(admin.metric("websockets"), 3);
    // One of the two has sent data that nobody acknowledges.
    outside_order(&admin, 9.99);
    loop {
        // Reading answers the pings.
        drop(lives.recv_message());
        let now = (admin.metric("connections"), server.open_files());
        if now == before {
            break;
        }
        assert!(begun.elapsed() < GONE, "connections and files: {now:?}, before {before:?}");
    }
    assert!(begun.elapsed() > NOT_BEFORE, "after only {:?}", begun.elapsed());
    assert_eq!(admin.metric("websockets"), 1);
    lives.expect_quiet();
    drop(vanished);
}

/// Waits until everything that the server sent to this port is acknowledged: the kernel gives up a peer that
/// does not acknowledge, but keeps one that is merely silent.
fn wait_until_acknowledged(port: u16) {
    let peer = format!(":{port:04X}");
    let begun = Instant::now();
    loop {
        let table = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
        let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let line = lines.find(|columns| columns[2].ends_with(&peer)).unwrap();
        if line[4].starts_with("00000000:") {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{line:?}");
    }
}
