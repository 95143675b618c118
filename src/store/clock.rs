//! The shop's clock. It tells the time that clients see, which never runs back, and the uptime: how
//! long the shop was served, which no change of the system's clock affects.

use std::time::Instant;

use crate::limits::CLOCK_STEP_MS;

/// Milliseconds since 1970, UTC, from a clock that has 64 bits on every board.
pub fn clock() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}

pub(super) struct ShopClock {
    clock: fn() -> i64,
    /// The newest time that was given.
    last: i64,
    /// The system's clock at the start of this run, corrected by all its steps since.
    at_start: i64,
    /// How long the shop was served before this run, in milliseconds.
    uptime_before: i64,
    started: Instant,
}

impl ShopClock {
    /// A clock that does not go back behind `floor`, in a shop that was served that long before.
    pub(super) fn new(clock: fn() -> i64, floor: i64, uptime_before: i64) -> Self {
        let now = clock().max(floor);
        Self { clock, last: now, at_start: now, uptime_before, started: Instant::now() }
    }

    /// The time of everything that happens now.
    pub(super) fn now(&mut self) -> i64 {
        self.last = self.last.max((self.clock)());
        self.last
    }

    /// How long the shop was served in all its runs, in milliseconds. Time in which it was off does
    /// not count.
    pub(super) fn uptime_total(&self) -> i64 {
        self.uptime_before.saturating_add(self.elapsed())
    }

    /// By how many milliseconds the clock was set ahead, 0 for steps that do not matter; until
    /// `accept_step` confirms that it was dealt with.
    pub(super) fn forward_step(&mut self) -> i64 {
        let step = self.now() - self.at_start.saturating_add(self.elapsed());
        if step < CLOCK_STEP_MS { 0 } else { step }
    }

    pub(super) fn accept_step(&mut self, step: i64) {
        self.at_start += step;
    }

    fn elapsed(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}
