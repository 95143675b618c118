//! The feed and the sockets that read it.

use std::time::Duration;

/// Events in the ring. A subscriber that is further behind reads the log.
pub const RING_EVENTS: usize = 1024;
/// Bytes of all frames in the ring: far more than subscribers that keep up may lag behind. Above,
/// the oldest leave early.
pub const RING_BYTES_MAX: usize = 256 * 1024;
/// Bytes of frames that the subscribers may lag behind before the writer waits for them: three full
/// writes, and well within the ring.
pub const LAG_BYTES_MAX: u64 = 96 * 1024;
/// How long the writer waits for lagging subscribers at each commit, after its replies have left.
/// It waits for readers nowhere else. Then the subscribers that lag read the log.
pub const LAG_WAIT_MAX: Duration = Duration::from_millis(25);

/// The delay of a round of writes to all subscribers, as a multiple of the time that the last round
/// took. More events then leave in the same writes: a write costs the kernel far more than the
/// bytes in it, and two thirds of a core stay free for clients that bring more. The first event
/// after a pause leaves at once.
pub const COALESCE_ROUNDS: u32 = 2;
/// Bytes of waiting events with which a round is not delayed: with one more commit they just fit
/// into a write.
pub const COALESCE_BYTES_MAX: u64 = 28 * 1024;
/// The longest such delay.
pub const COALESCE_DELAY_MAX: Duration = Duration::from_millis(25);
/// The shortest such delay: a shorter one gains nothing.
pub const COALESCE_DELAY_MIN: Duration = Duration::from_millis(1);
/// Subscribers that are written to without a pause, so that an order that comes in during a broadcast to a
/// thousand waits for some of them, not for all.
pub const BROADCAST_SLICE: usize = 64;
/// Bytes of one write to one socket; the rest follows when the socket has accepted them.
pub const WRITE_BYTES: usize = 32 * 1024;
/// Bytes that are read from a socket at once.
pub const READ_BYTES: usize = 4096;
/// Bytes that wait until sockets accept them: the sum for all sockets, per connection that may be
/// open. Above, the socket that would add to them is closed, and resumes where it was when it comes
/// back. A WebSocket needs that much less than the handshake before it.
pub const UNSENT_BYTES_PER_CONNECTION: usize = 768;
/// New sockets that wait for the socket thread. Above, handshakes wait.
pub const NEW_SOCKETS_MAX: usize = 64;
/// Sockets that one poll of the system reports. Above, the others come with the next poll.
pub const POLL_EVENTS_MAX: usize = 256;

/// How long a subscription waits for a position that the feed has not reached: a REST reply may
/// show a commit before the feed has it. Then: `reset`.
pub const FEED_WAIT_MAX: Duration = Duration::from_secs(1);
/// Sockets that read the log at once, so that a thousand that come back together do not overload
/// the disk. Above, the others wait.
pub const CATCH_UPS_MAX: usize = 4;
/// Events of one page of the log.
pub const CATCH_UP_PAGE_EVENTS: usize = 64;
/// Entries of the log that one page scans for the subscribed channels. Then the page ends, and the
/// next one continues.
pub const CATCH_UP_SCAN_MAX: i64 = 4096;
/// The pause after a failed read of the log.
pub const CATCH_UP_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Bytes of a message from a client; the longest valid one has 80. Above: close `1009`.
pub const MESSAGE_BYTES_MAX: usize = 4096;
/// Errors that a client may make within `CLIENT_ERROR_WINDOW`. Then close `1008`.
pub const CLIENT_ERRORS_MAX: u8 = 20;
/// How long an error counts.
pub const CLIENT_ERROR_WINDOW: Duration = Duration::from_secs(10);
/// How often every socket checks its time limits.
pub const SOCKET_TICK: Duration = Duration::from_secs(5);
/// How long a socket may be without traffic before it is pinged, which happens at the tick before 30 s are
/// over.
pub const PING_AFTER: Duration = Duration::from_secs(25);
/// How long a peer may be silent before it is closed, which happens at the tick before 75 s are over.
pub const SILENCE_MAX: Duration = Duration::from_secs(70);
/// How long a peer may accept none of the bytes that wait for it. Then close `1013`.
pub const STALL_MAX: Duration = Duration::from_secs(60);
