//! A connection in its HTTP phase, plain or over TLS, as hyper reads and writes it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::limits::TLS_WRITE_BYTES;
use crate::tls::Session;

/// Bytes that are taken from the kernel at once, to be decrypted.
const READ_BYTES: usize = 4096;

/// A TCP stream, with a session if it speaks TLS.
pub(super) struct Stream {
    tcp: TcpStream,
    tls: Option<Box<Tls>>,
}

struct Tls {
    session: Box<Session>,
    /// What the peer has said and nobody has read yet.
    text: Vec<u8>,
    /// What is encrypted and the kernel has not taken yet; never more than about one record.
    out: Vec<u8>,
    goodbye: bool,
}

/// What a stream consists of, when it is not read as HTTP any more.
pub(super) struct Parts {
    pub(super) tcp: TcpStream,
    pub(super) session: Option<Box<Session>>,
    /// What the peer had said already.
    pub(super) text: Vec<u8>,
}

impl Stream {
    /// A stream whose handshake, if it has a session, is over.
    pub(super) fn new(tcp: TcpStream, session: Option<Box<Session>>) -> Self {
        let tls = |session| Tls { session, text: Vec::new(), out: Vec::new(), goodbye: false };
        Self { tcp, tls: session.map(|session| Box::new(tls(session))) }
    }

    /// It speaks TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Its parts. Everything must have been flushed.
    pub(super) fn into_parts(self) -> Parts {
        let (session, text) =
            self.tls.map_or((None, Vec::new()), |tls| (Some(tls.session), tls.text));
        Parts { tcp: self.tcp, session, text }
    }
}

impl Tls {
    /// Gives the kernel what is encrypted.
    fn poll_send(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let sent = ready!(Pin::new(&mut *tcp).poll_write(cx, &self.out))?;
            self.out.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until there is text; there is none at the end.
    fn poll_text(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.text.is_empty() && !self.session.is_over() {
            let mut bytes = [0; READ_BYTES];
            let mut bytes = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut *tcp).poll_read(cx, &mut bytes))?;
            if bytes.filled().is_empty() {
                break;
            }
            let taken = self.session.take(bytes.filled(), &mut self.text, &mut self.out);
            // What TLS answers, the reason of a failure for one. Where it has to wait, it leaves
            // before the next text.
            if let Poll::Ready(sent) = self.poll_send(tcp, cx) {
                sent?;
            }
            taken.map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { tcp, tls } = &mut *self;
        let Some(tls) = tls else {
            return Pin::new(tcp).poll_read(cx, buffer);
        };
        ready!(tls.poll_text(tcp, cx))?;
        let length = tls.text.len().min(buffer.remaining());
        buffer.put_slice(&tls.text[..length]);
        tls.text.drain(..length);
        if tls.text.is_empty() {
            tls.text = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        text: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { tcp, tls } = &mut *self;
        let Some(tls) = tls else {
            return Pin::new(tcp).poll_write(cx, text);
        };
        ready!(tls.poll_send(tcp, cx))?;
        let length = text.len().min(TLS_WRITE_BYTES);
        tls.session.seal(&text[..length], &mut tls.out).map_err(io::Error::other)?;
        if let Poll::Ready(sent) = tls.poll_send(tcp, cx) {
            sent?;
        }
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { tcp, tls } = &mut *self;
        if let Some(tls) = tls {
            ready!(tls.poll_send(tcp, cx))?;
        }
        Pin::new(tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { tcp, tls } = &mut *self;
        if let Some(tls) = tls {
            if !std::mem::replace(&mut tls.goodbye, true) {
                tls.session.close(&mut tls.out).map_err(io::Error::other)?;
            }
            ready!(tls.poll_send(tcp, cx))?;
        }
        Pin::new(tcp).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        texts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.tls.is_none() {
            return Pin::new(&mut self.tcp).poll_write_vectored(cx, texts);
        }
        let first = texts.iter().find(|text| !text.is_empty());
        self.poll_write(cx, first.map_or(&[], |text| text))
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_none()
    }
}
