//! What a request asks, read and checked: its session, its query, its body, its conditions.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use form_urlencoded::parse;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Method;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::session::Session;
use crate::auth::{self, ClientAddr, SessionLookup};
use crate::domain::json::{self, JsonError};
use crate::domain::{Code, FieldError, Reject};
use crate::http::problem::Problem;
use crate::limits::{
    BODY_BYTES_MAX, BODY_TIMEOUT, IDEMPOTENCY_KEY_CHARS_MAX, PAGE_DEFAULT, PAGE_MAX, SKIP_TIMEOUT,
};
use crate::store::{Caller, IdempotencyKey};

/// Why a body could not be read.
type BodyError = Box<dyn Error + Send + Sync>;

/// A request on its way through its handler.
pub(super) struct ApiRequest {
    /// Method, path and headers.
    pub parts: Parts,
    body: Option<Incoming>,
    body_ended: bool,
    bodies: Arc<Semaphore>,
    /// The body's share of the memory for bodies, until the request is answered.
    share: Option<OwnedSemaphorePermit>,
    /// Where it comes from.
    pub client: ClientAddr,
    session: SessionLookup,
}

impl ApiRequest {
    /// A request that was just received.
    pub(super) fn new(
        parts: Parts,
        body: Incoming,
        (client, session): (ClientAddr, SessionLookup),
        bodies: Arc<Semaphore>,
    ) -> Self {
        Self { parts, body: Some(body), body_ended: true, bodies, share: None, client, session }
    }

    /// The text of a header, none where it is absent or not ASCII.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        header_text(&self.parts.headers, name)
    }

    /// The session of the request's cookie.
    pub(super) fn session(&self) -> Result<Arc<Session>, Problem> {
        self.session.clone().map_err(|ended| match ended {
            Some(ended) => Problem::new(Code::SessionEnded, ended.text()),
            None => Problem::new(Code::NotLoggedIn, "log in first: POST /api/auth/login"),
        })
    }

    /// Who asks, and from where.
    pub(super) fn caller(&self, session: &Session) -> Caller {
        Caller { principal: session.principal, address: Some(self.client.address) }
    }

    /// The versions that `If-Match` names; none where anything matches.
    pub(super) fn if_match(&self) -> Option<Vec<i64>> {
        let header = self.header(&header::IF_MATCH)?;
        // A weak or foreign tag matches nothing (RFC 9110, section 13.1.1).
        (header.trim() != "*").then(|| header.split(',').filter_map(version_in).collect())
    }

    /// `If-None-Match` names this version.
    pub(super) fn if_none_match(&self, etag: &str) -> bool {
        let named = self.header(&header::IF_NONE_MATCH).unwrap_or_default();
        let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
        named.split(',').map(str::trim).any(same)
    }

    /// The query's parameters, each of which must be a known one and stand there once.
    pub(super) fn query(
        &self,
        known: &[&str],
        errors: &mut Vec<FieldError>,
    ) -> Vec<(String, String)> {
        let query = self.parts.uri.query().unwrap_or_default();
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in parse(query.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let message = format!("is not a parameter here; allowed: {}", known.join(", "));
                errors.push(FieldError::new(name, Code::UnknownParameter, message));
            } else if pairs.iter().any(|(other, _)| *other == name) {
                errors.push(FieldError::new(name, Code::GivenTwice, "is given twice"));
            } else {
                pairs.push((name.into_owned(), value.into_owned()));
            }
        }
        pairs
    }

    /// The members of a body of at most so many bytes. The body is read at most once.
    pub(super) async fn json_object(
        &mut self,
        most: usize,
    ) -> Result<(Map<String, Value>, Bytes), Problem> {
        self.check_content_type()?;
        let bytes = self.read_body(most).await?;
        match json::parse(&bytes) {
            Ok(Value::Object(members)) => Ok((members, bytes)),
            Ok(_) => Err(Problem::new(Code::NotAnObject, "the body must be a JSON object")),
            Err(error) => Err(unreadable(error)),
        }
    }

    fn check_content_type(&self) -> Result<(), Problem> {
        let mut encodings = self.parts.headers.get_all(header::CONTENT_ENCODING).iter();
        if !encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            let detail = "the body must not be compressed";
            let problem = Problem::new(Code::UnsupportedEncoding, detail);
            let accepted = HeaderValue::from_static("identity");
            return Err(problem.with(header::ACCEPT_ENCODING, accepted));
        }
        let given = self.header(&header::CONTENT_TYPE).unwrap_or_default();
        let given = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match given.as_str() {
            "application/json" => Ok(()),
            "application/merge-patch+json" if self.parts.method == Method::PATCH => Ok(()),
            _ => {
                let detail = "the body must be JSON, with Content-Type: application/json";
                Err(Problem::new(Code::UnsupportedMediaType, detail))
            }
        }
    }

    async fn read_body(&mut self, most: usize) -> Result<Bytes, Problem> {
        let too_large = || {
            let detail = format!("the body must be at most {most} bytes");
            Problem::new(Code::BodyTooLarge, detail)
        };
        let Some(body) = self.body.take() else {
            return Ok(Bytes::new());
        };
        // Until it is read to its end, it stands between this request and the next.
        self.body_ended = false;
        let size = body.size_hint();
        if size.lower() > most as u64 {
            return Err(too_large());
        }
        let bytes = size.upper().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(most);
        let kib = u32::try_from(bytes.min(most).div_ceil(1024)).unwrap_or(1).max(1);
        let bodies = Arc::clone(&self.bodies);
        let read = async move {
            let share = bodies.acquire_many_owned(kib).await?;
            let mut bytes = Vec::with_capacity(bytes.min(most));
            for_each_chunk(Limited::new(body, most), |piece| bytes.extend_from_slice(piece))
                .await?;
            Ok::<_, BodyError>((share, Bytes::from(bytes)))
        };
        match tokio::time::timeout(BODY_TIMEOUT, read).await {
            Ok(Ok((share, bytes))) => {
                self.body_ended = true;
                self.share = Some(share);
                Ok(bytes)
            }
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(_)) => Err(Problem::new(Code::MalformedRequest, "the body ended early")),
            Err(_) => Err(Problem::new(Code::RequestTimeout, "the body took too long")),
        }
    }

    /// Reads away a body that nobody wanted, if it is short and there; false where the connection
    /// cannot be used for another request.
    pub(super) async fn discard_body(&mut self) -> bool {
        if let Some(body) = self.body.take() {
            let waits = self.parts.headers.contains_key(header::EXPECT);
            let skip = for_each_chunk(Limited::new(body, BODY_BYTES_MAX), |_| ());
            let skipped =
                !waits && matches!(tokio::time::timeout(SKIP_TIMEOUT, skip).await, Ok(Ok(())));
            self.body_ended = skipped;
        }
        self.body_ended
    }

    /// What makes the request a repeat, if it has an `Idempotency-Key`.
    pub(super) fn idempotency_key(
        &self,
        session: &Session,
        body: &[u8],
    ) -> Result<Option<IdempotencyKey>, Problem> {
        let name = HeaderName::from_static("idempotency-key");
        let Some(value) = self.parts.headers.get(&name) else {
            return Ok(None);
        };
        let key = value.to_str().ok().filter(|key| {
            (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len()) && !key.contains('\t')
        });
        let Some(key) = key else {
            let message =
                format!("must have 1 to {IDEMPOTENCY_KEY_CHARS_MAX} printable ASCII characters");
            return Err(Problem::invalid(vec![FieldError::new(
                "Idempotency-Key",
                Code::BadFormat,
                message,
            )]));
        };
        let request_hash = auth::hash_request(self.parts.uri.path(), body);
        Ok(Some(IdempotencyKey { principal: session.principal, key: key.to_owned(), request_hash }))
    }
}

/// Lends out a body piece by piece. Whoever kept a piece would keep the whole buffer that it came
/// in: a body that came byte by byte held 8 KiB for each.
async fn for_each_chunk(
    mut body: Limited<Incoming>,
    mut take: impl FnMut(&[u8]),
) -> Result<(), BodyError> {
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            take(&piece);
        }
    }
    Ok(())
}

fn unreadable(error: JsonError) -> Problem {
    let code = match error {
        JsonError::Syntax { .. } => Code::NotJson,
        JsonError::TooDeep => Code::TooDeep,
        JsonError::TooManyValues => Code::TooManyValues,
        JsonError::DuplicateKey(path) => {
            let error = FieldError::new(path, Code::DuplicateKey, "is given twice");
            return Problem::invalid(vec![error]);
        }
    };
    Problem::new(code, format!("the body {error}"))
}

/// The lines of `Cookie`, whatever bytes they hold.
pub fn cookie_lines(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes)
}

/// The text of a header.
pub fn header_text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn version_in(tag: &str) -> Option<i64> {
    tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// A whole number from the query; the error names the parameter.
pub(super) fn number(name: &str, value: &str, least: i64, most: i64) -> Result<i64, FieldError> {
    let number = value.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        let range = if most == i64::MAX {
            format!("from {least} up")
        } else {
            format!("from {least} to {most}")
        };
        FieldError::new(name, Code::BadFormat, format!("must be a whole number {range}"))
    })
}

/// The page that the query asks for.
pub(super) fn page_limit(pairs: &[(String, String)], errors: &mut Vec<FieldError>) -> usize {
    let given = pairs.iter().find(|(name, _)| name == "limit");
    let limit = given
        .map(|(name, value)| number(name, value, 1, i64::try_from(PAGE_MAX).unwrap_or(i64::MAX)));
    match limit {
        Some(Ok(limit)) => usize::try_from(limit).unwrap_or(PAGE_MAX),
        Some(Err(error)) => {
            errors.push(error);
            PAGE_DEFAULT
        }
        None => PAGE_DEFAULT,
    }
}

/// All mistakes of a query at once.
pub(super) fn into_result<T>(value: T, errors: Vec<FieldError>) -> Result<T, Problem> {
    if errors.is_empty() { Ok(value) } else { Err(Reject::Invalid(errors).into()) }
}
