//! Tells the shop's network where the server is, by multicast DNS: a till finds `tillcast.local` and
//! the service `_tillcast._tcp` without an address that somebody typed in (RFC 6762, RFC 6763).
//!
//! The crate's thread parses what anybody in the network sends, so it runs only where it is asked for,
//! and asks for nothing itself: then it keeps nothing of what others announce.

use std::net::{IpAddr, SocketAddr};
use std::thread;

use mdns_sd::{DaemonEvent, IfKind, Receiver, ServiceDaemon, ServiceInfo};

use crate::limits::{MDNS_GOODBYE_WAIT, MDNS_LOOK_SECONDS};

/// The kind of service that tills look for.
const SERVICE: &str = "_tillcast._tcp.local.";
/// Where a WebSocket is opened.
const PATH: &str = "/ws";

/// An announcement that holds until it is withdrawn.
pub struct Announcement {
    daemon: ServiceDaemon,
}

impl Announcement {
    /// Announces the server as `name.local`, where `addresses` listen: all of this machine's, also
    /// those that it gets later, or one. The error is a sentence for the operator.
    pub fn begin(name: &str, addresses: &[SocketAddr], secure: bool) -> Result<Self, String> {
        if_addrs::get_if_addrs().map_err(|error| format!("no network can be seen: {error}"))?;
        let service = service(name, addresses, secure)?;
        let begin = || -> mdns_sd::Result<_> {
            let daemon = ServiceDaemon::new()?;
            daemon.set_ip_check_interval(MDNS_LOOK_SECONDS)?;
            daemon.disable_interface(unheard(addresses))?;
            let events = daemon.monitor()?;
            daemon.register(service)?;
            Ok((daemon, events))
        };
        let (daemon, events) = begin().map_err(|error| error.to_string())?;
        let told = thread::Builder::new().name("mdns-news".to_owned()).spawn(|| tell(events));
        told.map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Self { daemon })
    }

    /// Says goodbye, so that nobody looks for the server where it is no more.
    pub fn withdraw(self) {
        let gone = self.daemon.shutdown().map(|done| done.recv_timeout(MDNS_GOODBYE_WAIT));
        if !matches!(gone, Ok(Ok(_))) {
            tracing::warn!("the network was not told that the server is gone");
        }
    }
}

fn service(name: &str, addresses: &[SocketAddr], secure: bool) -> Result<ServiceInfo, String> {
    let reachable = || addresses.iter().filter(|address| !address.ip().is_loopback());
    let port = reachable().next().ok_or("nobody else can reach where it listens")?.port();
    let everywhere = reachable().any(|address| address.ip().is_unspecified());
    let own: Vec<IpAddr> = reachable().map(SocketAddr::ip).collect();
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

/// Tells the log what happens, until the announcement is withdrawn.
fn tell(events: Receiver<DaemonEvent>) {
    let mut announced = false;
    for event in events {
        match event {
            DaemonEvent::Announce(what, _) if !announced => {
                announced = true;
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
