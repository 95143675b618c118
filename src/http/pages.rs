//! The pages for people: the home page, and the meaning of each problem.

use hyper::StatusCode;
use hyper::header::{self, HeaderValue};

use crate::domain::Code;
use crate::http::reply::{self, Reply};
use crate::pages::Asset;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A page runs no script and sends no form. It may connect to its own server only, over HTTP and the
/// WebSocket, so that the examples work in its console.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; connect-src 'self'; img-src 'self'; style-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);
/// A screen runs its own scripts, and makes no element from text.
const SCREEN_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; \
     trusted-types 'none'",
);
/// Pages and their assets contain no shop data, and change only with the program.
const PAGE_CACHING: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// `GET /`: how to log in, and links to the descriptions of the API.
pub(super) fn home() -> Reply {
    page("Tillcast", include_str!("pages/home.html"))
}

/// `GET /docs/problems`: every code of a problem or of a wrong field, with an anchor for each.
pub(super) fn problems() -> Reply {
    let entry = |code: &Code| {
        let (name, about) = (code.name(), marked_up(code.about()));
        format!(
            "<dt id=\"{name}\"><a href=\"#{name}\"><code>{name}</code></a></dt><dd>{about}</dd>\n"
        )
    };
    let entries: String = Code::ALL.iter().map(entry).collect();
    page("Problems", &include_str!("pages/problems.html").replace("{entries}", &entries))
}

/// `GET /style.css`: the style of the pages, light and dark.
pub(super) fn style() -> Reply {
    asset("text/css; charset=utf-8", include_str!("pages/style.css").to_owned())
}

/// `GET /favicon.svg`: the icon in a browser's tab.
pub(super) fn favicon() -> Reply {
    asset("image/svg+xml", include_str!("pages/favicon.svg").to_owned())
}

/// A page of a shop's screens, or a part of one.
pub(super) fn screen(asset: &'static Asset) -> Reply {
    let content_type = match asset.kind {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        _ => "image/svg+xml",
    };
    let caching = match (asset.is_named_by_content, asset.kind) {
        (true, _) => "public, max-age=31536000, immutable",
        // A till opens its page without the server, and asks for a new one when the version differs.
        (false, "html") => "public, max-age=604800",
        (false, _) => "public, no-cache",
    };
    let mut reply = reply::plain(StatusCode::OK, content_type, asset.gzip);
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(header::CONTENT_SECURITY_POLICY, SCREEN_POLICY);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    reply
}

/// The sentence as HTML; text between backquotes becomes code.
fn marked_up(sentence: &str) -> String {
    let part = |(at, text): (usize, &str)| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        if at % 2 == 1 { format!("<code>{text}</code>") } else { text }
    };
    sentence.split('`').enumerate().map(part).collect()
}

fn page(title: &str, main: &str) -> Reply {
    let frame = include_str!("pages/frame.html").replace("{title}", title);
    let text = frame.replace("{main}", main).replace("{version}", VERSION);
    asset("text/html; charset=utf-8", text)
}

fn asset(content_type: &'static str, text: String) -> Reply {
    let mut reply = reply::plain(StatusCode::OK, content_type, text);
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    headers.insert(header::CACHE_CONTROL, PAGE_CACHING);
    reply
}
