//! Every setting of the program and every command: read from four sources, with all mistakes reported at once.
//!
//! A flag wins over the environment, the environment over the file, the file over the default.
//! A value that loses is checked all the same: it would be the one in force after the next edit.

mod args;
mod command;
mod file;
mod given;
mod help;
mod request;
mod table;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use tracing::level_filters::LevelFilter;

use crate::limits::Limits;

pub use command::Command;
pub use help::{help, settings};

use given::Given;
use table::SETTINGS;

/// The environment, as a lookup by name that never answers with an empty value.
type Env<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// One field per setting; the table in `config/table.rs` gives each one's default and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The addresses to listen on, each once, never none.
    pub listen: Vec<SocketAddr>,
    /// Nobody asked for these addresses, so one whose protocol this machine lacks may be left out.
    pub listen_is_default: bool,
    /// The folder of the database.
    pub data_dir: PathBuf,
    /// How long a session lives without use.
    pub session_idle: Duration,
    /// How long a session lives at most; never less than `session_idle`.
    pub session_max: Duration,
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
    /// Foreign origins that may call, in the form in which a browser sends them.
    pub allow_origin: Vec<String>,
    /// The certificate that makes every address speak TLS; there if `tls_key` is.
    pub tls_cert: Option<PathBuf>,
    /// Its private key.
    pub tls_key: Option<PathBuf>,
    /// How long browsers shall come over TLS only.
    pub hsts: Option<Duration>,
    /// The reverse proxies whose word about their clients counts.
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
    /// Where the daily backups go.
    pub backup_dir: Option<PathBuf>,
    /// How many daily backups are kept.
    pub backup_keep: usize,
    /// The least important lines that are still logged.
    pub log_level: LevelFilter,
    /// What a log line looks like.
    pub log_format: LogFormat,
    /// Threads of the runtime.
    pub workers: usize,
    /// The file that some of these came from.
    pub config: Option<PathBuf>,
}

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Times a second, on average; a burst may be ten times that.
    pub per_second: u32,
}

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people and the journal.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// All that is wrong with the arguments, the environment and the file: one line each, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        f.write_str("see tillcast --help")
    }
}

impl std::error::Error for Mistakes {}

/// Reads the command and the settings; `args` come without the program's own name.
///
/// An empty environment variable counts as unset. A request for help or the version wins over every
/// mistake, and then the settings are the defaults.
pub fn read(
    args: impl IntoIterator<Item = OsString>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<(Command, Config), Mistakes> {
    let env = |name: &str| env(name).filter(|value| !value.is_empty());
    let (command, mut given, mut mistakes) = args::read(args);
    if matches!(command, Some(Command::Help | Command::Version)) {
        given.clear();
        mistakes.clear();
    } else {
        given.extend(given::by_environment(&env));
        if given::winner(&given, "config").is_none() {
            given.extend(given::by_service_manager(&env));
        }
        let file = given::winner(&given, "config").map(file::read);
        let (by_file, wrong) = file.unwrap_or_default();
        given.extend(by_file);
        mistakes.extend(wrong);
    }
    let profile = given::winner(&given, "profile");
    let limits = profile.and_then(|profile| values::profile(&profile.value).ok());
    given.extend(given::by_default(&env, limits.unwrap_or(Limits::DEFAULT)));
    let config = settle(&given, &mut mistakes);
    match command {
        Some(command) if mistakes.is_empty() => Ok((command, config)),
        _ => Err(Mistakes(mistakes)),
    }
}

/// Sets each field from the first source that gives it; `given` is in the order of precedence.
fn settle(given: &[Given], mistakes: &mut Vec<String>) -> Config {
    let mut config = Config::blank();
    for setting in SETTINGS {
        let of_setting: Vec<&Given> = given.iter().filter(|one| one.is(setting.flag)).collect();
        for (nth, of_source) in of_setting.chunk_by(|a, b| a.same_source(b)).enumerate() {
            let mut loser = Config::blank();
            let target = if nth == 0 { &mut config } else { &mut loser };
            for (mth, one) in of_source.iter().enumerate() {
                if mth == 1 && !setting.many {
                    mistakes.push(one.wrong("must be given only once"));
                }
                let set = (setting.set)(target, &one.value);
                mistakes.extend(set.err().map(|why| one.wrong(&why)));
            }
        }
    }
    config.listen_is_default = given::winner(given, "listen").is_some_and(Given::is_default);
    mistakes.extend(contradiction(&config, given));
    mistakes.extend(half_of_a_pair(given));
    config
}

/// A certificate without its key, or a key without its certificate.
fn half_of_a_pair(given: &[Given]) -> Option<String> {
    let [cert, key] = ["tls-cert", "tls-key"].map(|flag| given::winner(given, flag));
    match (cert, key) {
        (Some(cert), None) => Some(cert.wrong("must come with --tls-key")),
        (None, Some(key)) => Some(key.wrong("must come with --tls-cert")),
        _ => None,
    }
}

/// An idle time that somebody set and that can never be reached; the default gives way silently.
fn contradiction(config: &Config, given: &[Given]) -> Option<String> {
    let idle = given::winner(given, "session-idle").filter(|idle| !idle.is_default())?;
    let max = given::winner(given, "session-max")?;
    (config.session_idle > config.session_max)
        .then(|| idle.wrong(&format!("must not be longer than --session-max, which is {max}")))
}

impl Config {
    /// What the table's setters fill in; a field whose value was a mistake contradicts no other.
    fn blank() -> Self {
        Self {
            listen: Vec::new(),
            listen_is_default: false,
            data_dir: PathBuf::new(),
            session_idle: Duration::ZERO,
            session_max: Duration::MAX,
            limits: Limits::DEFAULT,
            max_connections: 0,
            max_connections_per_address: 0,
            max_connections_per_user: 0,
            connect_rate: Rate { per_second: 0 },
            allow_origin: Vec::new(),
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
            log_level: LevelFilter::OFF,
            log_format: LogFormat::Text,
            workers: 0,
            config: None,
        }
    }
}
