//! The HTTP API: entities, money, stock, roles, logins, and the replies to bad requests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that panics is a failed test"
)]

#[path = "../common/mod.rs"]
mod common;

mod api_documents;
mod audit;
mod backups;
mod bodies;
mod conditions;
mod cookies;
mod devices;
mod entities;
mod erasure;
mod event_log;
mod events;
mod goods;
mod guessing;
mod headers;
mod health;
mod hostile;
mod hosts;
mod idempotency;
mod lists;
mod login_entries;
mod matrix;
mod metrics;
mod money;
mod narrowing;
mod origins;
mod pages;
mod pairing;
mod payments;
mod position;
mod proxy;
mod quotas;
mod refusals;
mod rights;
mod roles;
mod routing;
mod rules;
mod sales;
mod sessions;
mod setup;
mod shipping;
mod shop;
mod status;
mod stock;
mod texts;
