//! The byte stream that hyper reads and writes, plain or over TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::limits::TLS_WRITE_BYTES;
use crate::server::head::is_probe;
use crate::tls::TlsConnection;

/// Encrypted bytes that are read from the kernel at once.
const READ_BYTES: usize = 4096;

/// A TCP stream, with TLS where the client speaks it.
pub(super) struct Stream {
    tcp: TcpStream,
    tls: Option<Box<Tls>>,
}

struct Tls {
    connection: Box<TlsConnection>,
    /// Decrypted bytes that have not been read yet.
    text: Vec<u8>,
    /// Encrypted bytes that the kernel has not accepted yet; at most about one record.
    out: Vec<u8>,
    close_sent: bool,
}

/// A stream taken apart, for a protocol other than HTTP.
pub(super) struct Parts {
    pub(super) tcp: TcpStream,
    pub(super) tls: Option<Box<TlsConnection>>,
    /// Decrypted bytes that have not been read yet.
    pub(super) text: Vec<u8>,
}

impl Stream {
    /// Joins a TCP stream and its TLS connection, whose handshake must be over.
    pub(super) fn new(tcp: TcpStream, tls: Option<Box<TlsConnection>>) -> Self {
        let with_buffers =
            |connection| Tls { connection, text: Vec::new(), out: Vec::new(), close_sent: false };
        Self { tcp, tls: tls.map(|connection| Box::new(with_buffers(connection))) }
    }

    /// Whether the client speaks TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether the first bytes, which stay in the kernel, ask for a probe of a monitor.
    pub(super) fn is_probe(&self) -> bool {
        self.tls.is_none() && is_probe(&self.tcp)
    }

    /// Takes the stream apart. Everything must have been flushed.
    pub(super) fn into_parts(self) -> Parts {
        let (tls, text) =
            self.tls.map_or((None, Vec::new()), |tls| (Some(tls.connection), tls.text));
        Parts { tcp: self.tcp, tls, text }
    }
}

impl Tls {
    /// Hands the encrypted bytes to the kernel.
    fn poll_send(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let sent = ready!(Pin::new(&mut *tcp).poll_write(cx, &self.out))?;
            self.out.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until there is text, or the stream has ended.
    fn poll_text(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.text.is_empty() && !self.connection.is_closed() {
            let mut bytes = [0; READ_BYTES];
            let mut bytes = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut *tcp).poll_read(cx, &mut bytes))?;
            if bytes.filled().is_empty() {
                break;
            }
            let received = self.connection.receive(bytes.filled(), &mut self.text, &mut self.out);
            // TLS's own replies, such as an alert. If the kernel's buffer is full, they leave with the next write.
            if let Poll::Ready(sent) = self.poll_send(tcp, cx) {
                sent?;
            }
            received.map_err(io::Error::other)?;
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
        tls.connection.encrypt(&text[..length], &mut tls.out).map_err(io::Error::other)?;
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
            if !std::mem::replace(&mut tls.close_sent, true) {
                tls.connection.close(&mut tls.out).map_err(io::Error::other)?;
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
