//! Pages of the configured origins may use the API from a browser (the Fetch standard, CORS). Pages of all
//! other origins may not act with their visitors' cookies.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use crate::auth::bearer::Bearer;
use crate::auth::origin::Origins;
use crate::http::headers::{bearer, header_text};
use crate::http::reply::{self, RESOURCE_POLICY, Reply};

/// The origin that a request names; `None` if it names several or an unreadable one.
pub fn origin_of(headers: &HeaderMap) -> Option<&str> {
    let is_one = headers.get_all(header::ORIGIN).iter().count() == 1;
    header_text(headers, &header::ORIGIN).filter(|_| is_one)
}

/// Whether a request with these headers may change something or become a WebSocket; `secure` if it came
/// over TLS. One that brings a token does not act by the visitor's cookies, which are not looked at then.
pub fn may_act(headers: &HeaderMap, origins: &Origins, secure: bool) -> bool {
    if bearer(headers) != Bearer::Absent {
        return true;
    }
    let origin = origin_of(headers);
    let site = headers.get(HeaderName::from_static("sec-fetch-site"));
    // An unreadable value becomes the empty one, which is never allowed.
    let site = site.map(|site| site.to_str().unwrap_or_default());
    headers.contains_key(header::ORIGIN) == origin.is_some()
        && origins.allow(origin, site, header_text(headers, &header::HOST), secure)
}

/// Whether this is a CORS preflight for a page of a listed origin.
pub(super) fn is_preflight(parts: &Parts, origins: &Origins) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && origin_of(&parts.headers).is_some_and(|origin| origins.lists(origin))
}

/// The reply to a preflight: the methods of the path, and the headers that the API knows.
pub(super) fn preflight(allow: &str) -> Reply {
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    reply::set(&mut reply, header::ACCESS_CONTROL_ALLOW_METHODS, allow);
    let headers = "authorization, content-type, idempotency-key, if-match, if-none-match";
    reply::set(&mut reply, header::ACCESS_CONTROL_ALLOW_HEADERS, headers);
    reply::set(&mut reply, header::ACCESS_CONTROL_MAX_AGE, "600");
    reply
}

/// Lets the page read the reply, if its origin is configured.
pub fn allow_origin(reply: &mut Reply, origin: Option<&str>, origins: &Origins) {
    let Some(origin) = origin.filter(|origin| origins.lists(origin)) else {
        return;
    };
    reply::set(reply, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let headers = reply.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    let exposed =
        HeaderValue::from_static("etag, location, retry-after, tillcast-seq, tillcast-version");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
