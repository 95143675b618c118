//! Third-party judges and generated input: Autobahn, schemathesis, a browser, the fuzz targets.
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

mod amounts;
mod asyncapi;
mod autobahn;
mod client;
mod clients;
mod documents;
mod example_client;
mod examples;
mod fuzz;
mod schemathesis;
