//! Guards the way on which a till finds its server without an address that somebody typed in: another
//! program, in another network at the end of a cable, looks for it by multicast DNS.
//!
//! Needs root, for the networks.

#![expect(clippy::unwrap_used, reason = "a helper that panics is a failed test")]

mod common;

use common::{Network, PATIENCE, Running, run};
use rustix::process::Signal;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

const SHOP: &str = "10.77.0.1";
const TILL: &str = "10.77.0.2";

/// A server in the network of this thread, with these flags, and the port that it has.
fn serve(flags: &[&str], folder: &Path) -> (Running, String) {
    let always = ["serve", "--listen", "0.0.0.0:0", "--data-dir", "."];
    let mut server = Running::start(&[&always, flags].concat(), &[], folder);
    let line = server.line_with("listening on 0.0.0.0:");
    let port = line.rsplit(':').next().unwrap().to_owned();
    (server, port)
}

/// The other program at the other end.
fn look(till: &Network) -> Running {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/bin/python");
    let mut look = till.command(&python);
    let mut looking = Running::of(look.args(["tests/announcement.py", TILL]).stdin(Stdio::piped()));
    looking.line_with("looking");
    looking
}

#[test]
fn a_till_finds_the_server_and_learns_that_it_is_gone() {
    let (till, shop) = (Network::make(), Network::enter());
    shop.connect(SHOP, &till, TILL);
    let folder = tempfile::tempdir().unwrap();
    let mut looking = look(&till);
    let (mut server, port) = serve(&["--mdns", "tillcast"], folder.path());
    let found = looking.line_with("found");
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "found tillcast._tillcast._tcp.local. tillcast.local. {port} {SHOP} path=/ws tls=0 \
         version={version}"
    );
    assert_eq!(found, expected);
    assert_eq!(server.end(Signal::TERM), Some(0));
    assert_eq!(looking.line_with("gone"), "gone tillcast._tillcast._tcp.local.");
}

#[test]
fn nothing_is_announced_where_nobody_asked_for_it() {
    let (till, shop) = (Network::make(), Network::enter());
    shop.connect(SHOP, &till, TILL);
    let _looking = look(&till); // else the kernel lets none of them in
    till.drop_packets(&format!("ip saddr {SHOP} udp dport 5353"));
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _) = serve(&[], folder.path());
    assert_eq!(server.end(Signal::TERM), Some(0));
    assert_eq!(till.dropped(), 0);

    let (_server, _) = serve(&["--mdns", "tillcast"], folder.path());
    let begun = Instant::now();
    while till.dropped() == 0 {
        assert!(begun.elapsed() < PATIENCE, "nothing is announced at all");
    }
}

#[test]
fn a_server_that_nobody_can_reach_opens_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["serve", "--listen", "127.0.0.1:0", "--mdns", "tillcast", "--data-dir", "."];
    let mut server = Running::start(&flags, &[], folder.path());
    server.line_with("only this machine can reach it");
    assert_eq!(server.end(Signal::TERM), Some(0));
    let wrong = run(&["serve", "--mdns", "two words"], &[], folder.path());
    assert_eq!(wrong.status.code(), Some(2));
}
