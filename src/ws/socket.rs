//! A TCP stream on which whole frames leave: what the kernel does not take at once waits here, and
//! it is never more than one event and a few answers.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};

/// The stream and what it still has to send before anything else.
pub struct Socket {
    stream: TcpStream,
    /// There while the kernel takes no more: what must leave before anything else, perhaps nothing.
    pending: Option<Box<[u8]>>,
}

/// The peer is gone.
#[derive(Debug)]
pub struct Gone;

impl From<Gone> for io::Error {
    fn from(_: Gone) -> Self {
        io::ErrorKind::ConnectionReset.into()
    }
}

/// What a write came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Everything is with the kernel.
    All,
    /// The frames before the n-th; the rest of the n-th, if it was begun, waits here.
    Before(usize),
}

impl Socket {
    /// The stream must not block.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, pending: None }
    }

    /// For whoever watches the stream.
    pub(super) fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// The stream, and what waits, if it is blocked.
    pub(super) fn into_parts(self) -> (TcpStream, Option<Box<[u8]>>) {
        (self.stream, self.pending)
    }

    /// Whatever is to be sent has to wait for the kernel.
    pub fn is_blocked(&self) -> bool {
        self.pending.is_some()
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.len())
    }

    /// Adds bytes behind what waits.
    pub fn queue(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut pending = self.pending.take().unwrap_or_default().into_vec();
        pending.extend_from_slice(bytes);
        self.pending = Some(pending.into());
    }

    /// Sends what waits, as far as the kernel takes it; returns how many bytes it took.
    pub fn flush(&mut self) -> Result<usize, Gone> {
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
        taken((&self.stream).write(bytes))
    }

    /// Reads what has come; `Ok(0)` means nothing has.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Gone> {
        match (&self.stream).read(buffer) {
            Ok(0) => Err(Gone),
            read => taken(read),
        }
    }
}

/// How many bytes went over; none where the call would have blocked.
fn taken(result: io::Result<usize>) -> Result<usize, Gone> {
    use io::ErrorKind::{Interrupted, WouldBlock};
    match result {
        Ok(taken) => Ok(taken),
        Err(error) if matches!(error.kind(), WouldBlock | Interrupted) => Ok(0),
        Err(_) => Err(Gone),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Every byte is a frame of its own, so the kernel is full between two frames. A socket that
    /// then took itself for free would read on, and pile up answers that nobody takes.
    #[test]
    fn full_between_two_frames_is_blocked_too() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = listener.accept().unwrap().0;
        stream.set_nonblocking(true).unwrap();
        let mut socket = Socket::new(stream);
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
