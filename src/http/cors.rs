//! Pages of the configured origins may use the API from a browser (the Fetch standard, CORS).

use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};

use crate::auth::origin::Origins;
use crate::http::ask::Ask;
use crate::http::reply::{self, Reply};
use crate::http::route::Target;

/// The answer to a browser that asks before it sends a request of a page elsewhere.
pub(super) fn preflight(ask: &Ask, target: Target, origins: &Origins) -> Option<Reply> {
    let asks = ask.parts.method == Method::OPTIONS
        && ask.parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let listed = ask.header(&header::ORIGIN).is_some_and(|origin| origins.lists(origin));
    if !asks || !listed {
        return None;
    }
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    reply::set(&mut reply, header::ACCESS_CONTROL_ALLOW_METHODS, &target.allow());
    let headers = "content-type, idempotency-key, if-match, if-none-match";
    reply::set(&mut reply, header::ACCESS_CONTROL_ALLOW_HEADERS, headers);
    reply::set(&mut reply, header::ACCESS_CONTROL_MAX_AGE, "600");
    Some(reply)
}

/// Lets the page read the answer, if its origin is configured.
pub(super) fn admit(reply: &mut Reply, origin: Option<&str>, origins: &Origins) {
    let Some(origin) = origin.filter(|origin| origins.lists(origin)) else {
        return;
    };
    reply::set(reply, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let headers = reply.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    let exposed = HeaderValue::from_static("etag, location, retry-after");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
