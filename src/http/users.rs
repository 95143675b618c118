//! Users over REST, for admins.

use std::mem;

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::auth::password;
use crate::domain::check::{check_line, one_of};
use crate::domain::text::normalize;
use crate::domain::{Code, FieldError, Role, Secret, User, Violation};
use crate::http::api::Api;
use crate::http::entities::created;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, ReplyExt};
use crate::http::request::ApiRequest;
use crate::limits::{BODY_BYTES_MAX, USERNAME_CHARS_MAX};
use crate::store::{NewPassword, NewUser, UserPatch};

/// The valid fields of a user in a body.
#[derive(Default)]
struct UserFields {
    username: Option<String>,
    role: Option<Role>,
    password: Option<Secret>,
    disabled: Option<bool>,
}

impl Api {
    /// `GET /api/users`.
    pub(super) async fn list_users(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let mut query = mem::take(&mut request.query);
        let (limit, after) = (query.limit(), query.number("after", 0));
        query.finish()?;
        let permit = self.page_permit(request.owner()).await?;
        let mut users = self.store.users(after, limit + 1).await?;
        let next = reply::cut(&mut users, limit, |user| user.id);
        Ok(reply::page(users.iter().map(User::json), next).with_permit(permit))
    }

    /// `POST /api/users`.
    pub(super) async fn create_user(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let session = request.session()?;
        let (body, bytes) = request.json_object(BODY_BYTES_MAX).await?;
        let key = request.idempotency_key(&session, &bytes)?;
        let fields = read(body, true)?;
        let (Some(username), Some(role), Some(password)) =
            (fields.username, fields.role, fields.password)
        else {
            return Err(Problem::not_found()); // unreachable: `read` has refused a missing field
        };
        let password_hash = self.auth.hash(password, request.owner()).await?;
        let (new, caller) = (NewUser { username, role, password_hash }, self.caller(request)?);
        Ok(created("users", self.store.create_user(caller, new, key).await?))
    }

    /// `GET /api/users/{id}`.
    pub(super) async fn get_user(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let user = self.store.user(request.id()?).await?;
        let modified = || reply::versioned(StatusCode::OK, user.json(), user.version);
        Ok(reply::not_modified(&request.parts.headers, user.version).unwrap_or_else(modified))
    }

    /// `PATCH /api/users/{id}`.
    pub(super) async fn patch_user(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let id = request.id()?;
        let (body, _) = request.json_object(BODY_BYTES_MAX).await?;
        let UserFields { username, role, password, disabled } = read(body, false)?;
        let password = match password {
            Some(password) => Some(NewPassword {
                hash: self.auth.hash(password, request.owner()).await?,
                proved: None,
            }),
            None => None,
        };
        let patch = UserPatch { username, role, disabled, password };
        let (precondition, caller) = (request.precondition(), self.caller(request)?);
        let user = self.auth.update_user(id, patch, precondition, caller).await?;
        Ok(reply::versioned(StatusCode::OK, user.json(), user.version))
    }

    /// `DELETE /api/users/{id}`.
    pub(super) async fn delete_user(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let caller = self.caller(request)?;
        self.store.remove_user(caller, request.id()?, request.precondition()).await?;
        Ok(reply::empty(StatusCode::NO_CONTENT))
    }
}

/// Reads a user from a body; a new user needs name, role and password.
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
                read_username(text).map(|name| fields.username = Some(name))
            }
            ("role", Value::String(text)) => match Role::named(&text) {
                Some(role) => {
                    fields.role = Some(role);
                    Ok(())
                }
                None => Err(one_of(Role::ALL.map(Role::name))),
            },
            ("password", Value::String(text)) => {
                read_password(text).map(|password| fields.password = Some(password))
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
    if errors.is_empty() { Ok(fields) } else { Err(Problem::invalid(errors)) }
}

/// Checks a user's name; returns it as it is stored.
pub(super) fn read_username(text: String) -> Result<String, Violation> {
    let name = normalize(text);
    check_line(&name, 1, USERNAME_CHARS_MAX).map(|()| name)
}

/// Checks a new password; returns it as it is hashed.
pub(super) fn read_password(text: String) -> Result<Secret, Violation> {
    let password = Secret(normalize(text));
    password::check(&password).map(|()| password)
}
