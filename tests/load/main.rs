//! Many clients at once: floods, slow readers, too few file descriptors. These tests measure time, so nothing
//! heavy runs beside them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that panics is a failed test"
)]

#[path = "../common/mod.rs"]
mod common;

mod login_flood;
mod login_time;
mod open_files;
mod scanners;
mod shares;
mod slow_clients;
mod slow_heads;
mod strangers;
