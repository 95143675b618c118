//! The last words on a socket. Rare and slow, so each is a task of its own.

use std::io;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::limits::{CLOSE_WAIT, LAST_BUFFER_BYTES};
use crate::tls::TlsConnection;
use crate::ws::socket::Socket;

/// Tells a client why it may not stay. It gets no other message.
pub async fn refuse(stream: TcpStream, mut tls: Option<Box<TlsConnection>>, code: u16, why: &str) {
    let words = last_words(tls.as_deref_mut(), Vec::new(), &close_frame(code, why));
    farewell(stream, &words).await;
}

/// Sends what still waits and, if the peer does not know yet, why it has to go; then closes.
pub async fn leave(socket: Socket, end: Option<(u16, &str)>) {
    let blocked = socket.is_blocked();
    let last = end.map(|(code, why)| close_frame(code, why)).unwrap_or_default();
    let (stream, words) = socket.into_last_words(&last);
    if blocked {
        make_room(&stream);
    }
    match TcpStream::from_std(stream) {
        Ok(stream) => farewell(stream, &words).await,
        Err(error) => tracing::debug!(%error, "no last words"),
    }
}

/// What is still to be sent, and behind it these words, encrypted where TLS is spoken.
pub(super) fn last_words(
    tls: Option<&mut TlsConnection>,
    unsent: Vec<u8>,
    words: &[u8],
) -> Vec<u8> {
    let mut all = unsent;
    match tls {
        Some(tls) => {
            if let Err(error) = tls.encrypt(words, &mut all).and_then(|()| tls.close(&mut all)) {
                tracing::debug!(%error, "no last words over TLS");
            }
        }
        None => all.extend_from_slice(words),
    }
    all
}

/// Room for the last words behind what the peer did not read, so that it finds the reason there.
fn make_room(stream: &std::net::TcpStream) {
    let room = socket2::SockRef::from(stream).set_send_buffer_size(LAST_BUFFER_BYTES);
    if let Err(error) = room {
        tracing::debug!(%error, "no room for a last word");
    }
}

/// Sends the last words and leaves: the peer has a moment to take them and to say goodbye.
async fn farewell(mut stream: TcpStream, words: &[u8]) {
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
    drop(tokio::time::timeout(CLOSE_WAIT, goodbye).await);
}

/// A close frame; the reason has at most 123 bytes (RFC 6455, section 5.5).
fn close_frame(code: u16, why: &str) -> Vec<u8> {
    let reason = &why.as_bytes()[..why.len().min(123)];
    let mut frame = vec![0x88, u8::try_from(reason.len() + 2).unwrap_or(2)];
    frame.extend_from_slice(&code.to_be_bytes());
    frame.extend_from_slice(reason);
    frame
}
