//! What a server is told when it is opened: plain values, wherever they came from.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use ipnet::IpNet;

use crate::auth::sessions::Lifetimes;
use crate::limits::Limits;
use crate::server::Daily;
use crate::server::doors::Bounds;
use crate::store::Retention;
use crate::tls::Identity;

/// What the server needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// Nobody asked for these: passed sockets take their place, and an address family that this
    /// machine does not have may be left out.
    pub listen_is_default: bool,
    /// Where the database is.
    pub data_dir: PathBuf,
    /// How long sessions live.
    pub lifetimes: Lifetimes,
    /// Connections in all.
    pub connections_max: usize,
    /// Connections of one address.
    pub connections_per_address_max: usize,
    /// WebSockets of one user.
    pub sockets_per_user_max: usize,
    /// New connections of one address a second.
    pub connect_rate: u32,
    /// Origins that may ask, beside the own host.
    pub allow_origin: Vec<String>,
    /// How long the stop may take.
    pub drain: Duration,
    /// How long events are kept.
    pub retention: Retention,
    /// What the server proves itself with; without it, nothing speaks TLS.
    pub identity: Option<Arc<Identity>>,
    /// How long browsers shall come over TLS only; none tells them nothing.
    pub hsts: Option<Duration>,
    /// The reverse proxies whose word about their clients counts.
    pub proxies: Vec<IpNet>,
    /// The daily backup, if there is to be one.
    pub daily: Option<Daily>,
    /// The bounds of the profile.
    pub limits: Limits,
    /// Milliseconds since 1970, UTC, as the board knows them now.
    pub clock: fn() -> i64,
}

impl Settings {
    /// What may come in at the doors.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
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
