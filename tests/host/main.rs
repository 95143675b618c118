//! The program and its machine: commands, TLS files, systemd, multicast DNS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that panics is a failed test"
)]

#[path = "../common/mod.rs"]
mod common;

mod accounts;
mod announcement;
mod certificates;
mod commands;
mod demo;
mod devices;
mod doctor;
mod memory;
mod systemd;
mod tls;
