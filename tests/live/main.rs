//! The WebSocket `/ws`: the handshake, frames, channels, resuming, and the end of access.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that panics is a failed test"
)]

#[path = "../common/mod.rs"]
mod common;

mod devices;
mod frames;
mod handshake;
mod patience;
mod positions;
mod protocol;
mod resume;
mod revocation;
