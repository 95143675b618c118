//! The permits of the HTTP phase. Its buffers take most of a connection's memory, so a connection waits for a
//! permit, and keeps its permit only while others are free.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits::{ANONYMOUS_KEEP_ALIVE_EIGHTHS_MAX, KEEP_ALIVE_EIGHTHS_MAX};

/// The permits for connections.
pub(super) struct HttpPermits {
    connections: Semaphore,
    connections_max: usize,
}

impl HttpPermits {
    pub(super) fn new(connections_max: usize) -> Self {
        Self { connections: Semaphore::new(connections_max), connections_max }
    }

    /// Waits for a connection's permit. `None` would mean a closed semaphore, and this one is never closed.
    pub(super) async fn acquire(&self) -> Option<SemaphorePermit<'_>> {
        self.connections.acquire().await.ok()
    }

    /// Whether a connection has to wait for its permit.
    pub(super) fn are_taken(&self) -> bool {
        self.connections.available_permits() == 0
    }

    /// Whether a connection may keep its permit for another request. Permits become scarce for connections
    /// without a session before they do for others.
    pub(super) fn allow_keep_alive(&self, has_session: bool) -> bool {
        let taken = self.connections_max - self.connections.available_permits();
        let eighths =
            if has_session { KEEP_ALIVE_EIGHTHS_MAX } else { ANONYMOUS_KEEP_ALIVE_EIGHTHS_MAX };
        taken * 8 <= self.connections_max * eighths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn permits_become_scarce_for_anonymous_clients_first() {
        let permits = HttpPermits::new(8);
        let mut taken = Vec::new();
        let mut kept = Vec::new();
        for _ in 0..8 {
            taken.push(permits.acquire().await.unwrap());
            kept.push([true, false].map(|has_session| permits.allow_keep_alive(has_session)));
        }
        let of = |at: usize| kept.iter().filter(|kept| kept[at]).count();
        assert_eq!([of(0), of(1)], [KEEP_ALIVE_EIGHTHS_MAX, ANONYMOUS_KEEP_ALIVE_EIGHTHS_MAX]);
        taken.clear();
        assert!(permits.allow_keep_alive(false));
    }
}
