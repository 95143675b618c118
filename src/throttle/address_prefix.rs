//! The unit by which clients without a login are counted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One IPv4 address, or the /64 of an IPv6 address: a device in that network can use as many
/// addresses as it likes. An IPv4 address within IPv6 (RFC 4291, section 2.5.5.2) counts as the
/// IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressPrefix(IpAddr);

impl From<IpAddr> for AddressPrefix {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        })
    }
}

impl From<Ipv4Addr> for AddressPrefix {
    fn from(address: Ipv4Addr) -> Self {
        IpAddr::V4(address).into()
    }
}

impl AddressPrefix {
    /// Its first address, which stands for it.
    pub fn first(self) -> IpAddr {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_address() {
        let parse = |text: &str| AddressPrefix::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(parse("2001:db8:1:2:3::4"), parse("2001:db8:1:2:ffff::1"));
        assert_ne!(parse("2001:db8:1:2::1"), parse("2001:db8:1:3::1"));
        assert_eq!(parse("fe80::1"), parse("fe80::2"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
        assert_ne!(parse("10.0.0.1"), parse("10.0.0.2"));
    }
}
