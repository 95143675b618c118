//! The outside of Tillcast as the benches use it: a small shop, the program that serves it, and a load
//! generator on one thread.
#![allow(dead_code, reason = "each bench uses its own part of this")]

pub(crate) mod clients;
pub(crate) mod http;
pub(crate) mod push;
pub(crate) mod seed;
pub(crate) mod server;

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// The longest wait for a response.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Milliseconds since 1970.
pub(crate) fn millis_now() -> Outcome<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// A count as a float; all counts here are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
