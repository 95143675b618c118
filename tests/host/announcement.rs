//! Guards the discovery of the server: a till must find it without a typed address. Another program, in a
//! network namespace at the other end of a cable, looks for it by multicast DNS.
//!
//! Needs root, for the networks.

use crate::common::{Network, PATIENCE, Running, is_root, run};
use rustix::process::Signal;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

/// The multicast address of the announcements.
const GROUP: &str = "224.0.0.251:5353";
const SHOP: &str = "10.77.0.1";
const TILL: &str = "10.77.0.2";

/// Starts a server in the network of this thread, with these flags; also returns its port.
fn serve(flags: &[&str], folder: &Path) -> (Running, String) {
    let always = ["serve", "--listen", "0.0.0.0:0", "--data-dir", "."];
    let mut server = Running::start(&[&always, flags].concat(), &[], folder);
    let line = server.line_with("listening on 0.0.0.0:");
    let port = line.rsplit(':').next().unwrap().to_owned();
    (server, port)
}

/// Starts the other program at the till's end.
fn look(till: &Network) -> Running {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/bin/python");
    let mut look = till.command(&python);
    let mut looking =
        Running::of(look.args(["tests/host/announcement.py", TILL]).stdin(Stdio::piped()));
    looking.line_with("looking");
    looking
}

#[test]
fn a_till_finds_the_server_and_learns_that_it_is_gone() {
    if !is_root() {
        return;
    }
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
fn a_name_that_is_taken_gets_a_number() {
    if !is_root() {
        return;
    }
    let (till, shop) = (Network::make(), Network::enter());
    shop.connect(SHOP, &till, TILL);
    let folder = tempfile::tempdir().unwrap();
    let (mut first, _) = serve(&["--mdns", "tillcast"], folder.path());
    first.line_with("announced in the network");
    let there = || {
        till.join();
        let folder = tempfile::tempdir().unwrap();
        let (mut second, _) = serve(&["--mdns", "tillcast"], folder.path());
        let told =
            "tillcast.local. is another's name in this network; this server is tillcast-2.local.";
        second.line_with(told);
        assert_eq!(second.end(Signal::TERM), Some(0));
    };
    thread::scope(|threads| threads.spawn(there).join().unwrap());
    assert_eq!(first.end(Signal::TERM), Some(0));
}

#[test]
fn an_address_that_comes_later_is_announced_too() {
    if !is_root() {
        return;
    }
    let (till, shop) = (Network::make(), Network::enter());
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = serve(&["--mdns", "tillcast"], folder.path());
    shop.connect(SHOP, &till, TILL);
    let found = look(&till).line_with("found");
    assert!(found.contains(&format!(" {port} {SHOP} ")), "{found}");
}

/// A packet that announces the addresses of `count` devices (RFC 1035, section 4.1).
fn addresses(first: u32, count: u16) -> Vec<u8> {
    let mut packet = [0, 0, 0x84, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    packet[6..8].copy_from_slice(&count.to_be_bytes());
    for device in first..first + u32::from(count) {
        let name = format!("device-{device}");
        packet.push(u8::try_from(name.len()).unwrap());
        packet.extend(name.bytes());
        // Domain local, type A, class IN, one hour, four bytes.
        packet.extend(b"\x05local\0\0\x01\x80\x01\0\0\x0e\x10\0\x04");
        packet.extend(device.to_be_bytes());
    }
    packet
}

/// The sandbox that the unit tests of `announce` try out is on in each thread that packets reach, and not in
/// the server.
#[test]
fn the_process_that_reads_the_network_is_confined() {
    if !is_root() {
        return;
    }
    let (till, shop) = (Network::make(), Network::enter());
    shop.connect(SHOP, &till, TILL);
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _) = serve(&["--mdns", "tillcast"], folder.path());
    server.line_with("announced in the network");
    let read = |file: String| fs::read_to_string(file).unwrap();
    let threads = |pid: u32| -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        tasks.map(|task| task.unwrap().path().to_str().unwrap().to_owned()).collect()
    };
    let children: String =
        threads(server.pid()).iter().map(|task| read(format!("{task}/children"))).collect();
    let child = children.trim().parse().unwrap();
    // Landlock takes every way to more rights first, and nothing else in the program does.
    let confined = |task: &String| read(format!("{task}/status")).contains("NoNewPrivs:\t1");
    assert!(threads(child).iter().all(confined));
    assert!(!threads(server.pid()).iter().any(confined));
    assert!(!server.seen().contains("Landlock"), "{}", server.seen());
    assert_eq!(server.end(Signal::TERM), Some(0));
}

/// The anonymous memory of a process, in KiB.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_flood_of_announcements_does_not_touch_the_shop() {
    if !is_root() {
        return;
    }
    let (till, shop) = (Network::make(), Network::enter());
    shop.connect(SHOP, &till, TILL);
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _) = serve(&["--mdns", "tillcast"], folder.path());
    server.line_with("announced in the network");
    let (before, over) = (memory(server.pid()), AtomicBool::new(false));
    thread::scope(|threads| {
        threads.spawn(|| {
            till.join();
            let socket = UdpSocket::bind((TILL, 0)).unwrap();
            let mut firsts = (0..).step_by(30);
            while !over.load(Ordering::Relaxed) {
                socket.send_to(&addresses(firsts.next().unwrap(), 30), GROUP).unwrap();
            }
        });
        server.line_with("the announcement has ended");
        over.store(true, Ordering::Relaxed);
    });
    let after = memory(server.pid());
    assert!(after < before + 1024, "{before} KiB have become {after}");
    server.line_with("announced in the network");
    look(&till).line_with("found tillcast._tillcast._tcp.local.");
    assert_eq!(server.end(Signal::TERM), Some(0));
}

#[test]
fn nothing_is_announced_without_mdns() {
    if !is_root() {
        return;
    }
    let (till, shop) = (Network::make(), Network::enter());
    shop.connect(SHOP, &till, TILL);
    let _looking = look(&till); // without a listener, the kernel drops the packets
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
fn a_server_on_loopback_opens_without_an_announcement() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let flags = ["serve", "--listen", "127.0.0.1:0", "--mdns", "tillcast", "--data-dir", "."];
    let mut server = Running::start(&flags, &[], folder.path());
    server.line_with("only this machine can reach it");
    assert_eq!(server.end(Signal::TERM), Some(0));
    let wrong = run(&["serve", "--mdns", "two words"], &[], folder.path());
    assert_eq!(wrong.status.code(), Some(2));
}
