//! The server's settings: plain values, independent of where they come from.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use ipnet::IpNet;

use crate::auth::session::Lifetimes;
use crate::domain::tax::TaxMode;
use crate::domain::{Role, Secret};
use crate::http::MetricsReaders;
use crate::limits::Limits;
use crate::server::admission::AdmissionLimits;
use crate::server::backups::DailyBackup;
use crate::store::{Backups, Retention};
use crate::tls::Identity;

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Whether `listen` is the default: passed sockets then replace it, and an address family that the
    /// machine lacks is left out.
    pub listen_is_default: bool,
    /// The folder of the database.
    pub data_dir: PathBuf,
    /// How long sessions live.
    pub lifetimes: Lifetimes,
    /// Connections, all together.
    pub connections_max: usize,
    /// Connections of one address.
    pub connections_per_address_max: usize,
    /// WebSockets of one user.
    pub sockets_per_user_max: usize,
    /// New connections of one address a second.
    pub connect_rate: u32,
    /// Origins that may use the API, beside the server's own host.
    pub allow_origin: Vec<String>,
    /// Hosts that the server is asked for, beside its addresses, the machine's names and the certificate's.
    pub allow_host: Vec<String>,
    /// The clients that may read `/metrics`.
    pub metrics_readers: MetricsReaders,
    /// Upper bound of the time that a stop takes.
    pub drain: Duration,
    /// How long events are kept.
    pub retention: Retention,
    /// The certificate and key; without them the server speaks plain HTTP only.
    pub identity: Option<Arc<Identity>>,
    /// `max-age` of `Strict-Transport-Security`; `None` leaves the header out.
    pub hsts: Option<Duration>,
    /// Reverse proxies whose `X-Forwarded-*` headers are trusted.
    pub proxies: Vec<IpNet>,
    /// The folder of the backups.
    pub backups: Arc<Backups>,
    /// The daily backup, if one is wanted.
    pub daily_backup: Option<DailyBackup>,
    /// How long an unpaid order of a kiosk stays open.
    pub kiosk_order_expiry: Duration,
    /// Whether prices have the tax in them; `None` leaves the shop's choice.
    pub tax: Option<TaxMode>,
    /// The bounds of the profile.
    pub limits: Limits,
    /// The sum of the bounds on memory, which `/api/status` reports.
    pub memory_bytes_max: usize,
    /// The logins of a demo, which everybody may use. No setting fills this, so a real shop has none.
    pub demo_logins: Vec<(Role, Secret)>,
    /// The board's clock: milliseconds since 1970, UTC.
    pub clock: fn() -> i64,
}

impl Settings {
    /// The bounds on connections.
    pub(super) fn admission_limits(&self) -> AdmissionLimits {
        AdmissionLimits {
            connections: self.connections_max,
            per_address: self.connections_per_address_max,
            per_second: self.connect_rate,
        }
    }

    /// The value of `Strict-Transport-Security` (RFC 6797, section 6.1).
    pub(super) fn hsts(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&format!("max-age={}", self.hsts?.as_secs())).ok()
    }
}
