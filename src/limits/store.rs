//! The store: its threads and caches, the checks of the database, the disk.

use std::time::Duration;

/// Threads that read, each with its own connection, so that a list need not wait for a catch-up.
pub const READERS: usize = 2;
/// Reads that wait for a reader: one for each connection in the HTTP phase, and some of the server's own. So
/// those places bound a client's reads, too. Above, because clients gave up reads that are still in the queue,
/// the next ones wait for room.
pub const READ_QUEUE_MAX: usize = 288;
/// SQLite's page cache of each reader, KiB: enough for the upper pages of its trees, and for the leaves
/// that one page of a list or of the log touches.
pub const READER_CACHE_KIB: i64 = 128;
/// SQLite's page cache of a command that is not the server, KiB: it does one thing at a time.
pub const COMMAND_CACHE_KIB: i64 = 128;

/// The greatest id, version or `seq`, which JavaScript still reads exactly: a million a second would last for
/// 285 years. A database with a greater one is refused.
pub const NUMBER_MAX: i64 = (1 << 53) - 1;
/// The latest time, in milliseconds since 1970: the end of the year 9999. A database with a later one is refused.
pub const TIME_MS_MAX: i64 = 253_402_300_799_999;

/// Bytes of a database whose rows are all checked before the shop opens: some ten thousand orders
/// in a few milliseconds. Of a larger one only the pages are checked then, and the rows while the
/// shop is open; after a crash all rows are checked first.
pub const ROW_CHECK_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of the buffer with which the file is read from end to end before that check.
pub const CHECK_READ_BYTES: usize = 64 * 1024;
/// The delay of the background check, so that the clients of the previous run can come back first.
pub const BACKGROUND_CHECK_DELAY: Duration = Duration::from_secs(1);

/// How long one read may take. A page that looks at `LIST_SCAN_MAX` rows takes a twentieth of that on the
/// slowest board. A longer read is answered `503`; the next try finds its pages in the system's cache.
pub const READ_TIME_MAX: Duration = Duration::from_secs(2);
/// How long reads may go on once the writer waits for them. A longer one is answered `503`.
pub const READ_TIME_LAST: Duration = Duration::from_millis(200);
/// How long the writer waits for reads that a slow disk holds up. Then it goes on, and tries again later.
pub const GATE_WAIT_MAX: Duration = Duration::from_secs(1);
/// Instructions of SQLite's virtual machine between two looks at these times: some 20 µs.
pub const READ_STEP: i32 = 1000;

/// Pages of the write-ahead log, 4 KiB each. With more, the writer moves them into the database while reads
/// go on. Then the next commit that finds no read under way overwrites the log from its beginning.
pub const WAL_CHECKPOINT_PAGES: i32 = 1000;
/// Pages of the log, 8 MiB. With more, the writer keeps reads out until it has emptied the log.
pub const WAL_GATE_PAGES: i32 = 2048;
/// Pages by which the log grows before the writer tries again.
pub const WAL_RETRY_PAGES: i32 = 256;
/// Bytes of the write-ahead log: `WAL_GATE_PAGES`, and what is committed until the last long read has ended.
/// It can grow beyond while another program reads the database for long; the server warns then. So it can for a
/// moment where a customer with more than `ERASED_EVENTS` events is erased, which is one transaction.
pub const WAL_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Events of a customer whose erasure needs no more of the log than it may have: a page for each.
pub const ERASED_EVENTS: usize = 2_000;
/// Rows that one commit changes, or little more; each takes three pages of the log at most. An order of 100
/// lines changes 300. With more, the commands that follow get a commit of their own.
pub const COMMIT_CHANGES_MAX: u64 = 2048;
/// Bytes of the events of one commit, or little more; the rows and the stored responses have as many each.
/// With more, the commands that follow get a commit of their own.
pub const COMMIT_EVENT_BYTES_MAX: usize = 1024 * 1024;
/// The pause before a backup or a check starts again that stopped because the log grew too long. It doubles
/// each time.
pub const LONG_READ_PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest such pause.
pub const LONG_READ_PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often a backup or `tillcast check` is tried, which takes a minute. Then it fails; the daily backup is
/// tried again after `BACKUP_CHECK_INTERVAL`.
pub const LONG_READ_TRIES: u32 = 8;
/// Bytes of the log's file that are kept for the next pages once it is overwritten from its beginning.
pub const WAL_BYTES_KEPT: i64 = 4 * 1024 * 1024;
/// Bytes of the reserve, a file that is removed when the disk is full: enough to finish a full
/// queue of orders, and for logins and pruning until the disk has twice that free again. Meanwhile:
/// `507`.
pub const RESERVE_BYTES: u64 = 8 * 1024 * 1024;
/// How long another program may hold the database's lock (`tillcast user`, a backup). Then the command
/// fails, and `503`.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the writer checks whether another program changed users.
pub const EXTERNAL_CHANGE_INTERVAL: Duration = Duration::from_millis(400);
/// How often the same error of the database is logged, because the log may be on the same card.
pub const REPEATED_ERROR_INTERVAL: Duration = Duration::from_secs(60);
/// Milliseconds by which the clock may be set ahead without a correction of the sessions' times.
pub const CLOCK_STEP_MS: i64 = 10_000;

/// Rows that one page of a list scans for those that match several filters: 10 ms on a PC, 100 ms
/// on the slowest board. Then the page ends, and `next` continues it.
pub const LIST_SCAN_MAX: i64 = 8 * 1024;
/// Events that a list of recent changes scans backwards: some weeks of a small shop. Above, it
/// scans the rows themselves.
pub const LIST_EVENTS_MAX: i64 = 8 * 1024;
/// Entries that the audit trail keeps, some 100 MB. Above, the oldest are removed, even before
/// `--audit-retention`.
pub const AUDIT_ENTRIES_MAX: i64 = 1_000_000;
/// How often the audit trail is searched for entries above that bound.
pub const AUDIT_PRUNE_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// Entries of the audit trail that one page scans for those that match: some megabytes to read.
/// Then the page ends, and `next` continues it.
pub const AUDIT_SCAN_MAX: i64 = 32 * 1024;
/// Events, audit entries or stored responses that one step prunes, so that no order waits long for
/// it; more than one batch can add.
pub const PRUNE_STEP: i64 = 512;
/// Numbers of each sequence that the marks in the lock file reserve at once: one more fsync for
/// this many events. A shop whose database is lost skips up to as many when it is restored.
pub const NUMBERS_RESERVED: i64 = 10_000;
