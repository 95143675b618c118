//! Sessions, logins and origins.

use std::time::Duration;

/// How often expired sessions are searched for: a socket is closed within a second of its session's
/// end.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(400);
/// Sessions of one user. Above, a login ends the user's session that was unused for the longest.
pub const SESSIONS_PER_USER_MAX: usize = 64;
/// Failed logins for one user name within `LOGIN_WINDOW`. Then `429`.
pub const LOGIN_FAILURES_PER_NAME: u32 = 5;
/// Failed logins from one address within `LOGIN_WINDOW`. Then `429`.
pub const LOGIN_FAILURES_PER_ADDRESS: u32 = 20;
/// How long a failed login counts.
pub const LOGIN_WINDOW: Duration = Duration::from_secs(15 * 60);
/// User names whose failures are counted, and as many addresses. Above, the oldest is dropped.
pub const LOGIN_NAMES_MAX: usize = 1024;
/// Password hashes that run at once; each takes the memory of `Limits::hash`. Above, logins wait.
pub const HASHES_AT_ONCE: usize = 1;
/// Logins that wait for a hash. Above: `429`.
pub const HASH_QUEUE_MAX: usize = 32;
/// How long further requests of the same refused origin are not logged.
pub const REFUSED_ORIGIN_INTERVAL: Duration = Duration::from_secs(60);
/// Characters of a refused origin in the log; the rest is left out.
pub const LOG_ORIGIN_CHARS: usize = 100;
