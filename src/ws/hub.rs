//! The handle that other threads use to reach the event loop.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use mio::{Poll, Token, Waker};
use tokio::sync::mpsc;

use crate::auth::sessions::SessionGuard;
use crate::limits::{CATCH_UPS_MAX, NEW_SOCKETS_MAX};
use crate::store::{EventPage, EventRange};
use crate::tls;

/// The drain's scale: each connection has a slot from 0 to 999.
pub const DRAIN_SLOTS: u32 = 1000;

/// The waker's token; connections count from 0.
pub(super) const WAKER: Token = Token(usize::MAX);

/// A connection's share of the server's bounds; dropping it gives the share back.
pub type ConnectionPermit = Arc<dyn Send + Sync>;

/// A client whose opening handshake is over.
pub struct NewSocket {
    /// Must not block.
    pub stream: TcpStream,
    /// `Some` for a TLS connection.
    pub tls: Option<Box<tls::TlsConnection>>,
    /// Bytes that came after the handshake.
    pub early: Bytes,
    /// The user's session.
    pub session: SessionGuard,
    /// Held until the connection has ended.
    pub permit: ConnectionPermit,
}

/// The reader's reply to a catch-up request.
pub(super) struct PageReply {
    /// The connection's index in the loop, and its number.
    pub(super) requester: (usize, u32),
    pub(super) range: EventRange,
    /// `None` if the log could not be read.
    pub(super) page: Option<EventPage>,
}

/// The other threads' handle of the event loop.
pub struct Hub {
    new_sockets: mpsc::Sender<NewSocket>,
    pages: mpsc::Sender<PageReply>,
    waker: Waker,
    /// Whether the loop was woken and has not run since.
    woken: AtomicBool,
    /// Whether every connection has to check its session and its timeouts.
    recheck: AtomicBool,
    /// Connections with a slot below this are closed: 0 while the server runs, up to `DRAIN_SLOTS`.
    drained_slots: AtomicU32,
    stopped: AtomicBool,
}

/// The event loop's end of a `Hub`.
pub struct Inbox {
    pub(super) poll: Poll,
    pub(super) new_sockets: mpsc::Receiver<NewSocket>,
    pub(super) pages: mpsc::Receiver<PageReply>,
}

impl Hub {
    /// Creates a handle, and the event loop's end of it.
    pub fn new() -> io::Result<(Self, Inbox)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (new_sockets_in, new_sockets) = mpsc::channel(NEW_SOCKETS_MAX);
        let (pages_in, pages) = mpsc::channel(CATCH_UPS_MAX);
        let hub = Self {
            new_sockets: new_sockets_in,
            pages: pages_in,
            waker,
            woken: AtomicBool::new(false),
            recheck: AtomicBool::new(false),
            drained_slots: AtomicU32::new(0),
            stopped: AtomicBool::new(false),
        };
        Ok((hub, Inbox { poll, new_sockets, pages }))
    }

    /// Wakes the loop: events were published, or something waits in the inbox.
    pub fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "the event loop cannot be woken");
        }
    }

    /// Makes every connection check its session, after one has ended.
    pub fn recheck_sessions(&self) {
        self.recheck.store(true, Ordering::Release);
        self.wake();
    }

    /// Adds a client; waits while `NEW_SOCKETS_MAX` others wait to be added.
    pub async fn join(&self, socket: NewSocket) {
        // Fails only after the loop has ended; dropping the socket closes it.
        drop(self.new_sockets.send(socket).await);
        self.wake();
    }

    /// Closes the connections with a slot below `slots`: an even share of all connections.
    pub fn drain_to(&self, slots: u32) {
        self.drained_slots.store(slots, Ordering::Release);
        self.recheck_sessions();
    }

    /// Ends the loop.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    /// Hands a page to the loop.
    pub(super) fn page_ready(&self, reply: PageReply) {
        // The channel has room for every page that the loop requests at once.
        drop(self.pages.try_send(reply));
        self.wake();
    }

    /// Begins a run of the loop. Events that are published from now on wake it again.
    pub(super) fn begin_run(&self) {
        self.woken.swap(false, Ordering::AcqRel);
    }

    /// Whether the connections have to check their sessions; clears the flag.
    pub(super) fn take_recheck(&self) -> bool {
        self.recheck.swap(false, Ordering::AcqRel)
    }

    /// Connections with a slot below this are closed.
    pub(super) fn drained_slots(&self) -> u32 {
        self.drained_slots.load(Ordering::Acquire)
    }

    /// Whether the loop has to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}
