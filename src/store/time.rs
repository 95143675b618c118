//! The board's clock.

/// Milliseconds since 1970 in UTC, from a clock that has 64 bits on every board.
pub(super) fn clock() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}
