//! Trusted reverse proxies: their `X-Forwarded-*` headers are believed, those of others are not.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::auth::ClientAddr;
use crate::domain::Code;
use crate::http::Problem;
use crate::server::redirect::as_host;

/// The addresses of the trusted proxies.
pub(super) struct Proxies(pub(super) Vec<IpNet>);

impl Proxies {
    /// Whether an address is a trusted proxy.
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The client behind a request: its sender, or the address that a trusted proxy names. `Host` then
    /// becomes the host that the client asked for, because the origin of its page is compared with it.
    ///
    /// # Errors
    /// `400` if a trusted proxy sends an unreadable header, which does not count as absent.
    pub(super) fn client(
        &self,
        sender: ClientAddr,
        headers: &mut HeaderMap,
    ) -> Result<ClientAddr, Problem> {
        if !self.trust(sender.address) {
            return Ok(sender);
        }
        if let Some(host) = last(headers, "x-forwarded-host")? {
            let valid = as_host(host.as_bytes()).and_then(|_| HeaderValue::from_str(host).ok());
            let host = valid.ok_or_else(|| wrong("x-forwarded-host", "a host"))?;
            headers.insert(header::HOST, host);
        }
        let secure = match last(headers, "x-forwarded-proto")?.map(str::to_ascii_lowercase) {
            None => sender.secure,
            Some(scheme) => match scheme.as_str() {
                "https" | "wss" => true,
                "http" | "ws" => false,
                _ => return Err(wrong("x-forwarded-proto", "http or https")),
            },
        };
        Ok(ClientAddr { address: self.origin(headers)?.unwrap_or(sender.address), secure })
    }

    /// The last address in `X-Forwarded-For` that is no trusted proxy. The ones before it were written by
    /// others and are not even parsed.
    fn origin(&self, headers: &HeaderMap) -> Result<Option<IpAddr>, Problem> {
        const NAME: &str = "x-forwarded-for";
        let mut origin = None;
        for value in headers.get_all(NAME).iter().rev() {
            let text = value.to_str().map_err(|_| wrong(NAME, "addresses"))?;
            for address in text.rsplit(',') {
                let address = address_in(address.trim()).ok_or_else(|| wrong(NAME, "addresses"))?;
                origin = Some(address);
                if !self.trust(address) {
                    return Ok(origin);
                }
            }
        }
        Ok(origin)
    }
}

/// The last value of a header in which each proxy may have added its own.
fn last<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, Problem> {
    let Some(value) = headers.get_all(name).iter().next_back() else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| wrong(name, "text"))?;
    Ok(text.rsplit(',').next().map(str::trim))
}

/// An address, with or without the port that some proxies add.
fn address_in(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

fn wrong(name: &'static str, what: &str) -> Problem {
    let name = HeaderName::from_static(name);
    let detail = format!("the proxy sent a {name} that is not {what}");
    Problem::new(Code::MalformedRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(sender: &str, lines: &[(&'static str, &str)]) -> Result<ClientAddr, Problem> {
        let proxies = ["10.0.0.1/32", "10.1.0.0/16", "fd00::/8"];
        let proxies = Proxies(proxies.map(|net| net.parse().unwrap()).to_vec());
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let sender = ClientAddr { address: sender.parse().unwrap(), secure: false };
        proxies.client(sender, &mut headers)
    }

    fn address(sender: &str, forwarded: &[&str]) -> Option<String> {
        let lines: Vec<_> = forwarded.iter().map(|value| ("x-forwarded-for", *value)).collect();
        client(sender, &lines).ok().map(|client| client.address.to_string())
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        for (sender, forwarded, client) in [
            ("10.0.0.1", &["192.0.2.7"][..], "192.0.2.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.7:4711"], "192.0.2.7"),
            ("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &["203.0.113.9, 192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &["not an address, 192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &["192.0.2.7, 10.1.2.3"], "192.0.2.7"),
            ("10.0.0.1", &["203.0.113.9", "192.0.2.7, 10.1.2.3"], "192.0.2.7"),
            ("10.0.0.1", &["10.1.2.3, 10.1.2.4"], "10.1.2.3"),
            ("10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7"),
            ("::ffff:10.0.0.1", &["192.0.2.7"], "192.0.2.7"),
            ("fd00::1", &["192.0.2.7"], "192.0.2.7"),
            ("192.0.2.8", &["192.0.2.7"], "192.0.2.8"),
            ("192.0.2.8", &["not an address"], "192.0.2.8"),
        ] {
            assert_eq!(address(sender, forwarded).as_deref(), Some(client), "{forwarded:?}");
        }
        for wrong in ["", "unknown", "192.0.2.7,", "192.0.2.7; 10.0.0.1", "192.0.2.7:x"] {
            assert_eq!(address("10.0.0.1", &[wrong]), None, "{wrong}");
        }
    }

    #[test]
    fn the_last_scheme_counts_and_must_be_one() {
        let secure = |value| {
            client("10.0.0.1", &[("x-forwarded-proto", value)]).ok().map(|client| client.secure)
        };
        assert_eq!(secure("https"), Some(true));
        assert_eq!(secure("http, HTTPS"), Some(true));
        assert_eq!(secure("wss"), Some(true));
        assert_eq!(secure("https, http"), Some(false));
        assert_eq!(secure("gopher"), None);
        let stranger = client("192.0.2.8", &[("x-forwarded-proto", "https")]).unwrap();
        assert!(!stranger.secure);
    }
}
