//! Backups over REST, for admins.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header;
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;

use crate::domain::json_literal::json;
use crate::domain::json_schema::{members, object, reference, time};
use crate::domain::{Code, timestamp};
use crate::http::api::Api;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, to_json};
use crate::http::request::ApiRequest;
use crate::store::{
    Action, Actor, AuditRecord, AuditSubject, BackupFile, BackupRefused, Backups, Store,
};

impl Api {
    /// `GET /api/backups`.
    pub(super) async fn list_backups(&self) -> Result<Reply, Problem> {
        let backups = Arc::clone(&self.backups);
        let found = spawn_blocking(move || backups.list()).await.map_err(|_| stopping())?;
        let folder = self.backups.folder().display();
        let found = found.map_err(|error| failed(format!("{folder}: {error}")))?;
        let found: Vec<Value> = found.iter().map(shown).collect();
        let running = self.backups.is_running();
        let list = json!({"folder": folder.to_string(), "running": running, "data": found});
        Ok(reply::json(to_json(&list)))
    }

    /// `POST /api/backups`.
    pub(super) async fn make_backup(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let actor = Actor::from(self.caller(request)?);
        let making = make_and_note(Arc::clone(&self.backups), Arc::clone(&self.store), actor);
        // It goes on when the client has left, so that it is in the audit trail.
        let made = tokio::spawn(making).await.map_err(|_| stopping())??;
        let made = to_json(&shown(&made));
        let mut reply = reply::plain(StatusCode::CREATED, "application/json", made);
        reply::set(&mut reply, header::LOCATION, "/api/backups");
        Ok(reply)
    }
}

async fn make_and_note(
    backups: Arc<Backups>,
    store: Arc<Store>,
    actor: Actor,
) -> Result<BackupFile, Problem> {
    let made = spawn_blocking(move || backups.make_now()).await.map_err(|_| stopping())?;
    let made = made.inspect_err(|refused| tracing::warn!(?refused, "no backup was made"))?;
    let subject = AuditSubject::Shop;
    let record = AuditRecord { action: Action::Backup, subject, row_id: 1, seqs: None };
    if let Err(reject) = store.note(vec![(actor, record)]).await {
        tracing::warn!(?reject, "a backup is missing in the audit trail: {}", made.name);
    }
    Ok(made)
}

fn shown(file: &BackupFile) -> Value {
    let created_at = timestamp::text(file.created_at);
    json!({"name": file.name.as_str(), "bytes": file.bytes, "created_at": created_at})
}

fn failed(detail: String) -> Problem {
    Problem::new(Code::BackupFailed, detail)
}

/// The runtime ends tasks at the stop of the server only.
fn stopping() -> Problem {
    Problem::new(Code::Stopping, "the server is stopping")
}

impl From<BackupRefused> for Problem {
    fn from(refused: BackupRefused) -> Self {
        match refused {
            BackupRefused::Running => {
                Self::new(Code::BackupRunning, "a backup is being made; see GET /api/backups")
            }
            BackupRefused::NoSpace(detail) => Self::new(Code::DiskFull, detail),
            BackupRefused::Failed(detail) => failed(detail),
        }
    }
}

/// The schemas in the API document.
pub(super) fn schemas() -> Map<String, Value> {
    let text = |about: &str| json!({"type": "string", "description": about});
    let running = json!({"type": "boolean", "description": "Whether one is being made."});
    let backup = [
        ("name", text("The file's name.")),
        ("bytes", json!({"type": "integer", "minimum": 0})),
        ("created_at", time()),
    ];
    let list = [
        ("folder", text("The folder on the server.")),
        ("running", running),
        ("data", json!({"type": "array", "items": reference("Backup")})),
    ];
    members([("Backup", object(members(backup))), ("Backups", object(members(list)))])
}
