//! Certificates, and the announcement of the server in the shop's network.

use std::time::Duration;

/// How long a certificate from `tillcast cert` is valid: Apple's systems accept at most 825 days.
pub const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(820 * 24 * 60 * 60);
/// How long the authority that signs it is valid.
pub const AUTHORITY_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
/// How long before its end a certificate is warned about.
pub const CERTIFICATE_WARNING: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often the certificate and its key are checked for warnings, from the start on.
pub const CERTIFICATE_CHECK_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// How often, in seconds, the announcement checks for new addresses of this machine, such as that of a
/// Wi-Fi that came up after the start.
pub const MDNS_CHECK_SECONDS: u32 = 20;
/// Bytes of the process that announces: its own, and 6,000 records that hundreds of other devices
/// announce. Above, it ends, and is started again without any records.
pub const MDNS_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The niceness of that process: the shop's threads come first (`setpriority(2)`).
pub const MDNS_NICENESS: i32 = 10;
/// The pause before it is started again. It doubles each time the process does not last.
pub const MDNS_RESTART_DELAY_MIN: Duration = Duration::from_secs(5);
/// The longest such pause.
pub const MDNS_RESTART_DELAY_MAX: Duration = Duration::from_secs(5 * 60);
/// How long the stop waits for its goodbye.
pub const MDNS_GOODBYE_WAIT: Duration = Duration::from_secs(2);
