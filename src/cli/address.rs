//! Addresses as this machine reaches them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
