//! The audit trail over REST, for admins.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value, json};

use crate::auth::session::Session;
use crate::domain::check::one_of;
use crate::domain::timestamp;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, WithPermit, to_json};
use crate::http::request::{ApiRequest, into_result, number, page_limit};
use crate::http::schemas::closed;
use crate::http::users::check_admin;
use crate::store::{Action, AuditEntry, AuditFilter, AuditSubject};

impl Api {
    /// `GET /api/audit`.
    pub(super) async fn audit(
        &self,
        request: &ApiRequest,
        session: &Session,
    ) -> Result<Reply, Problem> {
        check_admin(session)?;
        let mut errors = Vec::new();
        let pairs = request.query(&["limit", "after", "user_id", "entity", "row_id"], &mut errors);
        let mut wanted =
            AuditFilter { limit: page_limit(&pairs, &mut errors), ..AuditFilter::default() };
        for (name, value) in &pairs {
            let id = || number(name, value, 0, i64::MAX).map(Some);
            let read = match name.as_str() {
                "after" => id().map(|id| wanted.after = id),
                "user_id" => id().map(|id| wanted.user_id = id),
                "row_id" => id().map(|id| wanted.row_id = id),
                "entity" => {
                    wanted.subject = AuditSubject::all().find(|thing| thing.noun() == value);
                    let wrong = || one_of(AuditSubject::all().map(AuditSubject::noun)).at(name);
                    wanted.subject.map(drop).ok_or_else(wrong)
                }
                _ => Ok(()),
            };
            errors.extend(read.err());
        }
        into_result((), errors)?;
        let permit = self.page_permit().await?;
        let (entries, next) = self.store.audit(wanted).await?.value;
        Ok(reply::page(entries.iter().map(show), next).with_permit(permit))
    }
}

/// An entry as JSON.
fn show(entry: &AuditEntry) -> String {
    #[derive(Serialize)]
    struct Shown<'e> {
        id: i64,
        at: String,
        user_id: Option<i64>,
        username: Option<&'e str>,
        address: Option<IpAddr>,
        action: &'static str,
        entity: &'static str,
        row_id: i64,
        fields: Vec<&'e str>,
        first_seq: Option<i64>,
        last_seq: Option<i64>,
    }
    let record = &entry.record;
    let fields = match &record.action {
        Action::Update(fields) => fields.iter().map(|name| &**name).collect(),
        Action::Create | Action::Delete | Action::Erase | Action::Restore => Vec::new(),
    };
    to_json(&Shown {
        id: entry.id,
        at: timestamp::text(entry.at),
        user_id: entry.user_id,
        username: entry.username.as_deref(),
        address: entry.address,
        action: record.action.name(),
        entity: record.subject.noun(),
        row_id: record.row_id,
        fields,
        first_seq: record.seqs.map(|(first, _)| first),
        last_seq: record.seqs.map(|(_, last)| last),
    })
}

/// An entry in the API document.
pub(super) fn schema() -> Value {
    let number = json!({"type": "integer", "format": "int64", "minimum": 1});
    let or_null = |name: &str, about: &str| json!({"type": [name, "null"], "description": about});
    closed(
        json!({
            "id": number, "at": {"type": "string", "format": "date-time"},
            "user_id": or_null("integer", "null for a command at the console"),
            "username": or_null("string", "the user's name at that time"),
            "address": or_null("string", "from where"),
            "action": {"enum": Action::NAMES}, "entity": nouns(), "row_id": number,
            "fields": {"type": "array", "items": {"type": "string"},
                       "description": "the names of what an update changed"},
            "first_seq": or_null("integer", "the first of the events that came of it, if any"),
            "last_seq": or_null("integer", "the last of them"),
        }),
        None,
    )
}

/// What may have been changed, in the API document.
pub(super) fn nouns() -> Value {
    json!({"enum": AuditSubject::all().map(AuditSubject::noun).collect::<Vec<_>>()})
}
