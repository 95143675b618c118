//! The log, the backups, the doctor, and the service manager.

use std::time::Duration;

/// Lines of the log that may come at once. Above, and while they come faster than
/// `LOG_LINES_PER_SECOND`, they are counted and left out, the least important first.
pub const LOG_LINES_BURST: f64 = 500.0;
/// Lines a second from then on: some 13 MB a day, however long a client causes them.
pub const LOG_LINES_PER_SECOND: f64 = 1.0;
/// The age of the last line of a kind after which the next one is written in any case.
pub const LOG_REPEAT_INTERVAL: Duration = Duration::from_secs(60);
/// How often the number of lines left out is logged.
pub const LOG_DROPPED_REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// Characters of a request's path in a line; the rest is left out.
pub const LOG_PATH_CHARS: usize = 200;

/// How often the server's load is sampled.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);
/// Samples that are kept: those of an hour. Above, the oldest is dropped.
pub const SAMPLES_KEPT: usize = 720;

/// The newest warnings and errors that an admin can read. Above, the oldest is dropped.
pub const ERRORS_KEPT: usize = 50;
/// Bytes of each of them; the rest is left out.
pub const ERROR_BYTES_MAX: usize = 240;

/// Backups that the list of them has; older ones are left out.
pub const BACKUPS_LISTED_MAX: usize = 200;
/// How often the server checks whether today's backup exists.
pub const BACKUP_CHECK_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// The age from which on an unfinished backup is what a power cut has left, and is removed.
pub const BACKUP_PART_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The earliest time of a clock that is set, in milliseconds since 1970: 1 January 2026, the year
/// of this program. Before: bad.
pub const CLOCK_MIN_MS: i64 = 1_767_225_600_000;
/// Days since the newest daily backup from which on the doctor warns: one day was missed.
pub const BACKUP_AGE_WARNING_DAYS: i64 = 2;
/// Days from which on it reports this as bad: the sales of a week would be lost with the card.
pub const BACKUP_AGE_BAD_DAYS: i64 = 7;
/// Files that the disk must still be able to create: more than the server makes in a day. With
/// fewer: bad.
pub const FREE_FILES_MIN: u64 = 64;
/// How long an address may take to reply to the doctor. Then: bad.
pub const DOCTOR_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that the doctor reads of a reply; Tillcast's own have a few hundred.
pub const DOCTOR_ANSWER_BYTES_MAX: u64 = 4 * 1024;
/// Bytes of a line or of the body of a reply that the demo's clients read. Above, they connect again.
pub const DEMO_REPLY_BYTES_MAX: u64 = 1024 * 1024;

/// How often the service manager gets a changed status, if no watchdog sets the pace.
pub const STATUS_INTERVAL: Duration = Duration::from_secs(30);
/// How long a notification waits for a busy service manager. Then it is dropped.
pub const NOTIFY_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause between two tries of a notification.
pub const NOTIFY_RETRY_DELAY: Duration = Duration::from_millis(50);
/// How long a start with a small database may take: more than the slowest board and card need. Then the
/// service manager starts again.
pub const START_TIME_MIN: Duration = Duration::from_secs(90);
/// The time that each MiB of a large database adds to that.
pub const START_TIME_PER_MIB: Duration = Duration::from_secs(1);
/// How long the write-ahead log may take to be moved into the database after the drain. Then the service
/// manager ends the process, and nothing is lost.
pub const STOP_TIME_AFTER_DRAIN: Duration = Duration::from_secs(60);
