//! Reads a flood of events and looks at their `seq` only: hundreds of clients in one test are
//! cheap enough to be real ones.

use super::{PATIENCE, Socket};
use std::io::{BufReader, Read as _};
use std::net::TcpStream;

/// A socket from which only events are expected from now on.
pub(crate) struct Reader {
    stream: BufReader<TcpStream>,
    payload: Vec<u8>,
}

impl Reader {
    /// Takes over a socket on which nothing is under way.
    pub(crate) fn new(socket: Socket) -> Self {
        let stream = socket.into_stream();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let stream = BufReader::with_capacity(64 * 1024, stream);
        Self { stream, payload: Vec::new() }
    }

    /// Reads the events after `seq` up to and with `last`, which have to come without a hole.
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

    /// The next text frame; the server's pings pass by.
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

    /// Reads one frame's payload; its first byte says what it is.
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
