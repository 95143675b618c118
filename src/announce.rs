//! Tells the shop's network where the server is, by multicast DNS: a till finds `tillcast.local` and
//! the service `_tillcast._tcp` without an address that somebody typed in (RFC 6762, RFC 6763).
//!
//! The crate's thread parses what anybody in the network sends, so it runs only where it is asked for.
//! It asks for nothing itself, and still keeps some of what others announce unasked: that is counted.

use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use mdns_sd::{DaemonEvent, IfKind, ServiceDaemon, ServiceInfo};

use crate::limits::{MDNS_GOODBYE_WAIT, MDNS_LOOK_SECONDS, MDNS_RECORDS_MAX, MDNS_WATCH_INTERVAL};

/// The kind of service that tills look for.
const SERVICE: &str = "_tillcast._tcp.local.";
/// Where a WebSocket is opened.
const PATH: &str = "/ws";

/// An announcement that holds until it is withdrawn.
pub struct Announcement {
    wanted: SyncSender<()>,
    keeper: JoinHandle<()>,
}

impl Announcement {
    /// Announces the server as `name.local`, with the port of the first of these addresses that others
    /// reach: at all of this machine's, also those that it gets later, or where it listens. The error
    /// is a sentence for the operator.
    pub fn begin(name: &str, addresses: &[SocketAddr], secure: bool) -> Result<Self, String> {
        if_addrs::get_if_addrs().map_err(|error| format!("no network can be seen: {error}"))?;
        let reached: Vec<_> =
            addresses.iter().copied().filter(|address| !address.ip().is_loopback()).collect();
        let service = service(name, &reached, secure)?;
        let unheard = unheard(&reached);
        let begin = move || Voice::begin(service.clone(), unheard.clone());
        let voice = begin().map_err(|error| error.to_string())?;
        let (wanted, withdrawn) = sync_channel(0);
        let keeper = thread::Builder::new().name("announcement".to_owned());
        let keeper = keeper.spawn(move || keep(voice, begin, &withdrawn));
        let keeper = keeper.map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Self { wanted, keeper })
    }

    /// Says goodbye, so that nobody looks for the server where it is no more.
    pub fn withdraw(self) {
        drop(self.wanted);
        if self.keeper.join().is_err() {
            tracing::error!("the announcement ended by a panic");
        }
    }
}

/// Keeps it up until it is withdrawn. Where others have said too much, it begins anew: the crate lets
/// go of nothing before its time.
fn keep(mut voice: Voice, begin: impl Fn() -> mdns_sd::Result<Voice>, withdrawn: &Receiver<()>) {
    while withdrawn.recv_timeout(MDNS_WATCH_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        voice.tell();
        if voice.records() > MDNS_RECORDS_MAX {
            tracing::warn!("too much is announced in this network; the server begins anew with it");
            voice.leave();
            match begin() {
                Ok(anew) => voice = anew,
                Err(error) => return tracing::error!(%error, "the server is no longer announced"),
            }
        }
    }
    voice.leave();
}

/// The crate's thread, and what it has to tell.
struct Voice {
    daemon: ServiceDaemon,
    events: mdns_sd::Receiver<DaemonEvent>,
    announced: bool,
}

impl Voice {
    fn begin(service: ServiceInfo, unheard: Vec<IfKind>) -> mdns_sd::Result<Self> {
        let daemon = ServiceDaemon::new()?;
        daemon.set_ip_check_interval(MDNS_LOOK_SECONDS)?;
        daemon.disable_interface(unheard)?;
        let events = daemon.monitor()?;
        daemon.register(service)?;
        Ok(Self { daemon, events, announced: false })
    }

    /// How much it keeps of what others said.
    fn records(&self) -> i64 {
        let metrics = self.daemon.get_metrics().ok();
        let metrics = metrics.and_then(|asked| asked.recv_timeout(MDNS_GOODBYE_WAIT).ok());
        let counts = metrics.into_iter().flatten();
        counts.filter(|(name, _)| name.starts_with("cached-")).map(|(_, count)| count).sum()
    }

    /// Tells the log what happened.
    fn tell(&mut self) {
        for event in self.events.try_iter() {
            match event {
                DaemonEvent::Announce(what, _) if !self.announced => {
                    self.announced = true;
                    tracing::info!("announced in the network as {what}");
                }
                DaemonEvent::NameChange(change) => tracing::warn!(
                    "{} is another's name in this network; this server is {} there",
                    change.original,
                    change.new_name
                ),
                DaemonEvent::Error(error) => tracing::warn!(%error, "announcing failed"),
                _ => {}
            }
        }
    }

    fn leave(self) {
        let gone = self.daemon.shutdown().map(|done| done.recv_timeout(MDNS_GOODBYE_WAIT));
        if !matches!(gone, Ok(Ok(_))) {
            tracing::warn!("the network was not told that the server is gone");
        }
    }
}

fn service(name: &str, addresses: &[SocketAddr], secure: bool) -> Result<ServiceInfo, String> {
    let port = addresses.first().map(SocketAddr::port).ok_or("only this machine can reach it")?;
    let same = addresses.iter().filter(|address| address.port() == port).map(SocketAddr::ip);
    let own: Vec<IpAddr> = same.collect();
    let everywhere = own.iter().any(IpAddr::is_unspecified);
    let own = if everywhere { &[] } else { &own[..] };
    let about = [
        ("path", PATH),
        ("tls", if secure { "1" } else { "0" }),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    let host = format!("{name}.local.");
    let service = ServiceInfo::new(SERVICE, name, &host, own, port, &about[..]);
    let service = service.map_err(|error| error.to_string())?;
    Ok(if everywhere { service.enable_addr_auto() } else { service })
}

/// Where nobody listens nothing is announced: a till that tries such an address first waits in vain.
fn unheard(addresses: &[SocketAddr]) -> Vec<IfKind> {
    let mut unheard = vec![IfKind::LoopbackV4, IfKind::LoopbackV6];
    // One that is everywhere in IPv6 may take IPv4 as well.
    if !addresses.iter().any(|address| address.is_ipv4() || address.ip().is_unspecified()) {
        unheard.push(IfKind::IPv4);
    }
    if !addresses.iter().any(SocketAddr::is_ipv6) {
        unheard.push(IfKind::IPv6);
    }
    unheard
}
