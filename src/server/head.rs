//! Waiting for a request's head while it stays in the kernel.
//!
//! A connection that has not sent a whole head costs no buffer here: it is looked at, not read.
//! So a storm of half-open handshakes waits in the kernel, and hyper only meets whole heads.

use std::io;

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::limits::{HEAD_BYTES_MAX, HEAD_TIMEOUT};

/// Waits until a whole head is there, or more than a head may have. An error means that the peer
/// left or took too long.
pub(super) async fn wait(stream: &TcpStream) -> io::Result<()> {
    let wait = async {
        loop {
            let ready = stream.ready(Interest::READABLE).await?;
            match stream.try_io(Interest::READABLE, || look(stream)) {
                Ok(()) => return Ok(()),
                // What is there is no whole head, and nothing will follow.
                Err(_) if ready.is_read_closed() => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    };
    tokio::time::timeout(HEAD_TIMEOUT, wait).await?
}

/// Looks at what has come. `WouldBlock` stands for "not whole yet": the runtime then waits for the
/// next bytes.
fn look(stream: &TcpStream) -> io::Result<()> {
    let mut bytes = [0; HEAD_BYTES_MAX];
    let (_, seen) = recv(stream, &mut bytes[..], RecvFlags::PEEK)?;
    if seen == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if seen == bytes.len() || is_whole(&bytes[..seen]) {
        return Ok(());
    }
    Err(io::ErrorKind::WouldBlock.into())
}

/// A head ends with an empty line (RFC 9112, section 2.1); a bare line feed is an end of line too.
fn is_whole(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
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
}
