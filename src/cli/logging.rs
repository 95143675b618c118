//! The log on standard error, and the reload of its level and of the certificate at `SIGHUP`.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, reload};

use crate::config::{self, Config, LogFormat};
use crate::metrics::Metrics;
use crate::tls::Identity;

use crate::cli::last_errors::LastErrors;
use crate::cli::log_rate_limit::LogRateLimit;

/// The handle that changes the level.
type Level = reload::Handle<LevelFilter, Registry>;

/// The started log.
pub(super) struct Log {
    level: Level,
    rate_limit: LogRateLimit,
}

/// Starts the log, which also records panics, and keeps its newest errors among the metrics.
pub(super) fn start(config: &Config, metrics: &Arc<Metrics>) -> Log {
    let (filter, level) = reload::Layer::new(config.log_level);
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let rate_limit = LogRateLimit::new();
    let errors = LastErrors(Arc::clone(metrics));
    let registry =
        tracing_subscriber::registry().with(filter).with(rate_limit.clone()).with(errors);
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    match (config.log_format, in_journal) {
        (LogFormat::Json, _) => registry.with(lines.json()).init(),
        // The journal adds the time.
        (LogFormat::Text, true) => registry.with(lines.with_ansi(false).without_time()).init(),
        (LogFormat::Text, false) => {
            registry.with(lines.with_ansi(io::stderr().is_terminal())).init();
        }
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!("panicked: {panic}")));
    Log { level, rate_limit }
}

impl Log {
    /// A handle to the rate limit.
    pub(super) fn rate_limit(&self) -> LogRateLimit {
        self.rate_limit.clone()
    }

    /// Reloads at `SIGHUP`, and reports dropped log lines, while a server with these settings runs. The
    /// future never ends. Signals are received from this call on, not from the first poll, so that none is
    /// lost once the server has announced that it listens.
    pub(super) fn maintain(
        self,
        config: Config,
        identity: Option<Arc<Identity>>,
    ) -> impl Future<Output = ()> {
        let hangup = signal(SignalKind::hangup());
        async move {
            let reload = reload_on_hangup(hangup, self.level, config, identity);
            tokio::join!(self.rate_limit.report_periodically(), reload);
        }
    }
}

/// At each `SIGHUP`, reloads the log level, names the other settings that have changed, and reloads the
/// certificate and its key. Never returns.
async fn reload_on_hangup(
    hangup: io::Result<Signal>,
    level: Level,
    config: Config,
    identity: Option<Arc<Identity>>,
) {
    let mut hangup = match hangup {
        Ok(hangup) => hangup,
        Err(error) => return tracing::warn!(%error, "SIGHUP cannot be received"),
    };
    while hangup.recv().await.is_some() {
        match config::read(std::env::args_os().skip(1), std::env::vars_os()) {
            Ok((_, new)) => reload_settings(&level, &config, &new),
            Err(errors) => tracing::error!(%errors, "the settings stay as they were"),
        }
        if let Some(identity) = &identity {
            reload_certificate(identity);
        }
    }
}

fn reload_settings(level: &Level, running: &Config, new: &Config) {
    match level.reload(new.log_level) {
        Ok(()) => tracing::info!(level = %new.log_level, "settings reloaded"),
        Err(error) => tracing::error!(%error, "the log level stays as it was"),
    }
    let changed = config::changed(running, new).filter(|flag| *flag != "log-level");
    let changed: Vec<String> = changed.map(|flag| format!("--{flag}")).collect();
    if !changed.is_empty() {
        tracing::warn!("changed settings need a restart: {}", changed.join(", "));
    }
}

fn reload_certificate(identity: &Identity) {
    match identity.reload() {
        Ok(warnings) => {
            tracing::info!("certificate reloaded");
            for warning in warnings {
                tracing::warn!("{warning}");
            }
        }
        Err(errors) => {
            for error in errors {
                tracing::error!("the certificate stays as it was: {error}");
            }
        }
    }
}
