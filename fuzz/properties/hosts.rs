//! Names of the server, and origins of pages.

use std::net::IpAddr;

use tillcast::auth::hosts::{Hosts, machine_names};
use tillcast::auth::origin::Origins;

/// A host is this server only as an address or as one of its names, and a page only of the host that it names.
pub(crate) fn hold(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (host, origin) = text.split_once('\n').unwrap_or((text, ""));
    let hosts = Hosts::new(vec!["shop.example".to_owned()], None);
    let is_own = hosts.include(host);
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let names =
        ["localhost", "shop.example"].map(ToOwned::to_owned).into_iter().chain(machine_names());
    assert_eq!(
        is_own,
        names.into_iter().any(|own| own == name) || is_address(host, bare),
        "{host:?}"
    );
    for foreign in [format!("{host}.attacker.example"), format!("attacker-{host}")] {
        assert!(!hosts.include(&foreign), "{foreign:?}");
    }
    for secure in [false, true] {
        let origins = Origins::new(Vec::new());
        if origins.allow(Some(origin), None, Some(host), secure) {
            let (scheme, authority) = origin.split_once("://").unwrap();
            assert!(scheme == "https" || (scheme == "http" && !secure), "{origin:?}");
            let port = if scheme == "https" { ":443" } else { ":80" };
            let same = |one: &str, other: &str| {
                one.strip_suffix(port).unwrap_or(one).eq_ignore_ascii_case(other)
            };
            assert!(same(authority, host) || same(host, authority), "{origin:?} on {host:?}");
        }
        assert!(!origins.allow(Some(origin), Some("cross-site"), Some(host), secure), "{origin:?}");
    }
}

fn is_address(host: &str, bare: &str) -> bool {
    match bare.parse() {
        Ok(IpAddr::V6(_)) => host.len() == bare.len() + 2,
        Ok(IpAddr::V4(_)) => host == bare,
        Err(_) => false,
    }
}
