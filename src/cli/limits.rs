//! `tillcast limits`: every bound that takes memory, and what all of them together can take.

use std::fmt::Write;

use crate::cli::say;
use crate::config::Config;
use crate::limits as l;

/// How many of something there may be, and what each takes at most.
struct Bound {
    what: &'static str,
    count: usize,
    bytes: usize,
}

const KIB: usize = 1024;
/// A connection that waits or listens: task, socket registration, cursor.
const CONNECTION_BYTES: usize = 1152;
/// An HTTP connection's two buffers and its task.
const HTTP_BYTES: usize = 24 * KIB;
/// One password hash (argon2id, m = 19 MiB).
const HASH_BYTES: usize = 19 * KIB * KIB;
/// A session in its table.
const SESSION_BYTES: usize = 256;
/// A counter in one of the small tables, with its key.
const COUNTER_BYTES: usize = 48;
/// The program itself: code that was touched, stacks, SQLite's schema.
const BASE_BYTES: usize = 5 * KIB * KIB;

/// Prints the table.
pub(super) fn print(config: &Config) -> Result<(), String> {
    let (mut out, mut sum) = (String::new(), 0);
    for Bound { what, count, bytes } in bounds(config) {
        let all = count * bytes;
        sum += all;
        let written = writeln!(out, "{what:<40} {count:>7} x {bytes:>8} B = {:>7} KiB", all / KIB);
        debug_assert!(written.is_ok(), "a String takes every text");
    }
    let sum = sum / KIB;
    say(&format!(
        "{out}{:<40} {:>22} {sum:>7} KiB\n\n\
         The kernel's own share comes on top: about 4 KiB for each connection.\n",
        "all together", "="
    ))
}

fn bounds(config: &Config) -> Vec<Bound> {
    let bound = |what, count, bytes| Bound { what, count, bytes };
    let writer_cache = usize::try_from(l::WRITER_CACHE_KIB).unwrap_or(0) * KIB;
    let reader_cache = usize::try_from(l::READER_CACHE_KIB).unwrap_or(0) * KIB;
    vec![
        bound("the program", 1, BASE_BYTES),
        bound("connections (--max-connections)", config.max_connections, CONNECTION_BYTES),
        bound("connections in the HTTP phase", l::HTTP_CONNECTIONS_MAX, HTTP_BYTES),
        bound("bodies of requests", l::BODIES_KIB_MAX as usize, 2 * KIB),
        bound("pages of lists, as rows and as JSON", l::PAGES_AT_ONCE, 3 * l::PAGE_BYTES_MAX),
        bound("frames in the ring", 1, l::RING_BYTES_MAX),
        bound("slots of the ring", l::RING_EVENTS, 32),
        bound("password hashes at once", l::HASHES_AT_ONCE, HASH_BYTES),
        bound("sessions", l::SESSIONS_MAX, SESSION_BYTES),
        bound("login failures, names and addresses", 2 * l::LOGIN_NAMES_MAX, COUNTER_BYTES),
        bound("connection rates, addresses", l::RATE_ADDRESSES_MAX, COUNTER_BYTES),
        bound("commands that wait for the writer", l::WRITE_QUEUE_MAX, 2 * KIB),
        bound("pages of the log for who is behind", l::CATCH_UPS_MAX, 2 * l::WRITE_BYTES),
        bound("page cache of the writer", 1, writer_cache),
        bound("page cache of the readers", l::READERS, reader_cache),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_into_64_mib() {
        let (_, config) = crate::config::read([], |_| None).unwrap();
        let sum: usize = bounds(&config).iter().map(|bound| bound.count * bound.bytes).sum();
        assert!(sum <= 64 * KIB * KIB, "{} KiB", sum / KIB);
    }
}
