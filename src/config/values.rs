//! The forms of values: each reader returns the value, or an error that says what it must be.

use std::ffi::OsStr;
use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::settings::Rate;
use crate::limits::Limits;

/// A text that is not empty.
pub(super) fn text(value: &OsStr) -> Result<&str, String> {
    let text = value.to_str().ok_or("must be UTF-8 text")?;
    if text.is_empty() { Err("must not be empty".into()) } else { Ok(text) }
}

/// A path, which may have any bytes.
pub(super) fn path(value: &OsStr) -> Result<PathBuf, String> {
    if value.is_empty() { Err("must be a path".into()) } else { Ok(value.into()) }
}

/// A whole number.
pub(super) fn integer<T>(value: &OsStr, range: RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    number("a whole number", value, range)
}

/// A number; `kind` names its kind in the error.
pub(super) fn number<T>(kind: &str, value: &OsStr, range: RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    let number = value.to_str().and_then(|text| text.parse().ok());
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("must be {kind} from {} to {}", range.start(), range.end()))
}

/// A rate per second, `20/s` or `20`.
pub(super) fn rate(value: &OsStr, per_second_max: u32) -> Result<Rate, String> {
    let number =
        value.to_str().map_or(value, |text| text.strip_suffix("/s").unwrap_or(text).as_ref());
    integer(number, 1..=per_second_max)
        .map(|per_second| Rate { per_second })
        .map_err(|_| format!("must be a rate from 1/s to {per_second_max}/s"))
}

/// A duration from `shortest` to `longest`.
pub(super) fn duration(value: &OsStr, shortest: &str, longest: &str) -> Result<Duration, String> {
    let read = |text: &str| humantime::parse_duration(text).ok();
    let allowed = |time: &Duration| (read(shortest)..=read(longest)).contains(&Some(*time));
    // humantime 2.4 panics on some sums just below u64::MAX seconds; each has 15 digits or more.
    let short = |text: &&str| text.bytes().filter(u8::is_ascii_digit).count() < 15;
    let time = value.to_str().filter(short).and_then(read);
    time.filter(allowed).ok_or_else(|| {
        format!("must be a duration from {shortest} to {longest}, such as 90s, 12h or 30d")
    })
}

/// An IP address with a port; with port 0, the system chooses a free one.
pub(super) fn socket(value: &OsStr) -> Result<SocketAddr, String> {
    value.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
        "must be an IP address and a port, such as 127.0.0.1:3000 or [::1]:3000".into()
    })
}

/// An IP address, or a network whose host bits are 0.
pub(super) fn network(value: &OsStr) -> Result<IpNet, String> {
    let text = value.to_str().unwrap_or_default();
    let one = || text.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical()));
    let net = text.parse().ok().filter(|net: &IpNet| net.addr() == net.network());
    net.or_else(one)
        .ok_or_else(|| "must be an address or a network, such as 127.0.0.1 or 10.0.0.0/24".into())
}

/// One of a few names, in upper or lower case.
pub(super) fn choice<T: Copy>(value: &OsStr, names: &[(&str, T)]) -> Result<T, String> {
    let found = names.iter().find(|(name, _)| value.eq_ignore_ascii_case(name));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        format!("must be {}", alternatives(&names))
    })
}

/// The bounds that a profile stands for.
pub(super) fn profile(value: &OsStr) -> Result<Limits, String> {
    choice(value, &[("default", Limits::DEFAULT), ("tiny", Limits::TINY)])
}

/// `a, b or c`.
pub(super) fn alternatives(names: &[&str]) -> String {
    match names {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

/// An origin as a browser sends it (RFC 6454, section 6.2): lower case, no default port.
pub(super) fn origin(value: &OsStr) -> Result<String, String> {
    let text = text(value)?.to_ascii_lowercase();
    if text == "null" || text == "*" {
        return Err("must be one page's origin: this one would let every page of the web in".into());
    }
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err("must begin with http:// or https://".into()),
    };
    if rest.contains(['/', '?', '#']) {
        return Err("must end after the host or port, without a path or a slash".into());
    }
    let shape =
        || "must be scheme://host or scheme://host:port, such as https://shop.example".to_owned();
    let (host, port) = host_and_port(rest).ok_or_else(shape)?;
    match port.filter(|port| *port != default_port) {
        Some(port) => Ok(format!("{scheme}://{host}:{port}")),
        None => Ok(format!("{scheme}://{host}")),
    }
}

/// A host's name or address, without a port, in lower case.
pub(super) fn host(value: &OsStr) -> Result<String, String> {
    let text = text(value)?.to_ascii_lowercase();
    let name = || host_and_port(&text).filter(|(_, port)| port.is_none()).map(|(host, _)| host);
    let address = text.parse::<IpAddr>().is_ok().then(|| text.clone());
    address
        .or_else(name)
        .filter(|host| !host.starts_with('['))
        .ok_or_else(|| "must be a host name or an address, such as till.example".into())
}

/// A name for the local network, in lower case and without `.local`.
pub(super) fn label(value: &OsStr) -> Result<String, String> {
    let text = text(value)?.to_ascii_lowercase();
    let name = text.strip_suffix(".local").unwrap_or(&text);
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let whole = (1..=63).contains(&name.len()) && name.bytes().all(valid);
    if whole && !name.starts_with('-') && !name.ends_with('-') {
        Ok(name.to_owned())
    } else {
        Err("must be one word of letters, digits and hyphens, such as tillcast".into())
    }
}

fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let colon = text.rfind(':').filter(|colon| !text[*colon..].contains(']'));
    let (host, port) = text.split_at(colon.unwrap_or(text.len()));
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
        None => None,
    };
    let host = match host.strip_prefix('[') {
        Some(rest) => format!("[{}]", rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
        None => host.to_owned(),
    };
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let valid = host.starts_with('[') || (!host.is_empty() && host.bytes().all(name));
    (valid && port != Some(0)).then_some((host, port))
}

/// The name that was probably meant: one at most two edits away, else the shortest that contains the word.
pub(super) fn nearest<'a>(
    word: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let containing = names.clone().filter(|name| word.len() >= 3 && name.contains(word));
    misspelled(word, names).or_else(|| containing.min_by_key(|name| name.len()))
}

/// The name that is at most two edits away.
pub(super) fn misspelled<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let with_distance = names.map(|name| (distance(word, name), name));
    with_distance
        .filter(|(away, name)| *away <= 2 && away * 2 < name.len())
        .min()
        .map(|(_, name)| name)
}

/// The number of letters to add, drop or change (Levenshtein 1966), computed with one row of the matrix.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
