//! Waits for a TLS handshake, record by record, and for a request's head, while their bytes stay in the
//! kernel.
//!
//! A connection that has not sent a whole head, or a whole record, costs no buffer here: its bytes are
//! peeked at, not read. So a storm of half-open handshakes waits in the kernel, and hyper gets only whole
//! heads, or over TLS whole records. A handshake needs no HTTP permit, because rustls keeps less memory
//! between its steps than a WebSocket may use.

use std::io::{self, ErrorKind};

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::http::probe_in;
use crate::limits::{HANDSHAKE_PIECES_MAX, HEAD_BYTES_MAX};
use crate::tls::{Identity, TlsConnection};

/// The first byte of a TLS connection: a handshake record (RFC 8446, section 5.1). No HTTP method
/// begins with it.
const HANDSHAKE: u8 = 22;
/// Bytes of a record's type, version and length.
const RECORD_HEADER: usize = 5;
/// The types of records.
const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=24;
/// The first byte of a record's version.
const SSL_3_TO_TLS_1_3: u8 = 3;

/// Waits for the head of a request. With an identity the client may speak TLS, and its TLS connection is
/// returned.
#[expect(clippy::manual_async_fn, reason = "an async fn would keep its arguments twice")]
pub(super) fn await_request(
    stream: &TcpStream,
    identity: Option<&Identity>,
) -> impl Future<Output = io::Result<Option<Box<TlsConnection>>>> {
    async move {
        match identity {
            Some(identity) => Box::pin(wait_tls(stream, identity)).await,
            None => wait_plain(stream).await.map(|()| None),
        }
    }
}

/// Waits for a whole head, or for more bytes than a head may have. An error means that the peer left.
fn wait_plain(stream: &TcpStream) -> impl Future<Output = io::Result<()>> {
    peek(stream, |bytes| Ok((bytes.len() == HEAD_BYTES_MAX || is_whole(bytes)).then_some(())))
}

/// Waits for the TLS handshake and the first record after it, and returns the connection; `None` after
/// the head of a client that speaks plain HTTP.
async fn wait_tls(
    stream: &TcpStream,
    identity: &Identity,
) -> io::Result<Option<Box<TlsConnection>>> {
    if peek(stream, |bytes| Ok(bytes.first().copied())).await? != HANDSHAKE {
        return wait_plain(stream).await.map(|()| None);
    }
    let mut length = peek(stream, record_length).await?;
    let mut tls = Box::new(identity.accept().map_err(io::Error::other)?);
    while tls.is_handshaking() {
        handshake_step(stream, &mut tls, length)?;
        length = peek(stream, record_length).await?;
    }
    Ok(Some(tls))
}

/// Passes the record that has arrived to TLS, and its reply to the peer.
fn handshake_step(stream: &TcpStream, tls: &mut TlsConnection, length: usize) -> io::Result<()> {
    let mut bytes = [0; HEAD_BYTES_MAX];
    let bytes = bytes.get_mut(..length).ok_or(ErrorKind::InvalidData)?;
    if stream.try_read(bytes)? != length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let (mut text, mut out) = (Vec::new(), Vec::new());
    let received = tls.receive(bytes, &mut text, &mut out);
    // The send buffer holds at most the earlier steps, so it accepts a whole flight at once.
    if !out.is_empty() && stream.try_write(&out)? != out.len() {
        return Err(ErrorKind::WriteZero.into());
    }
    received.map_err(io::Error::other)?;
    if tls.is_closed() || tls.buffered_bytes() > HANDSHAKE_PIECES_MAX {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok(())
}

/// Waits until `find` finds something in the first `HEAD_BYTES_MAX` bytes that have arrived.
#[expect(clippy::manual_async_fn, reason = "an async fn would keep its arguments twice")]
fn peek<T>(
    stream: &TcpStream,
    find: impl Fn(&[u8]) -> io::Result<Option<T>>,
) -> impl Future<Output = io::Result<T>> {
    async move {
        loop {
            let ready = stream.ready(Interest::READABLE).await?;
            let found = stream.try_io(Interest::READABLE, || {
                let mut bytes = [0; HEAD_BYTES_MAX];
                let (_, seen) = recv(stream, &mut bytes[..], RecvFlags::PEEK)?;
                if seen == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                // `WouldBlock` makes the runtime wait for the next bytes.
                find(&bytes[..seen])?.ok_or(ErrorKind::WouldBlock.into())
            });
            match found {
                Ok(found) => return Ok(found),
                // Incomplete, and nothing will follow.
                Err(_) if ready.is_read_closed() => return Err(ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether a connection's first bytes, which stay in the kernel, ask for a probe of a monitor.
pub(super) fn is_probe(stream: &TcpStream) -> bool {
    let mut bytes = [0; 16];
    let peeked = recv(stream, &mut bytes[..], RecvFlags::PEEK);
    peeked.is_ok_and(|(_, seen)| probe_in(&bytes[..seen]).is_some())
}

/// Whether a head is complete: it ends with an empty line (RFC 9112, section 2.1). A bare line feed is an
/// end of line too.
fn is_whole(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// The values that a head has of a header, whose name is in lower case. The rest of the head may be malformed or
/// missing.
pub(super) fn values_in<'h>(head: &'h [u8], name: &str) -> impl Iterator<Item = &'h [u8]> {
    let lines = head.split(|byte| *byte == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    lines.filter_map(move |line| {
        let (found, value) = line.split_at_checked(name.len())?;
        let is_it = found.eq_ignore_ascii_case(name.as_bytes());
        value.strip_prefix(b":").filter(|_| is_it).map(<[u8]>::trim_ascii)
    })
}

/// The origin that a head names; `None` if it names several.
pub(super) fn origin_in(head: &[u8]) -> Option<&str> {
    let mut origins = values_in(head, "origin");
    let origin = str::from_utf8(origins.next()?).ok();
    origin.filter(|_| origins.next().is_none())
}

/// Whether the request of a head speaks HTTP/1.0, whose clients need not name a host.
pub(super) fn is_http_1_0(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next();
    line.is_some_and(|line| line.trim_ascii_end().ends_with(b" HTTP/1.0"))
}

/// The length of the first record, once it has arrived whole or fills the peeked bytes.
fn record_length(bytes: &[u8]) -> io::Result<Option<usize>> {
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
    fn an_origin_is_found_in_any_head() {
        let found = |head: &str| origin_in(head.as_bytes()).map(ToOwned::to_owned);
        let shop = Some("https://shop.example".to_owned());
        assert_eq!(found("GET / HTTP/1.1\r\nOrigin: https://shop.example\r\n\r\n"), shop);
        assert_eq!(found("nonsense\norigin:https://shop.example \nx"), shop);
        assert_eq!(found("GET /\r\n\r\nOrigin: https://shop.example\r\n"), None);
        assert_eq!(found("GET /\r\nX-Origin: https://shop.example\r\n\r\n"), None);
        assert_eq!(found("GET /\r\nOrigin: a\r\nOrigin: b\r\n\r\n"), None);
    }

    #[test]
    fn a_record_is_complete_or_incomplete_or_invalid() {
        let found = |bytes: &str| record_length(bytes.as_bytes());
        assert_eq!(found("\x16\x03\x01\x00\x02ab").unwrap(), Some(7));
        assert_eq!(found("\x16\x03\x01\x00\x02abmore").unwrap(), Some(7));
        for beginning in ["", "\x16", "\x16\x03\x01\x00", "\x16\x03\x01\x00\x02a"] {
            assert_eq!(found(beginning).unwrap(), None);
        }
        for wrong in ["GET / HTTP/1.1", "\x16G", "\x19"] {
            assert!(found(wrong).is_err(), "{wrong:?}");
        }
        let long = [b"\x17\x03\x03\x40\x00", &[0; HEAD_BYTES_MAX - 5][..]].concat();
        assert_eq!(record_length(&long).unwrap(), Some(RECORD_HEADER + 0x4000));
        assert_eq!(record_length(&long[1..]).ok(), None);
    }
}
