//! `tillcast limits`: every bound that takes memory, and what all of them together can take.

use std::fmt::Write;

use crate::cli::terminal::print;
use crate::config::Config;
use crate::limits as l;

/// How many of something there may be, and what each takes at most.
struct Bound {
    what: &'static str,
    count: usize,
    bytes: usize,
}

const KIB: usize = 1024;
/// A connection that waits for its head: a task, a socket's registration and a place in the line of
/// the half-open ones, in the allocator's pieces. As a WebSocket it takes less, and the rest is for
/// bytes that wait to be taken.
const CONNECTION_BYTES: usize = 1280;
/// An HTTP connection's buffers, its task, and an answer that needs no place.
const HTTP_BYTES: usize = 28 * KIB;
/// A TLS session: its secrets, and a handshake in pieces. Records that have not come whole are among
/// the bytes that wait.
const SESSION_TLS_BYTES: usize = 6 * KIB;
/// A TLS record that is read, what was read before, and one that is written.
const RECORDS_BYTES: usize = 26 * KIB;
/// What of the program is touched only for TLS.
const TLS_BASE_BYTES: usize = 512 * KIB;
/// A refused connection: its task, and what is read of its head; later its reply, which is shorter.
const REFUSAL_BYTES: usize = l::REFUSED_HEAD_BYTES + 768;
/// What a KiB of a body becomes before its answer is made: the body, the row, the event.
const BODY_KIB_BYTES: usize = 4 * KIB;
/// A command that waits, or waits for its commit, with what it answers.
const COMMAND_BYTES: usize = 2 * KIB + l::SMALL_RESPONSE_BYTES_MAX;
/// A thread's stack, the frames that it puts together, and one body as JSON.
const WORKER_BYTES: usize = 512 * KIB;
/// A session in its table.
const SESSION_BYTES: usize = 256;
/// A counter in one of the small tables, with its key.
const COUNTER_BYTES: usize = 48;
/// The program itself: 5.1 MiB of code that was touched, and 1.3 MiB of stacks, tables and schemas.
const BASE_BYTES: usize = 6528 * KIB;

/// Prints the table.
pub(super) fn run(config: &Config) -> Result<(), String> {
    let (mut out, mut sum) = (String::new(), 0);
    for Bound { what, count, bytes } in bounds(config) {
        let all = count * bytes;
        sum += all;
        let written = writeln!(out, "{what:<40} {count:>7} x {bytes:>8} B = {:>7} KiB", all / KIB);
        debug_assert!(written.is_ok(), "a String takes every text");
    }
    let sum = sum / KIB;
    let reserved = config.max_connections / l::RESERVED_SHARE;
    let half_open = config.max_connections / l::HALF_OPEN_SHARE;
    print(&format!(
        "{out}{:<40} {:>22} {sum:>7} KiB\n\n\
         Of the connections, the last {reserved} are for devices that are logged in, and at most\n\
         {half_open} may be half-open: without a whole request yet.\n\
         The kernel's own share comes on top: about 4 KiB for each connection.\n\
         A password that was set under another profile takes that profile's memory at each login,\n\
         until the first one that succeeds; then it is hashed anew.\n",
        "all together", "="
    ))
}

fn bounds(config: &Config) -> Vec<Bound> {
    let bound = |what, count, bytes| Bound { what, count, bytes };
    let kib = |kib: i64| usize::try_from(kib).unwrap_or(0) * KIB;
    let limits = &config.limits;
    let tls = config.tls_cert.iter().flat_map(|_| {
        // Who is refused is told so over TLS, too.
        let sessions = config.max_connections + l::REFUSALS_MAX;
        let records = limits.http_connections + l::REFUSALS_MAX;
        [
            bound("the program's part for TLS", 1, TLS_BASE_BYTES),
            bound("TLS sessions", sessions, SESSION_TLS_BYTES),
            bound("TLS records in the HTTP phase", records, RECORDS_BYTES),
        ]
    });
    let announcement = config.mdns.iter().map(|_| {
        let bytes = usize::try_from(l::MDNS_BYTES_MAX).unwrap_or(0);
        bound("the process that announces it (--mdns)", 1, bytes)
    });
    let mut all = vec![
        bound("the program", 1, BASE_BYTES),
        bound("connections (--max-connections)", config.max_connections, CONNECTION_BYTES),
        bound("connections in the HTTP phase", limits.http_connections, HTTP_BYTES),
        bound("refused connections that are being told", l::REFUSALS_MAX, REFUSAL_BYTES),
        bound("bodies of requests, KiB", limits.bodies_kib as usize, BODY_KIB_BYTES),
        bound("threads that serve (--workers)", config.workers, WORKER_BYTES),
        bound("pages of lists, as rows and as JSON", limits.pages_at_once, 3 * l::PAGE_BYTES_MAX),
        bound("frames in the ring", 1, l::RING_BYTES_MAX),
        bound("slots of the ring", l::RING_EVENTS, 32),
        bound("password hashes at once", l::HASHES_AT_ONCE, limits.hash.memory_kib as usize * KIB),
        bound("sessions", limits.sessions, SESSION_BYTES),
        bound("login failures, names and addresses", 2 * l::LOGIN_NAMES_MAX, COUNTER_BYTES),
        bound("connection rates, addresses", l::RATE_ADDRESSES_MAX, COUNTER_BYTES),
        bound("commands that wait for the writer", limits.write_queue, COMMAND_BYTES),
        bound("pages of the log for who is behind", l::CATCH_UPS_MAX, 2 * l::WRITE_BYTES),
        bound("page cache of the writer", 1, kib(limits.writer_cache_kib)),
        // And of the look through all pages at the start.
        bound("page caches of those who read", l::READERS + 1, kib(l::READER_CACHE_KIB)),
        bound("page caches of the daily backup", 2, kib(l::COMMAND_CACHE_KIB)),
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
                let bounds = bounds(&config);
                let sum: usize = bounds.iter().map(|bound| bound.count * bound.bytes).sum();
                assert!(sum <= mib * KIB * KIB, "{profile}: {} KiB", sum / KIB);
            }
        }
    }
}
