//! Every bound of the server: its unit, its reason, and what happens when it is reached. `tillcast limits`
//! prints those that take memory, and their sum.
//!
//! This file has the bounds that differ between boards. All others are the same everywhere, with
//! one file for each subject.

mod auth;
mod connections;
mod feed;
mod http;
mod network;
mod operation;
mod shop;
mod store;

pub use auth::*;
pub use connections::*;
pub use feed::*;
pub use http::*;
pub use network::*;
pub use operation::*;
pub use shop::*;
pub use store::*;

/// One owner may hold one unit in this many of a pool. The owner is a user or a device, or else an address; the
/// pools are bodies, pages, slow clients and waiting logins. Above: `429` for that owner alone.
pub const SHARE: usize = 8;

/// The bounds that `--profile` sets: those that decide how much memory the server can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections, all together, unless `--max-connections` sets them. Above: `429`.
    pub connections: usize,
    /// Threads that serve connections, unless `--workers` sets them; each has a stack.
    pub workers: usize,
    /// Connections in the HTTP phase, each with its buffers and a small reply. A connection whose request is
    /// not complete waits in the kernel and does not count. Above, complete requests wait too, and
    /// connections close after their reply: see `KEEP_ALIVE_EIGHTHS_MAX`.
    pub http_connections: usize,
    /// Bodies of all requests together, KiB, as far as they have arrived. Above, the next bytes wait, and
    /// get `503` after `BODY_WAIT`. A share is not less than the longest body.
    pub bodies_kib: usize,
    /// Pages, and responses as large, that are being made or sent. Above, the next ones wait, and get `503`
    /// after `PAGE_WAIT`.
    pub pages_at_once: usize,
    /// Sessions of users and devices. Above, a new one ends the one that was unused for the longest, of the user with
    /// the most.
    pub sessions: usize,
    /// The cost of a password hash.
    pub hash: HashCost,
    /// Commands that wait for the writer, and that one transaction, thus one fsync, can hold. Above: `503`
    /// with `Retry-After`, at once.
    pub write_queue: usize,
    /// SQLite's page cache of the writer, KiB.
    pub writer_cache_kib: i64,
}

/// The cost of a password hash (argon2id with one lane).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
}

/// The costs of all profiles. No password is checked against a hash that costs more than each of them.
pub const HASH_COSTS: [HashCost; 2] = [Limits::DEFAULT.hash, Limits::TINY.hash];

impl Limits {
    /// For a board with 256 MiB or more: 10,000 connections within 64 MiB.
    pub const DEFAULT: Self = Self {
        connections: 10_000,
        workers: 4,
        http_connections: 256,
        bodies_kib: 816,
        pages_at_once: 8,
        sessions: 10_000,
        hash: HashCost { memory_kib: 19 * 1024, passes: 2 },
        write_queue: 256,
        writer_cache_kib: 512,
    };

    /// For the smallest boards: 500 connections within 24 MiB. Its hash resists guessing as well as the
    /// default one (OWASP, Password Storage Cheat Sheet) and takes about as long.
    pub const TINY: Self = Self {
        connections: 500,
        workers: 1,
        http_connections: 64,
        bodies_kib: 512,
        pages_at_once: 2,
        sessions: 1_000,
        hash: HashCost { memory_kib: 7 * 1024, passes: 5 },
        write_queue: 64,
        writer_cache_kib: 256,
    };
}

const _: () = assert!(
    READ_QUEUE_MAX >= Limits::DEFAULT.http_connections + CATCH_UPS_MAX + READERS,
    "every connection in the HTTP phase can wait for a read"
);
