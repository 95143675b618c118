//! Frames built by hand (RFC 6455, section 5.2), which no honest client library would send.

/// The masking key of every frame here; any value will do.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame; `first` is the byte of FIN, reserved bits and opcode (`0x81`: a whole text).
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, payload.len(), 0x80);
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Like `frame`, without a mask, which a client must never send.
pub(crate) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, payload.len(), 0);
    bytes.extend(payload);
    bytes
}

/// A whole text message in one frame.
pub(crate) fn text_frame(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// A close frame with a code and a reason.
pub(crate) fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    frame(0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// The head of a frame, its length in the shortest form.
fn head(first: u8, length: usize, mask_bit: u8) -> Vec<u8> {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => vec![first, mask_bit | short],
        (_, Ok(middle)) => [&[first, mask_bit | 0x7e][..], &middle.to_be_bytes()].concat(),
        _ => [&[first, mask_bit | 0x7f][..], &(length as u64).to_be_bytes()].concat(),
    }
}
