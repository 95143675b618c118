//! The state that the event loop lends to each connection in turn.

use std::sync::Arc;
use std::time::Duration;

use crate::feed::{Batch, Feed};
use crate::limits::READ_BYTES;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::ws::hub::Hub;
use crate::ws::turn::Turns;

/// The state that all connections share, with one set of buffers.
pub(super) struct LoopContext {
    pub(super) feed: Arc<Feed>,
    pub(super) store: Arc<Store>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) hub: Arc<Hub>,
    /// Seconds since the loop started.
    pub(super) now_secs: u32,
    /// Milliseconds since the loop started; wraps around after 49 days.
    pub(super) now_ms: u32,
    /// The index of the connection that is served.
    pub(super) index: usize,
    /// The turns in which clients come back after a restart.
    pub(super) turns: Turns,
    /// The buffer in which frames are assembled.
    pub(super) batch: Batch,
    /// The buffer for bytes from the peer.
    pub(super) read_buffer: Box<[u8]>,
    /// The plaintext of bytes that were read over TLS.
    pub(super) plain: Vec<u8>,
    /// Whether the present connection may have sent more bytes than one read returned.
    pub(super) read_again: bool,
}

impl LoopContext {
    pub(super) fn new(
        hub: Arc<Hub>,
        feed: Arc<Feed>,
        store: Arc<Store>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            feed,
            store,
            metrics,
            hub,
            now_secs: 0,
            now_ms: 0,
            index: 0,
            turns: Turns::NONE,
            batch: Batch::new(),
            read_buffer: vec![0; READ_BYTES].into(),
            plain: Vec::new(),
            read_again: false,
        }
    }

    /// Sets the time of a run of the loop.
    pub(super) fn set_now(&mut self, since_start: Duration) {
        self.now_secs = u32::try_from(since_start.as_secs()).unwrap_or(u32::MAX);
        let in_one_wrap = since_start.as_millis() % (u128::from(u32::MAX) + 1);
        self.now_ms = u32::try_from(in_one_wrap).unwrap_or(0);
    }

    /// Makes the turns fit the number of open sockets. A drain leaves them as they are, for those that it closes.
    pub(super) fn count_turns(&mut self) {
        if self.hub.drained_slots() == 0 {
            let sockets = usize::try_from(self.metrics.sockets.get()).unwrap_or(0);
            self.turns = self.turns.for_sockets(sockets);
        }
    }
}
