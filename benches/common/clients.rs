//! The load generator: subscribers that count frames and writers that wait for responses, all on
//! one epoll, in one thread, without a runtime. It finds the ends of frames and never parses their
//! payloads.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use socket2::SockRef;

use crate::common::http::{Answer, Writer};
use crate::common::server::{Kind, Server};
use crate::common::{Outcome, PATIENCE};

/// The bit that marks a writer in the numbers that epoll returns.
const WRITER: u64 = 1 << 32;
const READ_BYTES: usize = 256 * 1024;
/// Opcodes of frames (RFC 6455, section 5.2).
pub(crate) const TEXT: u8 = 1;
const PING: u8 = 9;

/// All clients of one server.
pub(crate) struct Crowd {
    poll: OwnedFd,
    ready: Vec<epoll::Event>,
    buffer: Vec<u8>,
    subscribers: Vec<Subscriber>,
    writers: Vec<Writer>,
    idle: Vec<Subscriber>,
    /// The event frames and all bytes that subscribers have read.
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
}

/// Something that happened to one client.
#[derive(Clone, Copy)]
pub(crate) struct Happening {
    pub(crate) at: Instant,
    pub(crate) who: usize,
    pub(crate) what: What,
}

#[derive(Clone, Copy)]
pub(crate) enum What {
    /// A subscriber read this many whole frames.
    Frames(u32),
    /// A writer has its response.
    Answer(Answer),
}

impl Crowd {
    pub(crate) fn new() -> Outcome<Self> {
        Ok(Self {
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ready: Vec::with_capacity(2048),
            buffer: vec![0; READ_BYTES],
            subscribers: Vec::new(),
            writers: Vec::new(),
            idle: Vec::new(),
            frames: 0,
            bytes: 0,
        })
    }

    /// Connects subscribers, one after the other, until there are `count`.
    pub(crate) fn subscribe(&mut self, server: &Server, count: usize) -> Outcome<()> {
        while self.subscribers.len() < count {
            let subscriber = Subscriber::connect(server, "order_changes", &mut self.buffer)?;
            subscriber.stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(u64::try_from(self.subscribers.len())?);
            epoll::add(&self.poll, &subscriber.stream, data, epoll::EventFlags::IN)?;
            self.subscribers.push(subscriber);
        }
        Ok(())
    }

    /// Connects this many subscribers of a channel on which nothing happens.
    pub(crate) fn idle(&mut self, server: &Server, count: usize) -> Outcome<()> {
        while self.idle.len() < count {
            self.idle.push(Subscriber::connect(server, "customer_changes", &mut self.buffer)?);
        }
        Ok(())
    }

    /// Connects writers until there are `count`.
    pub(crate) fn write(&mut self, server: &Server, count: usize) -> Outcome<()> {
        while self.writers.len() < count {
            let stream = connect(server)?;
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(WRITER | u64::try_from(self.writers.len())?);
            epoll::add(&self.poll, &stream, data, epoll::EventFlags::IN)?;
            self.writers.push(Writer::new(stream));
        }
        Ok(())
    }

    /// Closes the writers' connections.
    pub(crate) fn dismiss_writers(&mut self) {
        self.writers.clear();
    }

    /// The number of subscribers.
    pub(crate) fn subscribed(&self) -> usize {
        self.subscribers.len()
    }

    /// Sends a writer's request.
    pub(crate) fn send(&mut self, writer: usize, request: &[u8]) -> io::Result<()> {
        self.writers[writer].send(request)
    }

    /// Waits until something happens, at most for `patience`, and puts it into `happened`.
    pub(crate) fn wait(
        &mut self,
        patience: Duration,
        happened: &mut Vec<Happening>,
    ) -> Outcome<()> {
        happened.clear();
        let patience = Timespec::try_from(patience)?;
        epoll::wait(&self.poll, spare_capacity(&mut self.ready), Some(&patience))?;
        for event in self.ready.drain(..) {
            let data = event.data.u64();
            let who = usize::try_from(data & (WRITER - 1))?;
            let what = if data & WRITER == 0 {
                let (frames, bytes) = self.subscribers[who].hear(&mut self.buffer)?;
                self.frames += u64::from(frames);
                self.bytes += bytes;
                (frames > 0).then_some(What::Frames(frames))
            } else {
                self.writers[who].hear(&mut self.buffer)?.map(What::Answer)
            };
            happened.extend(what.map(|what| Happening { at: Instant::now(), who, what }));
        }
        Ok(())
    }
}

/// A WebSocket on which only the ends of frames are tracked.
pub(crate) struct Subscriber {
    pub(crate) stream: TcpStream,
    /// The number of whole text frames received so far.
    pub(crate) texts: u32,
    frames: Frames,
}

impl Subscriber {
    /// Shakes hands and subscribes to a channel; the stream still blocks.
    pub(crate) fn connect(server: &Server, channel: &str, buffer: &mut [u8]) -> Outcome<Self> {
        let subscribe = format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#);
        Self::connect_with(server, &subscribe, buffer)
    }

    /// Like `connect`, with the given message to subscribe.
    pub(crate) fn connect_with(
        server: &Server,
        subscribe: &str,
        buffer: &mut [u8],
    ) -> Outcome<Self> {
        let mut stream = connect(server)?;
        let (address, cookie) = (server.address, &server.cookie);
        write!(
            stream,
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Cookie: {cookie}\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        let end = loop {
            if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let read = stream.read(buffer)?;
            answer.extend_from_slice(&buffer[..read]);
            if read == 0 || !answer.starts_with(b"HTTP/1.1 101") {
                return Err(String::from_utf8_lossy(&answer).into_owned().into());
            }
        };
        let mut subscriber = Self { stream, texts: 0, frames: Frames::default() };
        subscriber.texts = subscriber.frames.count(&answer[end..]);
        if server.kind == Kind::Tillcast {
            while subscriber.texts == 0 {
                subscriber.hear(buffer)?; // connected
            }
            subscriber.say(subscribe)?;
            while subscriber.texts == 1 {
                subscriber.hear(buffer)?; // subscribed
            }
        }
        Ok(subscriber)
    }

    /// Sends a text of up to 125 bytes, masked with zeros (RFC 6455, section 5.3).
    fn say(&mut self, text: &str) -> Outcome<()> {
        let mut frame = vec![0x81, 0x80 | u8::try_from(text.len())?, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        Ok(self.stream.write_all(&frame)?)
    }

    /// Reads what has arrived; returns the number of whole text frames and of bytes.
    pub(crate) fn hear(&mut self, buffer: &mut [u8]) -> Outcome<(u32, u64)> {
        let read = match self.stream.read(buffer) {
            Ok(0) => return Err("the server hung up on a subscriber".into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error.into()),
        };
        let frames = self.frames.count(&buffer[..read]);
        self.texts += frames;
        if std::mem::take(&mut self.frames.pinged) {
            self.stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0])?;
        }
        Ok((frames, u64::try_from(read)?))
    }
}

/// The position in a stream of frames (RFC 6455, section 5.2).
#[derive(Default)]
struct Frames {
    head: [u8; 10],
    head_bytes: usize,
    /// The bytes of the present frame that are still to come.
    left: usize,
    pinged: bool,
}

impl Frames {
    /// Counts the text frames that end in these bytes.
    fn count(&mut self, mut bytes: &[u8]) -> u32 {
        let mut texts = 0;
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(bytes.len());
                self.left -= passed;
                bytes = &bytes[passed..];
            } else {
                self.head[self.head_bytes] = bytes[0];
                self.head_bytes += 1;
                bytes = &bytes[1..];
                let Some(bytes_left) = payload_bytes(&self.head[..self.head_bytes]) else {
                    continue;
                };
                (self.head_bytes, self.left) = (0, bytes_left);
            }
            if self.head_bytes == 0 && self.left == 0 {
                match self.head[0] & 0x0f {
                    TEXT => texts += 1,
                    PING => self.pinged = true,
                    _ => {}
                }
            }
        }
        texts
    }
}

/// The first whole frame: its opcode, and the range of its payload.
pub(crate) fn first_frame(bytes: &[u8]) -> Option<(u8, Range<usize>)> {
    let head = (2..=10).find(|head| bytes.get(..*head).and_then(payload_bytes).is_some())?;
    let payload = head..head + payload_bytes(&bytes[..head])?;
    (payload.end <= bytes.len()).then(|| (bytes[0] & 0x0f, payload))
}

/// The payload's length of a frame with this head; `None` while the head is incomplete.
fn payload_bytes(head: &[u8]) -> Option<usize> {
    match (head.get(1)?, head.len()) {
        (length @ 0..=125, _) => Some(usize::from(*length)),
        (126, 4) => Some(usize::from(u16::from_be_bytes([head[2], head[3]]))),
        (127, 10) => head[2..].iter().try_fold(0_usize, |length, byte| {
            length.checked_mul(256)?.checked_add(usize::from(*byte))
        }),
        _ => None,
    }
}

fn connect(server: &Server) -> Outcome<TcpStream> {
    let stream = TcpStream::connect_timeout(&server.address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // Without this, thousands of closed connections would wait in the kernel for a minute.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(stream)
}
