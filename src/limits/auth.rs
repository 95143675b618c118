//! Sessions, logins and origins.

use std::time::Duration;

/// How often expired sessions are searched for: a socket is closed within a second of its session's
/// end.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(400);
/// Sessions of one user. Above, a login ends the user's session that was unused for the longest.
pub const SESSIONS_PER_USER_MAX: usize = 64;
/// Devices. Each has one of `Limits::sessions`, which no login ends. Above: `409`.
pub const DEVICES_MAX: i64 = 256;
/// Failed tries of a user's password by one client within `LOGIN_WINDOW`. Then `429` for that client. A client is
/// an address, a browser from which the user has logged in before, or a session whose password is to change.
pub const LOGIN_FAILURES_PER_CLIENT: u32 = 5;
/// Failed logins from one address within `LOGIN_WINDOW`, whatever the user names. Then `429`.
pub const LOGIN_FAILURES_PER_ADDRESS: u32 = 20;
/// Failed logins for one user name within `LOGIN_WINDOW`, from anywhere. Then each further try waits, because to
/// refuse it would let anybody keep the user out.
pub const LOGIN_FAILURES_PER_NAME: u32 = 50;
/// Browsers and addresses of one user that are known from earlier logins. Above, those that came only once are
/// dropped first, then those unused for the longest.
pub const KNOWN_CLIENTS_PER_USER: i64 = 64;
/// How long a browser keeps the cookie by which it is known: as long as browsers keep any.
pub const DEVICE_COOKIE_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// How long a failed login counts.
pub const LOGIN_WINDOW: Duration = Duration::from_secs(15 * 60);
/// Keys of each table of failures. Above, the key with the fewest failures is dropped, but none that is blocked:
/// if all are, a key that cannot be counted waits `LOGIN_DELAY_MAX`.
pub const LOGIN_FAILURES_KEPT: usize = 512;
/// The same of the table of users' own clients, which strangers cannot fill.
pub const OWN_FAILURES_KEPT: usize = 256;
/// How long a login waits after `LOGIN_FAILURES_PER_NAME`; twice as long after each `LOGIN_DELAY_STEP` more.
pub const LOGIN_DELAY_FIRST: Duration = Duration::from_secs(1);
/// Failures of a user name that double the wait.
pub const LOGIN_DELAY_STEP: u32 = 10;
/// The longest of these waits: shorter than clients wait for a reply.
pub const LOGIN_DELAY_MAX: Duration = Duration::from_secs(8);
/// Logins that wait so at once; each keeps its connection and its body. Above: `429`.
pub const LOGIN_DELAYS_MAX: usize = 16;
/// Of these, the logins for one user name. Above: `429`.
pub const LOGIN_DELAYS_PER_NAME: usize = 8;
/// Of these, the logins of one client. Above: `429`.
pub const LOGIN_DELAYS_PER_CLIENT: usize = 2;
/// Entries of the audit trail about one user's logins within `LOGIN_WINDOW`, of each kind. Above, they are left out.
pub const LOGIN_ENTRIES_PER_USER: u32 = 50;
/// Such entries that wait to be stored, for `SWEEP_INTERVAL` at most. Above, they are left out.
pub const LOGIN_ENTRIES_PENDING_MAX: usize = 32;
/// Users and kinds whose entries are counted. Above, the one with the fewest is dropped.
pub const LOGIN_ENTRIES_KEPT: usize = 128;
/// Password hashes that run at once; each takes the memory of `Limits::hash`. Above, logins wait.
pub const HASHES_AT_ONCE: usize = 1;
/// How long a login waits for its hash: longer than the whole queue takes on the slowest board. Then `429`.
pub const HASH_WAIT: Duration = Duration::from_secs(60);
/// Logins that wait for a hash. Above: `429`.
pub const HASH_QUEUE_MAX: usize = 32;
/// How long further requests of the same refused origin are not logged.
pub const REFUSED_ORIGIN_INTERVAL: Duration = Duration::from_secs(60);
/// Characters of a refused origin in the log; the rest is left out.
pub const LOG_ORIGIN_CHARS: usize = 100;
/// Characters of a refused host in the problem; the rest is left out.
pub const REJECTED_HOST_CHARS: usize = 100;

/// How long a pairing's code can be used, and then how long its approval is repeated to the device.
pub const PAIRING_LIFE: Duration = Duration::from_secs(10 * 60);
/// Pairings that are open at once. Above: `429`. A typing error hits one of them once in 400 million times.
pub const PAIRINGS_OPEN_MAX: usize = 64;
/// Of these, the pairings of one network address. Above: `429`.
pub const PAIRINGS_PER_ADDRESS_MAX: usize = 8;
/// Pairings that are kept, with those that were approved. Above, the oldest approval is repeated no more.
pub const PAIRINGS_KEPT_MAX: usize = 2 * PAIRINGS_OPEN_MAX;
/// How soon a device should ask again whether it was approved, milliseconds.
pub const PAIRING_POLL_MS: u64 = 2_000;
/// Characters of a browser's name for itself that an admin sees; the rest is left out.
pub const USER_AGENT_CHARS_MAX: usize = 160;
/// The version of the largest QR code: 77 modules wide, for 412 bytes. A link with the longest host name takes less.
pub const QR_VERSION_MAX: u8 = 15;
/// Wrong codes of one admin within `PAIRING_CODES_WINDOW`. Then `429`, whatever the code.
pub const PAIRING_WRONG_CODES_MAX: u32 = 5;
/// How long a wrong code counts.
pub const PAIRING_CODES_WINDOW: Duration = Duration::from_secs(60);
/// Admins whose wrong codes are counted. Above, the one with the fewest is forgotten; if all are blocked, `429`.
pub const PAIRING_ADMINS_KEPT: usize = 64;

/// How long the link of the first start can be used.
pub const SETUP_CODE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Such links that work at once: each start prints another one until there is an admin. Above, the oldest is forgotten.
pub const SETUP_CODES_MAX: i64 = 8;
