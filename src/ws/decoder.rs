//! Decodes bytes to messages (RFC 6455, sections 5 and 7). A connection owns a buffer only while a message
//! is incomplete.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use crate::frame;
use crate::limits::MESSAGE_BYTES_MAX;

/// One connection's incomplete message, if any.
#[derive(Default)]
pub struct MessageDecoder {
    partial: Option<Box<Partial>>,
}

#[derive(Default)]
struct Partial {
    /// The beginning of a frame.
    frame: Vec<u8>,
    /// The earlier frames of the same message.
    message: Option<Message>,
}

struct Message {
    is_text: bool,
    payload: Vec<u8>,
}

/// A message or an event of the peer.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Vec<u8>),
    /// A close frame; the reply is in the output already.
    Closed,
    /// A violation of the protocol, with the close code that RFC 6455 has for it.
    Broken(u16, &'static str),
}

const PROTOCOL_ERROR: Incoming = Incoming::Broken(1002, "protocol error");
const NOT_UTF_8: Incoming = Incoming::Broken(1007, "text is not UTF-8");
const TOO_BIG: Incoming = Incoming::Broken(1009, "message too big");

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
        let Partial { mut frame, mut message } = *self.partial.take().unwrap_or_default();
        let mut rest = bytes;
        if !frame.is_empty() {
            frame.extend_from_slice(bytes);
            rest = &frame;
        }
        loop {
            let incoming = match next_frame(&mut rest) {
                Ok(None) => break,
                Ok(Some((header, payload))) => assemble(&mut message, &header, payload, output),
                Err(violation) => Some(violation),
            };
            let Some(incoming) = incoming else { continue };
            let over = matches!(incoming, Incoming::Closed | Incoming::Broken(..));
            if !on(incoming, output) || over {
                return;
            }
        }
        if !rest.is_empty() || message.is_some() {
            self.partial = Some(Box::new(Partial { frame: rest.to_vec(), message }));
        }
    }
}

/// Removes a frame from the front of the bytes and unmasks it; `None` if it is incomplete. A frame that is
/// too long is refused by its header.
fn next_frame(bytes: &mut &[u8]) -> Result<Option<(FrameHeader, Vec<u8>)>, Incoming> {
    let mut cursor = Cursor::new(*bytes);
    let parsed = FrameHeader::parse(&mut cursor).map_err(|_| PROTOCOL_ERROR)?;
    let Some((header, length)) = parsed else {
        return Ok(None);
    };
    let mask = header.mask.ok_or(PROTOCOL_ERROR)?;
    let is_control = matches!(header.opcode, OpCode::Control(_));
    let reserved = header.rsv1 || header.rsv2 || header.rsv3;
    if reserved || is_control && (!header.is_final || length > frame::CONTROL_BYTES_MAX as u64) {
        return Err(PROTOCOL_ERROR);
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MESSAGE_BYTES_MAX {
        return Err(TOO_BIG);
    }
    let start = usize::try_from(cursor.position()).unwrap_or(0);
    let Some((payload, rest)) = bytes[start..].split_at_checked(length) else {
        return Ok(None);
    };
    *bytes = rest;
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    Ok(Some((header, payload.collect())))
}

/// Adds a frame to its message; returns the message or event that it completes.
fn assemble(
    message: &mut Option<Message>,
    header: &FrameHeader,
    payload: Vec<u8>,
    output: &mut Vec<u8>,
) -> Option<Incoming> {
    match header.opcode {
        OpCode::Control(Control::Close) => return Some(close(&payload, output)),
        OpCode::Control(Control::Ping) => {
            frame::put_pong(output, &payload);
            return None;
        }
        OpCode::Control(_) => return None,
        OpCode::Data(Data::Continue) => match message {
            None => return Some(PROTOCOL_ERROR),
            Some(begun) if begun.payload.len() + payload.len() > MESSAGE_BYTES_MAX => {
                return Some(TOO_BIG);
            }
            Some(begun) => begun.payload.extend_from_slice(&payload),
        },
        OpCode::Data(_) if message.is_some() => return Some(PROTOCOL_ERROR),
        OpCode::Data(kind) => *message = Some(Message { is_text: kind == Data::Text, payload }),
    }
    let Message { is_text, payload } = message.take_if(|_| header.is_final)?;
    if !is_text {
        return Some(Incoming::Binary(payload));
    }
    Some(String::from_utf8(payload).map_or(NOT_UTF_8, Incoming::Text))
}

/// Replies to a close frame with the same code and reason.
fn close(payload: &[u8], output: &mut Vec<u8>) -> Incoming {
    match payload {
        [] => {}
        [high, low, reason @ ..] => {
            if !CloseCode::from(u16::from_be_bytes([*high, *low])).is_allowed() {
                return PROTOCOL_ERROR;
            }
            if str::from_utf8(reason).is_err() {
                return NOT_UTF_8;
            }
        }
        [_] => return PROTOCOL_ERROR,
    }
    frame::put_close(output, payload);
    Incoming::Closed
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
    fn each_violation_has_its_close_code() {
        let broken = |bytes: &[u8]| match receive(&mut MessageDecoder::default(), bytes).0.pop() {
            Some(Incoming::Broken(code, _)) => code,
            other => panic!("{other:?}"),
        };
        let long = vec![b'x'; 125];
        let too_big = [masked(0x01, &long), masked(0x00, &long).repeat(32)].concat();
        for (code, bytes) in [
            (1002, vec![0x81, 1, b'x']),                               // not masked
            (1002, masked(0xf1, b"x")),                                // reserved bits
            (1002, masked(0x83, b"x")),                                // reserved opcode
            (1002, masked(0x80, b"x")),                                // continues nothing
            (1002, [masked(0x01, b"x"), masked(0x81, b"x")].concat()), // begins within another
            (1002, masked(0x09, b"x")),                                // a ping in pieces
            (1002, vec![0x89, 0xfe, 0, 126, 0, 0, 0, 0]),              // a ping of 126 bytes
            (1002, masked(0x88, &[3])),                                // half a close code
            (1002, masked(0x88, &[3, 0xed])),                          // a code that is never sent
            (1007, masked(0x81, &[0xff, 0xfe])),
            (1007, masked(0x88, &[3, 0xe8, 0xff])),
            (1009, vec![0x81, 0xfe, 0x10, 0x01, 0, 0, 0, 0]),
            (1009, too_big),
        ] {
            assert_eq!(broken(&bytes), code, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_close_is_answered_with_its_own_code() {
        for payload in [&b""[..], &[3, 0xe8], &[3, 0xe8, b'b', b'y', b'e']] {
            let bytes = [masked(0x88, payload), masked(0x81, b"late")].concat();
            let reply = [&[0x88, u8::try_from(payload.len()).unwrap()], payload].concat();
            let closed = (vec![Incoming::Closed], reply);
            assert_eq!(receive(&mut MessageDecoder::default(), &bytes), closed);
        }
    }
}
