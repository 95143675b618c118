//! The bounds of connections: their number in each phase, and the memory that the kernel and TLS
//! hold for each.

use std::time::Duration;

/// Connections that the kernel keeps in line before they are accepted. Above, it drops them.
pub const LISTEN_BACKLOG: i32 = 1024;
/// Open files that are kept for the database, the listeners and refused connections. If the system's limit
/// of open files leaves fewer than `--max-connections` beside them, the server has that many fewer
/// connections and logs it.
pub const FILES_RESERVED: usize = 128;
/// The pause before the next accept after one failed for lack of file descriptors or memory. Open
/// connections are served meanwhile.
pub const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Seconds' worth of `--connect-rate` that may come at once. Above: `429`.
pub const CONNECT_BURST_SECONDS: u32 = 10;
/// Addresses whose connection rate is measured. Above, the one that was quiet for the longest is forgotten.
pub const RATE_ADDRESSES_MAX: usize = 1024;

/// One connection in this many may be half-open: connected, without a whole request yet. Above, and
/// if there are no more connections at all, each new one closes the oldest of the address that has
/// the most, so that silent clients cannot keep out one that sends a request.
pub const HALF_OPEN_SHARE: usize = 2;
/// One connection in this many, the last ones, is kept for devices that are logged in. A first
/// request without a live session gets `429` there, and so does a login.
pub const RESERVED_SHARE: usize = 16;
/// Eighths of the HTTP permits that may be taken while connections are kept alive. Above, replies say
/// `Connection: close`, so that permits become free.
pub const KEEP_ALIVE_EIGHTHS_MAX: usize = 4;
/// The same for requests without a session, whose connections close first.
pub const ANONYMOUS_KEEP_ALIVE_EIGHTHS_MAX: usize = 2;
/// Eighths of the HTTP permits that slow clients may take, all together. Above: `503`. With the connections
/// that are kept alive they leave one eighth for requests that come whole.
pub const SLOW_EIGHTHS_MAX: usize = 3;
/// Bytes of the buffer of one HTTP connection: enough for a head, and for a body in pieces.
pub const HTTP_BUFFER_BYTES: usize = 16 * 1024;

/// Refused connections that are being sent a refusal. Above, they are closed without one.
pub const REFUSALS_MAX: usize = 64;
/// Bytes that are read of a refused request: a browser's head up to its cookies, with the origin
/// that decides whether its page may read the refusal.
pub const REFUSED_HEAD_BYTES: usize = 2 * 1024;

/// Bytes that the kernel may hold for one slow reader. Without this bound: up to 4 MiB each.
pub const SEND_BUFFER_BYTES: usize = 32 * 1024;
/// Bytes that the kernel may hold for a closing connection, so that the close frame fits after the
/// bytes that a slow client has not read.
pub const LAST_BUFFER_BYTES: usize = 4 * SEND_BUFFER_BYTES;
/// How long a peer may acknowledge nothing, or accept nothing, before the kernel ends the
/// connection (RFC 5482): a little longer than a WebSocket's own `STALL_MAX`, which can still give
/// the reason.
pub const KERNEL_STALL_MAX: Duration = Duration::from_secs(75);
/// How long a closing connection waits for the peer.
pub const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// Bytes of a fragmented TLS handshake message that may wait for the rest. Above, the connection is
/// closed; a client that sends its messages whole needs none of them.
pub const HANDSHAKE_PIECES_MAX: usize = 2 * 1024;
/// Bytes of text in one TLS record: if the kernel does not accept all of a record, the rest waits
/// encrypted and cannot be taken back. Only a single longer event makes a longer record.
pub const TLS_WRITE_BYTES: usize = 4 * 1024;

/// The longest pause between the closing of two WebSockets at a stop.
pub const DRAIN_STEP: Duration = Duration::from_millis(8);
/// The pause between the turns of two clients that come back after they have lost the server.
pub const RETURN_STEP: Duration = Duration::from_millis(20);
/// Turns of such clients, a power of two. With more clients, several have the same, so that no turn is later than
/// 20.48 s.
pub const RETURN_TURNS_MAX: usize = 1024;
/// How often free memory is given back to the system, if the number of connections has changed.
pub const TRIM_INTERVAL: Duration = Duration::from_secs(60);
