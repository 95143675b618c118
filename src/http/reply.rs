//! Replies: their headers, their body, and the permit that a large one holds until it is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::http::etag::{etag, has_version};
use crate::throttle::Permit;

/// The headers of every reply. They tell a browser not to cache, run, frame or sniff it, not to let another
/// site embed it, and not to send it as a referrer.
pub(super) static STANDARD_HEADERS: [(HeaderName, HeaderValue); 6] = [
    (TILLCAST_VERSION, VERSION),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// The origins that may embed a reply (the Fetch standard, section 3.7).
pub(super) const RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
/// The position in the event log that a reply reflects: a subscription `since` it misses nothing.
const TILLCAST_SEQ: HeaderName = HeaderName::from_static("tillcast-seq");
/// The server's version.
const TILLCAST_VERSION: HeaderName = HeaderName::from_static("tillcast-version");
const VERSION: HeaderValue = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
/// The standard headers as a map, which has a place for the content type: to copy it takes a third of the
/// instructions of inserting each.
static STANDARD_MAP: LazyLock<HeaderMap> = LazyLock::new(|| {
    let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    STANDARD_HEADERS.iter().cloned().chain([json]).collect()
});

/// A reply to the client.
pub type Reply = Response<ReplyBody>;

/// The body of a reply: one text, `None` once the connection has taken it.
pub struct ReplyBody(Option<Bytes>);

impl ReplyBody {
    /// A body of this text.
    fn new(text: impl Into<Bytes>) -> Self {
        Self(Some(text.into()).filter(|text| !text.is_empty()))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|text| Ok(Frame::data(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |text| text.len() as u64))
    }
}

/// A whole reply as bytes, for a request that hyper does not pass on. The connection closes after it.
pub fn to_raw(reply: &Reply) -> Vec<u8> {
    let mut raw = format!("HTTP/1.1 {}\r\n", reply.status()).into_bytes();
    for (name, value) in reply.headers() {
        raw.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let body = reply.body().0.as_deref().unwrap_or_default();
    let length = body.len();
    raw.extend(format!("content-length: {length}\r\nconnection: close\r\n\r\n").as_bytes());
    raw.extend(body);
    raw
}

/// Additions to a reply beside its body.
pub(super) trait ReplyExt {
    /// Keeps a permit, if there is one, until the reply is sent or its connection is gone.
    fn with_permit(self, permit: impl Into<Option<Permit>>) -> Self;
    /// Adds the position in the event log that the reply reflects.
    fn with_seq(self, seq: i64) -> Self;
}

impl ReplyExt for Reply {
    fn with_permit(self, permit: impl Into<Option<Permit>>) -> Self {
        /// The bytes own the permit, because hyper drops the body once its bytes wait to be sent.
        struct Held(Bytes, #[expect(dead_code, reason = "dropped with the bytes")] Permit);
        impl AsRef<[u8]> for Held {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        match permit.into() {
            Some(permit) => self.map(|ReplyBody(text)| {
                ReplyBody(text.map(|text| Bytes::from_owner(Held(text, permit))))
            }),
            None => self,
        }
    }

    fn with_seq(mut self, seq: i64) -> Self {
        self.headers_mut().insert(TILLCAST_SEQ, HeaderValue::from(seq));
        self
    }
}

/// One of this program's values as JSON. All its keys are strings, so it cannot fail.
pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A reply with a text of any type.
pub(super) fn plain(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Reply {
    let mut reply = Response::new(ReplyBody::new(body));
    *reply.status_mut() = status;
    let mut headers = STANDARD_MAP.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    *reply.headers_mut() = headers;
    reply
}

/// Cuts rows, of which one more than `limit` was read, to a page; returns the id after which the next one begins.
pub(super) fn cut<T>(rows: &mut Vec<T>, limit: usize, id: impl Fn(&T) -> i64) -> Option<i64> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    rows.last().filter(|_| more).map(id)
}

/// A page of a list; more entries may follow after the id `next`.
pub(super) fn page(entries: impl Iterator<Item = String>, next: Option<i64>) -> Reply {
    let next = next.map_or("null".to_owned(), |id| id.to_string());
    let data = entries.collect::<Vec<_>>().join(",");
    json(format!("{{\"data\":[{data}],\"next\":{next}}}"))
}

/// JSON with status 200.
pub(super) fn json(body: impl Into<Bytes>) -> Reply {
    plain(StatusCode::OK, "application/json", body)
}

/// JSON with the tag of its version.
pub(super) fn versioned(status: StatusCode, body: String, version: i64) -> Reply {
    let mut reply = plain(status, "application/json", body);
    set(&mut reply, header::ETAG, &etag(version));
    reply
}

/// `201` with the path of what was made.
pub(super) fn made(body: String, location: &str) -> Reply {
    let mut reply = plain(StatusCode::CREATED, "application/json", body);
    set(&mut reply, header::LOCATION, location);
    reply
}

/// `304` with the tag of the version, if the client has it already.
pub(super) fn not_modified(request: &HeaderMap, version: i64) -> Option<Reply> {
    if !has_version(request, version) {
        return None;
    }
    let mut reply = empty(StatusCode::NOT_MODIFIED);
    set(&mut reply, header::ETAG, &etag(version));
    Some(reply)
}

/// A reply without a body.
pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = plain(status, "application/json", String::new());
    reply.headers_mut().remove(header::CONTENT_TYPE);
    reply
}

/// `308` to another location.
pub fn redirect(location: &str) -> Reply {
    let mut reply = empty(StatusCode::PERMANENT_REDIRECT);
    set(&mut reply, header::LOCATION, location);
    reply
}

/// `101` without the headers of the handshake, which the caller adds. A page never sees it, so it has no
/// `STANDARD_HEADERS`.
pub fn switching_protocols() -> Reply {
    let mut reply = Response::new(ReplyBody::new(""));
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    reply.headers_mut().insert(TILLCAST_VERSION, VERSION);
    reply
}

/// Sets a header to a text that the server made.
pub(super) fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

/// Adds a header line beside those of the same name.
pub(super) fn append(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().append(name, value);
    }
}
