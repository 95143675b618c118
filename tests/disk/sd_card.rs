//! Guards a card that wears out with every write, against an idle shop that writes all the same,
//! and a log that a client makes endless. Needs root, for a disk of its own.

use crate::common::{Client, Disk, PATIENCE, Server, is_root, outside_order};
use std::time::Instant;

/// The writer wakes twice a second, and expired sessions are searched for, so these are some
/// seconds.
const ROUNDS: usize = 10;
const SCREENS: usize = 20;
/// Far more requests than the log takes lines at once.
const REQUESTS: usize = 3_000;

fn wait_for_rounds(client: &Client, count: usize) {
    let rounds = || client.metric("writer_rounds_total");
    let (before, begun) = (rounds(), Instant::now());
    while rounds() < before + count {
        assert!(begun.elapsed() < PATIENCE, "the writer does not wake");
    }
}

#[test]
fn an_idle_shop_writes_nothing() {
    if !is_root() {
        return;
    }
    let disk = Disk::ext4(64);
    let server = disk.server();
    let admin = server.admin();
    let _screens: Vec<_> = (0..SCREENS)
        .map(|_| {
            let mut socket = server.admin().ws();
            socket.subscribe("order_changes");
            socket
        })
        .collect();
    outside_order(&admin, 9.99);
    // The trail stores the entries of logins a moment later.
    let logins = || {
        let page = admin.get("/api/audit?limit=200&entity=session").expect(200).json();
        page["data"].as_array().unwrap().iter().filter(|entry| entry["action"] == "login").count()
    };
    let begun = Instant::now();
    while logins() <= SCREENS {
        assert!(begun.elapsed() < PATIENCE, "an entry is missing");
    }
    wait_for_rounds(&admin, 2);
    let numbers = || ["disk_written_bytes_total", "wal_bytes_total"].map(|name| admin.metric(name));
    let before = numbers();
    wait_for_rounds(&admin, ROUNDS);
    assert_eq!(numbers(), before);

    outside_order(&admin, 9.99);
    let after = numbers();
    assert!(after[0] > before[0] && after[1] > before[1], "{before:?} {after:?}");
    assert!(after[0] - before[0] <= 3 * (after[1] - before[1]), "{before:?} {after:?}");
}

#[test]
fn the_log_cannot_grow_without_bound() {
    let mut server = Server::with(&["--log-level", "debug"]);
    let client = server.anonymous();
    for _ in 0..REQUESTS {
        client.get("/healthz").expect(200);
    }
    assert_eq!(server.stop(), Some(0));
    let log = server.log();
    let lines = log.matches("path=\"/healthz\"").count();
    assert!((100..500).contains(&lines), "{lines} lines");
    // Rare lines are logged, and the number of dropped lines is reported.
    assert!(log.contains(" stopped"), "{log}");
    let dropped = log
        .lines()
        .filter_map(|line| line.split_once("dropped="))
        .map(|(_, rest)| rest.split(' ').next().unwrap().parse::<usize>().unwrap());
    assert!(dropped.sum::<usize>() >= REQUESTS - lines, "{log}");
}
