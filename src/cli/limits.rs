//! `tillcast limits`: every bound on memory, and the sum of all.

use std::fmt::Write;

use crate::auth::pairing_table::Pairing;
use crate::cli::terminal::print;
use crate::config::Config;
use crate::limits as l;
use crate::metrics::{LoggedError, Sample};

/// The largest number of something, and the most bytes that each takes.
struct Bound {
    what: &'static str,
    count: usize,
    bytes: usize,
}

const KIB: usize = 1024;
/// A connection without a whole request yet: its task, its registration and its entry among the
/// half-open ones, as the allocator rounds them. A WebSocket takes less; its rest is for unsent bytes.
const CONNECTION_BYTES: usize = 1280;
/// An HTTP connection: its buffers, its task, and a response that needs no permit.
const HTTP_BYTES: usize = 28 * KIB;
/// A TLS connection: its secrets, and an incomplete handshake. Incomplete records count as unsent bytes.
const SESSION_TLS_BYTES: usize = 6 * KIB;
/// A TLS record being read, the bytes read before it, and a record being written.
const RECORDS_BYTES: usize = 26 * KIB;
/// The part of the program that only TLS touches.
const TLS_BASE_BYTES: usize = 512 * KIB;
/// A refused connection: its task, and the part of its head that is read; its reply is shorter.
const REFUSAL_BYTES: usize = l::REFUSED_HEAD_BYTES + 768;
/// A KiB of a request body, until it is answered: the body, the row and the event.
const BODY_KIB_BYTES: usize = 4 * KIB;
/// A command that waits for the writer or for its commit, with its response.
const COMMAND_BYTES: usize = 2 * KIB + l::SMALL_RESPONSE_BYTES_MAX;
/// A thread: its stack, the frames that it assembles, and one body as JSON.
const WORKER_BYTES: usize = 512 * KIB;
/// An entry in the table of sessions.
const SESSION_BYTES: usize = 256;
/// The times of a kiosk's orders in their table.
const KIOSK_BYTES: usize = 4 * l::KIOSK_ORDERS_MAX + 48;
/// A counter in a throttle's table, with its key.
const COUNTER_BYTES: usize = 48;
/// An entry of the audit trail that waits to be stored.
const LOGIN_ENTRY_BYTES: usize = 192;
/// A device that asks to be paired, with its browser's name.
const PAIRING_BYTES: usize = size_of::<Pairing>() + l::USER_AGENT_CHARS_MAX;
/// A warning or an error that an admin can read.
const ERROR_BYTES: usize = size_of::<LoggedError>() + l::ERROR_BYTES_MAX;
/// The program itself: 5.1 MiB of touched code, and 1.3 MiB of stacks, tables and schemas.
const BASE_BYTES: usize = 6528 * KIB;

/// Prints the table.
pub(super) fn run(config: &Config) -> Result<(), String> {
    let mut out = String::new();
    for Bound { what, count, bytes } in bounds(config) {
        let all = count * bytes / KIB;
        let written = writeln!(out, "{what:<40} {count:>7} x {bytes:>8} B = {all:>7} KiB");
        debug_assert!(written.is_ok(), "a String takes every text");
    }
    let sum = memory_bytes_max(config) / KIB;
    let reserved = config.max_connections / l::RESERVED_SHARE;
    let half_open = config.max_connections / l::HALF_OPEN_SHARE;
    print(&format!(
        "{out}{:<40} {:>22} {sum:>7} KiB\n\n\
         Of the connections, the last {reserved} are for devices that are logged in, and at most\n\
         {half_open} may be half-open: without a whole request yet. Above, a new one replaces one of the\n\
         address that has the most.\n\
         The kernel takes about 4 KiB more for each connection.\n\
         A password that was set under another profile takes that profile's memory at each login,\n\
         until the first login that succeeds: then it is hashed again.\n\n\
         On the disk, the write-ahead log has at most {wal} MiB: a read ends after {read} s at the latest, and\n\
         {last} ms after the writer began to wait for it. Another program that reads the database for long\n\
         can make the log longer, and so can, for a moment, the erasure of a customer with more than\n\
         {erased} events. The responses that are kept for {hours} hours, so that a request can be repeated,\n\
         take at most {kept} MiB for each user.\n",
        "all together",
        "=",
        wal = l::WAL_BYTES_MAX >> 20,
        read = l::READ_TIME_MAX.as_secs(),
        last = l::READ_TIME_LAST.as_millis(),
        erased = l::ERASED_EVENTS,
        hours = l::IDEMPOTENCY_KEPT.as_secs() / 3600,
        kept = l::IDEMPOTENCY_BYTES_PER_USER >> 20,
    ))
}

/// The sum of all bounds on memory.
pub(super) fn memory_bytes_max(config: &Config) -> usize {
    bounds(config).iter().map(|bound| bound.count * bound.bytes).sum()
}

fn bounds(config: &Config) -> Vec<Bound> {
    let bound = |what, count, bytes| Bound { what, count, bytes };
    let kib = |kib: i64| usize::try_from(kib).unwrap_or(0) * KIB;
    let limits = &config.limits;
    let tls = config.tls_cert.iter().flat_map(|_| {
        // A refusal goes over TLS, too.
        let sessions = config.max_connections + l::REFUSALS_MAX;
        let records = limits.http_connections + l::REFUSALS_MAX;
        [
            bound("the program's part for TLS", 1, TLS_BASE_BYTES),
            bound("TLS connections", sessions, SESSION_TLS_BYTES),
            bound("TLS records in the HTTP phase", records, RECORDS_BYTES),
        ]
    });
    let announcement = config.mdns.iter().map(|_| {
        let bytes = usize::try_from(l::MDNS_BYTES_MAX).unwrap_or(0);
        bound("the announcement's process (--mdns)", 1, bytes)
    });
    // Behind a proxy, requests come over both.
    let descriptions = 1 + usize::from(!config.trusted_proxy.is_empty());
    let mut all = vec![
        bound("the program", 1, BASE_BYTES),
        bound("connections (--max-connections)", config.max_connections, CONNECTION_BYTES),
        bound("connections in the HTTP phase", limits.http_connections, HTTP_BYTES),
        bound("refused connections, until told", l::REFUSALS_MAX, REFUSAL_BYTES),
        bound("bodies of requests, KiB", limits.bodies_kib, BODY_KIB_BYTES),
        bound("worker threads (--workers)", config.workers, WORKER_BYTES),
        bound("pages of lists, as rows and as JSON", limits.pages_at_once, 3 * l::PAGE_BYTES_MAX),
        bound("the descriptions of the API", descriptions, l::DESCRIPTIONS_BYTES),
        bound("frames in the ring", 1, l::RING_BYTES_MAX),
        bound("slots of the ring", l::RING_EVENTS, 32),
        bound("password hashes at once", l::HASHES_AT_ONCE, limits.hash.memory_kib as usize * KIB),
        bound("sessions of users and devices", limits.sessions, SESSION_BYTES),
        bound("login failures, by client", 2 * l::LOGIN_FAILURES_KEPT, COUNTER_BYTES),
        bound("login failures, by name", l::LOGIN_FAILURES_KEPT, COUNTER_BYTES),
        bound("login failures, of own clients", l::OWN_FAILURES_KEPT, COUNTER_BYTES),
        bound("entries about logins, counted", l::LOGIN_ENTRIES_KEPT, COUNTER_BYTES),
        bound("entries about logins, pending", l::LOGIN_ENTRIES_PENDING_MAX, LOGIN_ENTRY_BYTES),
        bound("pairings", l::PAIRINGS_KEPT_MAX, PAIRING_BYTES),
        bound("wrong pairing codes, by admin", l::PAIRING_ADMINS_KEPT, COUNTER_BYTES),
        bound("connection rates, addresses", l::RATE_ADDRESSES_MAX, COUNTER_BYTES),
        bound("recent orders of kiosks", l::KIOSKS_MAX, KIOSK_BYTES),
        bound("commands waiting for the writer", limits.write_queue, COMMAND_BYTES),
        bound("catch-up pages of the log", l::CATCH_UPS_MAX, 2 * l::WRITE_BYTES),
        bound("page cache of the writer", 1, kib(limits.writer_cache_kib)),
        // One more for the integrity check at the start.
        bound("page caches of the readers", l::READERS + 1, kib(l::READER_CACHE_KIB)),
        bound("samples of the load", l::SAMPLES_KEPT, size_of::<Sample>()),
        bound("warnings and errors", l::ERRORS_KEPT, ERROR_BYTES),
        bound("page caches of a backup", 2, kib(l::COMMAND_CACHE_KIB)),
    ];
    all.extend(tls);
    all.extend(announcement);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_what_the_profiles_promise() {
        for (profile, workers, mib, tls_mib) in [("default", "4", 64, 132), ("tiny", "1", 24, 32)] {
            let plain = ["--profile", profile, "--workers", workers];
            let tls = [&plain[..], &["--tls-cert", "cert.pem", "--tls-key", "key.pem"]].concat();
            for (arguments, mib) in [(&plain[..], mib), (&tls[..], tls_mib)] {
                let arguments = arguments.iter().map(Into::into);
                let (_, config) = crate::config::read(arguments, []).unwrap();
                let sum = memory_bytes_max(&config);
                assert!(sum <= mib * KIB * KIB, "{profile}: {} KiB", sum / KIB);
            }
        }
    }
}
