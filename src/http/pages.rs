//! The pages that a person sees in a browser: what this address is, and what each problem means.

use hyper::StatusCode;
use hyper::header::{self, HeaderValue};

use crate::domain::Code;
use crate::http::reply::{self, Reply};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A page runs no script, sends no form, and may talk to its own server alone, over HTTP and over the
/// WebSocket: a line typed into its console is allowed what a page of this host would be.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; connect-src 'self'; img-src 'self'; style-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);
/// Pages and their assets hold nothing of the shop, and change with the program only.
const PAGE_CACHING: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// `GET /`: the name, the version, and the way on.
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

/// `GET /style.css`: the look of both, in light and dark.
pub(super) fn style() -> Reply {
    asset("text/css; charset=utf-8", include_str!("pages/style.css").to_owned())
}

/// `GET /favicon.svg`: the sign in a browser's tab.
pub(super) fn favicon() -> Reply {
    asset("image/svg+xml", include_str!("pages/favicon.svg").to_owned())
}

/// The sentence as HTML; what stands between back-quotes is code.
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
