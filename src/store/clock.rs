//! The shop's clock. It gives the time that clients see, which never runs backwards, and the uptime
//! of the server in all its runs, which no change of the system's clock affects.

use std::time::Instant;

use crate::limits::CLOCK_STEP_MS;

/// Milliseconds since 1970, UTC, from a clock that has 64 bits on every board.
pub fn clock() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}

pub(super) struct ShopClock {
    clock: fn() -> i64,
    /// The latest time that was given out.
    last: i64,
    /// The system's clock at the start of this run, corrected by all its steps since.
    at_start: i64,
    /// The uptime of all runs.
    pub(super) uptime: Uptime,
}

/// The uptime of all runs: time between runs does not count, and no clock that is set changes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uptime {
    /// That of all earlier runs, in milliseconds.
    before: i64,
    started: Instant,
}

impl Uptime {
    fn new(before: i64) -> Self {
        Self { before, started: Instant::now() }
    }

    /// That of all runs, in milliseconds.
    pub(super) fn total(&self) -> i64 {
        self.before.saturating_add(self.elapsed())
    }

    /// That of this run, in milliseconds.
    fn elapsed(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

impl ShopClock {
    /// A clock that shows no time before `floor`, and counts the uptime from `uptime_before`
    /// milliseconds on.
    pub(super) fn new(clock: fn() -> i64, floor: i64, uptime_before: i64) -> Self {
        let now = clock().max(floor);
        Self { clock, last: now, at_start: now, uptime: Uptime::new(uptime_before) }
    }

    /// The present time in milliseconds since 1970, UTC; never less than an earlier result.
    pub(super) fn now(&mut self) -> i64 {
        self.last = self.last.max((self.clock)());
        self.last
    }

    /// The milliseconds by which the system's clock was set ahead since the last accepted step; 0
    /// if they are fewer than `CLOCK_STEP_MS`.
    pub(super) fn forward_step(&mut self) -> i64 {
        let step = self.now() - self.at_start.saturating_add(self.uptime.elapsed());
        if step < CLOCK_STEP_MS { 0 } else { step }
    }

    /// Marks a step as handled.
    pub(super) fn accept_step(&mut self, step: i64) {
        self.at_start += step;
    }
}
