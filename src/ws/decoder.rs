//! Bytes to messages. tungstenite's state exists only while a message is under way, so that an idle
//! connection owns no buffer.

use std::io::{self, Cursor, Read, Write};

use bytes::Bytes;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, OpCode};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use crate::limits::MESSAGE_BYTES_MAX;

/// The longest frame header (RFC 6455, section 5.2).
const HEADER_BYTES_MAX: usize = 14;

/// One connection's half-read message, if any.
#[derive(Default)]
pub struct MessageDecoder {
    partial: Option<Box<Partial>>,
}

struct Partial {
    context: WebSocketContext,
    boundary: FrameBoundary,
}

/// What the peer sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Bytes),
    /// A close frame; the reply is in the output already.
    Closed,
    /// A violation of the protocol, with the close code that RFC 6455 has for it.
    Broken(u16, &'static str),
}

impl MessageDecoder {
    /// Decodes bytes from the socket. Calls `on` for each message, in order, and appends the
    /// replies of the protocol itself (pongs, the close frame) to `output`. Ends early if `on`
    /// returns false.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        output: &mut Vec<u8>,
        mut on: impl FnMut(Incoming, &mut Vec<u8>) -> bool,
    ) {
        let mut partial = self.partial.take().unwrap_or_else(|| Box::new(Partial::new()));
        partial.boundary.advance(bytes);
        let mut stream = SliceIo { input: bytes, output };
        loop {
            let incoming = match partial.context.read(&mut stream) {
                Ok(Message::Text(text)) => Incoming::Text(text.as_str().to_owned()),
                Ok(Message::Binary(bytes)) => Incoming::Binary(bytes),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
                Ok(Message::Close(_)) => {
                    // Writing into a Vec cannot fail.
                    drop(partial.context.flush(&mut stream));
                    Incoming::Closed
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => broken(&error),
            };
            let over = matches!(incoming, Incoming::Closed | Incoming::Broken(..));
            if !on(incoming, stream.output) || over {
                return;
            }
        }
        drop(partial.context.flush(&mut stream));
        if !partial.boundary.is_between_messages() {
            self.partial = Some(partial);
        }
    }
}

fn broken(error: &Error) -> Incoming {
    match error {
        Error::Capacity(_) => Incoming::Broken(1009, "message too big"),
        Error::Utf8(_) => Incoming::Broken(1007, "text is not UTF-8"),
        Error::ConnectionClosed | Error::AlreadyClosed => Incoming::Closed,
        _ => Incoming::Broken(1002, "protocol error"),
    }
}

impl Partial {
    fn new() -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(256)
            .write_buffer_size(0)
            .max_write_buffer_size(64 * 1024)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            boundary: FrameBoundary::default(),
        }
    }
}

/// The bytes at hand as a stream: reading behind their end would block.
struct SliceIo<'a> {
    input: &'a [u8],
    output: &'a mut Vec<u8>,
}

impl Read for SliceIo<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.read(buffer)
    }
}

impl Write for SliceIo<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Follows the frame headers, to know whether a message is half read.
#[derive(Default)]
struct FrameBoundary {
    header: heapless::Vec<u8, HEADER_BYTES_MAX>,
    payload_left: u64,
    fragmented: bool,
}

impl FrameBoundary {
    fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skip = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len());
            if skip > 0 {
                self.payload_left -= skip as u64;
                bytes = &bytes[skip..];
                continue;
            }
            // A header that does not parse at its longest is a violation, which tungstenite reports.
            if self.header.push(bytes[0]).is_err() {
                return;
            }
            bytes = &bytes[1..];
            if let Ok(Some((header, length))) =
                FrameHeader::parse(&mut Cursor::new(&self.header[..]))
            {
                self.payload_left = length;
                if !matches!(
                    header.opcode,
                    OpCode::Control(Control::Close | Control::Ping | Control::Pong)
                ) {
                    self.fragmented = !header.is_final;
                }
                self.header.clear();
            }
        }
    }

    fn is_between_messages(&self) -> bool {
        self.payload_left == 0 && self.header.is_empty() && !self.fragmented
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 1, 2, 3, 4];
        frame.extend(
            payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask),
        );
        frame
    }

    fn receive(decoder: &mut MessageDecoder, bytes: &[u8]) -> (Vec<Incoming>, Vec<u8>) {
        let (mut incoming, mut output) = (Vec::new(), Vec::new());
        decoder.receive(bytes, &mut output, |one, _| {
            incoming.push(one);
            true
        });
        (incoming, output)
    }

    #[test]
    fn a_whole_message_leaves_nothing_behind() {
        let mut decoder = MessageDecoder::default();
        assert_eq!(
            receive(&mut decoder, &masked(0x81, b"hello")).0,
            [Incoming::Text("hello".into())]
        );
        assert!(decoder.partial.is_none());
    }

    #[test]
    fn bytes_may_come_one_by_one() {
        let mut decoder = MessageDecoder::default();
        let frames = [masked(0x01, b"hel"), masked(0x89, b"p"), masked(0x80, b"lo")].concat();
        let (last, before) = frames.split_last().unwrap();
        for byte in before {
            assert_eq!(receive(&mut decoder, &[*byte]).0, []);
            assert!(decoder.partial.is_some());
        }
        assert_eq!(receive(&mut decoder, &[*last]).0, [Incoming::Text("hello".into())]);
        assert!(decoder.partial.is_none());
    }

    #[test]
    fn a_ping_is_answered() {
        let mut decoder = MessageDecoder::default();
        let (incoming, output) = receive(&mut decoder, &masked(0x89, b"x"));
        assert_eq!((incoming, output), (vec![], vec![0x8a, 1, b'x']));
    }

    #[test]
    fn the_rules_have_their_codes() {
        let broken = |bytes: &[u8]| match receive(&mut MessageDecoder::default(), bytes).0.pop() {
            Some(Incoming::Broken(code, _)) => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(broken(&masked(0x81, &[0xff, 0xfe])), 1007);
        assert_eq!(broken(&masked(0xf1, b"x")), 1002);
        assert_eq!(broken(&[0x81, 1, b'x']), 1002);
        assert_eq!(broken(&[0x81, 0xfe, 0x10, 0x01, 0, 0, 0, 0]), 1009);
    }
}
