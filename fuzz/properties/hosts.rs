//! Names of the server, and origins of pages.

use std::net::IpAddr;

use tillcast::auth::hosts::{Hosts, machine_names};
use tillcast::auth::origin::Origins;

/// A host is this server only as an address or as one of its names, and a page only of the host that it names.
pub(crate) fn hold(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (host, origin) = text.split_once('\n').unwrap_or((text, ""));
    let hosts = Hosts::new(vec!["shop.example".to_owned()], None);
    assert_eq!(hosts.include(host), is_address(host) || is_own_name(host), "{host:?}");
    for foreign in [format!("{host}.attacker.example"), format!("attacker-{host}")] {
        assert!(!hosts.include(&foreign), "{foreign:?}");
    }
    let origins = Origins::new(Vec::new());
    for secure in [false, true] {
        let allows = |site| origins.allow(Some(origin), site, Some(host), secure);
        assert_eq!(allows(None), is_of(origin, host, secure), "{origin:?} on {host:?}");
        assert!(!allows(Some("cross-site")), "{origin:?}");
    }
}

fn is_address(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    match bare.parse() {
        Ok(IpAddr::V6(_)) => host.len() == bare.len() + 2,
        Ok(IpAddr::V4(_)) => host == bare,
        Err(_) => false,
    }
}

fn is_own_name(host: &str) -> bool {
    let own = ["localhost", "shop.example"].map(ToOwned::to_owned);
    let mut own = own.into_iter().chain(machine_names());
    own.any(|name| host.eq_ignore_ascii_case(&name) || host.eq_ignore_ascii_case(&(name + ".")))
}

/// Whether an origin is this host over a scheme that may be, both with the port that the scheme has anyway.
fn is_of(origin: &str, host: &str, secure: bool) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port = match scheme {
        "https" => ":443",
        "http" if !secure => ":80",
        _ => return false,
    };
    let whole = |text: &str| {
        let shown = if text.ends_with(port) { "" } else { port };
        format!("{text}{shown}").to_ascii_lowercase()
    };
    whole(authority) == whole(host)
}
