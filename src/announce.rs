//! Announces the server in the shop's network by multicast DNS: a till finds `tillcast.local` and the
//! service `_tillcast._tcp` without a typed address (RFC 6762, RFC 6763).
//!
//! mdns-sd parses packets from anybody in the network and caches them without a bound. So it runs in a
//! process of its own, which has a memory limit and may die.

mod sandbox;

use std::net::{IpAddr, SocketAddr};
use std::thread;

use mdns_sd::{DaemonEvent, IfKind, ServiceDaemon, ServiceInfo};

use crate::limits::MDNS_CHECK_SECONDS;

/// The service type that tills browse for.
const SERVICE: &str = "_tillcast._tcp.local.";
/// The path of the WebSocket, in the service's TXT record.
const PATH: &str = "/ws";

/// A sentence for the log.
pub enum Report {
    /// The announcement works.
    Info(String),
    /// The operator should know of a problem.
    Warning(String),
}

/// Announces a server as `name.local` with the port of the first address. It announces the addresses where
/// the server listens, or all addresses of this machine, including later ones. `end` runs on its own thread;
/// once it returns, the announcement is withdrawn and this function returns.
///
/// # Errors
/// A sentence for the operator.
pub fn announce(
    name: &str,
    addresses: &[SocketAddr],
    secure: bool,
    report: impl Fn(Report),
    end: impl FnOnce() + Send + 'static,
) -> Result<(), String> {
    if let Err(missing) = sandbox::confine() {
        report(Report::Warning(missing));
    }
    if_addrs::get_if_addrs().map_err(|error| format!("no network can be seen: {error}"))?;
    let service = service(name, addresses, secure)?;
    let (daemon, events) = start_daemon(service, addresses).map_err(|error| error.to_string())?;
    thread::spawn(move || {
        end();
        // Sends the goodbye and ends `events`. If the daemon has already ended, `events` has too.
        drop(daemon.shutdown());
    });
    let mut announced = false;
    for event in events {
        match event {
            DaemonEvent::Announce(what, _) if !announced => {
                announced = true;
                report(Report::Info(format!("announced in the network as {what}")));
            }
            DaemonEvent::NameChange(change) => report(Report::Warning(format!(
                "{} is another's name in this network; this server is {} there",
                change.original, change.new_name
            ))),
            DaemonEvent::Error(error) => {
                report(Report::Warning(format!("announcing failed: {error}")));
            }
            _ => {}
        }
    }
    Ok(())
}

fn start_daemon(
    service: ServiceInfo,
    addresses: &[SocketAddr],
) -> mdns_sd::Result<(ServiceDaemon, mdns_sd::Receiver<DaemonEvent>)> {
    let daemon = ServiceDaemon::new()?;
    daemon.set_ip_check_interval(MDNS_CHECK_SECONDS)?;
    daemon.disable_interface(silent_interfaces(addresses))?;
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

/// The interfaces at which the server does not listen: a till that tried their addresses would wait in vain.
fn silent_interfaces(addresses: &[SocketAddr]) -> Vec<IfKind> {
    let mut silent = vec![IfKind::LoopbackV4, IfKind::LoopbackV6];
    // A socket on `[::]` may accept IPv4 as well.
    if !addresses.iter().any(|address| address.is_ipv4() || address.ip().is_unspecified()) {
        silent.push(IfKind::IPv4);
    }
    if !addresses.iter().any(SocketAddr::is_ipv6) {
        silent.push(IfKind::IPv6);
    }
    silent
}
