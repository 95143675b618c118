//! A request, read and checked: its session, query, body and preconditions.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::auth::session::Session;
use crate::auth::{self, ClientAddr, SessionLookup};
use crate::domain::json::{self, JsonError};
use crate::domain::{Code, EntityKind, FieldError, Precondition};
use crate::http::api::Pools;
use crate::http::body::{self, BodyReader};
use crate::http::etag;
use crate::http::headers::header_text;
use crate::http::path::PathParameters;
use crate::http::problem::Problem;
use crate::http::query::QueryReader;
use crate::limits::{IDEMPOTENCY_KEY_CHARS_MAX, SKIP_TIMEOUT};
use crate::store::IdempotencyKey;
use crate::throttle::{Owner, Permit};

/// A request on its way through its handler.
pub(super) struct ApiRequest {
    /// Method, path and headers.
    pub parts: Parts,
    body: Option<Incoming>,
    body_ended: bool,
    pools: Arc<Pools>,
    /// The body's memory; held until the reply is made.
    memory: Option<Permit>,
    /// The client's address.
    pub client: ClientAddr,
    session: SessionLookup,
    /// The parameters of its path.
    pub path: PathParameters,
    /// The parameters of its query.
    pub query: QueryReader,
}

impl ApiRequest {
    /// A request that was just received.
    pub(super) fn new(
        parts: Parts,
        body: Incoming,
        (client, session): (ClientAddr, SessionLookup),
        pools: Arc<Pools>,
    ) -> Self {
        Self {
            parts,
            body: Some(body),
            body_ended: true,
            pools,
            memory: None,
            client,
            session,
            path: PathParameters::default(),
            query: QueryReader::default(),
        }
    }

    /// The text of a header; `None` if it is absent or not ASCII.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        header_text(&self.parts.headers, name)
    }

    /// The session of the request's token or cookie.
    pub(super) fn session(&self) -> Result<Arc<Session>, Problem> {
        self.session.clone().map_err(Problem::from)
    }

    /// The owner of the request's share of all pools.
    pub(super) fn owner(&self) -> Owner {
        owner(&self.session, self.client)
    }

    /// The kind that the path names.
    pub(super) fn kind(&self) -> Result<EntityKind, Problem> {
        self.path.kind.ok_or_else(Problem::not_found)
    }

    /// The id that the path names.
    pub(super) fn id(&self) -> Result<i64, Problem> {
        self.path.id.ok_or_else(Problem::not_found)
    }

    /// The text at the end of the path, which stands for a SKU or a code.
    pub(super) fn path_text(&self) -> Result<String, Problem> {
        let last = self.parts.uri.path().rsplit('/').next().unwrap_or_default();
        let text = percent_decode_str(last).decode_utf8();
        text.map(Cow::into_owned)
            .map_err(|_| Problem::new(Code::MalformedRequest, "the end of the path is not UTF-8"))
    }

    /// The versions that the request may change (`If-Match` and `If-None-Match`).
    pub(super) fn precondition(&self) -> Precondition {
        etag::precondition(&self.parts.headers)
    }

    /// Reads the members of a body of at most `most` bytes, and its bytes. Call it once.
    pub(super) async fn json_object(
        &mut self,
        most: usize,
    ) -> Result<(Map<String, Value>, Bytes), Problem> {
        self.json_object_within(most, Duration::MAX).await
    }

    /// The same for a body that may take at most this time, however long it is.
    pub(super) async fn json_object_within(
        &mut self,
        most: usize,
        time: Duration,
    ) -> Result<(Map<String, Value>, Bytes), Problem> {
        self.check_content_type()?;
        let bytes = self.read_body(most, time).await?;
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

    async fn read_body(&mut self, most: usize, time: Duration) -> Result<Bytes, Problem> {
        let Some(body) = self.body.take() else {
            return Ok(Bytes::new());
        };
        // The connection cannot take another request before this body is read to its end.
        self.body_ended = false;
        let reader = BodyReader::new(body, most, time, &self.pools, self.owner());
        let (bytes, memory) = reader.read().await?;
        self.body_ended = true;
        self.memory = memory;
        Ok(bytes)
    }

    /// Discards an unread body, if it is short and has arrived; returns whether the connection can take
    /// another request.
    pub(super) async fn discard_body(&mut self) -> bool {
        if let Some(body) = self.body.take() {
            let waits = self.parts.headers.contains_key(header::EXPECT);
            let skip = self.pools.wait_for(self.owner(), SKIP_TIMEOUT, body::skip(body));
            self.body_ended = !waits && skip.await == Some(true);
        }
        self.body_ended
    }

    /// The key that makes the request a repeat, if it has an `Idempotency-Key`.
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

/// The owner of a request's share.
pub fn owner(session: &SessionLookup, client: ClientAddr) -> Owner {
    let id = session.as_ref().ok().and_then(|session| session.principal.id());
    id.map_or_else(|| Owner::Address(client.address.into()), Owner::Principal)
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
