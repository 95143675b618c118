//! A TCP stream on which whole frames leave: what the kernel does not take at once waits here, and
//! it is never more than one event and a few answers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::futures::Notified;

use crate::limits::LAST_BUFFER_BYTES;

/// The stream and what it still has to send before anything else.
pub(super) struct Socket {
    stream: TcpStream,
    /// There while the kernel takes no more: what must leave before anything else, perhaps nothing.
    pending: Option<Box<[u8]>>,
}

/// The peer is gone.
#[derive(Debug)]
pub(super) struct Gone;

/// What a write came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Everything is with the kernel.
    All,
    /// The frames before the n-th; the rest of the n-th, if it was begun, waits here.
    Before(usize),
}

/// What ended a wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// The bell.
    Bell,
    /// The socket: more to read, or room to write.
    Io,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, pending: None }
    }

    /// Whatever is to be sent has to wait for the kernel.
    pub(super) fn is_blocked(&self) -> bool {
        self.pending.is_some()
    }

    /// Adds bytes behind what waits.
    pub(super) fn queue(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut pending = self.pending.take().unwrap_or_default().into_vec();
        pending.extend_from_slice(bytes);
        self.pending = Some(pending.into());
    }

    /// Sends what waits, as far as the kernel takes it; returns how many bytes it took.
    pub(super) fn flush(&mut self) -> Result<usize, Gone> {
        let Some(pending) = self.pending.take() else {
            return Ok(0);
        };
        let taken = if pending.is_empty() { 0 } else { self.write(&pending)? };
        if taken < pending.len() {
            self.pending = Some(pending[taken..].into());
        }
        Ok(taken)
    }

    /// Sends frames; `ends` says where each of them ends. Nothing may be waiting.
    pub(super) fn send(&mut self, frames: &[u8], ends: &[(usize, i64)]) -> Result<Sent, Gone> {
        let taken = self.write(frames)?;
        if taken == frames.len() {
            return Ok(Sent::All);
        }
        let first = ends.partition_point(|(end, _)| *end <= taken);
        let start = if first == 0 { 0 } else { ends[first - 1].0 };
        if taken == start {
            self.pending = Some(Box::default());
            return Ok(Sent::Before(first));
        }
        let end = ends.get(first).map_or(frames.len(), |(end, _)| *end);
        self.pending = Some(frames[taken..end].into());
        Ok(Sent::Before(first + 1))
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Gone> {
        match self.stream.try_write(bytes) {
            Ok(taken) => Ok(taken),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(_) => Err(Gone),
        }
    }

    /// Reads what has come; `Ok(0)` means nothing has.
    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<usize, Gone> {
        match self.stream.try_read(buffer) {
            Ok(0) => Err(Gone),
            Ok(read) => Ok(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(_) => Err(Gone),
        }
    }

    /// Ready with the bell or the peer: with room to write while something waits, and only then.
    pub(super) fn poll_wake(
        &self,
        bell: Pin<&mut Notified<'_>>,
        context: &mut Context<'_>,
    ) -> Poll<Woken> {
        if bell.poll(context).is_ready() {
            return Poll::Ready(Woken::Bell);
        }
        let ready = if self.is_blocked() {
            self.stream.poll_write_ready(context)
        } else {
            self.stream.poll_read_ready(context)
        };
        ready.map(|_| Woken::Io)
    }

    /// Sends what waits and a last frame, and leaves: the peer has `patience` to take it and to
    /// say goodbye.
    pub(super) async fn close(mut self, last: &[u8], patience: Duration) {
        if self.is_blocked() {
            // Room behind what the peer did not read, so that it finds the reason there.
            let room = socket2::SockRef::from(&self.stream).set_send_buffer_size(LAST_BUFFER_BYTES);
            if let Err(error) = room {
                tracing::debug!(%error, "no room for a last word");
            }
        }
        self.queue(last);
        let goodbye = async {
            self.stream.write_all(self.pending.as_deref().unwrap_or_default()).await?;
            self.stream.shutdown().await?;
            let mut rest = [0; 256];
            loop {
                self.stream.readable().await?;
                match self.stream.try_read(&mut rest) {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        };
        // Whether the peer took it in time or not, the socket is closed now.
        drop(tokio::time::timeout(patience, goodbye).await);
    }
}

/// A close frame; the reason has at most 123 bytes (RFC 6455, section 5.5).
pub(super) fn close_frame(code: u16, why: &str) -> Vec<u8> {
    let reason = &why.as_bytes()[..why.len().min(123)];
    let mut frame = vec![0x88, u8::try_from(reason.len() + 2).unwrap_or(2)];
    frame.extend_from_slice(&code.to_be_bytes());
    frame.extend_from_slice(reason);
    frame
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Every byte is a frame of its own, so the kernel is full between two frames. A socket that
    /// then waited for the peer to speak, and not for room, would wait for the next bell.
    #[tokio::test]
    async fn full_between_two_frames_is_blocked_too() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut socket = Socket::new(listener.accept().await.unwrap().0);
        socket.stream.writable().await.unwrap();
        let frames = vec![0; 64 * 1024];
        let ends: Vec<(usize, i64)> = (1..=frames.len()).map(|end| (end, 0)).collect();
        let sent = loop {
            match socket.send(&frames, &ends).unwrap() {
                Sent::All => {}
                Sent::Before(first) => break first,
            }
        };
        assert!(socket.is_blocked() && sent < frames.len());
        assert_eq!(socket.flush().unwrap(), 0);
        assert!(!socket.is_blocked());
    }
}
