//! The outside of Tillcast as the tests use it: the real program, its HTTP and its WebSocket.
//!
//! A test starts its own server on a free port and a fresh data directory and talks to it over
//! real sockets. Every wait ends in a failed test, never in a hang, and no wait is a sleep.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure in here is a failed test, and the panic is its message"
)]

mod answers;
mod disk;
mod frame;
mod http;
mod network;
mod program;
mod raw;
mod reader;
mod secure;
mod server;
mod shop;
mod socket;
mod strace;

pub(crate) use answers::{amount, events_after, happened, head, log_after};
pub(crate) use disk::Disk;
pub(crate) use frame::{close_frame, frame, text_frame, unmasked};
pub(crate) use http::{Answer, Client};
pub(crate) use network::Network;
pub(crate) use program::{Running, program, run};
pub(crate) use raw::{Raw, json_request};
pub(crate) use reader::Reader;
pub(crate) use secure::{Keys, Secure, certificate_in, curl, shown_certificate};
pub(crate) use server::{Server, create_shop, password_of, tillcast};
pub(crate) use shop::{
    cheap_events, customer, order, outside_order, pay, product, shipment, transaction, unique,
};
pub(crate) use socket::Socket;
pub(crate) use strace::Strace;

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// The environment variable for a seed that a failure printed, which makes the same cases again.
pub(crate) const SEED_VARIABLE: &str = "TILLCAST_TEST_SEED";

/// The seed of this run's generated cases.
pub(crate) fn seed() -> u64 {
    match std::env::var(SEED_VARIABLE) {
        Ok(seed) => seed.parse().expect("the seed is a whole number"),
        Err(_) => getrandom::u64().unwrap(),
    }
}

/// Whether the test runs as root. If not, this prints so to standard error, where `tests/run`
/// counts it.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        let line = format!("{}: needs root, not run here\n", thread::current().name().unwrap());
        io::stderr().write_all(line.as_bytes()).unwrap(); // `eprintln` would be captured
    }
    root
}

/// An address where nothing listens. Its port is below those that the kernel assigns, so that no
/// other test gets it in the meantime.
pub(crate) fn free_address() -> SocketAddr {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(64) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + number % COUNT).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// The longest that a single response may take, on a busy machine and from an emulated server,
/// whose logins alone take seconds. Only a test that fails waits as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
