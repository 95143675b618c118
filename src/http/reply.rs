//! Replies: their headers, their body, and the permit that a large one holds until it is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

/// What every answer tells a browser: keep nothing of it, run and frame nothing in it, let no other
/// site embed it, tell nobody where one came from, and take it for nothing but what it says it is.
pub(super) static SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// Who may embed an answer (the Fetch standard, section 3.7).
pub(super) const RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
/// Capacity for the headers of any answer, so that they never move while it is made.
const HEADERS_MAX: usize = 12;

/// What goes back to the client.
pub type Reply = Response<ReplyBody>;

/// The body of an answer: one text, none once it is with the connection.
pub struct ReplyBody(Option<Bytes>);

impl ReplyBody {
    /// A body of this text.
    pub fn new(text: impl Into<Bytes>) -> Self {
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

/// An answer that keeps its permit until it is sent, or its connection gone.
pub(super) trait WithPermit {
    /// With this permit, if it needs one.
    fn with_permit(self, permit: impl Into<Option<OwnedSemaphorePermit>>) -> Self;
}

impl WithPermit for Reply {
    fn with_permit(self, permit: impl Into<Option<OwnedSemaphorePermit>>) -> Self {
        /// The bytes own the permit: hyper lets go of the body as soon as it waits to be sent.
        struct Held(
            Bytes,
            #[expect(dead_code, reason = "dropped with the bytes")] OwnedSemaphorePermit,
        );
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
}

/// A value of our own as JSON; such a value has no keys that are not texts and cannot fail.
pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// An answer of any kind of text.
pub(super) fn plain(status: StatusCode, content_type: &'static str, body: String) -> Reply {
    let mut reply = Response::new(ReplyBody::new(body));
    *reply.status_mut() = status;
    let mut headers = HeaderMap::with_capacity(HEADERS_MAX);
    headers.extend(SECURITY_HEADERS.iter().cloned());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    *reply.headers_mut() = headers;
    reply
}

/// A page of a list, and the id behind which more may follow.
pub(super) fn page(entries: impl Iterator<Item = String>, next: Option<i64>) -> Reply {
    let next = next.map_or("null".to_owned(), |id| id.to_string());
    let data = entries.collect::<Vec<_>>().join(",");
    json(format!("{{\"data\":[{data}],\"next\":{next}}}"))
}

/// JSON with status 200.
pub(super) fn json(body: String) -> Reply {
    plain(StatusCode::OK, "application/json", body)
}

/// JSON with its version.
pub(super) fn json_with_etag(status: StatusCode, body: String, etag: &str) -> Reply {
    let mut reply = plain(status, "application/json", body);
    set(&mut reply, header::ETAG, etag);
    reply
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = plain(status, "application/json", String::new());
    reply.headers_mut().remove(header::CONTENT_TYPE);
    reply
}

/// Sets a header to a text that the server made.
pub(super) fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}
