//! Checks of `Host`, for requests that hyper reads and for those that are answered without it.

use hyper::http::uri::Authority;

use crate::auth::hosts::Hosts;
use crate::domain::Code;
use crate::domain::text::shorten;
use crate::http::Problem;
use crate::limits::REJECTED_HOST_CHARS;

/// The only host among these values. A proxy in front may read one of two, and only HTTP/1.0 has none (RFC 9112,
/// section 3.2).
pub(super) fn only_host<'h>(
    mut hosts: impl Iterator<Item = &'h [u8]>,
    may_be_missing: bool,
) -> Result<Option<&'h [u8]>, Problem> {
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Ok(Some(host)),
        (None, _) if may_be_missing => Ok(None),
        _ => Err(Problem::new(Code::MalformedRequest, "a request has one Host")),
    }
}

/// Rejects the value of a `Host` that is not this server (RFC 9110, section 7.4).
pub(super) fn check_host(hosts: &Hosts, host: &[u8]) -> Result<(), Problem> {
    if host.is_empty() {
        return check_name(hosts, "");
    }
    match Authority::try_from(host) {
        Ok(host) => check_name(hosts, host.host()),
        Err(_) => Err(Problem::new(Code::MalformedRequest, "Host is no name and no address")),
    }
}

/// Rejects a host without its port that is not this server.
pub(super) fn check_name(hosts: &Hosts, host: &str) -> Result<(), Problem> {
    if hosts.include(host) {
        return Ok(());
    }
    let shown = shorten(host, REJECTED_HOST_CHARS);
    let detail =
        format!("this server is not {shown:?}; if it is, start it with --allow-host and this name");
    Err(Problem::new(Code::MisdirectedRequest, detail))
}
