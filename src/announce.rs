//! Tells the shop's network where the server is, by multicast DNS: a till finds `tillcast.local` and
//! the service `_tillcast._tcp` without an address that somebody typed in (RFC 6762, RFC 6763).
//!
//! The crate parses what anybody in the network sends, and keeps of that what it likes for as long as it
//! likes. So this belongs into a process that has nothing else to lose.

use std::net::{IpAddr, SocketAddr};
use std::thread;

use mdns_sd::{DaemonEvent, IfKind, ServiceDaemon, ServiceInfo};

use crate::limits::MDNS_CHECK_SECONDS;

/// The kind of service that tills look for.
const SERVICE: &str = "_tillcast._tcp.local.";
/// Where a WebSocket is opened.
const PATH: &str = "/ws";

/// What has happened, as a sentence.
pub enum News {
    /// As it should be.
    Good(String),
    /// Not so.
    Bad(String),
}

/// Announces a server as `name.local`, with the port of the first of these addresses: at all of this
/// machine's, also those that it gets later, or where it listens. Says goodbye and returns once `end`
/// has, which gets a thread of its own. The error is a sentence for the operator.
pub fn announce(
    name: &str,
    addresses: &[SocketAddr],
    secure: bool,
    tell: impl Fn(News),
    end: impl FnOnce() + Send + 'static,
) -> Result<(), String> {
    if_addrs::get_if_addrs().map_err(|error| format!("no network can be seen: {error}"))?;
    let service = service(name, addresses, secure)?;
    let (daemon, events) = begin(service, addresses).map_err(|error| error.to_string())?;
    thread::spawn(move || {
        end();
        // It says goodbye, and what it has to tell ends with it. Where it has ended already, so has that.
        drop(daemon.shutdown());
    });
    let mut announced = false;
    for event in events {
        match event {
            DaemonEvent::Announce(what, _) if !announced => {
                announced = true;
                tell(News::Good(format!("announced in the network as {what}")));
            }
            DaemonEvent::NameChange(change) => tell(News::Bad(format!(
                "{} is another's name in this network; this server is {} there",
                change.original, change.new_name
            ))),
            DaemonEvent::Error(error) => tell(News::Bad(format!("announcing failed: {error}"))),
            _ => {}
        }
    }
    Ok(())
}

fn begin(
    service: ServiceInfo,
    addresses: &[SocketAddr],
) -> mdns_sd::Result<(ServiceDaemon, mdns_sd::Receiver<DaemonEvent>)> {
    let daemon = ServiceDaemon::new()?;
    daemon.set_ip_check_interval(MDNS_CHECK_SECONDS)?;
    daemon.disable_interface(unheard(addresses))?;
    let events = daemon.monitor()?;
    daemon.register(service)?;
    Ok((daemon, events))
}

fn service(name: &str, addresses: &[SocketAddr], secure: bool) -> Result<ServiceInfo, String> {
    let port = addresses.first().map(SocketAddr::port).ok_or("it listens nowhere")?;
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
