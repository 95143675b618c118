//! What comes in on a socket: bytes to messages. tungstenite's state exists only while a message
//! is under way, so that an idle connection owns no buffer.

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
pub struct Ear {
    open: Option<Box<Open>>,
}

struct Open {
    context: WebSocketContext,
    boundary: Boundary,
}

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Bytes),
    /// The peer closes; the answer is in the output already.
    Closed,
    /// The peer breaks the rules: the close code that RFC 6455 has for it.
    Broken(u16, &'static str),
}

impl Ear {
    /// Takes bytes from the socket; calls `on` for each message, in order, and writes what the
    /// protocol itself answers into `output`. Ends early where `on` says so.
    pub fn take(
        &mut self,
        bytes: &[u8],
        output: &mut Vec<u8>,
        mut on: impl FnMut(Heard, &mut Vec<u8>) -> bool,
    ) {
        let mut open = self.open.take().unwrap_or_else(|| Box::new(Open::new()));
        open.boundary.take(bytes);
        let mut pipe = Pipe { input: bytes, output };
        loop {
            let heard = match open.context.read(&mut pipe) {
                Ok(Message::Text(text)) => Heard::Text(text.as_str().to_owned()),
                Ok(Message::Binary(bytes)) => Heard::Binary(bytes),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
                Ok(Message::Close(_)) => {
                    // What cannot be written into a Vec does not exist.
                    drop(open.context.flush(&mut pipe));
                    Heard::Closed
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => broken(&error),
            };
            let over = matches!(heard, Heard::Closed | Heard::Broken(..));
            if !on(heard, pipe.output) || over {
                return;
            }
        }
        drop(open.context.flush(&mut pipe));
        if open.boundary.is_whole() {
            return;
        }
        self.open = Some(open);
    }
}

fn broken(error: &Error) -> Heard {
    match error {
        Error::Capacity(_) => Heard::Broken(1009, "message too big"),
        Error::Utf8(_) => Heard::Broken(1007, "text is not UTF-8"),
        Error::ConnectionClosed | Error::AlreadyClosed => Heard::Closed,
        _ => Heard::Broken(1002, "protocol error"),
    }
}

impl Open {
    fn new() -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(256)
            .write_buffer_size(0)
            .max_write_buffer_size(64 * 1024)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            boundary: Boundary::default(),
        }
    }
}

/// The bytes at hand, as a stream: what is not there yet would block.
struct Pipe<'a> {
    input: &'a [u8],
    output: &'a mut Vec<u8>,
}

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.read(buffer)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Follows the frames' headers, to know when nothing is half read.
#[derive(Default)]
struct Boundary {
    header: heapless::Vec<u8, HEADER_BYTES_MAX>,
    payload_left: u64,
    fragmented: bool,
}

impl Boundary {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skip = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len());
            if skip > 0 {
                self.payload_left -= skip as u64;
                bytes = &bytes[skip..];
                continue;
            }
            // The longest header has room; a full one that does not parse is broken, and the
            // context has said so.
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

    fn is_whole(&self) -> bool {
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

    fn hear(ear: &mut Ear, bytes: &[u8]) -> (Vec<Heard>, Vec<u8>) {
        let (mut heard, mut output) = (Vec::new(), Vec::new());
        ear.take(bytes, &mut output, |one, _| {
            heard.push(one);
            true
        });
        (heard, output)
    }

    #[test]
    fn a_whole_message_leaves_nothing_behind() {
        let mut ear = Ear::default();
        assert_eq!(hear(&mut ear, &masked(0x81, b"hello")).0, [Heard::Text("hello".into())]);
        assert!(ear.open.is_none());
    }

    #[test]
    fn bytes_may_come_one_by_one() {
        let mut ear = Ear::default();
        let frames = [masked(0x01, b"hel"), masked(0x89, b"p"), masked(0x80, b"lo")].concat();
        let (last, before) = frames.split_last().unwrap();
        for byte in before {
            assert_eq!(hear(&mut ear, &[*byte]).0, []);
            assert!(ear.open.is_some());
        }
        assert_eq!(hear(&mut ear, &[*last]).0, [Heard::Text("hello".into())]);
        assert!(ear.open.is_none());
    }

    #[test]
    fn a_ping_is_answered() {
        let mut ear = Ear::default();
        let (heard, output) = hear(&mut ear, &masked(0x89, b"x"));
        assert_eq!((heard, output), (vec![], vec![0x8a, 1, b'x']));
    }

    #[test]
    fn the_rules_have_their_codes() {
        let broken = |bytes: &[u8]| match hear(&mut Ear::default(), bytes).0.pop() {
            Some(Heard::Broken(code, _)) => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(broken(&masked(0x81, &[0xff, 0xfe])), 1007);
        assert_eq!(broken(&masked(0xf1, b"x")), 1002);
        assert_eq!(broken(&[0x81, 1, b'x']), 1002);
        assert_eq!(broken(&[0x81, 0xfe, 0x10, 0x01, 0, 0, 0, 0]), 1009);
    }
}
