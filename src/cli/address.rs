//! Addresses as this machine reaches them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::auth::hosts::{address_towards, is_reachable};
use crate::config::Config;

/// The address at which a program on this machine reaches a server that listens on `address`.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The address at which other machines reach a server that listens at these. If none does, it is one of this machine
/// alone.
pub(super) fn from_elsewhere(config: &Config, addresses: &[SocketAddr]) -> SocketAddr {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    // An address of documents (RFC 5737), to which the default route leads.
    let on_the_way_out = address_towards(Ipv4Addr::new(192, 0, 2, 1).into());
    let own = on_the_way_out.into_iter().chain(interfaces.iter().map(if_addrs::Interface::ip));
    // Only a socket that is asked for by its address refuses the other family.
    let is_dual = |address| config.listen_is_default || !config.listen.contains(address);
    let reached: Vec<_> = addresses.iter().map(|one| (*one, is_dual(one))).collect();
    best(&reached, &own.collect::<Vec<_>>())
}

/// The first address that others reach, of those that are listened at, with whether an IPv6 one takes IPv4 too, and
/// of this machine's own.
fn best(listened: &[(SocketAddr, bool)], own: &[IpAddr]) -> SocketAddr {
    let first = |is_v4| own.iter().find(|ip| ip.is_ipv4() == is_v4 && is_reachable(ip));
    let reached = |(address, is_dual): &(SocketAddr, bool)| {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => first(true).copied(),
            IpAddr::V6(ip) if ip.is_unspecified() => {
                first(true).filter(|_| *is_dual).or_else(|| first(false)).copied()
            }
            ip => Some(ip.to_canonical()).filter(is_reachable),
        };
        ip.map(|ip| SocketAddr::new(ip, address.port()))
    };
    let loopback = |(address, is_dual): &(SocketAddr, bool)| match address.ip() {
        IpAddr::V6(ip)
            if ip.is_unspecified() && *is_dual && own.contains(&Ipv4Addr::LOCALHOST.into()) =>
        {
            (Ipv4Addr::LOCALHOST, address.port()).into()
        }
        _ => reachable(*address),
    };
    let local = || listened.first().map(loopback);
    let found = listened.iter().find_map(reached).or_else(local);
    found.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into())
}

/// Whether clients of other machines would send their passwords in the clear: a server that listens at these
/// addresses neither speaks TLS nor has a proxy that does.
pub(super) fn is_in_the_clear(config: &Config, addresses: &[SocketAddr]) -> bool {
    config.tls_cert.is_none()
        && config.trusted_proxy.is_empty()
        && addresses.iter().any(|address| !address.ip().to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_an_address_that_others_reach() {
        let own =
            ["127.0.0.1", "169.254.1.1", "192.168.1.20", "10.0.0.2", "::1", "fe80::1", "fd00::20"];
        let own = own.map(|ip| ip.parse().unwrap());
        for (listened, own, told) in [
            (&[("0.0.0.0:3000", false), ("[::]:3000", false)][..], &own[..], "192.168.1.20:3000"),
            (&[("[::]:3000", true)], &own, "192.168.1.20:3000"),
            (&[("[::]:3000", false)], &own, "[fd00::20]:3000"),
            (&[("127.0.0.1:80", false), ("10.0.0.2:81", false)], &own, "10.0.0.2:81"),
            (&[("[::ffff:10.0.0.2]:80", false)], &own, "10.0.0.2:80"),
            (&[("127.0.0.1:80", false)], &own, "127.0.0.1:80"),
            (&[("0.0.0.0:80", false)], &own[..2], "127.0.0.1:80"),
            (&[("[::]:80", true)], &own[4..6], "[::1]:80"),
            (&[("[::]:80", true)], &own[..2], "127.0.0.1:80"),
            (&[("[::]:80", false)], &own[..2], "[::1]:80"),
        ] {
            let listened: Vec<_> =
                listened.iter().map(|(address, dual)| (address.parse().unwrap(), *dual)).collect();
            assert_eq!(best(&listened, own).to_string(), told, "{listened:?}");
        }
    }

    #[test]
    fn passwords_are_in_the_clear_beyond_this_machine_only() {
        let config = |flags: &str| {
            let flags = flags.split_whitespace().map(Into::into);
            crate::config::read(flags, []).unwrap().1
        };
        let plain = config("");
        for (address, clear) in [
            ("127.0.0.1:3000", false),
            ("[::1]:3000", false),
            ("[::ffff:127.0.0.1]:3000", false),
            ("0.0.0.0:3000", true),
            ("[::]:3000", true),
            ("192.168.1.20:3000", true),
        ] {
            let addresses = ["127.0.0.1:80", address].map(|address| address.parse().unwrap());
            assert_eq!(is_in_the_clear(&plain, &addresses), clear, "{address}");
            for other in ["--tls-cert c.pem --tls-key k.pem", "--trusted-proxy 127.0.0.1"] {
                assert!(!is_in_the_clear(&config(other), &addresses), "{other}");
            }
        }
    }
}
