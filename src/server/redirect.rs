//! The redirect from plain HTTP to TLS, for servers that have a certificate.

use hyper::Request;
use hyper::header;
use hyper::http::uri::{Authority, PathAndQuery};

use crate::domain::Code;
use crate::http::{self, Problem, Reply};

/// Redirects to the same host and path over TLS, with the port that the client used: every port speaks both
/// protocols. Without a port, the client goes from 80 to 443. The request must have at most one `Host`.
pub(super) fn redirect<B>(request: &Request<B>) -> Reply {
    let host = request.headers().get(header::HOST).and_then(|host| as_host(host.as_bytes()));
    let Some(host) = host else {
        let detail = "this server speaks TLS, and Host does not say where to find it over https";
        return Problem::new(Code::MalformedRequest, detail).into_reply();
    };
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    // A request for `*` or for a tunnel has no path.
    let path = if path.starts_with('/') { path } else { "/" };
    http::redirect(&format!("https://{host}{path}"))
}

/// Parses a host with or without a port.
pub(super) fn as_host(bytes: &[u8]) -> Option<Authority> {
    let host = Authority::try_from(bytes).ok()?;
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let port = host.as_str().len() == host.host().len() || host.port_u16().is_some();
    (port && !host.host().is_empty() && host.as_str().bytes().all(name)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(target: &str, host: Option<&str>) -> (u16, Option<String>) {
        let mut request = Request::builder().uri(target);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        let reply = redirect(&request.body(()).unwrap());
        let location = reply.headers().get(header::LOCATION);
        (reply.status().as_u16(), location.map(|value| value.to_str().unwrap().to_owned()))
    }

    #[test]
    fn the_location_has_the_host_as_the_client_wrote_it() {
        for (target, host, location) in [
            ("/", "shop.local", "https://shop.local/"),
            (
                "/api/orders?limit=1",
                "shop.local:3000",
                "https://shop.local:3000/api/orders?limit=1",
            ),
            ("/", "[::1]:3000", "https://[::1]:3000/"),
            ("//evil.example/", "shop.local", "https://shop.local//evil.example/"),
            ("http://evil.example/a", "shop.local", "https://shop.local/a"),
        ] {
            assert_eq!(answer(target, Some(host)), (308, Some(location.to_owned())));
        }
    }

    #[test]
    fn an_invalid_host_gets_no_redirect() {
        for host in [
            None,
            Some(""),
            Some("user@shop.local"),
            Some("shop.local/x"),
            Some("shop.local:99999"),
            Some("shop.local:"),
            Some("<script>"),
            Some("a,b"),
        ] {
            assert_eq!(answer("/", host), (400, None), "{host:?}");
        }
    }
}
