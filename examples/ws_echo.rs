//! Echoes every WebSocket message, with the code and the limits of `/ws`, so that a conformance suite can
//! test that code (`tests/judges/autobahn.rs`).
//!
//!     cargo run --example ws_echo [ADDR:PORT]

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use tillcast::frame;
use tillcast::limits::READ_BYTES;
use tillcast::ws::{Accepted, Handshake, Incoming, MessageDecoder, Socket, close};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    serve(&TcpListener::bind(address)?)
}

/// Serves each client on a thread of its own.
pub(crate) fn serve(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        thread::spawn(|| echo(stream));
    }
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    let early = shake_hands(&mut stream)?;
    stream.set_nonblocking(true)?;
    let mut poll = Poll::new()?;
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut SourceFd(&stream.as_raw_fd()), Token(0), both)?;
    let (mut socket, mut decoder) = (Socket::new(stream, None), MessageDecoder::default());
    let mut received = receive(&mut decoder, &early, &mut socket);
    let mut events = Events::with_capacity(1);
    let (mut buffer, mut plain) = (vec![0; READ_BYTES], Vec::new());
    let reason = loop {
        if let Err(reason) = received {
            break reason;
        }
        socket.flush()?;
        let read = if socket.is_blocked() { 0 } else { socket.read(&mut buffer, &mut plain)? };
        if read == 0 {
            poll.poll(&mut events, None)?;
        }
        received = receive(&mut decoder, &buffer[..read], &mut socket);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(close(socket, reason));
    Ok(())
}

/// Echoes the messages in the bytes. The error ends the connection: with a close code if the peer
/// broke the protocol, without one if the peer closed.
fn receive(
    decoder: &mut MessageDecoder,
    bytes: &[u8],
    socket: &mut Socket,
) -> Result<(), Option<(u16, &'static str)>> {
    let (mut output, mut result) = (Vec::new(), Ok(()));
    decoder.receive(bytes, &mut output, |incoming, output| {
        match incoming {
            Incoming::Text(text) => frame::put_text(output, &text),
            Incoming::Binary(bytes) => frame::put_binary(output, &bytes),
            Incoming::Closed => result = Err(None),
            Incoming::Broken(code, reason) => result = Err(Some((code, reason))),
        }
        result.is_ok()
    });
    socket.queue(&output);
    result
}

/// Answers the opening handshake; returns the bytes that came after it.
fn shake_hands(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut lines, mut line) = (Vec::new(), String::new());
    while reader.read_line(&mut line)? > 2 {
        lines.extend(line.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned())));
        line.clear();
    }
    let lines = lines.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let accepted = lines.collect::<Handshake<'_>>().accept();
    let Accepted { accept, .. } =
        accepted.map_err(|error| io::Error::other(format!("{error:?}")))?;
    let reply = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(reply.as_bytes())?;
    Ok(reader.buffer().to_vec())
}
