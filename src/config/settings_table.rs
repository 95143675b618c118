//! Every setting: its flag, its default, the reason for it, and how it is parsed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::thread::available_parallelism;

use tracing::level_filters::LevelFilter;

use crate::config::env::Env;
use crate::config::setting::{Fallback, Setting};
use crate::config::settings::LogFormat;
use crate::config::values::{
    choice, duration, host, integer, label, network, origin, path, profile, rate, socket,
};
use crate::domain::tax::TaxMode;
use crate::http::MetricsReaders;
use crate::limits::Limits;
use Fallback::{Computed, Nothing, Text};

/// The most connections that can be configured; file descriptors run out before that.
const CONNECTIONS_MAX: usize = 1_000_000;

/// The longest lifetime: adding it to a clock must not overflow.
const LIFETIME_MAX: &str = "100years";

pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        flag: "listen",
        value: "ADDR:PORT",
        default: Text("0.0.0.0:3000, [::]:3000"),
        reason: "An address to listen on; repeatable. Without any, the server listens on all \
                 addresses of this machine, or on the sockets that systemd passes. Addresses given here \
                 are opened beside passed sockets.",
        many: true,
        set: |config, value| {
            let address = socket(value)?;
            if config.listen.contains(&address) {
                return Err("must name each address once".into());
            }
            config.listen.push(address);
            Ok(())
        },
        same: |a, b| a.listen == b.listen,
    },
    Setting {
        flag: "data-dir",
        value: "DIR",
        default: Computed("$STATE_DIRECTORY, else ./tillcast-data", state_directory),
        reason: "The folder of the database. systemd names it in STATE_DIRECTORY.",
        many: false,
        set: |config, value| path(value).map(|dir| config.data_dir = dir),
        same: |a, b| a.data_dir == b.data_dir,
    },
    Setting {
        flag: "session-idle",
        value: "DURATION",
        default: Text("12h"),
        reason: "A session ends after this long without use. An open WebSocket counts as use.",
        many: false,
        set: |config, value| {
            duration(value, "1s", LIFETIME_MAX).map(|time| config.session_idle = time)
        },
        same: |a, b| a.session_idle == b.session_idle,
    },
    Setting {
        flag: "session-max",
        value: "DURATION",
        default: Text("30d"),
        reason: "A session ends after this long in any case, so that a stolen one does not last.",
        many: false,
        set: |config, value| {
            duration(value, "1s", LIFETIME_MAX).map(|time| config.session_max = time)
        },
        same: |a, b| a.session_max == b.session_max,
    },
    Setting {
        flag: "device-max",
        value: "DURATION",
        default: Text("400d"),
        reason: "The token of a device ends this long after its last use. An open socket counts as use.",
        many: false,
        set: |config, value| {
            duration(value, "1s", LIFETIME_MAX).map(|time| config.device_max = time)
        },
        same: |a, b| a.device_max == b.device_max,
    },
    Setting {
        flag: "profile",
        value: "NAME",
        default: Text("default"),
        reason: "default, or tiny for the smallest boards: smaller bounds, within 24 MiB of memory \
                 instead of 64 (see tillcast limits --profile tiny).",
        many: false,
        set: |config, value| profile(value).map(|limits| config.limits = limits),
        same: |a, b| a.limits == b.limits,
    },
    Setting {
        flag: "max-connections",
        value: "N",
        default: Computed("10000, with --profile tiny 500", |_, limits| {
            limits.connections.to_string().into()
        }),
        reason: "The most open connections. Each has a fixed share of memory (see tillcast limits).",
        many: false,
        set: |config, value| {
            integer(value, 1..=CONNECTIONS_MAX).map(|n| config.max_connections = n)
        },
        same: |a, b| a.max_connections == b.max_connections,
    },
    Setting {
        flag: "max-connections-per-address",
        value: "N",
        default: Text("256"),
        reason: "The most open connections from one address, so that one device cannot take them all. \
                 It does not limit a --trusted-proxy, but each of the proxy's clients.",
        many: false,
        set: |config, value| {
            integer(value, 1..=CONNECTIONS_MAX).map(|n| config.max_connections_per_address = n)
        },
        same: |a, b| a.max_connections_per_address == b.max_connections_per_address,
    },
    Setting {
        flag: "max-connections-per-user",
        value: "N",
        default: Text("10000"),
        reason: "The most open connections of one user. The screens of a shop often share one.",
        many: false,
        set: |config, value| {
            integer(value, 1..=CONNECTIONS_MAX).map(|n| config.max_connections_per_user = n)
        },
        same: |a, b| a.max_connections_per_user == b.max_connections_per_user,
    },
    Setting {
        flag: "connect-rate",
        value: "N/s",
        default: Text("20/s"),
        reason: "The most new connections per second from one address, against a device that \
                 reconnects in a loop. A burst may have ten times as many.",
        many: false,
        set: |config, value| rate(value, 100_000).map(|rate| config.connect_rate = rate),
        same: |a, b| a.connect_rate == b.connect_rate,
    },
    Setting {
        flag: "allow-origin",
        value: "URL",
        default: Nothing,
        reason: "The origin of a web page on another host that may call, such as \
                 https://shop.example; repeatable. The server's own pages always may.",
        many: true,
        set: |config, value| origin(value).map(|origin| config.allow_origin.push(origin)),
        same: |a, b| a.allow_origin == b.allow_origin,
    },
    Setting {
        flag: "allow-host",
        value: "NAME",
        default: Nothing,
        reason: "A name by which clients reach the server, such as shop.example; repeatable. Addresses, \
                 localhost, the machine's own name, that of --mdns and those of the certificate are known. \
                 A request for another host is refused (421): it may come from a page of that name.",
        many: true,
        set: |config, value| {
            host(value).map(|name| config.allow_host.push(name.trim_end_matches('.').to_owned()))
        },
        same: |a, b| a.allow_host == b.allow_host,
    },
    Setting {
        flag: "metrics",
        value: "READERS",
        default: Text("local"),
        reason: "The clients that may read /metrics: local (programs of this machine), admin (users who are \
                 admins) or open (everybody).",
        many: false,
        set: |config, value| choice(value, METRICS).map(|readers| config.metrics = readers),
        same: |a, b| a.metrics == b.metrics,
    },
    Setting {
        flag: "tls-cert",
        value: "FILE",
        default: Nothing,
        reason: "A certificate file (PEM, with the intermediate certificates). Every address then \
                 speaks TLS and redirects plain HTTP. SIGHUP reloads it. tillcast cert issues one.",
        many: false,
        set: |config, value| path(value).map(|file| config.tls_cert = Some(file)),
        same: |a, b| a.tls_cert == b.tls_cert,
    },
    Setting {
        flag: "tls-key",
        value: "FILE",
        default: Nothing,
        reason: "The private key of the certificate (PEM). Only the server should be able to read it.",
        many: false,
        set: |config, value| path(value).map(|file| config.tls_key = Some(file)),
        same: |a, b| a.tls_key == b.tls_key,
    },
    Setting {
        flag: "hsts",
        value: "DURATION",
        default: Nothing,
        reason: "Browsers that have come over TLS use nothing else for this long, such as 365d \
                 (Strict-Transport-Security). This cannot be undone before then.",
        many: false,
        set: |config, value| {
            duration(value, "0s", LIFETIME_MAX).map(|time| config.hsts = Some(time))
        },
        same: |a, b| a.hsts == b.hsts,
    },
    Setting {
        flag: "trusted-proxy",
        value: "ADDR",
        default: Nothing,
        reason: "The address or network of a reverse proxy, such as 127.0.0.1 or 10.0.0.0/24, whose \
                 X-Forwarded-For, -Proto and -Host headers are believed; repeatable.",
        many: true,
        set: |config, value| network(value).map(|net| config.trusted_proxy.push(net)),
        same: |a, b| a.trusted_proxy == b.trusted_proxy,
    },
    Setting {
        flag: "mdns",
        value: "NAME",
        default: Nothing,
        reason: "Announces the server in the local network by multicast DNS. With tillcast, tills \
                 find it as tillcast.local and as the service _tillcast._tcp. It is off by default, \
                 because it tells everybody in that network.",
        many: false,
        set: |config, value| label(value).map(|name| config.mdns = Some(name)),
        same: |a, b| a.mdns == b.mdns,
    },
    Setting {
        flag: "drain",
        value: "DURATION",
        default: Text("10s"),
        reason: "The longest time that a stop may take. Clients are disconnected spread over it, so \
                 that they do not all come back at once.",
        many: false,
        set: |config, value| duration(value, "0s", "10m").map(|time| config.drain = time),
        same: |a, b| a.drain == b.drain,
    },
    Setting {
        flag: "event-retention",
        value: "DURATION",
        default: Text("30d"),
        reason: "Events stay in the log for this long. A client that was away for longer has to read \
                 everything again.",
        many: false,
        set: |config, value| {
            duration(value, "1s", LIFETIME_MAX).map(|time| config.event_retention = time)
        },
        same: |a, b| a.event_retention == b.event_retention,
    },
    Setting {
        flag: "event-retention-count",
        value: "N",
        default: Text("1000000"),
        reason: "The most events that stay in the log, so that a busy month does not fill the disk.",
        many: false,
        set: |config, value| {
            integer(value, 1..=1_000_000_000_000).map(|n| config.event_retention_count = n)
        },
        same: |a, b| a.event_retention_count == b.event_retention_count,
    },
    Setting {
        flag: "audit-retention",
        value: "DURATION",
        default: Text("365d"),
        reason: "Entries stay in the audit trail for this long: who changed what, and from where.",
        many: false,
        set: |config, value| {
            duration(value, "1s", LIFETIME_MAX).map(|time| config.audit_retention = time)
        },
        same: |a, b| a.audit_retention == b.audit_retention,
    },
    Setting {
        flag: "backup-dir",
        value: "DIR",
        default: Nothing,
        reason: "The folder for daily backups, best on another disk; the first is made at the start. \
                 Without it, they go to `backups` in the data directory, from an hour after the start \
                 on.",
        many: false,
        set: |config, value| path(value).map(|dir| config.backup_dir = Some(dir)),
        same: |a, b| a.backup_dir == b.backup_dir,
    },
    Setting {
        flag: "backup-keep",
        value: "N",
        default: Text("7"),
        reason: "The number of daily backups to keep; older ones are removed. 0 makes none.",
        many: false,
        set: |config, value| integer(value, 0..=10_000).map(|n| config.backup_keep = n),
        same: |a, b| a.backup_keep == b.backup_keep,
    },
    Setting {
        flag: "kiosk-order-expiry",
        value: "DURATION",
        default: Text("2h"),
        reason: "An unpaid order of a kiosk is cancelled after this long, and its goods go back into stock. Only the \
                 time in which the server ran counts.",
        many: false,
        set: |config, value| {
            duration(value, "1s", LIFETIME_MAX).map(|time| config.kiosk_order_expiry = time)
        },
        same: |a, b| a.kiosk_order_expiry == b.kiosk_order_expiry,
    },
    Setting {
        flag: "tax",
        value: "MODE",
        default: Nothing,
        reason: "Whether prices have the tax in them: included or added. Without it, that is what /setup or \
                 PATCH /api/shop said, at first `included`; with it, they cannot say otherwise. It cannot be \
                 changed once there are orders.",
        many: false,
        set: |config, value| choice(value, TAX_MODES).map(|mode| config.tax = Some(mode)),
        same: |a, b| a.tax == b.tax,
    },
    Setting {
        flag: "log-level",
        value: "LEVEL",
        default: Text("info"),
        reason: "The least important level to log: error, warn, info or debug. SIGHUP reloads it.",
        many: false,
        set: |config, value| choice(value, LEVELS).map(|level| config.log_level = level),
        same: |a, b| a.log_level == b.log_level,
    },
    Setting {
        flag: "log-format",
        value: "FORMAT",
        default: Text("text"),
        reason: "The format of the log: text for people and the journal, json for collectors.",
        many: false,
        set: |config, value| choice(value, FORMATS).map(|format| config.log_format = format),
        same: |a, b| a.log_format == b.log_format,
    },
    Setting {
        flag: "workers",
        value: "N",
        default: Computed("number of cores, at most 4, with --profile tiny 1", cores),
        reason: "The number of threads that serve connections. The database has its own.",
        many: false,
        set: |config, value| integer(value, 1..=64).map(|n| config.workers = n),
        same: |a, b| a.workers == b.workers,
    },
    Setting {
        flag: "config",
        value: "FILE",
        default: Nothing,
        reason: "A TOML file with settings. Under systemd, tillcast.toml in CONFIGURATION_DIRECTORY \
                 is read by default, if it exists.",
        many: false,
        set: |config, value| path(value).map(|file| config.config = Some(file)),
        same: |a, b| a.config == b.config,
    },
];

const TAX_MODES: &[(&str, TaxMode)] = &[("included", TaxMode::Included), ("added", TaxMode::Added)];

const METRICS: &[(&str, MetricsReaders)] = &[
    ("local", MetricsReaders::Local),
    ("admin", MetricsReaders::Admin),
    ("open", MetricsReaders::Open),
];

const LEVELS: &[(&str, LevelFilter)] = &[
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
];

const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

/// The first of the folders that systemd created for the service.
fn state_directory(env: &Env, _: Limits) -> OsString {
    let first = env.get("STATE_DIRECTORY").and_then(first_of);
    first.map_or_else(|| "./tillcast-data".into(), OsStr::to_owned)
}

/// The first of several paths.
pub(super) fn first_of(paths: &OsStr) -> Option<&OsStr> {
    let paths = paths.as_bytes().split(|byte| *byte == b':');
    paths.map(OsStr::from_bytes).find(|path| !path.is_empty())
}

fn cores(_: &Env, limits: Limits) -> OsString {
    let cores = available_parallelism().map_or(1, usize::from);
    cores.min(limits.workers).to_string().into()
}
