//! Frames as a client sends them, compared with a model of RFC 6455 that sees frames, not bytes.

use tillcast::limits::MESSAGE_BYTES_MAX;
use tillcast::ws::Incoming;

use super::messages::received;

const FRAMES: usize = 16;

struct Frame {
    /// FIN, the reserved bits and the opcode.
    first: u8,
    mask: Option<[u8; 4]>,
    /// The bytes of the length: as few as it needs, or at least two or eight.
    width: u8,
    payload: Vec<u8>,
}

impl Frame {
    /// Reads a frame's first byte, its mask, its payload's length and how often that repeats, and the payload.
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let ([first, mask, length, times], rest) = bytes.split_first_chunk()?;
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        *bytes = rest;
        let mask = (*mask != u8::MAX).then(|| [*mask, !mask, mask.rotate_left(3), mask / 2]);
        let payload = payload.repeat(1 + usize::from(times % 64));
        Some(Self { first: *first, mask, width: times / 64, payload })
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        let length = self.payload.len();
        bytes.push(self.first);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..=125), _) if self.width < 2 => bytes.push(masked | short),
            (_, Ok(middle)) if self.width < 3 => {
                bytes.push(masked | 0x7e);
                bytes.extend(middle.to_be_bytes());
            }
            _ => {
                bytes.push(masked | 0x7f);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        let mask = self.mask.unwrap_or_default();
        bytes.extend(self.mask.iter().flatten());
        bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }
}

/// A connection receives the messages that its frames make, replies to pings and closes, and ends at the first
/// violation with the code that it has.
pub(crate) fn hold(mut bytes: &[u8]) {
    let frames: Vec<Frame> = std::iter::from_fn(|| Frame::read(&mut bytes)).take(FRAMES).collect();
    let mut sent = Vec::new();
    for frame in &frames {
        frame.put(&mut sent);
    }
    let (mut all, replies) = received(&sent);
    if let Some(Incoming::Broken(_, sentence)) = all.last_mut() {
        *sentence = "";
    }
    assert_eq!((all, replies), expected(&frames));
}

fn expected(frames: &[Frame]) -> (Vec<Incoming>, Vec<u8>) {
    let (mut all, mut replies, mut begun) = (Vec::new(), Vec::new(), None);
    for frame in frames {
        match next(&mut begun, frame, &mut replies) {
            Ok(None) => {}
            Ok(Some(Incoming::Closed)) => {
                all.push(Incoming::Closed);
                break;
            }
            Ok(Some(message)) => all.push(message),
            Err(code) => {
                all.push(Incoming::Broken(code, ""));
                break;
            }
        }
    }
    (all, replies)
}

/// Adds a frame to the message that has begun, with its opcode; returns what is complete, or the close code of
/// the violation.
fn next(
    begun: &mut Option<(u8, Vec<u8>)>,
    frame: &Frame,
    replies: &mut Vec<u8>,
) -> Result<Option<Incoming>, u16> {
    let payload = &frame.payload;
    let (is_final, opcode) = (frame.first >= 0x80, frame.first & 0x0f);
    let is_control = opcode >= 8 && is_final && payload.len() <= 125;
    let is_known = opcode <= 2 || (8..=10).contains(&opcode) && is_control;
    if !is_known || frame.first & 0x70 != 0 || frame.mask.is_none() {
        return Err(1002);
    }
    if payload.len() > MESSAGE_BYTES_MAX {
        return Err(1009);
    }
    if is_control {
        if opcode == 8 {
            check_close(payload)?;
        }
        if opcode != 10 {
            let length = u8::try_from(payload.len()).unwrap();
            replies.extend([if opcode == 8 { 0x88 } else { 0x8a }, length]);
            replies.extend(payload);
        }
        return Ok((opcode == 8).then_some(Incoming::Closed));
    }
    if begun.is_some() != (opcode == 0) {
        return Err(1002);
    }
    let (_, message) = begun.get_or_insert((opcode, Vec::new()));
    message.extend(payload);
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(1009);
    }
    match begun.take_if(|_| is_final) {
        None => Ok(None),
        Some((2, bytes)) => Ok(Some(Incoming::Binary(bytes))),
        Some((_, text)) => String::from_utf8(text).map(Incoming::Text).map(Some).map_err(|_| 1007),
    }
}

/// The payload of a close frame is empty, or a code that may be sent and a reason.
fn check_close(payload: &[u8]) -> Result<(), u16> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(()) } else { Err(1002) };
    };
    match u16::from_be_bytes(*code) {
        1000..=1003 | 1007..=1013 | 3000..=4999 => {}
        _ => return Err(1002),
    }
    str::from_utf8(reason).map(drop).map_err(|_| 1007)
}
