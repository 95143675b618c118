//! The closing handshake (RFC 6455, section 7). It is rare and slow, so each runs as a task of its own.

use std::io;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::frame;
use crate::limits::{CLOSE_WAIT, LAST_BUFFER_BYTES};
use crate::ws::socket::Socket;

/// Sends the bytes that wait, then a close frame if there is a reason, and closes the connection.
pub async fn close(socket: Socket, reason: Option<(u16, &str)>) {
    let blocked = socket.is_blocked();
    let frame = reason.map(|(code, reason)| frame::close(code, reason)).unwrap_or_default();
    let (stream, unsent) = socket.finish(&frame);
    if blocked {
        enlarge_send_buffer(&stream);
    }
    match TcpStream::from_std(stream) {
        Ok(stream) => close_gracefully(stream, &unsent).await,
        Err(error) => tracing::debug!(%error, "closed without a close frame"),
    }
}

/// Enlarges the kernel's buffer for a close frame after data that the peer has not read.
fn enlarge_send_buffer(stream: &std::net::TcpStream) {
    let resized = socket2::SockRef::from(stream).set_send_buffer_size(LAST_BUFFER_BYTES);
    if let Err(error) = resized {
        tracing::debug!(%error, "the send buffer could not be enlarged for a close frame");
    }
}

/// Sends the last bytes and shuts down; the peer has `CLOSE_WAIT` to read them and to close.
async fn close_gracefully(mut stream: TcpStream, unsent: &[u8]) {
    let closing = async {
        stream.write_all(unsent).await?;
        stream.shutdown().await?;
        let mut ignored = [0; 256];
        loop {
            stream.readable().await?;
            match stream.try_read(&mut ignored) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    };
    // Dropping the stream closes it, in time or not.
    drop(tokio::time::timeout(CLOSE_WAIT, closing).await);
}
