//! The hosts that clients may name in `Host`.
//!
//! The owner of a page can make the page's name resolve to this server's address (DNS rebinding). A browser then
//! takes page and server for one origin, and only the name in `Host` shows that they are not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;

use crate::tls::Identity;

/// The port of a service that takes everything and does nothing (RFC 863).
const DISCARD_PORT: u16 = 9;

/// The names of one server.
#[derive(Debug, Default)]
pub struct Hosts {
    listed: Vec<String>,
    identity: Option<Arc<Identity>>,
}

impl Hosts {
    /// Creates the set of all addresses, `localhost`, the machine's own names, these names in lower case, and those
    /// of the present certificate.
    pub fn new(listed: Vec<String>, identity: Option<Arc<Identity>>) -> Self {
        Self { listed, identity }
    }

    /// Whether a host, without its port, is this server.
    pub fn include(&self, host: &str) -> bool {
        if as_address(host).is_some() {
            return true;
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        name == "localhost"
            || self.listed.contains(&name)
            || machine_names().contains(&name)
            || self.identity.as_ref().is_some_and(|identity| identity.covers(&name))
    }
}

/// The address that a host is, if it is one. Every address is allowed, because a page whose host is an address comes
/// from there.
pub fn as_address(host: &str) -> Option<IpAddr> {
    let in_brackets = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// The names of this machine in lower case: without its domain, with `.local`, and in full.
pub fn machine_names() -> Vec<String> {
    names_of(&rustix::system::uname().nodename().to_string_lossy())
}

/// Whether a client runs on this machine: it has one of the machine's own addresses.
pub fn is_this_machine(client: IpAddr) -> bool {
    let own = || if_addrs::get_if_addrs().unwrap_or_default();
    client.is_loopback() || own().iter().any(|interface| interface.ip() == client)
}

/// The address at which others reach this machine as the client does: the one from which it would answer the client.
/// A client of the machine itself gets one of its addresses in a network. `None` if it is in none.
pub fn address_towards(client: IpAddr) -> Option<IpAddr> {
    let from = |client: IpAddr| {
        let any: IpAddr = match client {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        // This sends nothing: the kernel only looks up its route.
        socket.connect((client, DISCARD_PORT)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let in_a_network = || {
        let own = if_addrs::get_if_addrs().unwrap_or_default();
        let mut usable: Vec<IpAddr> =
            own.iter().map(if_addrs::Interface::ip).filter(is_reachable).collect();
        usable.sort_by_key(IpAddr::is_ipv6);
        usable.first().copied()
    };
    from(client).filter(is_reachable).or_else(in_a_network)
}

/// Whether other machines can use an address as it is: one of a link needs the name of the client's interface, too.
pub fn is_reachable(address: &IpAddr) -> bool {
    let is_of_link = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_unspecified() || is_of_link)
}

fn names_of(machine: &str) -> Vec<String> {
    let machine = machine.to_ascii_lowercase();
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let label = machine.split('.').next().unwrap_or_default();
    let mut names = Vec::new();
    if is_name(label) && label != "localhost" {
        names.extend([label.to_owned(), format!("{label}.local")]);
    }
    if machine != label && machine.split('.').all(is_name) {
        names.push(machine);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_own_names_are_this_server() {
        let hosts = Hosts::new(vec!["shop.example".to_owned()], None);
        for own in [
            "127.0.0.1",
            "192.168.1.20",
            "203.0.113.9",
            "[::1]",
            "[fe80::1]",
            "localhost",
            "LocalHost",
            "localhost.",
            "shop.example",
            "SHOP.example",
            "shop.example.",
        ] {
            assert!(hosts.include(own), "{own}");
        }
        for own in machine_names() {
            assert!(hosts.include(&own), "{own}");
        }
    }

    #[test]
    fn names_that_only_look_like_it_are_not() {
        let hosts = Hosts::new(vec!["shop.example".to_owned()], None);
        for other in [
            "",
            ".",
            "attacker.example",
            "localhost.attacker.example",
            "attacker.localhost",
            "localhost..",
            "127.0.0.1.attacker.example",
            "127.0.0.1.",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "::1",
            "[::1",
            "[::1].attacker.example",
            "[127.0.0.1]",
            "[fe80::1%eth0]",
            "a.shop.example",
            "shop.example.com",
            "example",
        ] {
            assert!(!hosts.include(other), "{other}");
        }
    }

    #[test]
    fn this_machine_has_the_addresses_of_its_interfaces() {
        for interface in if_addrs::get_if_addrs().unwrap() {
            assert!(is_this_machine(interface.ip()), "{interface:?}");
        }
        for other in ["203.0.113.9", "2001:db8::7", "0.0.0.0", "::"] {
            assert!(!is_this_machine(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn a_client_of_this_machine_learns_the_address_for_others() {
        let own = if_addrs::get_if_addrs().unwrap();
        let own: Vec<_> = own.iter().map(if_addrs::Interface::ip).filter(is_reachable).collect();
        for client in ["127.0.0.1", "::1", "fe80::1"] {
            let address = address_towards(client.parse().unwrap());
            assert_eq!(address.is_some(), !own.is_empty(), "{client}");
            assert!(address.is_none_or(|address| own.contains(&address)), "{client}: {address:?}");
        }
    }

    #[test]
    fn a_machine_is_called_with_and_without_its_domain() {
        assert_eq!(names_of("Till1"), ["till1", "till1.local"]);
        assert_eq!(names_of("till1.shop.lan"), ["till1", "till1.local", "till1.shop.lan"]);
        assert_eq!(names_of("till1.local"), ["till1", "till1.local", "till1.local"]);
        assert_eq!(names_of("localhost"), [""; 0]);
        assert_eq!(names_of("localhost.localdomain"), ["localhost.localdomain"]);
        assert_eq!(names_of("(none)"), [""; 0]);
    }
}
