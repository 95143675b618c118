//! Any bytes on a WebSocket.

use tillcast::ws::{ClientMessage, Incoming, MessageDecoder};

/// The messages do not depend on how the network splits the bytes, and an error is a short sentence.
pub(crate) fn hold(bytes: &[u8]) {
    for incoming in received(bytes).0 {
        if let Incoming::Text(text) = incoming
            && let Err(wrong) = ClientMessage::parse(&text)
        {
            assert!(!wrong.is_empty() && wrong.len() < 1_000, "{wrong}");
        }
    }
}

/// What a connection receives, and what it replies by itself: the same in whatever pieces the bytes come.
pub(super) fn received(bytes: &[u8]) -> (Vec<Incoming>, Vec<u8>) {
    let whole = receive(&[bytes]);
    for size in [1 + bytes.len() / 200, 2 + bytes.len() % 99] {
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        assert_eq!(whole, receive(&pieces), "pieces of {size} bytes");
    }
    whole
}

fn receive(pieces: &[&[u8]]) -> (Vec<Incoming>, Vec<u8>) {
    let (mut decoder, mut all, mut output) = (MessageDecoder::default(), Vec::new(), Vec::new());
    let mut open = true;
    for piece in pieces {
        if open {
            decoder.receive(piece, &mut output, |incoming, _| {
                assert!(open, "{incoming:?} after the end");
                open = !matches!(incoming, Incoming::Closed | Incoming::Broken(..));
                all.push(incoming);
                true
            });
        }
    }
    (all, output)
}
