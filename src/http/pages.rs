//! The pages for people, as a browser gets them.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};

use crate::http::api::Api;
use crate::http::etag::etag;
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
    let (path, request_headers) = (request.parts.uri.path(), &request.parts.headers);
    let asset = pages::find(path).ok_or_else(Problem::not_found)?;
    let accepted = request_headers.get_all(header::ACCEPT_ENCODING).iter();
    let is_gzip = takes_gzip(accepted.filter_map(|line| line.to_str().ok()));
    // The text and the compressed one differ byte for byte, so each has a tag of its own.
    let tag = i64::from(asset.checksum()) << 1 | i64::from(is_gzip);
    let mut reply = if let Some(known) = reply::not_modified(request_headers, tag) {
        known
    } else if is_gzip {
        let mut reply = whole(asset.kind, asset.gzip, tag);
        reply.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        reply
    } else {
        // The text takes memory, the compressed one does not.
        let permit = api.page_permit(request.owner()).await?;
        whole(asset.kind, asset.plain(), tag).with_permit(permit)
    };
    add_headers(&mut reply, path, asset.kind);
    Ok(reply)
}

fn whole(kind: &str, body: impl Into<Bytes>, tag: i64) -> Reply {
    let content_type = match kind {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "ts" => "text/plain; charset=utf-8",
        _ => "image/svg+xml",
    };
    let mut reply = reply::plain(StatusCode::OK, content_type, body);
    reply::set(&mut reply, header::ETAG, &etag(tag));
    reply
}

/// Adds what a browser keeps with the content; it takes them anew from a `304`.
fn add_headers(reply: &mut Reply, path: &str, kind: &str) {
    let caching = match kind {
        _ if path.starts_with("/assets/") => "public, max-age=31536000, immutable",
        // A till opens its page without the server, and asks for a new one when the version differs.
        "html" => "public, max-age=604800",
        _ => "public, no-cache",
    };
    let headers = reply.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
}

/// Whether a client takes gzip, by the lines of `Accept-Encoding`: RFC 9110, section 12.5.3. One that does not say
/// gets text, because that is what a person with a command line wants.
fn takes_gzip<'l>(lines: impl Iterator<Item = &'l str>) -> bool {
    let (mut takes_gzip, mut takes_others) = (None, None);
    for one in lines.flat_map(|line| line.split(',')) {
        let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
        let named = match coding.trim() {
            "*" => &mut takes_others,
            name if ["gzip", "x-gzip"].iter().any(|gzip| name.eq_ignore_ascii_case(gzip)) => {
                &mut takes_gzip
            }
            _ => continue,
        };
        let weight = weight.trim().trim_start_matches(['q', 'Q']).trim_start_matches('=');
        *named = Some(weight.parse::<f32>() != Ok(0.0));
    }
    // `*` stands for the codings that are not named.
    takes_gzip.or(takes_others).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_that_take_it() {
        for accepted in [
            "gzip",
            "deflate, GZIP",
            "br;q=1.0, gzip;q=0.8",
            "*",
            "x-gzip;q=1",
            "gzip;q=0.001",
            "*;q=0, gzip",
        ] {
            assert!(takes_gzip([accepted].into_iter()), "{accepted}");
        }
        for accepted in [
            "",
            "identity",
            "br, zstd",
            "gzip;q=0",
            "gzip; q=0.000",
            "gzipped",
            "*;q=0",
            "gzip;q=0, *",
            "*, GZIP;Q=0",
        ] {
            assert!(!takes_gzip([accepted].into_iter()), "{accepted}");
        }
        assert!(takes_gzip(["br", "gzip"].into_iter()), "two lines are one list");
        assert!(!takes_gzip([].into_iter()));
    }
}
