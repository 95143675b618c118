//! WebSocket frames as a server writes them: whole and unmasked (RFC 6455, section 5.2).
//!
//! A frame without a mask is the same for every client, so an event is framed once for all of them.

/// A ping without a payload.
pub const PING: [u8; 2] = [FINAL | 0x9, 0];

/// The flag of a message's last frame, beside the opcode in the first byte.
const FINAL: u8 = 0x80;
/// The bytes of the longest header without a mask: two, and a length of eight.
const HEADER_BYTES_MAX: usize = 10;
/// The longest payload of a control frame (RFC 6455, section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// A text message.
pub fn text(payload: &str) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + HEADER_BYTES_MAX);
    put_text(&mut frame, payload);
    frame
}

/// The payload of a whole frame.
pub fn payload(frame: &[u8]) -> &[u8] {
    let header_bytes = match frame.get(1) {
        Some(127) => HEADER_BYTES_MAX,
        Some(126) => 4,
        _ => 2,
    };
    frame.get(header_bytes..).unwrap_or_default()
}

/// Appends a text message.
pub fn put_text(out: &mut Vec<u8>, payload: &str) {
    put(out, 0x1, payload.as_bytes());
}

/// Appends a binary message.
pub fn put_binary(out: &mut Vec<u8>, payload: &[u8]) {
    put(out, 0x2, payload);
}

/// Appends the reply to a ping; the payload has at most `CONTROL_BYTES_MAX` bytes.
pub fn put_pong(out: &mut Vec<u8>, payload: &[u8]) {
    put(out, 0xa, payload);
}

/// Appends a close frame with this payload: empty, or a code and a reason.
pub fn put_close(out: &mut Vec<u8>, payload: &[u8]) {
    put(out, 0x8, payload);
}

/// A close frame; a reason of more than 123 bytes is cut between two characters.
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    let mut end = reason.len().min(CONTROL_BYTES_MAX - payload.len());
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    let mut frame = Vec::with_capacity(payload.len() + 2);
    put_close(&mut frame, &payload);
    frame
}

fn put(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(FINAL | opcode);
    let length = payload.len();
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 6455, section 5.7, and the lengths on both sides of each limit.
    #[test]
    fn the_length_takes_the_fewest_bytes() {
        assert_eq!(text("Hello"), [0x81, 5, b'H', b'e', b'l', b'l', b'o']);
        for (length, header) in [
            (125, &[0x82, 125][..]),
            (126, &[0x82, 126, 0, 126]),
            (256, &[0x82, 126, 1, 0]),
            (65_535, &[0x82, 126, 0xff, 0xff]),
            (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut frame = Vec::new();
            put_binary(&mut frame, &vec![7; length]);
            assert_eq!(&frame[..header.len()], header, "{length} bytes");
            assert_eq!(payload(&frame), vec![7; length]);
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        assert_eq!(close(1001, "bye"), [0x88, 5, 0x03, 0xe9, b'b', b'y', b'e']);
        let frame = close(1008, &format!("{}€", "x".repeat(121)));
        assert_eq!((frame[1], frame.len()), (123, 125));
    }
}
