//! The pages in a real browser, on a name that is not `localhost`, against the real server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that panics is a failed test"
)]

#[path = "../common/browser.rs"]
mod browser;
#[path = "../common/mod.rs"]
mod common;

mod admin;
mod board;
mod customers;
mod docs;
mod harness;
mod kills;
mod login;
mod offline;
mod pairing;
mod pick;
mod pictures;
mod sell;
mod setup;
mod shop;
mod sizes;
mod status;
mod texts;
