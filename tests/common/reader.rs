//! Reads a flood of events and checks only their `seq`, so that hundreds of real clients are cheap
//! enough for one test.

use super::{PATIENCE, Socket};
use std::io::{BufReader, Read as _};
use std::net::TcpStream;

/// A socket from which only events are expected from now on.
pub(crate) struct Reader {
    stream: BufReader<TcpStream>,
    payload: Vec<u8>,
}

impl Reader {
    /// Takes over a socket with no message under way.
    pub(crate) fn new(socket: Socket) -> Self {
        let stream = socket.into_stream();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let stream = BufReader::with_capacity(64 * 1024, stream);
        Self { stream, payload: Vec::new() }
    }

    /// Reads the events after `seq` up to and including `last`, which must come without a gap.
    #[track_caller]
    pub(crate) fn expect_all(&mut self, mut seq: u64, last: u64) {
        while seq < last {
            let next = self.next_seq();
            assert_eq!(next, seq + 1, "the event after {seq}");
            seq = next;
        }
    }

    /// The `seq` of the next event.
    #[track_caller]
    pub(crate) fn next_seq(&mut self) -> u64 {
        let text = self.next_text();
        let seq = text.rsplit_once(r#","seq":"#).and_then(|(_, rest)| rest.strip_suffix('}'));
        seq.and_then(|seq| seq.parse().ok()).unwrap_or_else(|| panic!("not an event: {text}"))
    }

    /// The next text frame; pings are skipped.
    #[track_caller]
    pub(crate) fn next_text(&mut self) -> &str {
        loop {
            match self.read_frame() {
                0x81 => return std::str::from_utf8(&self.payload).unwrap(),
                0x89 => {}
                first => panic!("expected a text, got a frame that begins with {first:#x}"),
            }
        }
    }

    /// Reads one frame's payload; returns the frame's first byte.
    #[track_caller]
    fn read_frame(&mut self) -> u8 {
        let [first, short] = self.read_bytes();
        let length = match short {
            0..=125 => u64::from(short),
            126 => u64::from(u16::from_be_bytes(self.read_bytes())),
            127 => u64::from_be_bytes(self.read_bytes()),
            _ => panic!("a server's frame has no mask"),
        };
        self.payload.resize(usize::try_from(length).unwrap(), 0);
        self.stream.read_exact(&mut self.payload).expect("the rest of a frame comes in time");
        first
    }

    #[track_caller]
    fn read_bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).expect("a frame comes in time");
        bytes
    }
}
