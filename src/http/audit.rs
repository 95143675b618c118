//! The audit trail over REST, for admins.

use std::mem;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;

use crate::domain::check::one_of;
use crate::domain::json_literal::json;
use crate::domain::json_schema::{choice, id, members, object, reference, time};
use crate::domain::product::STOCK;
use crate::domain::stock_change::StockReason;
use crate::domain::timestamp;
use crate::http::api::Api;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, ReplyExt, to_json};
use crate::http::request::ApiRequest;
use crate::store::{Action, At, AuditActor, AuditEntry, AuditFilter, AuditSubject};

impl Api {
    /// `GET /api/audit`.
    pub(super) async fn audit(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let mut query = mem::take(&mut request.query);
        let filter = AuditFilter {
            limit: query.limit(),
            after: query.number("after", 0),
            user_id: query.number("user_id", 0),
            device_id: query.number("device_id", 0),
            row_id: query.number("row_id", 0),
            subject: query.read("entity", |noun| {
                let subject = AuditSubject::all().find(|subject| subject.noun() == noun);
                subject.ok_or_else(|| one_of(AuditSubject::all().map(AuditSubject::noun)))
            }),
        };
        query.finish()?;
        self.auth.store_login_entries().await;
        let permit = self.page_permit(request.owner()).await?;
        let At { seq, value: (entries, next) } = self.store.audit(filter).await?;
        Ok(reply::page(entries.iter().map(entry_json), next).with_permit(permit).with_seq(seq))
    }
}

/// An entry as JSON.
fn entry_json(entry: &AuditEntry) -> String {
    #[derive(Serialize)]
    struct Shown<'e> {
        id: i64,
        at: String,
        user_id: Option<i64>,
        username: Option<&'e str>,
        device_id: Option<i64>,
        device_name: Option<&'e str>,
        address: Option<IpAddr>,
        action: &'static str,
        entity: &'static str,
        row_id: i64,
        fields: Vec<&'e str>,
        reason: Option<&'static str>,
        note: Option<&'e str>,
        first_seq: Option<i64>,
        last_seq: Option<i64>,
    }
    let record = &entry.record;
    let (mut user, mut device) = ((None, None), (None, None));
    match &entry.actor {
        Some(AuditActor::User { id, name }) => user = (Some(*id), name.as_deref()),
        Some(AuditActor::Device { id, name }) => device = (Some(*id), Some(name.as_str())),
        None => {}
    }
    let (mut fields, mut reason, mut note) = (Vec::new(), None, None);
    match &record.action {
        Action::Update(names) => fields = names.iter().map(|name| &**name).collect(),
        Action::ChangeStock(why, text) => {
            fields = vec![STOCK.name];
            (reason, note) = (Some(why.word()), text.as_deref());
        }
        _ => {}
    }
    to_json(&Shown {
        id: entry.id,
        at: timestamp::text(entry.at),
        user_id: user.0,
        username: user.1,
        device_id: device.0,
        device_name: device.1,
        address: entry.address,
        action: record.action.name(),
        entity: record.subject.noun(),
        row_id: record.row_id,
        fields,
        reason,
        note,
        first_seq: record.seqs.map(|(first, _)| first),
        last_seq: record.seqs.map(|(_, last)| last),
    })
}

/// An entry in the API document.
pub(super) fn schema() -> Value {
    let or_null = |name: &str, about: &str| json!({"type": [name, "null"], "description": about});
    object(members([
        ("id", id()),
        ("at", time()),
        (
            "user_id",
            or_null(
                "integer",
                "The user's id; null for a device, the console, and if nobody was logged in.",
            ),
        ),
        ("username", or_null("string", "The user's name at that time.")),
        ("device_id", or_null("integer", "The id of the device that made the change.")),
        ("device_name", or_null("string", "The device's name at that time.")),
        (
            "address",
            or_null("string", "The address that the request came from; null for the console."),
        ),
        ("action", reference("AuditAction")),
        ("entity", reference("AuditEntity")),
        ("row_id", id()),
        (
            "fields",
            json!({"type": "array", "items": {"type": "string"},
                   "description": "The names of the fields that an update changed."}),
        ),
        ("reason", nullable_reason()),
        ("note", or_null("string", "The note of a change of stock.")),
        ("first_seq", or_null("integer", "The first of the events that the change made, if any.")),
        ("last_seq", or_null("integer", "The last of them.")),
    ]))
}

fn nullable_reason() -> Value {
    let words = StockReason::WORDS.iter().map(|word| json!(*word)).chain([Value::Null]);
    json!({
        "type": ["string", "null"], "enum": words.collect::<Vec<_>>(),
        "description": "The reason of a change of stock.",
    })
}

/// The actions, in the API document.
pub(super) fn action_schema() -> Value {
    choice(Action::NAMES)
}

/// The kinds of subjects, in the API document.
pub(super) fn entity_schema() -> Value {
    choice(AuditSubject::all().map(AuditSubject::noun))
}
