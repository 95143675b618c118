//! The settings after all sources were read: one field for each.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use tracing::level_filters::LevelFilter;

use crate::domain::tax::TaxMode;
use crate::http::MetricsReaders;
use crate::limits::Limits;

/// One field per setting; the table in `config/settings_table.rs` gives each one's default and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The addresses to listen on, at least one and each once.
    pub listen: Vec<SocketAddr>,
    /// Whether the addresses are the defaults. Then one whose protocol this machine lacks is left out.
    pub listen_is_default: bool,
    /// The folder of the database.
    pub data_dir: PathBuf,
    /// How long a session lives without use.
    pub session_idle: Duration,
    /// How long a session lives at most; never less than `session_idle`.
    pub session_max: Duration,
    /// How long a device lives without use.
    pub device_max: Duration,
    /// The bounds of the profile.
    pub limits: Limits,
    /// Open connections, all together.
    pub max_connections: usize,
    /// Open connections from one address.
    pub max_connections_per_address: usize,
    /// Open connections of one user.
    pub max_connections_per_user: usize,
    /// New connections from one address.
    pub connect_rate: Rate,
    /// Foreign origins that may call, as a browser sends them.
    pub allow_origin: Vec<String>,
    /// Hosts that clients may ask for, in lower case, beside those that are the server's by themselves.
    pub allow_host: Vec<String>,
    /// The clients that may read `/metrics`.
    pub metrics: MetricsReaders,
    /// The certificate that makes every address speak TLS; `Some` if `tls_key` is.
    pub tls_cert: Option<PathBuf>,
    /// Its private key.
    pub tls_key: Option<PathBuf>,
    /// How long browsers must use TLS only.
    pub hsts: Option<Duration>,
    /// The reverse proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxy: Vec<IpNet>,
    /// The name under which the server is announced in the network.
    pub mdns: Option<String>,
    /// How long a stop may take.
    pub drain: Duration,
    /// How long an event stays in the log.
    pub event_retention: Duration,
    /// How many events stay in the log.
    pub event_retention_count: u64,
    /// How long an entry stays in the audit trail.
    pub audit_retention: Duration,
    /// The folder of the daily backups.
    pub backup_dir: Option<PathBuf>,
    /// How many daily backups are kept.
    pub backup_keep: usize,
    /// How long an unpaid order of a kiosk stays open.
    pub kiosk_order_expiry: Duration,
    /// Whether prices have the tax in them, if that is said.
    pub tax: Option<TaxMode>,
    /// The least important level that is logged.
    pub log_level: LevelFilter,
    /// The form of a log line.
    pub log_format: LogFormat,
    /// Threads of the runtime.
    pub workers: usize,
    /// The settings file.
    pub config: Option<PathBuf>,
}

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Times a second, on average; a burst may be ten times that.
    pub per_second: u32,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people and the journal.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

impl Config {
    /// The values before the table's setters run. A field whose value was a mistake keeps this one, which
    /// causes no further mistake.
    pub(super) fn empty() -> Self {
        Self {
            listen: Vec::new(),
            listen_is_default: false,
            data_dir: PathBuf::new(),
            session_idle: Duration::ZERO,
            session_max: Duration::MAX,
            device_max: Duration::ZERO,
            limits: Limits::DEFAULT,
            max_connections: 0,
            max_connections_per_address: 0,
            max_connections_per_user: 0,
            connect_rate: Rate { per_second: 0 },
            allow_origin: Vec::new(),
            allow_host: Vec::new(),
            metrics: MetricsReaders::Local,
            tls_cert: None,
            tls_key: None,
            hsts: None,
            trusted_proxy: Vec::new(),
            mdns: None,
            drain: Duration::ZERO,
            event_retention: Duration::ZERO,
            event_retention_count: 0,
            audit_retention: Duration::ZERO,
            backup_dir: None,
            backup_keep: 0,
            kiosk_order_expiry: Duration::ZERO,
            tax: None,
            log_level: LevelFilter::OFF,
            log_format: LogFormat::Text,
            workers: 0,
            config: None,
        }
    }
}
