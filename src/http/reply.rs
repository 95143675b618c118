//! Answers: JSON, and problems as RFC 9457 says.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::auth::Denied;
use crate::domain::{FieldError, Reject};

/// What every answer tells a browser: keep nothing of it, run and frame nothing in it, let no other
/// site embed it, tell nobody where one came from, and take it for nothing but what it says it is.
static SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
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

/// A request that is refused: the one place where a reason becomes a status.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<FieldError>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

impl Problem {
    /// A status and a sentence for the client.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), header: None }
    }

    /// No such path, or no such entity.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here")
    }

    /// Nobody is logged in.
    pub fn unauthorized(why: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, why)
    }

    /// The user may not.
    pub fn forbidden(why: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, why)
    }

    /// Fields of the body or the query are wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match &errors[..] {
            [one] => format!("{} {}", one.field, one.message),
            many => format!("{} fields are wrong", many.len()),
        };
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }

    /// Too much or too often; worth a try after that time.
    pub fn retry_after(status: StatusCode, detail: &str, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(status, detail).with(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    /// The whole answer as it goes over the wire, for a connection that hyper never sees.
    pub fn into_raw(self) -> String {
        let (status, body) = (self.status, self.body());
        let line = |(name, value): &(HeaderName, HeaderValue)| {
            format!("{name}: {}\r\n", value.to_str().unwrap_or_default())
        };
        let headers: String =
            SECURITY_HEADERS.iter().chain(self.header.as_deref()).map(line).collect();
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\n{headers}content-type: application/problem+json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    }

    /// The answer that tells it.
    pub fn into_reply(self) -> Reply {
        let mut reply = plain(self.status, "application/problem+json", self.body());
        if let Some((name, value)) = self.header.map(|header| *header) {
            reply.headers_mut().insert(name, value);
        }
        reply
    }

    fn body(&self) -> String {
        #[derive(Serialize)]
        struct Shown<'p> {
            r#type: &'static str,
            title: &'static str,
            status: u16,
            detail: &'p str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            errors: &'p [FieldError],
        }
        to_json(&Shown {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        })
    }
}

/// A value of our own as JSON; such a value has no keys that are not texts and cannot fail.
pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl From<Reject> for Problem {
    fn from(reject: Reject) -> Self {
        let soon = Duration::from_secs(1);
        match reject {
            Reject::Invalid(errors) => Self::invalid(errors),
            Reject::NotFound => Self::not_found(),
            Reject::Conflict(detail) => Self::new(StatusCode::CONFLICT, detail),
            Reject::PreconditionFailed => {
                let detail = "it was changed since; read it again and use its new ETag";
                Self::new(StatusCode::PRECONDITION_FAILED, detail)
            }
            Reject::KeyReused => {
                let message = "was used before with another request";
                Self::invalid(vec![FieldError::new("Idempotency-Key", message)])
            }
            Reject::Busy => {
                let detail = "too much is waiting; nothing was done";
                Self::retry_after(StatusCode::SERVICE_UNAVAILABLE, detail, soon)
            }
            Reject::DiskFull => {
                let detail = "the disk is full; nothing was done";
                Self::new(StatusCode::INSUFFICIENT_STORAGE, detail)
            }
            Reject::Unavailable => {
                let detail = "the store could not do it; repeat it with the same Idempotency-Key";
                Self::retry_after(StatusCode::SERVICE_UNAVAILABLE, detail, soon)
            }
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Wrong => Self::unauthorized("wrong username or password"),
            Denied::TooMany(wait) => Self::retry_after(
                StatusCode::TOO_MANY_REQUESTS,
                "too many logins; wait and try again",
                wait,
            ),
            Denied::Rejected(reject) => reject.into(),
        }
    }
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
