//! The newest warnings and errors of the server's log over REST, for admins.

use serde::Serialize;
use serde_json::Value;

use crate::domain::json_literal::json;
use crate::domain::json_schema::{choice, id, members, object, time};
use crate::domain::timestamp;
use crate::http::api::Api;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, ReplyExt, to_json};
use crate::http::request::ApiRequest;
use crate::limits::{ERROR_BYTES_MAX, ERRORS_KEPT};
use crate::metrics::LoggedError;

const LEVELS: [&str; 2] = ["warning", "error"];

impl Api {
    /// `GET /api/errors`.
    pub(super) async fn errors(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let permit = self.response_permit(request.owner(), ERRORS_KEPT * ERROR_BYTES_MAX).await?;
        let errors = self.metrics.errors.newest();
        Ok(reply::page(errors.iter().map(error_json), None).with_permit(permit))
    }
}

fn error_json(error: &LoggedError) -> String {
    #[derive(Serialize)]
    struct Shown<'e> {
        id: u64,
        at: String,
        level: &'static str,
        message: &'e str,
        count: u64,
    }
    let LoggedError { id, at, is_error, text, count } = error;
    let level = LEVELS[usize::from(*is_error)];
    to_json(&Shown { id: *id, at: timestamp::text(*at), level, message: text, count: *count })
}

/// An error in the API document.
pub(super) fn schema() -> Value {
    let count = "How often it came since the server's start, as far as it is remembered.";
    object(members([
        ("id", id()),
        ("at", time()),
        ("level", choice(LEVELS)),
        ("message", json!({"type": "string", "maxLength": ERROR_BYTES_MAX})),
        ("count", json!({"type": "integer", "minimum": 1, "description": count})),
    ]))
}
