//! Users over REST, for admins.

use hyper::{Method, StatusCode};
use serde_json::{Map, Value};

use crate::auth::password;
use crate::auth::session::Session;
use crate::domain::check::{check_line, one_of};
use crate::domain::{Code, FieldError, Role, Secret, User, Violation};
use crate::http::Api;
use crate::http::entities::created;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, WithPermit};
use crate::http::request::{ApiRequest, into_result, number, page_limit};
use crate::limits::{BODY_BYTES_MAX, USERNAME_CHARS_MAX};
use crate::store::{NewUser, UserPatch};

/// What a body says of a user, as far as it is right.
#[derive(Default)]
struct UserFields {
    username: Option<String>,
    role: Option<Role>,
    password: Option<Secret>,
    disabled: Option<bool>,
}

impl Api {
    /// A request to all users.
    pub(super) async fn users(
        &self,
        request: &mut ApiRequest,
        session: &Session,
    ) -> Result<Reply, Problem> {
        check_admin(session)?;
        if request.parts.method == Method::POST {
            return self.create_user(request, session).await;
        }
        let mut errors = Vec::new();
        let pairs = request.query(&["limit", "after"], &mut errors);
        let limit = page_limit(&pairs, &mut errors);
        let after = pairs.iter().find(|(name, _)| name == "after");
        let after = after.and_then(|(name, value)| {
            number(name, value, 0, i64::MAX).map_err(|error| errors.push(error)).ok()
        });
        into_result((), errors)?;
        let permit = self.page_permit().await?;
        let mut users = self.store.users(after, limit + 1).await?;
        let more = users.len() > limit;
        users.truncate(limit);
        let next = users.last().filter(|_| more).map(|user| user.id);
        Ok(reply::page(users.iter().map(User::json), next).with_permit(permit))
    }

    /// A request to one user.
    pub(super) async fn user(
        &self,
        request: &mut ApiRequest,
        id: i64,
        session: &Session,
    ) -> Result<Reply, Problem> {
        check_admin(session)?;
        let user = match request.parts.method {
            Method::PATCH => {
                let (body, _) = request.json_object(BODY_BYTES_MAX).await?;
                let UserFields { username, role, password, disabled } = read(body, false)?;
                let password_hash = match password {
                    Some(password) => Some(self.auth.hash(password).await?),
                    None => None,
                };
                let patch = UserPatch { username, role, disabled, password_hash };
                self.auth
                    .update_user(id, patch, request.if_match(), session, request.client.address)
                    .await?
            }
            Method::DELETE => {
                self.store.remove_user(request.caller(session), id, request.if_match()).await?;
                return Ok(reply::empty(StatusCode::NO_CONTENT));
            }
            _ => self.store.user(id).await?,
        };
        let etag = format!("\"{}\"", user.version);
        if request.parts.method != Method::PATCH && request.if_none_match(&etag) {
            return Ok(reply::empty(StatusCode::NOT_MODIFIED));
        }
        Ok(reply::json_with_etag(StatusCode::OK, user.json(), &etag))
    }

    async fn create_user(
        &self,
        request: &mut ApiRequest,
        session: &Session,
    ) -> Result<Reply, Problem> {
        let (body, bytes) = request.json_object(BODY_BYTES_MAX).await?;
        let repeat = request.idempotency_key(session, &bytes)?;
        let fields = read(body, true)?;
        let (Some(username), Some(role), Some(password)) =
            (fields.username, fields.role, fields.password)
        else {
            return Err(Problem::not_found()); // out of reach: `read` has named what is not there
        };
        let password_hash = self.auth.hash(password).await?;
        let response = self
            .store
            .create_user(request.caller(session), NewUser { username, role, password_hash }, repeat)
            .await?;
        Ok(created("users", response))
    }
}

/// Admins only.
pub(super) fn check_admin(session: &Session) -> Result<(), Problem> {
    if session.principal.role().may_manage_users() {
        return Ok(());
    }
    Err(Problem::new(Code::RoleNotAllowed, "only an admin may do this"))
}

/// Reads a user's body; a new user needs name, role and password.
fn read(body: Map<String, Value>, new: bool) -> Result<UserFields, Problem> {
    let (mut fields, mut errors) = (UserFields::default(), Vec::new());
    for name in ["username", "role", "password"].into_iter().filter(|_| new) {
        if !body.contains_key(name) {
            errors.push(FieldError::new(name, Code::Required, "is required"));
        }
    }
    for (name, value) in body {
        let set = match (name.as_str(), value) {
            ("username", Value::String(text)) => {
                check_line(&text, 1, USERNAME_CHARS_MAX).map(|()| fields.username = Some(text))
            }
            ("role", Value::String(text)) => match Role::named(&text) {
                Some(role) => {
                    fields.role = Some(role);
                    Ok(())
                }
                None => Err(one_of(Role::ALL.map(Role::name))),
            },
            ("password", Value::String(text)) => {
                let password = Secret(text);
                password::check(&password).map(|()| fields.password = Some(password))
            }
            ("disabled", Value::Bool(disabled)) if !new => {
                fields.disabled = Some(disabled);
                Ok(())
            }
            ("disabled", _) if new => {
                Err(Violation::new(Code::ReadOnly, "cannot be set at creation"))
            }
            ("disabled", _) => Err(Violation::new(Code::WrongType, "must be true or false")),
            ("username" | "role" | "password", _) => {
                Err(Violation::new(Code::WrongType, "must be a string"))
            }
            ("id" | "created_at" | "updated_at", _) => {
                Err(Violation::new(Code::ReadOnly, "is set by the server"))
            }
            _ => Err(Violation::new(Code::UnknownField, "is not a field of users")),
        };
        errors.extend(set.err().map(|wrong| wrong.at(name)));
    }
    into_result(fields, errors)
}
