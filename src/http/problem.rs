//! Problems (RFC 9457). Only this file maps a code to a status.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{self, HeaderName, HeaderValue};
use serde::Serialize;

use crate::auth::Denied;
use crate::auth::session::{EndReason, NoSession};
use crate::domain::{Code, FieldError, Reject};
use crate::http::reply::{Reply, plain, to_json};
use crate::throttle::NoRoom;

/// The page that describes the codes; `#code` is appended.
pub(super) const PROBLEMS_PATH: &str = "/docs/problems";
const CONTENT_TYPE: &str = "application/problem+json";

/// A request that is refused.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

impl Problem {
    /// Creates a problem; the code decides the status, and `detail` is a sentence for the client.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), header: None }
    }

    /// The path or the entity does not exist.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "not found")
    }

    /// The session has ended.
    pub fn session_ended(reason: EndReason) -> Self {
        Self::new(Code::SessionEnded, reason.text())
    }

    /// The path exists, but only with the methods of `allow`.
    pub fn method_not_allowed(allow: &str) -> Self {
        let problem = Self::new(Code::MethodNotAllowed, format!("allowed: {allow}"));
        match HeaderValue::from_str(allow) {
            Ok(allow) => problem.with(header::ALLOW, allow),
            Err(_) => problem,
        }
    }

    /// Fields of the body or the query are wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match &errors[..] {
            [one] => format!("{} {}", one.field, one.message),
            many => format!("{} fields are wrong", many.len()),
        };
        Self { errors, ..Self::new(Code::Invalid, detail) }
    }

    /// Too much or too often: the client may try again after `wait`, which is rounded up to a whole second.
    pub fn retry_after(code: Code, detail: impl Into<String>, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(code, detail).with(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// A pool has no more of `what` for this client.
    pub fn no_room(reason: NoRoom, what: &str) -> Self {
        let soon = Duration::from_secs(1);
        match reason {
            NoRoom::Share => {
                let detail = format!("you have your share of {what}; wait for your other requests");
                Self::retry_after(Code::TooManyRequests, detail, soon)
            }
            NoRoom::Full => {
                Self::retry_after(Code::Busy, format!("there is no more of {what} now"), soon)
            }
        }
    }

    /// Adds the one header that a problem may have of its own.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    /// The problem as a reply.
    pub fn into_reply(self) -> Reply {
        let mut reply = plain(status(self.code), CONTENT_TYPE, self.body());
        if let Some((name, value)) = self.header.map(|header| *header) {
            reply.headers_mut().insert(name, value);
        }
        reply
    }

    fn body(&self) -> String {
        #[derive(Serialize)]
        struct ProblemBody<'p> {
            r#type: String,
            code: Code,
            title: &'static str,
            status: u16,
            detail: &'p str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            errors: &'p [FieldError],
        }
        let status = status(self.code);
        to_json(&ProblemBody {
            r#type: format!("{PROBLEMS_PATH}#{}", self.code.name()),
            code: self.code,
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        })
    }
}

/// The status of a problem with this code.
#[rustfmt::skip]
pub(super) fn status(code: Code) -> StatusCode {
    match code {
        Code::MalformedRequest | Code::NotJson | Code::TooDeep | Code::NoHandshake
        | Code::AmbiguousSession => StatusCode::BAD_REQUEST,
        Code::NotLoggedIn | Code::SessionEnded | Code::WrongCredentials | Code::NoPairing
        | Code::WrongSetupCode => StatusCode::UNAUTHORIZED,
        Code::RoleNotAllowed | Code::OriginNotAllowed | Code::MetricsNotAllowed => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::OutOfStock | Code::NotForSale | Code::StatusSkipped | Code::OrderEnded | Code::RefundTooLarge
        | Code::TooManyTransactions | Code::TooManyShipments | Code::TooManyOpenOrders | Code::InUse
        | Code::OrderFixed | Code::NotCounted | Code::OrderCompleted | Code::TotalChanged
        | Code::ClientIdReused | Code::ShopFixed | Code::Duplicate | Code::TooManyDevices | Code::CodeUsed
        | Code::LastAdmin | Code::BackupRunning => StatusCode::CONFLICT,
        Code::BackupFailed => StatusCode::INTERNAL_SERVER_ERROR,
        Code::SaleDeleted | Code::PairingEnded | Code::SetupEnded => StatusCode::GONE,
        Code::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Code::MisdirectedRequest => StatusCode::MISDIRECTED_REQUEST,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType | Code::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
        Code::TooManyRequests | Code::TooManyResponses | Code::TooManyLogins | Code::TooManyPairings
        | Code::TooManyCodes => StatusCode::TOO_MANY_REQUESTS,
        Code::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Code::Busy | Code::Unavailable | Code::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        Code::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        Code::NotAnObject | Code::DuplicateKey | Code::TooManyValues | Code::Invalid | Code::Overpaid
        | Code::FieldFixed | Code::IdempotencyKeyReused | Code::Required | Code::UnknownField
        | Code::UnknownParameter | Code::GivenTwice | Code::ReadOnly | Code::NotChangeable | Code::WrongType
        | Code::TooSmall | Code::TooLarge | Code::TooShort | Code::TooLong | Code::TooManyDecimals
        | Code::BadCharacter | Code::BadFormat | Code::UnknownValue | Code::UnknownReference
        | Code::CurrencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl From<Reject> for Problem {
    fn from(reject: Reject) -> Self {
        let soon = Duration::from_secs(1);
        match reject {
            Reject::Invalid(errors) => Self::invalid(errors),
            Reject::NotFound => Self::not_found(),
            Reject::Conflict(code, detail) => Self::new(code, detail),
            Reject::NotAllowed(detail) => Self::new(Code::RoleNotAllowed, detail),
            Reject::SessionEnded => {
                Self::new(Code::SessionEnded, "the session has ended; nothing was done")
            }
            Reject::PreconditionFailed => Self::new(
                Code::PreconditionFailed,
                "it is not as the If-Match or If-None-Match header says; read it again and use its ETag",
            ),
            Reject::KeyReused => {
                let message = "was used before with another request";
                let error = FieldError::new("Idempotency-Key", Code::IdempotencyKeyReused, message);
                Self { code: Code::IdempotencyKeyReused, ..Self::invalid(vec![error]) }
            }
            Reject::ResponsesFull(wait) => {
                let detail = "too many responses are kept for your Idempotency-Keys; wait until the oldest \
                              leaves, or send no key";
                Self::retry_after(Code::TooManyResponses, detail, wait)
            }
            Reject::Busy => {
                Self::retry_after(Code::Busy, "too much is waiting; nothing was done", soon)
            }
            Reject::DiskFull => Self::new(Code::DiskFull, "the disk is full; nothing was done"),
            Reject::Unavailable => Self::retry_after(
                Code::Unavailable,
                "the store could not do it; repeat it with the same Idempotency-Key",
                soon,
            ),
        }
    }
}

impl From<NoSession> for Problem {
    fn from(none: NoSession) -> Self {
        match none {
            NoSession::Unknown => {
                Self::new(Code::NotLoggedIn, "log in first: POST /api/auth/login")
            }
            NoSession::InvalidToken => Self::new(
                Code::NotLoggedIn,
                "the token is not valid; an admin adds the device again: POST /api/devices",
            )
            .with(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer error=\"invalid_token\""),
            ),
            NoSession::Ended(reason) => Self::session_ended(reason),
            NoSession::Ambiguous => Self::new(
                Code::AmbiguousSession,
                "the cookie has sessions of two users; log in again, which ends both",
            ),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Wrong => Self::new(Code::WrongCredentials, "wrong username or password"),
            Denied::TooMany(wait) => {
                let detail = "too many logins; wait and try again";
                Self::retry_after(Code::TooManyLogins, detail, wait)
            }
            Denied::Rejected(reject) => reject.into(),
        }
    }
}
