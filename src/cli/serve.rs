//! `tillcast serve`: starts the log, the runtime and the server, and prints the link of the first start.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior, setrlimit};
use tokio::runtime::Runtime;

use crate::auth::session::Lifetimes;
use crate::cli::address::is_in_the_clear;
use crate::cli::announce::Announcement;
use crate::cli::failure::Failure;
use crate::cli::limits;
use crate::cli::logging;
use crate::cli::privileges;
use crate::cli::setup;
use crate::config::{Config, ConfigErrors};
use crate::limits::{BACKUP_CHECK_INTERVAL, FILES_RESERVED};
use crate::metrics::Metrics;
use crate::server::{self, DailyBackup, Server, Settings};
use crate::store::{self, Backups, Retention};
use crate::tls::{Files, Identity};

/// The sockets and the identity that a server starts with, in addition to its settings.
struct Inherited {
    /// The sockets that the service manager passed.
    sockets: Vec<TcpListener>,
    identity: Option<Arc<Identity>>,
}

/// Takes over the passed sockets, and loads the certificate and the key that the settings name.
fn inherited(config: &Config) -> Result<Inherited, ConfigErrors> {
    let sockets = server::passed();
    let files = config.tls_cert.clone().zip(config.tls_key.clone());
    let identity = files.map(|(cert, key)| Identity::load(&Files { cert, key })).transpose();
    match (sockets, identity) {
        (Ok(sockets), Ok(identity)) => Ok(Inherited { sockets, identity: identity.map(Arc::new) }),
        (sockets, identity) => {
            let errors = [sockets.err(), identity.err()];
            Err(ConfigErrors(errors.into_iter().flatten().flatten().collect()))
        }
    }
}

/// The folder of the backups: beside the database unless another is named.
pub(super) fn backup_folder(config: &Config) -> PathBuf {
    config.backup_dir.clone().unwrap_or_else(|| config.data_dir.join("backups"))
}

/// The daily backup; `None` if none is to be kept.
fn daily_backup(config: &Config, backups: &Arc<Backups>) -> Option<DailyBackup> {
    let delay = if config.backup_dir.is_some() { Duration::ZERO } else { BACKUP_CHECK_INTERVAL };
    (config.backup_keep > 0).then(|| DailyBackup { backups: Arc::clone(backups), delay })
}

/// Serves the data directory until a signal.
pub(super) fn run(config: &Config) -> Result<(), Failure> {
    // The kernel's counts are root's once the process is hidden, or root has given up its rights.
    let metrics = Arc::new(Metrics::new());
    // Keys, passwords and tokens stay out of core dumps and of reach of other programs of the same user.
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    privileges::become_owner(&config.data_dir)?;
    let Inherited { sockets, identity } = inherited(config)?;
    let log = logging::start(config, &metrics);
    if let Err(error) = hidden {
        tracing::warn!(%error, "other programs of this user can read the server's memory");
    }
    let rate_limit = log.rate_limit();
    let runtime = runtime(config.workers)?;
    let served = runtime.block_on(async {
        let settings = Settings { identity: identity.clone(), ..settings(config) };
        let opened = Server::open(&settings, sockets, metrics)?;
        setup::at_start(config, &opened.addresses)?;
        if is_in_the_clear(config, &opened.addresses) {
            tracing::warn!(
                "passwords and sessions cross the network in the clear: tillcast cert issues a certificate for \
                 --tls-cert, and --trusted-proxy names a proxy that speaks TLS"
            );
        }
        let announced = announce(config, &opened.addresses, identity.is_some());
        tokio::spawn(log.maintain(config.clone(), identity));
        let served = opened.run().await;
        announced.into_iter().for_each(Announcement::stop);
        served
    });
    let ended = end(runtime, served);
    rate_limit.report();
    Ok(ended?)
}

/// Announces the server under the name of `--mdns`, if there is one. The shop opens even if this fails.
fn announce(config: &Config, addresses: &[SocketAddr], secure: bool) -> Option<Announcement> {
    let started = Announcement::start(config.mdns.as_deref()?, addresses, secure);
    started.inspect_err(|error| tracing::warn!("the server is not announced: {error}")).ok()
}

/// Ends the runtime and waits until the database is closed.
pub(super) fn end(runtime: Runtime, served: Result<JoinHandle<()>, String>) -> Result<(), String> {
    runtime.shutdown_timeout(Duration::from_millis(100));
    served?.join().map_err(|_| "the writer panicked".to_owned())
}

/// The server's part of the settings: without an identity, and with at most as many connections as files
/// can be open.
pub(super) fn settings(config: &Config) -> Settings {
    let (data_dir, keep) = (config.data_dir.clone(), config.backup_keep);
    let backups = Arc::new(Backups::new(data_dir, backup_folder(config), keep));
    Settings {
        listen: config.listen.clone(),
        listen_is_default: config.listen_is_default,
        data_dir: config.data_dir.clone(),
        lifetimes: Lifetimes {
            idle: config.session_idle,
            max: config.session_max,
            device: config.device_max,
        },
        connections_max: connections_that_fit(config.max_connections),
        connections_per_address_max: config.max_connections_per_address,
        sockets_per_user_max: config.max_connections_per_user,
        connect_rate: config.connect_rate.per_second,
        allow_origin: config.allow_origin.clone(),
        allow_host: allowed_hosts(config),
        metrics_readers: config.metrics,
        drain: config.drain,
        retention: Retention {
            age: config.event_retention,
            count: config.event_retention_count,
            audit: config.audit_retention,
        },
        identity: None,
        hsts: config.hsts,
        proxies: config.trusted_proxy.clone(),
        daily_backup: daily_backup(config, &backups),
        backups,
        limits: config.limits,
        memory_bytes_max: limits::memory_bytes_max(config),
        kiosk_order_expiry: config.kiosk_order_expiry,
        tax: config.tax,
        demo_logins: Vec::new(),
        clock: store::clock,
    }
}

/// The hosts that the settings name: those of `--allow-host`, and the announced one.
fn allowed_hosts(config: &Config) -> Vec<String> {
    let announced = config.mdns.as_ref().map(|name| format!("{name}.local"));
    config.allow_host.iter().cloned().chain(announced).collect()
}

/// Raises the limit of open files as far as the system allows; returns how many of the wanted connections
/// fit.
fn connections_that_fit(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let fit = connections_for(files);
    if fit < wanted {
        let enough = wanted.saturating_add(FILES_RESERVED);
        tracing::warn!(
            "the limit of {files} open files is enough for {fit} connections, not for the {wanted} of \
             --max-connections; raise it to {enough} (ulimit -n, LimitNOFILE=)"
        );
    }
    fit.min(wanted)
}

/// The number of connections that fit within a limit of open files.
pub(super) fn connections_for(files: u64) -> usize {
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    files - FILES_RESERVED.min(files / 2)
}

/// The runtime. One worker needs no thread of its own.
pub(super) fn runtime(workers: usize) -> Result<Runtime, String> {
    let mut builder = if workers == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let built = builder.worker_threads(workers.max(1)).enable_all().build();
    built.map_err(|error| format!("the runtime could not be started: {error}"))
}
