//! The pages for people, as a browser gets them.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};

use crate::http::api::Api;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, ReplyExt};
use crate::http::request::ApiRequest;
use crate::pages;

/// A page runs its own scripts, and makes no element from text. Its one policy of types names the worker that keeps the
/// pages.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; \
     trusted-types tillcast; worker-src 'self'",
);

/// A page of the shop, or a part of one.
pub(super) async fn asset(api: &Api, request: &ApiRequest) -> Result<Reply, Problem> {
    let path = request.parts.uri.path();
    let asset = pages::find(path).ok_or_else(Problem::not_found)?;
    let accepted = request.header(&header::ACCEPT_ENCODING).unwrap_or_default();
    if takes_gzip(accepted) {
        let mut reply = with_headers(path, asset.kind, asset.gzip);
        reply.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        return Ok(reply);
    }
    // The text takes memory, the compressed one does not.
    let permit = api.page_permit(request.owner()).await?;
    Ok(with_headers(path, asset.kind, asset.plain()).with_permit(permit))
}

fn with_headers(path: &str, kind: &str, body: impl Into<Bytes>) -> Reply {
    let content_type = match kind {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "ts" => "text/plain; charset=utf-8",
        _ => "image/svg+xml",
    };
    let caching = match kind {
        _ if path.starts_with("/assets/") => "public, max-age=31536000, immutable",
        // A till opens its page without the server, and asks for a new one when the version differs.
        "html" => "public, max-age=604800",
        _ => "public, no-cache",
    };
    let mut reply = reply::plain(StatusCode::OK, content_type, body);
    let headers = reply.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    reply
}

/// Whether a client takes gzip, by the value of `Accept-Encoding`: RFC 9110, section 12.5.3. One that does not say
/// gets text, because that is what a person with a command line wants.
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|one| {
        let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
        let is_gzip =
            ["gzip", "x-gzip", "*"].iter().any(|name| coding.trim().eq_ignore_ascii_case(name));
        let weight = weight.trim().trim_start_matches(['q', 'Q']).trim_start_matches('=');
        is_gzip && weight.parse::<f32>() != Ok(0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_that_take_it() {
        for accepted in
            ["gzip", "deflate, GZIP", "br;q=1.0, gzip;q=0.8", "*", "x-gzip;q=1", "gzip;q=0.001"]
        {
            assert!(takes_gzip(accepted), "{accepted}");
        }
        for accepted in
            ["", "identity", "br, zstd", "gzip;q=0", "gzip; q=0.000", "gzipped", "*;q=0"]
        {
            assert!(!takes_gzip(accepted), "{accepted}");
        }
    }
}
