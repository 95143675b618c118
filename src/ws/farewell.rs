//! The last words on a socket. Rare and slow, so each is a task of its own.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::limits::{CLOSE_WAIT, LAST_BUFFER_BYTES};

/// Tells a client why it may not stay. It gets no other message.
pub async fn refuse(stream: TcpStream, code: u16, why: &str) {
    farewell(stream, &close_frame(code, why), CLOSE_WAIT).await;
}

/// Room for the last words behind what the peer did not read, so that it finds the reason there.
pub(super) fn make_room(stream: &std::net::TcpStream) {
    let room = socket2::SockRef::from(stream).set_send_buffer_size(LAST_BUFFER_BYTES);
    if let Err(error) = room {
        tracing::debug!(%error, "no room for a last word");
    }
}

/// Sends the last words and leaves: the peer has `patience` to take them and to say goodbye.
pub(super) async fn farewell(mut stream: TcpStream, words: &[u8], patience: Duration) {
    let goodbye = async {
        stream.write_all(words).await?;
        stream.shutdown().await?;
        let mut rest = [0; 256];
        loop {
            stream.readable().await?;
            match stream.try_read(&mut rest) {
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

/// A close frame; the reason has at most 123 bytes (RFC 6455, section 5.5).
pub(super) fn close_frame(code: u16, why: &str) -> Vec<u8> {
    let reason = &why.as_bytes()[..why.len().min(123)];
    let mut frame = vec![0x88, u8::try_from(reason.len() + 2).unwrap_or(2)];
    frame.extend_from_slice(&code.to_be_bytes());
    frame.extend_from_slice(reason);
    frame
}
