//! Reading header lines.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The lines of `Cookie`, as bytes.
pub fn cookie_lines(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes)
}

/// The text of a header; `None` if it is absent or not ASCII.
pub fn header_text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
