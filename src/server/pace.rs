//! The stream under hyper, which waits only so long for a client that does not read its replies, or does not
//! send the rest of its first head.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::http::Pools;
use crate::limits::{SLOW_AFTER, SLOW_BYTES_PER_SECOND, SLOW_GRACE, WANTED_BYTES_MIN};
use crate::server::parse_errors::WithProblems;
use crate::server::stream::Stream;
use crate::sync;
use crate::throttle::{Owner, Permit};

/// The one whose requests come on a connection.
pub(super) struct Peer {
    /// Until the first request is read: the owner by the address.
    by_address: Owner,
    by_request: Mutex<Option<Owner>>,
}

/// A stream with a client that has to keep up.
pub(super) struct Paced {
    stream: WithProblems,
    pools: Arc<Pools>,
    peer: Arc<Peer>,
    /// While the client is waited for.
    stall: Option<Box<Stall>>,
}

/// A client that is waited for.
struct Stall {
    begun: Instant,
    /// Bytes that it has taken since.
    sent: u32,
    /// As many had it taken when it was looked at last.
    seen: u32,
    next_look: Pin<Box<Sleep>>,
    slow: Option<Permit>,
}

impl Peer {
    pub(super) fn new(by_address: Owner) -> Self {
        Self { by_address, by_request: Mutex::new(None) }
    }

    /// Tells whose the request is that was just read.
    pub(super) fn set(&self, owner: Owner) {
        *sync::lock(&self.by_request) = Some(owner);
    }

    fn is_known(&self) -> bool {
        sync::lock(&self.by_request).is_some()
    }

    fn owner(&self) -> Owner {
        sync::lock(&self.by_request).unwrap_or(self.by_address)
    }
}

impl Paced {
    pub(super) fn new(stream: WithProblems, pools: Arc<Pools>, peer: Arc<Peer>) -> Self {
        Self { stream, pools, peer, stall: None }
    }

    /// The stream, for another protocol.
    pub(super) fn into_inner(self) -> Stream {
        self.stream.into_inner()
    }

    /// Waits on for the client, or ends the connection.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let stall = self.stall.get_or_insert_with(|| Box::new(Stall::new()));
        while stall.next_look.as_mut().poll(cx).is_ready() {
            let is_reply = self.peer.is_known();
            if !stall.may_go_on(&self.pools, self.peer.owner(), is_reply) {
                return Poll::Ready(ErrorKind::TimedOut.into());
            }
            stall.next_look.as_mut().reset(Instant::now() + SLOW_AFTER);
        }
        Poll::Pending
    }

    /// The result of a write, of which a stalled one goes on for a while only.
    fn poll_written(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.poll_stall(cx).map(Err),
            Poll::Ready(written) => {
                if let (Ok(bytes), Some(stall)) = (&written, &mut self.stall) {
                    let bytes = u32::try_from(*bytes).unwrap_or(u32::MAX);
                    stall.sent = stall.sent.saturating_add(bytes);
                }
                Poll::Ready(written)
            }
        }
    }
}

impl Stall {
    fn new() -> Self {
        let next_look = Box::pin(sleep(SLOW_AFTER));
        Self { begun: Instant::now(), sent: 0, seen: 0, next_look, slow: None }
    }

    /// Whether the client may be waited for: as a slow one, if its owner may have another, and as long as
    /// it takes enough.
    fn may_go_on(&mut self, pools: &Pools, owner: Owner, is_reply: bool) -> bool {
        if self.slow.is_none() {
            self.slow = pools.slow_place(owner);
        }
        let taken = self.sent - std::mem::replace(&mut self.seen, self.sent);
        let is_in_the_way = taken < WANTED_BYTES_MIN && pools.page_is_wanted_of(owner);
        let patience = SLOW_GRACE + Duration::from_secs(1) * self.sent / SLOW_BYTES_PER_SECOND;
        self.slow.is_some() && (!is_reply || !is_in_the_way && self.begun.elapsed() <= patience)
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() && !self.peer.is_known() {
            return self.poll_stall(cx).map(Err);
        }
        read
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_written(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.poll_written(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // hyper flushes when all that it has is written: the client has kept up.
        if self.stall.is_some() && self.peer.is_known() {
            self.stall = None;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
