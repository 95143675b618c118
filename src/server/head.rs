//! Waiting for what a client has to send first while it stays in the kernel: a TLS handshake, record
//! by record, and a request's head.
//!
//! A connection that has not sent a whole head, or a whole record, costs no buffer here: it is looked
//! at, not read. So a storm of half-open handshakes waits in the kernel, and hyper only meets whole
//! heads, or over TLS whole records. A handshake takes no place of the HTTP phase: what rustls keeps
//! between its steps is less than what the connection may keep as a WebSocket.

use std::io::{self, ErrorKind};

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::limits::{HANDSHAKE_PIECES_MAX, HEAD_BYTES_MAX};
use crate::tls::{Identity, Session};

/// The first byte of a TLS connection: a record of the handshake (RFC 8446, section 5.1). No HTTP
/// method begins with it.
const HANDSHAKE: u8 = 22;
/// A record's type, version and length.
const RECORD_HEADER: usize = 5;
/// What the types of records are, and the first byte of their version.
const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=24;
const SSL_3_TO_TLS_1_3: u8 = 3;

/// Waits until a whole head is there, or more than a head may have. An error means that the peer
/// left.
pub(super) fn wait(stream: &TcpStream) -> impl Future<Output = io::Result<()>> {
    peek(stream, |bytes| Ok((bytes.len() == HEAD_BYTES_MAX || is_whole(bytes)).then_some(())))
}

/// The same where TLS is spoken: with the session of a client that does, whose first record after
/// the handshake has come; none for one that speaks plain HTTP.
pub(super) async fn wait_secure(
    stream: &TcpStream,
    identity: &Identity,
) -> io::Result<Option<Box<Session>>> {
    if peek(stream, |bytes| Ok(bytes.first().copied())).await? != HANDSHAKE {
        return wait(stream).await.map(|()| None);
    }
    let mut length = peek(stream, record).await?;
    let mut session = Box::new(identity.session().map_err(io::Error::other)?);
    while session.is_handshaking() {
        step(stream, &mut session, length)?;
        length = peek(stream, record).await?;
    }
    Ok(Some(session))
}

/// Gives the session the record that has come, and the peer what it answers.
fn step(stream: &TcpStream, session: &mut Session, length: usize) -> io::Result<()> {
    let mut bytes = [0; HEAD_BYTES_MAX];
    let bytes = bytes.get_mut(..length).ok_or(ErrorKind::InvalidData)?;
    if stream.try_read(bytes)? != length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let (mut text, mut out) = (Vec::new(), Vec::new());
    let taken = session.take(bytes, &mut text, &mut out);
    // Nothing is in the kernel's buffer but the earlier steps: it takes a whole flight at once.
    if !out.is_empty() && stream.try_write(&out)? != out.len() {
        return Err(ErrorKind::WriteZero.into());
    }
    taken.map_err(io::Error::other)?;
    if session.is_over() || session.waiting() > HANDSHAKE_PIECES_MAX {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok(())
}

/// Waits until `look` finds something in the bytes that have come, at most `HEAD_BYTES_MAX` of them.
#[expect(clippy::manual_async_fn, reason = "an async fn would keep its arguments twice")]
fn peek<T>(
    stream: &TcpStream,
    look: impl Fn(&[u8]) -> io::Result<Option<T>>,
) -> impl Future<Output = io::Result<T>> {
    async move {
        loop {
            let ready = stream.ready(Interest::READABLE).await?;
            let looked = stream.try_io(Interest::READABLE, || {
                let mut bytes = [0; HEAD_BYTES_MAX];
                let (_, seen) = recv(stream, &mut bytes[..], RecvFlags::PEEK)?;
                if seen == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                // The runtime then waits for the next bytes.
                look(&bytes[..seen])?.ok_or(ErrorKind::WouldBlock.into())
            });
            match looked {
                Ok(found) => return Ok(found),
                // It is not whole, and nothing will follow.
                Err(_) if ready.is_read_closed() => return Err(ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A head ends with an empty line (RFC 9112, section 2.1); a bare line feed is an end of line too.
fn is_whole(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// The length of the first record, if it has come whole, or as much of it as is looked at.
fn record(bytes: &[u8]) -> io::Result<Option<usize>> {
    let (kind, version, length) = match *bytes {
        [kind, version, _, high, low, ..] => (kind, version, u16::from_be_bytes([high, low])),
        [kind, version, ..] => (kind, version, u16::MAX),
        [kind] => (kind, SSL_3_TO_TLS_1_3, u16::MAX),
        [] => return Ok(None),
    };
    if !RECORD_TYPES.contains(&kind) || version != SSL_3_TO_TLS_1_3 {
        return Err(ErrorKind::InvalidData.into());
    }
    let length = RECORD_HEADER + usize::from(length);
    Ok((length.min(HEAD_BYTES_MAX) <= bytes.len()).then_some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line() {
        assert!(is_whole(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(is_whole(b"GET / HTTP/1.1\n\nbody"));
        assert!(!is_whole(b"GET / HTTP/1.1\r\nHost: a\r\n"));
        assert!(!is_whole(b""));
    }

    #[test]
    fn a_record_is_whole_or_not_or_none_at_all() {
        let found = |bytes: &str| record(bytes.as_bytes());
        assert_eq!(found("\x16\x03\x01\x00\x02ab").unwrap(), Some(7));
        assert_eq!(found("\x16\x03\x01\x00\x02abmore").unwrap(), Some(7));
        for beginning in ["", "\x16", "\x16\x03\x01\x00", "\x16\x03\x01\x00\x02a"] {
            assert_eq!(found(beginning).unwrap(), None);
        }
        for wrong in ["GET / HTTP/1.1", "\x16G", "\x19"] {
            assert!(found(wrong).is_err(), "{wrong:?}");
        }
        let long = [b"\x17\x03\x03\x40\x00", &[0; HEAD_BYTES_MAX - 5][..]].concat();
        assert_eq!(record(&long).unwrap(), Some(RECORD_HEADER + 0x4000));
        assert_eq!(record(&long[1..]).ok(), None);
    }
}
