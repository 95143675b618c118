//! Reading header lines.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::auth::bearer::Bearer;

/// The lines of `Cookie`, as bytes.
pub fn cookie_lines(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes)
}

/// The token that a request brings beside its cookies.
pub fn bearer(headers: &HeaderMap) -> Bearer {
    let lines = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
    Bearer::read(lines(header::AUTHORIZATION), lines(header::SEC_WEBSOCKET_PROTOCOL))
}

/// The text of a header; `None` if it is absent or not ASCII.
pub fn header_text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
