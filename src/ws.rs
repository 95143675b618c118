//! WebSockets: one thread for all of them. This room is the home of mio and tungstenite.
//!
//! A connection owns its place in the log and its socket, nothing else: no task and no buffer. The
//! thread sleeps until there is news or a peer speaks. News goes to everybody who wants it in one
//! round, straight into the kernel; a socket that takes no more is left until it does.

mod connection;
mod crowd;
mod ear;
mod farewell;
mod handshake;
mod protocol;
mod socket;

use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use mio::{Poll, Token, Waker};
use std::sync::Arc;
use tokio::sync::mpsc;

use crate::auth::sessions::SessionGuard;
use crate::limits::{CATCH_UPS_MAX, NEW_SOCKETS_MAX};
use crate::store::{EventPage, EventRange};
use crate::tls;

pub use crowd::Crowd;
pub use ear::{Ear, Heard};
pub use farewell::{leave, refuse};
pub use handshake::{Hello, accept};
pub use protocol::ClientMessage;
pub use socket::{Gone, Socket};

/// How many of a thousand sockets have been told to leave, when all have.
pub const EVERYBODY: u32 = 1000;

/// What is given back by being dropped, when a connection has ended.
pub type Place = Arc<dyn Send + Sync>;

/// A client whose handshake is over.
pub struct Guest {
    /// It must not block.
    pub stream: TcpStream,
    /// There if it speaks TLS.
    pub tls: Option<Box<tls::TlsConnection>>,
    /// Bytes that came with the handshake.
    pub early: Bytes,
    /// Whose it is.
    pub session: SessionGuard,
    /// What it holds until it ends.
    pub place: Place,
}

/// What came of a connection's wish for a page of the log.
struct Answer {
    /// Where the connection is in the crowd, and its number.
    who: (usize, u32),
    asked: EventRange,
    page: Option<EventPage>,
}

/// Everybody's handle of the thread that serves the sockets.
pub struct Hub {
    guests: mpsc::Sender<Guest>,
    pages: mpsc::Sender<Answer>,
    waker: Waker,
    /// The waker was used and the thread has not looked since.
    rung: AtomicBool,
    /// Everybody has to look at session and clock.
    look: AtomicBool,
    /// Sockets with a slot below this leave: 0 while the server runs, up to `EVERYBODY`.
    leaving: AtomicU32,
    stop: AtomicBool,
}

/// The thread's end of a `Hub`.
pub struct Inbox {
    poll: Poll,
    guests: mpsc::Receiver<Guest>,
    pages: mpsc::Receiver<Answer>,
}

/// The waker's; connections count from 0.
const WAKER: Token = Token(usize::MAX);

impl Hub {
    /// The handle, and what the thread needs of it.
    pub fn new() -> io::Result<(Self, Inbox)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (guests_in, guests) = mpsc::channel(NEW_SOCKETS_MAX);
        let (pages_in, pages) = mpsc::channel(CATCH_UPS_MAX);
        let hub = Self {
            guests: guests_in,
            pages: pages_in,
            waker,
            rung: AtomicBool::new(false),
            look: AtomicBool::new(false),
            leaving: AtomicU32::new(0),
            stop: AtomicBool::new(false),
        };
        Ok((hub, Inbox { poll, guests, pages }))
    }

    /// There is news.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "the sockets cannot be woken");
        }
    }

    /// A session has ended: everybody looks at theirs.
    pub fn look(&self) {
        self.look.store(true, Ordering::Release);
        self.ring();
    }

    /// Takes a client in, after those who wait already.
    pub async fn join(&self, guest: Guest) {
        // A thread that has ended takes nobody.
        drop(self.guests.send(guest).await);
        self.ring();
    }

    /// Sends so many of a thousand sockets away, evenly chosen.
    pub fn send_away(&self, per_thousand: u32) {
        self.leaving.store(per_thousand, Ordering::Release);
        self.look();
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.ring();
    }

    /// There is room: no more pages are asked for than fit.
    fn answer(&self, answer: Answer) {
        drop(self.pages.try_send(answer));
        self.ring();
    }
}
