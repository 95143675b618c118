//! Limits the number of log lines, so that a client that misbehaves ten thousand times, or a disk that keeps
//! failing, does not fill the card with them.
//!
//! Errors may use the whole budget, warnings three quarters of it, and so on down, so that a flood of less
//! important lines leaves some for errors. The first line in a minute from each call site always passes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::limits::{
    LOG_DROPPED_REPORT_INTERVAL, LOG_LINES_BURST, LOG_LINES_PER_SECOND, LOG_REPEAT_INTERVAL,
};
use crate::sync;

/// A handle to the rate limit of the log.
#[derive(Clone)]
pub(super) struct LogRateLimit(Arc<Shared>);

struct Shared {
    budget: Mutex<Budget>,
    /// Notified when a line was dropped.
    missing: Notify,
}

/// The lines that may still be written, and those dropped since the last report.
struct Budget {
    lines: f64,
    refilled: Instant,
    /// The time of the last line of each call site.
    kinds: HashMap<Identifier, Instant>,
    dropped: u64,
    errors_dropped: u64,
}

impl LogRateLimit {
    pub(super) fn new() -> Self {
        let budget = Mutex::new(Budget::new(Instant::now()));
        Self(Arc::new(Shared { budget, missing: Notify::new() }))
    }

    /// Reports dropped lines from time to time. Never returns.
    pub(super) async fn report_periodically(&self) {
        loop {
            self.0.missing.notified().await;
            self.report();
            sleep(LOG_DROPPED_REPORT_INTERVAL).await;
        }
    }

    /// Reports how many lines were dropped, if any.
    pub(super) fn report(&self) {
        let mut budget = self.budget();
        let dropped = std::mem::take(&mut budget.dropped);
        let errors = std::mem::take(&mut budget.errors_dropped);
        drop(budget);
        if dropped > 0 {
            tracing::warn!(dropped, errors, "log lines were dropped, because there were too many");
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        sync::lock(&self.0.budget)
    }
}

impl<S: Subscriber> Layer<S> for LogRateLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let line = event.metadata();
        // The report itself is rare.
        let comes = line.module_path() == Some(module_path!())
            || self.budget().admits(line, Instant::now());
        if !comes {
            self.0.missing.notify_one();
        }
        comes
    }
}

impl Budget {
    fn new(now: Instant) -> Self {
        Self {
            lines: LOG_LINES_BURST,
            refilled: now,
            kinds: HashMap::new(),
            dropped: 0,
            errors_dropped: 0,
        }
    }

    fn admits(&mut self, line: &Metadata<'_>, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.refilled);
        self.refilled = now;
        let refill = passed.as_secs_f64() * LOG_LINES_PER_SECOND;
        self.lines = (self.lines + refill).min(LOG_LINES_BURST);
        let affordable = self.lines - 1.0 >= LOG_LINES_BURST * reserved_share(*line.level());
        let seen = self.kinds.get(&line.callsite());
        let long_ago = |seen: &Instant| now.saturating_duration_since(*seen) >= LOG_REPEAT_INTERVAL;
        let comes = affordable || seen.is_none_or(long_ago);
        if comes {
            self.kinds.insert(line.callsite(), now);
            self.lines = (self.lines - 1.0).max(0.0);
        } else {
            self.dropped += 1;
            self.errors_dropped += u64::from(*line.level() == Level::ERROR);
        }
        comes
    }
}

/// The share of the budget that is reserved for lines more important than this level.
fn reserved_share(level: Level) -> f64 {
    match level {
        Level::ERROR => 0.0,
        Level::WARN => 0.25,
        Level::INFO => 0.5,
        _ => 0.75,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The levels of the lines that were written.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<Level>>>);

    impl<S: Subscriber> Layer<S> for Lines {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
    }

    #[test]
    fn a_flood_is_bounded_and_leaves_lines_for_errors() {
        let (rate_limit, lines) = (LogRateLimit::new(), Lines::default());
        let log = tracing_subscriber::registry().with(rate_limit.clone()).with(lines.clone());
        let came = |level| lines.0.lock().unwrap().iter().filter(|one| **one == level).count();
        tracing::subscriber::with_default(log, || {
            for _ in 0..10_000 {
                tracing::info!("a client is a nuisance");
            }
            for _ in 0..10_000 {
                tracing::error!("the disk fails");
            }
            tracing::info!("of another kind");
            rate_limit.report();
        });
        let half = (250..260).contains(&came(Level::INFO));
        assert!(half, "{} small lines", came(Level::INFO));
        let rest = (250..260).contains(&came(Level::ERROR));
        assert!(rest, "{} errors", came(Level::ERROR));
        assert_eq!(came(Level::WARN), 1, "dropped lines are reported");
    }

    #[test]
    fn time_brings_new_lines() {
        // A span has metadata only where a subscriber records it.
        let span = || tracing::info_span!("any").metadata().unwrap();
        let site = tracing::subscriber::with_default(tracing_subscriber::registry(), span);
        let begun = Instant::now();
        let mut budget = Budget::new(begun);
        let mut came = |at: f64| {
            let now = begun + Duration::from_secs_f64(at);
            (0..10_000).filter(|_| budget.admits(site, now)).count()
        };
        assert_eq!((came(0.0), came(1.0), came(2.0)), (250, 1, 1));
        assert_eq!(came(10_000.0), 250);
    }
}
