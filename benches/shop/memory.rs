//! The memory of a server for each idle connection.

use std::time::Duration;

use crate::Bench;
use crate::common::Outcome;
use crate::common::clients::Crowd;
use crate::common::float;
use crate::table::{Goal, Line};

/// Connections that come first, so that one-time memory is not counted.
const FIRST: usize = 64;
const STEPS: [usize; 3] = [1_000, 5_000, 10_000];
/// The time in which a server finishes the work of a handshake.
const SETTLE: Duration = Duration::from_millis(300);

/// `RssAnon` for each idle connection, logged in and subscribed.
pub(crate) fn idle(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let figures = bench.compare(&bench.programs.kinds(), |kind| {
        let server = bench.programs.start(kind)?;
        let mut crowd = Crowd::new()?;
        let mut at = |count: usize| -> Outcome<f64> {
            crowd.subscribe(&server, count)?;
            std::thread::sleep(SETTLE);
            Ok(server.memory()?.anonymous)
        };
        let base = at(FIRST)?;
        let [low, middle, high] = STEPS;
        let [low_kib, middle_kib, high_kib] = [at(low)?, at(middle)?, at(high)?];
        let each = |kib, count, from: f64, first: usize| -> Outcome<f64> {
            Ok((kib - from) / float(u64::try_from(count - first)?))
        };
        Ok([
            each(low_kib, low, base, FIRST)?,
            each(middle_kib, middle, base, FIRST)?,
            each(high_kib, high, base, FIRST)?,
            each(high_kib, high, low_kib, low)?,
        ])
    })?;
    let [low, middle, high] = STEPS;
    let whats = [
        format!("RssAnon for each of {low} idle subscribers, KiB"),
        format!("RssAnon for each of {middle} idle subscribers, KiB"),
        format!("RssAnon for each of {high} idle subscribers, KiB"),
        format!("the same for each further one from {low} to {high}, KiB"),
    ];
    let line = |(what, figures)| Line { what, goal: Goal::AtMost(1.1), figures };
    Ok(whats.into_iter().zip(figures).map(line).collect())
}
