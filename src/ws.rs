//! One connection's life, from the upgrade to the close. This room is the home of tungstenite.
//!
//! A connection owns its place in the log and its socket, nothing else. It sleeps until the feed's
//! bell rings or the peer speaks, then looks at everything: its session, its clock, the head.

mod connection;
mod ear;
mod handshake;
mod protocol;
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::auth::sessions::Attached;
use crate::feed::Feed;
use crate::limits::{CATCH_UPS_MAX, CLOSE_WAIT};
use crate::metrics::Metrics;
use crate::store::Store;

pub use handshake::{Hello, accept};

use connection::Connection;
use socket::{Socket, close_frame};

/// How many of a thousand sockets have been told to leave, when all have.
pub const EVERYBODY: u32 = 1000;

/// What all connections share.
pub struct Hub {
    feed: Arc<Feed>,
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    catch_ups: Semaphore,
    /// Seconds since the start, as of the last tick: every wake-up looks at it.
    seconds: AtomicU32,
    /// Sockets with a slot below this leave: 0 while the server runs, up to `EVERYBODY`.
    leaving: AtomicU32,
    next_slot: AtomicU32,
}

impl Hub {
    /// Nobody is connected yet.
    pub fn new(feed: Arc<Feed>, store: Arc<Store>, metrics: Arc<Metrics>) -> Self {
        Self {
            feed,
            store,
            metrics,
            catch_ups: Semaphore::new(CATCH_UPS_MAX),
            seconds: AtomicU32::new(0),
            leaving: AtomicU32::new(0),
            next_slot: AtomicU32::new(0),
        }
    }

    /// Sends so many of a thousand sockets away, evenly chosen.
    pub fn send_away(&self, per_thousand: u32) {
        self.leaving.store(per_thousand, Ordering::Release);
        self.feed.ring_bell();
    }

    /// Sets the sockets' clock.
    pub fn tick(&self, since_start: Duration) {
        let seconds = u32::try_from(since_start.as_secs()).unwrap_or(u32::MAX);
        self.seconds.store(seconds, Ordering::Relaxed);
    }

    fn seconds(&self) -> u32 {
        self.seconds.load(Ordering::Relaxed)
    }

    /// Slots are dealt so that neighbours in time leave at different times.
    fn deal_slot(&self) -> u16 {
        const STRIDE: u32 = 619; // has no divisor in common with a thousand
        let number = self.next_slot.fetch_add(1, Ordering::Relaxed);
        u16::try_from(number.wrapping_mul(STRIDE) % EVERYBODY).unwrap_or(0)
    }
}

/// Serves a client until it leaves or must. `early` are the bytes that came with the handshake,
/// `place` is given back at the end.
pub fn serve<P>(
    stream: TcpStream,
    early: &[u8],
    session: Attached,
    hub: Arc<Hub>,
    place: P,
) -> impl Future<Output = ()> + use<P> {
    let mut connection = Connection::new(stream, session, &hub);
    let ended_early = connection.hear(&hub, early).err().map(Box::new);
    async move {
        let end = match ended_early {
            Some(end) => *end,
            None => connection.live(&hub).await,
        };
        // Rare, and large as futures go: kept out of every connection's own.
        Box::pin(connection.leave(end)).await;
        drop(place);
    }
}

/// Tells a client why it may not stay. It gets no other message.
pub async fn refuse(stream: TcpStream, code: u16, why: &str) {
    Socket::new(stream).close(&close_frame(code, why), CLOSE_WAIT).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every idle connection holds on the heap, but for its socket's registration. The runtime
    /// adds 104 bytes and rounds up to 128: at 280 a task has three such lines, above it four.
    #[test]
    fn the_task_stays_small() {
        type Serve<F> = fn(TcpStream, &'static [u8], Attached, Arc<Hub>, Arc<()>) -> F;
        fn size_of_future<F: Future>(_: Serve<F>) -> usize {
            size_of::<F>()
        }
        let bytes = size_of_future(serve::<Arc<()>>);
        assert!(bytes <= 280, "{bytes} bytes");
    }
}
