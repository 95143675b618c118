//! The bounds of requests and replies: their sizes and their times.

use std::time::Duration;

/// Bytes of a request's line and headers; a browser sends 1 KiB. Above: `431`.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;
/// How long a connection may take to send the head of its first request, or of the next one. Then it is
/// closed.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a body; an order of 100 lines has 5 KiB. Above: `413`.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the body of a login, which anybody may send. Above: `413`.
pub const LOGIN_BYTES_MAX: usize = 4 * 1024;
/// How long the body of a login may take to arrive. Then `408`, and the connection is closed.
pub const LOGIN_BODY_TIMEOUT: Duration = Duration::from_secs(3);
/// How long bytes of a body wait for memory. Then `503`, or `429` if the owner holds its share.
pub const BODY_WAIT: Duration = Duration::from_secs(1);
/// How long the server waits for a client, for the rest of a body or for room to send a response, before the
/// client counts as slow: it then takes one of the places of `SLOW_EIGHTHS_MAX`. Most bodies come with their
/// head, and most responses fit into the kernel's buffer.
pub const SLOW_AFTER: Duration = Duration::from_millis(50);
/// Bytes a second of a slow client, once `SLOW_GRACE` is over. Below: `408`, and the connection is closed.
pub const SLOW_BYTES_PER_SECOND: u32 = 1024;
/// How long a client may be slower: a lost packet of a bad Wi-Fi is repeated within it.
pub const SLOW_GRACE: Duration = Duration::from_secs(2);
/// Values of one body; each takes up to 64 bytes while the body is read, and every second byte can be one.
/// Above: `422`.
pub const JSON_VALUES_MAX: usize = 4_096;
/// How deep the values of a body may be nested; an order's are 3 deep. Above: `400`.
pub const JSON_DEPTH_MAX: usize = 32;
/// How long the rest of an unwanted body is read and dropped. Then the connection is closed.
pub const SKIP_TIMEOUT: Duration = Duration::from_secs(1);
/// The same for a request that is rejected unread because there are too many. Then the connection is
/// closed, and the reply may be lost.
pub const REJECTED_SKIP_TIMEOUT: Duration = Duration::from_millis(100);
/// Characters of a client's own text that an error quotes; the rest is left out.
pub const QUOTED_CHARS_MAX: usize = 100;
/// Characters of an `Idempotency-Key`; a UUID has 36. Above: `422`.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 128;
/// How long the response to an `Idempotency-Key` is kept. Later, a repeat is a new request.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes of the responses that are kept for one user, or little more: those to 60,000 small creations, or to 1,500
/// orders of 100 lines. Above: `429`, until the oldest has been kept for `IDEMPOTENCY_KEPT`. None is dropped
/// earlier, because its repeat would then be a second order.
pub const IDEMPOTENCY_BYTES_PER_USER: i64 = 64 * 1024 * 1024;
/// Bytes that a kept response takes beside itself and its key: a row, and its places in the indexes.
pub const RESPONSE_ROW_BYTES: usize = 128;
/// Bytes of a response to an order that is kept whole. A longer one is kept without the order's lines, which
/// its row has: an order of 100 lines is not stored twice.
pub const RESPONSE_COPY_BYTES_MAX: usize = 4 * 1024;
/// Entries of one page of a list or of the event log. Above: `422`.
pub const PAGE_MAX: usize = 200;
/// Entries of a page if the client names no limit.
pub const PAGE_DEFAULT: usize = 50;
/// Values of one filter of a list; each makes a page of its own, of which one is made. Above: `422`.
pub const FILTER_VALUES_MAX: usize = 10;
/// Entities that one request can read by their ids. Above: `422`.
pub const IDS_MAX: usize = 100;
/// Bytes of the entries of one page, before they are JSON. Above: the page ends early, and `next`
/// continues it.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;
/// Bytes that a client must take of its response in each `SLOW_AFTER` while another page waits: 80 KiB a
/// second. Below: its connection is closed.
pub const WANTED_BYTES_MIN: u32 = 4 * 1024;
/// How long a page waits for its permit. Then `503`, or `429` if its owner has its share.
pub const PAGE_WAIT: Duration = Duration::from_secs(5);
/// Bytes of the largest response with one entity that needs no permit: the longest notes have 8 KB, and
/// only an order with many lines is larger. That one waits for a permit as a page does, before anything is
/// done.
pub const SMALL_RESPONSE_BYTES_MAX: usize = 12 * 1024;
/// Bytes that the response to a sale has beside its lines: the order's fields, and those of its transactions.
pub const SALE_RESPONSE_BYTES: usize = 8 * 1024;
/// Bytes that a line of a new order adds to the response, for an average name.
pub const LINE_RESPONSE_BYTES: usize = 256;
/// Bytes of both descriptions of the API, for plain HTTP or for TLS. They are made once, and kept.
pub const DESCRIPTIONS_BYTES: usize = 240 * 1024;
