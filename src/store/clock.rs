//! The shop's times: one that clients see, which never runs back, and one that counts how long the
//! shop was served, which no clock can change.

use std::time::Instant;

use crate::limits::CLOCK_STEP_MS;

/// Milliseconds since 1970 in UTC, from a clock that has 64 bits on every board.
pub fn clock() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}

pub(super) struct Time {
    clock: fn() -> i64,
    /// The newest time that was given.
    last: i64,
    /// What the clock would tell at the start of this run, by all that is known of its steps.
    at_start: i64,
    /// For how many milliseconds the shop was served before this run.
    served_before: i64,
    started: Instant,
}

impl Time {
    /// A time that does not go back behind `floor`, in a shop that was served that long before.
    pub(super) fn new(clock: fn() -> i64, floor: i64, served_before: i64) -> Self {
        let now = clock().max(floor);
        Self { clock, last: now, at_start: now, served_before, started: Instant::now() }
    }

    /// What everything that happens now is stamped with.
    pub(super) fn now(&mut self) -> i64 {
        self.last = self.last.max((self.clock)());
        self.last
    }

    /// For how many milliseconds the shop was served in all its runs. Time in which it was off does
    /// not count, nor does what was done to the clock.
    pub(super) fn served(&self) -> i64 {
        self.served_before.saturating_add(self.elapsed())
    }

    /// By how many milliseconds the clock was set ahead, 0 for steps that do not matter; until
    /// `accept` is told that it is dealt with.
    pub(super) fn ahead(&mut self) -> i64 {
        let step = self.now() - self.at_start.saturating_add(self.elapsed());
        if step < CLOCK_STEP_MS { 0 } else { step }
    }

    pub(super) fn accept(&mut self, step: i64) {
        self.at_start += step;
    }

    fn elapsed(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}
