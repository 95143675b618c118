//! Whether the server is running or has begun to stop. A stop cannot be taken back.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// The state of one server, shared by everything that behaves differently during a stop.
#[derive(Default)]
pub struct Lifecycle {
    stopping: AtomicBool,
    stop_begun: Notify,
}

impl Lifecycle {
    /// Begins the stop.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stop_begun.notify_waiters();
    }

    /// Whether the stop has begun.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Waits until the stop begins; returns at once if it has.
    pub async fn stop_begun(&self) {
        // Created before the flag is read, so that a stop in between is not missed.
        let notified = self.stop_begun.notified();
        if !self.is_stopping() {
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn a_stop_reaches_early_and_late_waiters() {
        let lifecycle = Lifecycle::default();
        let mut cx = Context::from_waker(Waker::noop());
        let mut early = pin!(lifecycle.stop_begun());
        assert!(early.as_mut().poll(&mut cx).is_pending());
        assert!(!lifecycle.is_stopping());
        lifecycle.begin_stop();
        assert_eq!(early.as_mut().poll(&mut cx), Poll::Ready(()));
        assert_eq!(pin!(lifecycle.stop_begun()).poll(&mut cx), Poll::Ready(()));
    }
}
