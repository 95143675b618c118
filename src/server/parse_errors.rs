//! The stream under hyper. It replaces hyper's reply to a request that hyper cannot parse with a problem.
//!
//! hyper answers such a request itself, with a bare status and no body, and has no hook for it. So this
//! stream recognises the bare reply when hyper writes it. This server's own replies with such a status have
//! a body, so none is mistaken for it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::auth::origin::Origins;
use crate::domain::Code;
use crate::http::{Problem, allow_origin, to_raw};
use crate::limits::CLOSE_WAIT;
use crate::server::head::origin_in;
use crate::server::stream::Stream;

/// The statuses that hyper replies with by itself.
const BARE: [(&[u8], Code, &str); 2] = [
    (b"HTTP/1.1 400 ", Code::MalformedRequest, "the request's line or a header is malformed"),
    (b"HTTP/1.1 431 ", Code::HeadersTooLarge, "the request's line and headers are too long"),
];

/// Bytes that are discarded at once.
const DISCARD_BYTES: usize = 1024;

/// A stream whose bare replies become problems.
pub(super) struct WithProblems {
    stream: Stream,
    origins: Arc<Origins>,
    /// The listed origin that the connection's first head names.
    origin: Option<String>,
    is_read: bool,
    /// A problem that is being written, and how many bytes of it are.
    problem: Option<(Vec<u8>, usize)>,
    /// After a problem: ends the time in which the client's further bytes are discarded.
    linger: Option<Pin<Box<Sleep>>>,
}

impl WithProblems {
    pub(super) fn new(stream: Stream, origins: Arc<Origins>) -> Self {
        Self { stream, origins, origin: None, is_read: false, problem: None, linger: None }
    }

    /// The stream, for another protocol.
    pub(super) fn into_inner(self) -> Stream {
        self.stream
    }

    /// Discards the peer's bytes until it closes.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; DISCARD_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// The problem that takes the place of a bare reply.
    fn problem_for(&self, reply: &[u8]) -> Option<Vec<u8>> {
        let (_, code, detail) = BARE.iter().find(|(start, ..)| reply.starts_with(start))?;
        let empty = b"\r\ncontent-length: 0\r\n";
        reply.windows(empty.len()).any(|part| part == empty).then(|| {
            let mut problem = Problem::new(*code, *detail).into_reply();
            allow_origin(&mut problem, self.origin.as_deref(), &self.origins);
            to_raw(&problem)
        })
    }
}

impl AsyncRead for WithProblems {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if !std::mem::replace(&mut self.is_read, true) {
            let origin = origin_in(&buffer.filled()[before..]);
            self.origin = origin.filter(|one| self.origins.lists(one)).map(ToOwned::to_owned);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WithProblems {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        reply: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.problem.is_none() {
            self.problem = self.problem_for(reply).map(|problem| (problem, 0));
        }
        let Self { stream, problem, .. } = &mut *self;
        let Some((bytes, written)) = problem else {
            return Pin::new(stream).poll_write(cx, reply);
        };
        while *written < bytes.len() {
            let length = ready!(Pin::new(&mut *stream).poll_write(cx, &bytes[*written..]))?;
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += length;
        }
        *problem = None;
        self.linger = Some(Box::pin(sleep(CLOSE_WAIT)));
        Poll::Ready(Ok(reply.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        replies: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = replies.first().map_or(&[][..], |reply| reply);
        if self.problem.is_some() || self.problem_for(first).is_some() {
            return self.poll_write(cx, first);
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, replies)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        // Waits until the peer has closed: an unread byte would turn the problem into a reset.
        if let Some(linger) = &mut self.linger
            && linger.as_mut().poll(cx).is_pending()
        {
            return self.poll_discard(cx);
        }
        Poll::Ready(Ok(()))
    }
}
