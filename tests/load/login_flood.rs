//! Guards the shop against a flood of logins, which could take 19 MiB each, and make a till wait until all of
//! them are hashed.

use crate::common::{Raw, Server, head, json_request, password_of, product};
use serde_json::json;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

/// Simultaneous logins.
const LOGINS: u8 = 200;
/// The number of floods.
const ROUNDS: usize = 5;
/// The memory that they may add: two hashes, and 16 MiB for everything else.
const GROWTH_KIB: u64 = (2 * 19 + 16) * 1024;
/// The longest wait of 99 in 100 other requests.
const P99_MAX: Duration = Duration::from_millis(500);

/// A line of `/proc/PID/status`, in KiB.
fn status(server: &Server, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Logs in; returns the status. Every second login guesses a password, from an address of its own.
fn log_in(server: &Server, number: u8, round: usize) -> u16 {
    let guesses = number.is_multiple_of(2);
    let name = if guesses { format!("guess{round}-{number}") } else { "staff".to_owned() };
    let body = json!({"username": name, "password": password_of("staff")}).to_string();
    let mut raw = Raw::connect_from([127, 2, 0, number], server.address()).unwrap();
    raw.send(&json_request("POST", "/api/auth/login", None, "", &body)).unwrap();
    let answer = raw.answer(false).unwrap().unwrap();
    match answer.status {
        200 => assert!(!guesses),
        401 => assert!(guesses),
        _ => {
            answer.problem(429);
            assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
        }
    }
    answer.status
}

/// Sends all logins at once; returns the statuses.
fn flood(server: &Server, round: usize) -> Vec<u16> {
    scope(|threads| {
        let log_in = |number| threads.spawn(move || log_in(server, number, round));
        let logins: Vec<_> = (1..=LOGINS).map(log_in).collect();
        logins.into_iter().map(|login| login.join().unwrap()).collect()
    })
}

/// Ends the sales, also if the test fails.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn a_flood_of_logins_takes_little_memory_and_nobodys_time() {
    let server = Server::with_users(&["staff"], &[]);
    let admin = server.admin();
    let tea = product(&admin, 2.5, 1_000_000);
    let sale = json!({"items": [{"product_id": tea, "quantity": 1}]});
    let sold = head(&admin);
    // A password was hashed before, and its memory was given back.
    let base = status(&server, "VmRSS:");
    fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").unwrap();

    let over = AtomicBool::new(false);
    let (statuses, (mut waited, orders)) = scope(|threads| {
        let till = threads.spawn(|| {
            let (mut waited, mut orders) = (Vec::new(), 0);
            while !over.load(Ordering::Acquire) {
                for path in ["/healthz", "/api/orders?limit=5", "/api/auth/me", "/api/orders"] {
                    let begun = Instant::now();
                    if path == "/api/orders" {
                        admin.post(path, &sale).expect(201);
                        orders += 1;
                    } else {
                        admin.get(path).expect(200);
                    }
                    waited.push(begun.elapsed());
                }
            }
            (waited, orders)
        });
        let flood_is_over = SetWhenDropped(&over);
        let statuses: Vec<u16> = (0..ROUNDS).flat_map(|round| flood(&server, round)).collect();
        drop(flood_is_over);
        (statuses, till.join().unwrap())
    });

    let most = status(&server, "VmHWM:");
    waited.sort_unstable();
    let p99 = waited[waited.len() * 99 / 100];
    let count = |status: u16| statuses.iter().filter(|one| **one == status).count();
    let told = format!(
        "RSS {base} + {} KiB; {} requests of others, p99 {p99:?}; {} in, {} wrong, {} too many",
        most - base,
        waited.len(),
        count(200),
        count(401),
        count(429)
    );
    eprintln!("{told}"); // for --nocapture
    assert!(most - base <= GROWTH_KIB, "{told}");
    assert!(p99 < P99_MAX, "{told}");
    assert!([200, 401, 429].map(count).iter().all(|count| *count > 0), "{told}");
    assert!(waited.len() >= 100, "{told}");
    assert_eq!(head(&admin), sold + 2 * orders, "{told}");
}
