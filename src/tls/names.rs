//! The names for which a shop's authority may sign: its name constraints (RFC 5280, section 4.2.1.10).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{CidrSubnet, GeneralSubtree, SanType};

/// Domains that no public web site has (RFC 6761, 6762, 8375, and ICANN's `internal`).
const LOCAL_NAMES: [&str; 5] = ["local", "localhost", "lan", "home.arpa", "internal"];
/// IPv4 networks that no public web site has (RFC 1918, 3927, 6890).
const LOCAL_V4: [(Ipv4Addr, u8); 5] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
];
/// IPv6 networks that no public web site has (RFC 4193, 4291).
const LOCAL_V6: [(Ipv6Addr, u8); 2] =
    [(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7), (Ipv6Addr::LOCALHOST, 128)];
/// Words below which the countries' registries sell names, as in `co.uk`. The whole list of such suffixes
/// (publicsuffix.org) is longer than this program's own code.
const REGISTRY_WORDS: [&str; 22] = [
    "ac", "asso", "biz", "co", "com", "edu", "firm", "gen", "go", "gob", "gov", "gouv", "info",
    "ltd", "me", "mil", "ne", "net", "nom", "or", "org", "plc",
];
/// The extension's identifier, 2.5.29.30.
const NAME_CONSTRAINTS: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x1e];
const PERMITTED: u8 = 0xa0;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// Refuses a name that may stand for everybody's: whoever signs for `com` signs for every bank.
pub(super) fn check(name: &str) -> Result<(), String> {
    if name.parse::<IpAddr>().is_ok() || is_local(name) {
        return Ok(());
    }
    let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    match labels[..] {
        [_] => Err(format!(
            "{name}: one word may be a whole top-level domain, such as com; give the full name, or {name}.local"
        )),
        [word, country] if country.len() == 2 && REGISTRY_WORDS.contains(&word) => {
            Err(format!("{name}: is a suffix of everybody's names; give the full name of the shop"))
        }
        _ => Ok(()),
    }
}

fn is_local(name: &str) -> bool {
    LOCAL_NAMES.iter().any(|local| {
        name.strip_suffix(local).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// Local names and networks, and the names and addresses asked for.
pub(super) fn permitted_subtrees(sans: &[SanType]) -> Vec<GeneralSubtree> {
    let names = LOCAL_NAMES.map(|name| GeneralSubtree::DnsName(name.to_owned()));
    let v4 = LOCAL_V4.map(|(address, bits)| CidrSubnet::from_addr_prefix(address.into(), bits));
    let v6 = LOCAL_V6.map(|(address, bits)| CidrSubnet::from_addr_prefix(address.into(), bits));
    let local = names.into_iter().chain(v4.into_iter().chain(v6).map(GeneralSubtree::IpAddress));
    let asked = sans.iter().filter_map(|san| match san {
        SanType::DnsName(name) => Some(GeneralSubtree::DnsName(name.to_string())),
        SanType::IpAddress(address) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            Some(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, bits)))
        }
        _ => None,
    });
    local.chain(asked).collect()
}

/// The names and networks beyond the local ones and these for which an authority can sign.
pub(super) fn excess(authority: &[u8], asked: &[String]) -> Vec<String> {
    let Some(permitted) = permitted(authority) else { return vec!["every name".to_owned()] };
    let (mut names, mut found) = (0, Vec::new());
    for (tag, value) in permitted {
        match (tag, network(value)) {
            (DNS_NAME, _) => {
                names += 1;
                let name = String::from_utf8_lossy(value).to_ascii_lowercase();
                if !is_local(&name) && !asked.contains(&name) {
                    found.push(name);
                }
            }
            (IP_ADDRESS, Some((address, bits))) => {
                names += 1;
                let is_asked = asked.contains(&address.to_string())
                    && bits == if address.is_ipv4() { 32 } else { 128 };
                if !is_asked && !is_local_network(address, bits) {
                    found.push(format!("{address}/{bits}"));
                }
            }
            _ => found.push("names of another kind".to_owned()),
        }
    }
    // A kind of name that no entry restricts is free.
    if names == 0 {
        found.push("every name".to_owned());
    }
    found.iter().map(|name| name.escape_debug().to_string()).collect()
}

fn is_local_network(address: IpAddr, bits: u8) -> bool {
    let below = |whole: u128, local: u128, local_bits: u8, width: u8| {
        bits >= local_bits
            && (whole ^ local).checked_shr(u32::from(width - local_bits)).unwrap_or(0) == 0
    };
    match address {
        IpAddr::V4(address) => LOCAL_V4.iter().any(|(local, local_bits)| {
            below(u128::from(u32::from(address)), u128::from(u32::from(*local)), *local_bits, 32)
        }),
        IpAddr::V6(address) => LOCAL_V6.iter().any(|(local, local_bits)| {
            below(u128::from(address), u128::from(*local), *local_bits, 128)
        }),
    }
}

/// An address and a mask of the same length, as a network.
fn network(value: &[u8]) -> Option<(IpAddr, u8)> {
    let (address, mask) = value.split_at_checked(value.len() / 2)?;
    let bits = mask.iter().map(|byte| byte.leading_ones()).sum::<u32>();
    let address = match address.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
        _ => return None,
    };
    Some((address, u8::try_from(bits).ok()?))
}

/// The permitted subtrees of a certificate, each with its tag; `None` if it has no such constraint.
fn permitted(certificate: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let at = certificate.windows(5).position(|part| part == NAME_CONSTRAINTS)?;
    let mut rest = &certificate[at + NAME_CONSTRAINTS.len()..];
    let (mut tag, mut value) = element(&mut rest)?;
    if tag == 0x01 {
        // Whether the extension is critical.
        (tag, value) = element(&mut rest)?;
    }
    let mut constraints = value;
    let (sequence, mut constraints) = element(&mut constraints).filter(|_| tag == 0x04)?;
    let (permitted, mut subtrees) = element(&mut constraints)?;
    if (sequence, permitted) != (0x30, PERMITTED) {
        return None;
    }
    let mut found = Vec::new();
    while let Some((_, mut subtree)) = element(&mut subtrees) {
        found.push(element(&mut subtree)?);
    }
    Some(found)
}

/// Takes the next element of DER: its tag and its value.
fn element<'der>(rest: &mut &'der [u8]) -> Option<(u8, &'der [u8])> {
    let (tag, after) = rest.split_first()?;
    let (first, mut after) = after.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let (bytes, more) =
            after.split_at_checked(length & 0x7f).filter(|(bytes, _)| bytes.len() <= 3)?;
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        after = more;
    }
    let (value, more) = after.split_at_checked(length)?;
    *rest = more;
    Some((*tag, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_everybody_are_refused() {
        for own in [
            "kasse.local",
            "localhost",
            "pos.lan",
            "shop.example",
            "my.co.uk",
            "10.0.0.1",
            "co.example",
        ] {
            assert_eq!(check(own), Ok(()), "{own}");
        }
        for everybodys in
            ["com", "com.", "de", "shop", "co.uk", "com.au", "or.jp", "gov.uk", "localx"]
        {
            assert!(check(everybodys).unwrap_err().starts_with(everybodys), "{everybodys}");
        }
    }

    #[test]
    fn what_was_not_asked_for_is_found() {
        use rcgen::{CertificateParams, IsCa, KeyPair, NameConstraints};
        let made = |sans: &[&str], more: Vec<GeneralSubtree>| {
            let names: Vec<String> = sans.iter().map(ToString::to_string).collect();
            let mut subtrees =
                permitted_subtrees(&CertificateParams::new(names).unwrap().subject_alt_names);
            subtrees.extend(more);
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: subtrees,
                excluded_subtrees: Vec::new(),
            });
            params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
        };
        let asked = ["shop.example".to_owned(), "203.0.113.7".to_owned()];
        let ours = ["shop.example", "203.0.113.7", "192.168.1.2", "till.local", "fd00::1"];
        assert_eq!(excess(&made(&ours, Vec::new()), &asked), [""; 0]);
        assert_eq!(excess(&made(&ours, Vec::new()), &[]), ["shop.example", "203.0.113.7/32"]);
        let com = GeneralSubtree::DnsName("com".to_owned());
        assert_eq!(excess(&made(&ours, vec![com]), &asked), ["com"]);
        let all = CidrSubnet::from_addr_prefix(IpAddr::from([0, 0, 0, 0]), 0);
        let all = GeneralSubtree::IpAddress(all);
        assert_eq!(excess(&made(&ours, vec![all]), &asked), ["0.0.0.0/0"]);
        let free = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_eq!(excess(free.der(), &asked), ["every name"]);
    }
}
