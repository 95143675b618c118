//! Every bound of the server on one page: why it is what it is, and what happens when it is reached.

use std::time::Duration;

// ---- What differs between boards -------------------------------------------------------------

/// The bounds that `--profile` sets, those that decide how much memory the server can take. All
/// others are the same on every board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections, all together, where `--max-connections` does not say. Above: `429`.
    pub connections: usize,
    /// Threads that serve connections, where `--workers` does not say; each has a stack.
    pub workers: usize,
    /// Connections that are in the HTTP phase, each with its buffers and a small answer. A connection
    /// whose request is not complete waits in the kernel and does not count; above, complete ones
    /// wait too. See `KEEP_ALIVE_EIGHTHS_MAX`.
    pub http_connections: usize,
    /// Bodies of all requests together, KiB; above, the next ones wait for their turn.
    pub bodies_kib: u32,
    /// Pages, and answers as large, that are being made or sent; above, the next pages wait, and
    /// get `503` after `PAGE_WAIT`.
    pub pages_at_once: usize,
    /// Sessions at the same time; above, the one that was unused the longest ends.
    pub sessions: usize,
    /// What a password hash takes.
    pub hash: HashCost,
    /// Commands that wait for the writer, and that one transaction, thus one fsync, can hold.
    /// Above: `503` with `Retry-After`, at once.
    pub write_queue: usize,
    /// SQLite's page cache of the writer, KiB.
    pub writer_cache_kib: i64,
}

/// What a password hash takes (argon2id with one lane).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// How often all of it is gone through.
    pub passes: u32,
}

impl Limits {
    /// For a board with 256 MiB or more: 10,000 connections within 64 MiB.
    pub const DEFAULT: Self = Self {
        connections: 10_000,
        workers: 4,
        http_connections: 256,
        bodies_kib: 896,
        pages_at_once: 8,
        sessions: 10_000,
        hash: HashCost { memory_kib: 19 * 1024, passes: 2 },
        write_queue: 256,
        writer_cache_kib: 512,
    };

    /// For the smallest boards: 500 connections within 24 MiB. Its hash resists guessing as well as
    /// the other one (OWASP, Password Storage Cheat Sheet) and takes about as long.
    pub const TINY: Self = Self {
        connections: 500,
        workers: 1,
        http_connections: 64,
        bodies_kib: 256,
        pages_at_once: 2,
        sessions: 1_000,
        hash: HashCost { memory_kib: 7 * 1024, passes: 5 },
        write_queue: 64,
        writer_cache_kib: 256,
    };
}

// ---- What a request may hold -----------------------------------------------------------------

/// Amounts in minor units: below 2^53, so that a JavaScript client reads every total exactly.
/// Above: `422`.
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000_000;
/// Lines of one order; a receipt of a metre. Above: `422`.
pub const ORDER_LINES_MAX: usize = 100;
/// Transactions of one order, and shipments of one: more than any shop has, and few enough that
/// their sums fit 64 bits and their rows are read in a millisecond. Above: `409`.
pub const ORDER_TRANSACTIONS_MAX: usize = 1_000;
/// As for transactions.
pub const ORDER_SHIPMENTS_MAX: usize = 1_000;
/// Rows that one change saves: an order and every product of its lines, with what follows. Above: a
/// bug, and `503`.
pub const CHANGE_STEPS_MAX: usize = 4 * ORDER_LINES_MAX;
/// Pieces of one line. Above: `422`.
pub const QUANTITY_MAX: i64 = 1_000_000;
/// Pieces of one product in stock. Above: `422`.
pub const COUNT_MAX: i64 = 1_000_000_000_000;
/// An e-mail address (RFC 5321, section 4.5.3.1.3). Above: `422`.
pub const EMAIL_CHARS_MAX: usize = 254;
/// Names of things and people. Above: `422`.
pub const NAME_CHARS_MAX: usize = 200;
/// A product's number. Above: `422`.
pub const SKU_CHARS_MAX: usize = 64;
/// Characters of a client's own word that an error quotes; the rest is left out.
pub const QUOTED_CHARS_MAX: usize = 100;
/// A telephone number as people write it. Above: `422`.
pub const PHONE_CHARS_MAX: usize = 40;
/// Notes of an order. Above: `422`.
pub const NOTES_CHARS_MAX: usize = 2_000;
/// A user's name. Above: `422`.
pub const USERNAME_CHARS_MAX: usize = 64;
/// Characters of a password, least and most: argon2 hashes any length, but an attacker pays for it
/// with one request. Outside: `422`.
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=128;
/// An `Idempotency-Key`; a UUID has 36. Above: `422`.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 128;
/// How long a key's answer is kept.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// A request's body; an order of 100 lines has 5 KiB. Above: `413`.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Values of one body; each takes up to 64 bytes while the body is read, and a body can have one in
/// every second byte. Above: `422`.
pub const JSON_VALUES_MAX: usize = 4_096;
/// How deep the values of a body may be nested; an order's are 3 deep. Above: `400`.
pub const JSON_DEPTH_MAX: usize = 32;
/// The body of a login, which anybody may send. Above: `413`.
pub const LOGIN_BYTES_MAX: usize = 4 * 1024;
/// A request's line and headers; a browser sends 1 KiB. Above: `431`.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Entries of one page of a list or of the event log. Above: `422`.
pub const PAGE_MAX: usize = 200;
/// Rows that one page of a list looks at for those that several filters want. Then it ends, and `next`
/// says where to go on: 10 ms here, 100 ms on the slowest board.
pub const LIST_SCAN_MAX: i64 = 8 * 1024;
/// Events that a list of what changed lately reads back through: some weeks of a small shop. Above, it
/// looks at the rows themselves.
pub const LIST_EVENTS_MAX: i64 = 8 * 1024;
/// Bytes of the entries of one page, before they are JSON; a page of long entries ends early.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;
/// The largest response with one entity that needs no permit: the longest notes have 8 KB, and only
/// an order with many lines is larger. It waits for a permit as a page does, before anything is done.
pub const SMALL_RESPONSE_BYTES_MAX: usize = 12 * 1024;
/// Bytes that a line of a new order adds to the response, for an average name.
pub const LINE_RESPONSE_BYTES: usize = 256;
/// Entities that one request can read by their ids. Above: `422`.
pub const IDS_MAX: usize = 100;
/// How long a page waits for its turn.
pub const PAGE_WAIT: Duration = Duration::from_secs(5);
/// Entries of a page where the client does not say.
pub const PAGE_DEFAULT: usize = 50;

// ---- Connections -----------------------------------------------------------------------------

/// How long the kernel keeps unanswered connections in line.
pub const LISTEN_BACKLOG: i32 = 1024;
/// Files that stay for everything but connections: the database, the listeners, who is being refused.
/// Where the system's limit of open files leaves fewer than `--max-connections` beside them, there
/// are that many fewer, and the log says so; so the database never goes without.
pub const FILES_RESERVED: usize = 128;
/// How long nobody is accepted where the system has no file descriptor left for another connection;
/// who has one is served all the while.
pub const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// One in so many places may be half-open: connected, without a whole request yet. Then, and where
/// all places are taken, the one that has been half-open for the longest makes room for the next.
/// So those who say nothing never keep out who does.
pub const HALF_OPEN_SHARE: usize = 2;
/// One in so many places, the last ones, is kept for devices that are logged in: a first request
/// without the cookie of a live session gets `429` there, a login too.
pub const RESERVED_SHARE: usize = 16;
/// From so many eighths of the HTTP phase's places on, answers say `Connection: close`, so that
/// places become free.
pub const KEEP_ALIVE_EIGHTHS_MAX: usize = 4;
/// The same where a request comes without a session: strangers go first.
pub const ANONYMOUS_KEEP_ALIVE_EIGHTHS_MAX: usize = 2;
/// So many eighths of the places may be busy with requests without a session, so that their slow
/// bodies do not stop the shop. Above: `429`.
pub const ANONYMOUS_REQUEST_EIGHTHS_MAX: usize = 5;
/// The buffer of one HTTP connection: room for the head, and for a body in pieces.
pub const HTTP_BUFFER_BYTES: usize = 16 * 1024;
/// How long a connection may take to send its first request's head, or the next one's. Then it is
/// closed.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a body may take. Then `408` and the connection is closed.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a body that nobody wants may take to be read away. Then the connection is closed.
pub const SKIP_TIMEOUT: Duration = Duration::from_secs(1);
/// The same for a request that is turned away before it is looked at, because there are too many. Its
/// answer may be lost then.
pub const REJECTED_SKIP_TIMEOUT: Duration = Duration::from_millis(100);
/// How long further requests of the same refused origin are not logged.
pub const REFUSED_ORIGIN_INTERVAL: Duration = Duration::from_secs(60);
/// Characters of a refused origin in the log.
pub const LOG_ORIGIN_CHARS: usize = 100;
/// Refused connections that are still being told so. Above, they are closed without a word.
pub const REFUSALS_MAX: usize = 64;
/// What is read of a refused request: enough for a browser's head up to its cookies, with the origin that
/// decides whether its page may read the refusal.
pub const REFUSED_HEAD_BYTES: usize = 2 * 1024;
/// Addresses whose connection rate is watched at the same time; above, the one that was quiet the
/// longest is forgotten.
pub const RATE_ADDRESSES_MAX: usize = 1024;
/// Seconds' worth of `--connect-rate` that may come at once.
pub const CONNECT_BURST_SECONDS: u32 = 10;
/// What the kernel may hold for one slow reader. Without it: up to 4 MiB each.
pub const SEND_BUFFER_BYTES: usize = 32 * 1024;
/// What it may hold for a moment longer, so that a client that did not read still finds a close
/// frame behind what it left.
pub const LAST_BUFFER_BYTES: usize = 4 * SEND_BUFFER_BYTES;
/// A peer that acknowledges nothing, or takes nothing, is given up by the kernel (RFC 5482): a
/// little later than a WebSocket's own `STALL_MAX`, which can still say why.
pub const KERNEL_STALL_MAX: Duration = Duration::from_secs(75);

// ---- TLS -------------------------------------------------------------------------------------

/// What may wait of a handshake's message that comes in pieces. Above, the connection is closed: a
/// client that sends its messages whole leaves nothing here at all.
pub const HANDSHAKE_PIECES_MAX: usize = 2 * 1024;
/// Text of one TLS record to one client: what the kernel does not take of it waits, encrypted, and
/// cannot be taken back. Only a single longer event makes a longer record.
pub const TLS_WRITE_BYTES: usize = 4 * 1024;
/// How long a certificate from `tillcast cert` lives: no longer one is accepted by all browsers.
pub const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(820 * 24 * 60 * 60);
/// How long the authority that signs it lives.
pub const AUTHORITY_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
/// How long before its end a certificate is warned about, at the start and once a day.
pub const CERTIFICATE_WARNING: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often the certificate and its key are looked at for that.
pub const CERTIFICATE_CHECK_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

// ---- Sessions and logins ---------------------------------------------------------------------

/// How often expired sessions are looked for: a socket ends within a second of its session.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(400);
/// Failed logins for one user name within `LOGIN_WINDOW`. Then `429`.
pub const LOGIN_FAILURES_PER_NAME: u32 = 5;
/// Failed logins from one address within `LOGIN_WINDOW`. Then `429`.
pub const LOGIN_FAILURES_PER_ADDRESS: u32 = 20;
/// How long failures count.
pub const LOGIN_WINDOW: Duration = Duration::from_secs(15 * 60);
/// Names and addresses whose failures are counted, each; above, the oldest is forgotten.
pub const LOGIN_NAMES_MAX: usize = 1024;
/// Hashes at the same time: each takes `Limits::hash` for its time.
pub const HASHES_AT_ONCE: usize = 1;
/// Logins that wait for a hash. Above: `429`.
pub const HASH_QUEUE_MAX: usize = 32;

// ---- The announcement in the network ---------------------------------------------------------

/// How often is looked whether this machine has another address, such as that of a Wi-Fi that came up
/// after the start.
pub const MDNS_CHECK_SECONDS: u32 = 20;
/// Bytes of the process that announces: its own, and 6,000 records of what others announce, who are
/// hundreds of devices then. Above, it ends, and another one begins with nothing.
pub const MDNS_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Its turns come behind those of the shop (`setpriority(2)`).
pub const MDNS_NICENESS: i32 = 10;
/// How long it stays away after it has ended; twice as long each time it does not last, up to the most.
pub const MDNS_RESTART_DELAY_MIN: Duration = Duration::from_secs(5);
/// See [`MDNS_RESTART_DELAY_MIN`].
pub const MDNS_RESTART_DELAY_MAX: Duration = Duration::from_secs(5 * 60);
/// How long the stop waits for the goodbye.
pub const MDNS_GOODBYE_WAIT: Duration = Duration::from_secs(2);

// ---- The log ---------------------------------------------------------------------------------

/// Lines that may come at once. Above, and while they come faster than the next, they are counted and
/// left out, the least important first.
pub const LOG_LINES_BURST: f64 = 500.0;
/// Lines a second from then on: some 13 MB a day, however long somebody keeps it up.
pub const LOG_LINES_PER_SECOND: f64 = 1.0;
/// A kind of line that did not come for that long comes in any case.
pub const LOG_REPEAT_INTERVAL: Duration = Duration::from_secs(60);
/// How often is told that lines were left out.
pub const LOG_DROPPED_REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// What a line tells of a request's path.
pub const LOG_PATH_CHARS: usize = 200;

// ---- The store -------------------------------------------------------------------------------

/// Threads that read, each with a connection of its own: a list never waits for a catch-up.
pub const READERS: usize = 2;
/// Reads that wait for a reader. Above: `503`.
pub const READ_QUEUE_MAX: usize = 256;
/// SQLite's page cache of a program that is not the server: it does one thing at a time.
pub const COMMAND_CACHE_KIB: i64 = 128;
/// SQLite's page cache of each reader, KiB: room for the upper pages of its trees, and for the
/// leaves that one page of a list or of the log touches.
pub const READER_CACHE_KIB: i64 = 128;
/// Each row of a database up to this size is looked at before the shop opens, some ten thousand orders
/// in a few milliseconds; of a larger one the pages, and its rows while the shop is open, unless it was
/// not closed in good order.
pub const ROW_CHECK_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How much of the database is mapped into memory for that look; what is behind is read page by page.
/// Pages of the file's cache, so that it takes no memory from anybody.
pub const CHECK_MAPPED_BYTES: i64 = 1024 * 1024 * 1024;
/// The buffer with which the database is read from one end to the other before that.
pub const CHECK_READ_BYTES: usize = 64 * 1024;
/// So long after the start: when the clients of before have come back.
pub const BACKGROUND_CHECK_DELAY: Duration = Duration::from_secs(1);
/// Numbers of each sequence that are reserved at once by the marks in the lock file: one more fsync
/// for so many events. A shop whose database is lost leaves out up to as many when it is restored.
pub const NUMBERS_RESERVED: i64 = 10_000;
/// How large the write-ahead log stays after a checkpoint.
pub const WAL_BYTES_KEPT: i64 = 4 * 1024 * 1024;
/// The file that is given up when the disk is full: room to finish a full queue of orders, and for
/// logins and pruning until the disk has twice that again. Meanwhile: `507`.
pub const RESERVE_BYTES: u64 = 8 * 1024 * 1024;
/// How long another program may hold the database's lock (`tillcast user`, a backup).
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// A clock that is set ahead by less is taken as it is: nobody's session ends noticeably early.
pub const CLOCK_STEP_MS: i64 = 10_000;
/// How often a disk that keeps failing is complained about: the log may be on the same card.
pub const REPEATED_ERROR_INTERVAL: Duration = Duration::from_secs(60);
/// How often the writer looks whether another program changed users.
pub const EXTERNAL_CHANGE_INTERVAL: Duration = Duration::from_millis(400);
/// Entries of the audit trail that one page looks through for those that are wanted: some
/// megabytes to read. Then the page ends, and `next` says where to go on.
pub const AUDIT_SCAN_MAX: i64 = 32 * 1024;
/// Events, entries of the audit trail or kept answers that are pruned in one step, so that no order
/// waits long for it. More than one batch can add.
pub const PRUNE_STEP: i64 = 512;

/// How often is looked whether today's backup is there.
pub const BACKUP_CHECK_INTERVAL: Duration = Duration::from_secs(60 * 60);

// ---- The doctor ------------------------------------------------------------------------------

/// No right clock tells a time before that: 1 January 2026, the year of this program. Earlier: bad.
pub const CLOCK_MIN_MS: i64 = 1_767_225_600_000;
/// How many days old the newest of the daily backups may be: a day was left out. From then on: warned.
pub const BACKUP_AGE_WARNING_DAYS: i64 = 2;
/// The same for a week, whose sales would be lost with the card. From then on: bad.
pub const BACKUP_AGE_BAD_DAYS: i64 = 7;
/// More files than the server makes in a day, backups and logs. With fewer left: bad.
pub const FREE_FILES_MIN: u64 = 64;
/// How long an address may take to answer.
pub const DOCTOR_TIMEOUT: Duration = Duration::from_secs(5);
/// What is read of an answer; Tillcast's own have a few hundred bytes.
pub const DOCTOR_ANSWER_BYTES_MAX: u64 = 4 * 1024;

// ---- The feed and its sockets ----------------------------------------------------------------

/// Events in the ring. Who is further behind reads the log.
pub const RING_EVENTS: usize = 1024;
/// Bytes of all frames in the ring; above, the oldest leave early. Far more than subscribers in step
/// may lag behind: still more would only grow the server while it runs.
pub const RING_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one write to one socket; the rest follows when the socket took them.
pub const WRITE_BYTES: usize = 32 * 1024;
/// Bytes of frames that the subscribers may lag behind, before the writer waits for them: three full
/// writes, and well within the ring.
pub const LAG_BYTES_MAX: u64 = 96 * 1024;
/// How long the writer waits for that, for each commit, after its replies have left: the one wait of
/// a writer for readers. Then whoever lags reads the log.
pub const LAG_WAIT_MAX: Duration = Duration::from_millis(25);
/// After a round of writes to all subscribers, news waits for so many times as long as the round
/// took, and leaves in the same writes: a write costs the kernel far more than the bytes in it, and
/// two thirds of a core stay for who brings more. The first news after a pause leaves at once.
pub const COALESCE_ROUNDS: u32 = 2;
/// So many bytes of news do not wait for company: with one commit more they just fit into a write.
pub const COALESCE_BYTES_MAX: u64 = 28 * 1024;
/// News never waits longer than that for company.
pub const COALESCE_DELAY_MAX: Duration = Duration::from_millis(25);
/// Below that there is nothing to gain.
pub const COALESCE_DELAY_MIN: Duration = Duration::from_millis(1);
/// Subscribers that are told without a pause, so that an order that comes in while a thousand are
/// told waits for some of them, not for all.
pub const BROADCAST_SLICE: usize = 64;
/// Clients that wait to be taken in by the thread of the sockets; above, handshakes wait.
pub const NEW_SOCKETS_MAX: usize = 64;
/// Bytes that wait for sockets to take them, for each connection that may be there, all together;
/// above, a socket that adds to them is closed, and resumes where it was when it comes back. A
/// WebSocket needs that much less than the handshake before it.
pub const UNSENT_BYTES_PER_CONNECTION: usize = 768;
/// Sockets that one look at the system brings at most; the others come with the next.
pub const POLL_EVENTS_MAX: usize = 256;
/// How long a subscription to a position behind the feed's newest event waits for it: a REST reply may
/// show a commit before the feed has it. Then: `reset`.
pub const FEED_WAIT_MAX: Duration = Duration::from_secs(1);
/// Sockets that read the log at the same time, so that a thousand that come back together do not
/// drown the disk; the others wait.
pub const CATCH_UPS_MAX: usize = 4;
/// How long the log is left alone after it could not be read.
pub const CATCH_UP_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Events of one page of the log.
pub const CATCH_UP_PAGE_EVENTS: usize = 64;
/// Entries of the log that one page looks through for the subscribed channels.
pub const CATCH_UP_SCAN_MAX: i64 = 4096;
/// A message from a client; the longest that means something has 80 bytes. Above: close `1009`.
pub const MESSAGE_BYTES_MAX: usize = 4096;
/// What is read from a socket at once.
pub const READ_BYTES: usize = 4096;
/// Errors that a client may make within `CLIENT_ERROR_WINDOW`. Then close `1008`.
pub const CLIENT_ERRORS_MAX: u8 = 20;
/// How long errors count.
pub const CLIENT_ERROR_WINDOW: Duration = Duration::from_secs(10);
/// How often every socket looks at its clock.
pub const SOCKET_TICK: Duration = Duration::from_secs(5);
/// A socket without traffic is pinged, at the tick before 30 s are over.
pub const PING_AFTER: Duration = Duration::from_secs(25);
/// A silent peer is closed, at the tick before 75 s are over.
pub const SILENCE_MAX: Duration = Duration::from_secs(70);
/// A peer that takes nothing of what waits for it is closed with `1013`.
pub const STALL_MAX: Duration = Duration::from_secs(60);
/// How long a closing socket waits for the peer's answer.
pub const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// How often free memory is given back to the system, if the number of connections has changed.
pub const TRIM_INTERVAL: Duration = Duration::from_secs(60);
/// The pause between two sockets that are closed at the stop, at most.
pub const DRAIN_STEP: Duration = Duration::from_millis(8);

// ---- The service manager ---------------------------------------------------------------------

/// How often it is told how it goes, if that has changed and no watchdog sets the pace.
pub const STATUS_INTERVAL: Duration = Duration::from_secs(30);
/// How long it may be too busy to hear something. Then that stays unsaid.
pub const NOTIFY_TIMEOUT: Duration = Duration::from_secs(10);
/// How often is tried meanwhile.
pub const NOTIFY_RETRY_DELAY: Duration = Duration::from_millis(50);
/// How long a start may take with a small database, and beyond that for each MiB of a large one: the
/// slowest card and the slowest board look through more than that. Then the manager tries again.
pub const START_TIME_MIN: Duration = Duration::from_secs(90);
/// See `START_TIME_MIN`.
pub const START_TIME_PER_MIB: Duration = Duration::from_secs(1);
/// How long the write-ahead log may take to be moved into the database, when everybody has left. Then
/// the manager ends the process, and nothing is lost.
pub const STOP_TIME_AFTER_DRAIN: Duration = Duration::from_secs(60);
