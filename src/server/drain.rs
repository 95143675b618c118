//! The drain: every connection ends before the server does, in an order that keeps clients from
//! reconnecting all at the same instant.

use std::time::Duration;

use tokio::time::{Instant, interval, timeout};

use crate::limits::DRAIN_STEP;
use crate::server::context::Context;
use crate::ws::DRAIN_SLOTS;

/// How often the drain looks at the connections that are left.
const STEP: Duration = Duration::from_millis(20);

/// Ends every connection within `time`, and stores the last use of the sessions.
pub(super) async fn drain(context: &Context, time: Duration) {
    let begun = Instant::now();
    context.lifecycle.begin_stop();
    if timeout(time, close_connections(context, time)).await.is_err() {
        tracing::warn!("the drain took longer than --drain; the remaining connections are cut");
    }
    context.hub.stop();
    let left = context.admission.connections();
    tracing::info!(took_ms = begun.elapsed().as_millis(), left, "stopped");
}

/// Closes the WebSockets evenly over three quarters of the time, or faster if they are few; the rest of
/// the time is for their closing handshakes.
async fn close_connections(context: &Context, time: Duration) {
    let begun = Instant::now();
    let connections = u32::try_from(context.admission.connections()).unwrap_or(u32::MAX);
    let window = (time * 3 / 4).min(DRAIN_STEP.saturating_mul(connections));
    let mut step = interval(STEP);
    while context.admission.connections() > 0 && begun.elapsed() < time.mul_f32(0.9) {
        context.hub.drain_to(share(begun.elapsed(), window));
        step.tick().await;
    }
    context.api.auth.sweep(true).await;
}

/// How much of the window is over, in parts of `DRAIN_SLOTS`.
fn share(elapsed: Duration, window: Duration) -> u32 {
    let part = elapsed.as_millis() * u128::from(DRAIN_SLOTS) / window.as_millis().max(1);
    u32::try_from(part).unwrap_or(DRAIN_SLOTS).min(DRAIN_SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_close_evenly_over_the_window() {
        let ms = Duration::from_millis;
        assert_eq!([0, 250, 1000, 5000].map(|at| share(ms(at), ms(1000))), [0, 250, 1000, 1000]);
        assert_eq!(share(ms(1), Duration::ZERO), DRAIN_SLOTS);
    }
}
