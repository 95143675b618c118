//! A TCP stream that sends whole frames. Bytes that the kernel does not accept at once wait here: at
//! most the rest of one event and a few replies. Over TLS these bytes are already encrypted: at most one
//! record of events and a few records of replies.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};

use crate::limits::TLS_WRITE_BYTES;
use crate::tls::TlsConnection;

/// The stream, and the bytes that it has to send first.
pub struct Socket {
    stream: TcpStream,
    /// `Some` for a TLS connection.
    tls: Option<Box<TlsConnection>>,
    /// `Some` while the kernel accepts no more: the bytes to send first, perhaps none.
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

/// How much of a write the kernel accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Everything.
    All,
    /// The first n frames. If the kernel accepted only a part of the last one, its rest waits in the socket.
    Before(usize),
}

impl Socket {
    /// Wraps a stream that does not block, after its opening handshake.
    pub fn new(stream: TcpStream, tls: Option<Box<TlsConnection>>) -> Self {
        Self { stream, tls, pending: None }
    }

    /// The descriptor to watch.
    pub(super) fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Takes the socket apart: returns the stream, and the bytes to send on it, with `frame` last.
    pub(super) fn finish(self, frame: &[u8]) -> (TcpStream, Vec<u8>) {
        let mut unsent = self.pending.unwrap_or_default().into_vec();
        match self.tls {
            Some(mut tls) => seal_final(&mut tls, frame, &mut unsent),
            None => unsent.extend_from_slice(frame),
        }
        (self.stream, unsent)
    }

    /// Whether the connection speaks TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether new bytes have to wait for the kernel.
    pub fn is_blocked(&self) -> bool {
        self.pending.is_some()
    }

    /// Bytes that wait for the kernel, and for the rest of a TLS record.
    pub(super) fn waiting(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.len())
            + self.tls.as_ref().map_or(0, |tls| tls.buffered_bytes())
    }

    /// Appends bytes to those that wait.
    pub fn queue(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut pending = self.pending.take().unwrap_or_default().into_vec();
        match &mut self.tls {
            // A TLS connection that cannot encrypt is closed, and the next flush reports it.
            Some(tls) => drop(tls.encrypt(bytes, &mut pending)),
            None => pending.extend_from_slice(bytes),
        }
        self.pending = Some(pending.into());
    }

    /// Sends the bytes that wait, as many as the kernel accepts; returns their number.
    pub fn flush(&mut self) -> Result<usize, Gone> {
        let Some(pending) = self.pending.take() else {
            return Ok(0);
        };
        if self.tls.as_ref().is_some_and(|tls| tls.is_closed()) {
            return Err(Gone);
        }
        let taken = if pending.is_empty() { 0 } else { self.write(&pending)? };
        if taken < pending.len() {
            self.pending = Some(pending[taken..].into());
        }
        Ok(taken)
    }

    /// Sends frames; `ends` has the end offset and the `seq` of each. The socket must not be blocked.
    pub(super) fn send(&mut self, frames: &[u8], ends: &[(usize, i64)]) -> Result<Sent, Gone> {
        if self.is_secure() {
            return self.send_encrypted(frames, ends);
        }
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

    /// The same over TLS: a few frames at a time, because an encrypted record cannot be taken back.
    fn send_encrypted(&mut self, frames: &[u8], ends: &[(usize, i64)]) -> Result<Sent, Gone> {
        let (mut sent, mut start, mut encrypted) = (0, 0, Vec::new());
        while sent < ends.len() {
            let fit = ends[sent..].partition_point(|(end, _)| *end <= start + TLS_WRITE_BYTES);
            sent += fit.max(1);
            let end = ends[sent - 1].0;
            encrypted.clear();
            let tls = self.tls.as_mut().ok_or(Gone)?;
            tls.encrypt(&frames[start..end], &mut encrypted).map_err(|_| Gone)?;
            start = end;
            let taken = self.write(&encrypted)?;
            if taken < encrypted.len() {
                self.pending = Some(encrypted[taken..].into());
                return Ok(Sent::Before(sent));
            }
        }
        Ok(Sent::All)
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Gone> {
        taken((&self.stream).write(bytes))
    }

    /// Reads the bytes that have arrived; returns their number, which may be 0. Over TLS, their plaintext is
    /// in `plain`.
    pub fn read(&mut self, buffer: &mut [u8], plain: &mut Vec<u8>) -> Result<usize, Gone> {
        plain.clear();
        let read = match (&self.stream).read(buffer) {
            Ok(0) => return Err(Gone),
            read => taken(read)?,
        };
        if let Some(tls) = &mut self.tls {
            let mut out = Vec::new();
            let over = tls.receive(&buffer[..read], plain, &mut out).is_err() || tls.is_closed();
            if !out.is_empty() {
                // Rare, and nothing else waits: a blocked socket is not read.
                let taken = self.write(&out)?;
                self.pending = (taken < out.len()).then(|| out[taken..].into());
            }
            if over && plain.is_empty() {
                return Err(Gone);
            }
        }
        Ok(read)
    }
}

/// Encrypts the last frame and the end of the TLS session.
fn seal_final(tls: &mut TlsConnection, frame: &[u8], out: &mut Vec<u8>) {
    if let Err(error) = tls.encrypt(frame, out).and_then(|()| tls.close(out)) {
        tracing::debug!(%error, "closed without a close frame over TLS");
    }
}

/// The number of bytes that the kernel moved; 0 if the call would have blocked.
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

    /// Every byte is a frame of its own, so that the kernel is full between two frames. If the socket did
    /// not count as blocked, the server would read on and pile up replies.
    #[test]
    fn full_between_two_frames_is_blocked_too() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = listener.accept().unwrap().0;
        stream.set_nonblocking(true).unwrap();
        let mut socket = Socket::new(stream, None);
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

    /// An encrypted record cannot be taken back. If a whole write were encrypted at once, a thousand
    /// displays without Wi-Fi would keep a thousand writes in memory.
    #[test]
    fn over_tls_no_more_than_a_record_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = listener.accept().unwrap().0;
        stream.set_nonblocking(true).unwrap();
        let mut socket = Socket::new(stream, Some(Box::new(crate::tls::connection_for_tests())));
        let frames = vec![0; 64 * 1024];
        let ends: Vec<(usize, i64)> = (1..=frames.len() / 64).map(|end| (64 * end, 0)).collect();
        let mut before = 0;
        let sent = loop {
            match socket.send(&frames, &ends).unwrap() {
                Sent::All => before += 1,
                Sent::Before(first) => break first,
            }
        };
        assert!(socket.is_blocked() && sent > 0 && before > 0);
        assert!(socket.waiting() <= TLS_WRITE_BYTES + 64, "{} bytes wait", socket.waiting());
    }
}
