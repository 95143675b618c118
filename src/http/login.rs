//! Logging in and out over REST.

use hyper::StatusCode;
use hyper::header;
use serde::Serialize;
use serde_json::Value;

use crate::auth::password;
use crate::domain::json_literal::json;
use crate::domain::text::normalize;
use crate::domain::{Code, Device, FieldError, Precondition, Principal, Role, Secret, User};
use crate::http::api::Api;
use crate::http::headers::cookie_lines;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, to_json};
use crate::http::request::ApiRequest;
use crate::limits::{LOGIN_BODY_TIMEOUT, LOGIN_BYTES_MAX};

impl Api {
    /// `POST /api/auth/login`.
    pub(super) async fn login(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let [username, password] = self.two_texts(request, ["username", "password"]).await?;
        let (username, password) = (normalize(username), Secret(normalize(password)));
        let lines: Vec<&[u8]> = cookie_lines(&request.parts.headers).collect();
        let (user, cookies) = self.auth.login(username, password, request.client, &lines).await?;
        let mut reply = reply::json(show(&user));
        for cookie in cookies {
            reply::append(&mut reply, header::SET_COOKIE, &cookie);
        }
        Ok(reply)
    }

    /// `GET /api/demo`: the logins of a demo, and none of a real shop.
    pub(super) fn demo_logins(&self) -> Reply {
        let login = |(role, password): &(Role, Secret)| json!({"username": role.name(), "password": &*password.0});
        let logins: Vec<Value> = self.demo_logins.iter().map(login).collect();
        reply::json(json!({"data": logins}).to_string())
    }

    /// `POST /api/auth/logout`.
    pub(super) async fn logout(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let principal = request.session()?.principal;
        if let Principal::Device { id, .. } = principal {
            // Without its session it could never come back.
            let caller = self.caller(request)?;
            self.store.remove_device(caller, id, Precondition::default()).await?;
        }
        let cookies = cookie_lines(&request.parts.headers);
        let cookie = self.auth.logout(request.client, cookies).await?;
        let mut reply = reply::empty(StatusCode::NO_CONTENT);
        reply::set(&mut reply, header::SET_COOKIE, &cookie);
        Ok(reply)
    }

    /// `GET /api/auth/me`.
    pub(super) async fn me(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let session = request.session()?;
        let Principal::Device { id, .. } = session.principal else {
            return Ok(reply::json(show(&self.auth.user(&session).await?)));
        };
        let device = brief(&self.store.device(id).await?);
        let mut reply = reply::json(to_json(&json!({"device": device})));
        let lines = cookie_lines(&request.parts.headers);
        if let Some(cookie) = self.auth.renewed_cookie(&session, request.client.secure, lines) {
            reply::set(&mut reply, header::SET_COOKIE, &cookie);
        }
        Ok(reply)
    }

    /// `POST /api/auth/password`.
    pub(super) async fn change_password(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let session = request.session()?;
        let texts = self.two_texts(request, ["current_password", "new_password"]).await?;
        let [current, new] = texts.map(|text| Secret(normalize(text)));
        password::check(&new).map_err(|wrong| Problem::invalid(vec![wrong.at("new_password")]))?;
        self.auth.change_password(&session, current, new, request.client.address).await?;
        Ok(reply::empty(StatusCode::NO_CONTENT))
    }

    /// Reads a body of exactly two texts.
    async fn two_texts(
        &self,
        request: &mut ApiRequest,
        names: [&str; 2],
    ) -> Result<[String; 2], Problem> {
        let (mut body, _) = request.json_object_within(LOGIN_BYTES_MAX, LOGIN_BODY_TIMEOUT).await?;
        let mut errors = Vec::new();
        let texts = names.map(|name| match body.remove(name) {
            Some(Value::String(text)) => text,
            Some(_) => {
                errors.push(FieldError::new(name, Code::WrongType, "must be a string"));
                String::new()
            }
            None => {
                errors.push(FieldError::new(name, Code::Required, "is required"));
                String::new()
            }
        });
        errors.extend(
            body.keys()
                .map(|name| FieldError::new(name, Code::UnknownField, "is not a field here")),
        );
        if errors.is_empty() { Ok(texts) } else { Err(Problem::invalid(errors)) }
    }
}

/// The device of a session, as JSON.
pub(super) fn brief(Device { id, name, role, .. }: &Device) -> Value {
    json!({"id": *id, "name": name.as_str(), "role": role.name()})
}

/// The user of a session, as JSON.
pub(super) fn show(user: &User) -> String {
    #[derive(Serialize)]
    struct Shown<'u> {
        id: i64,
        username: &'u str,
        role: &'u str,
    }
    #[derive(Serialize)]
    struct Envelope<'u> {
        user: Shown<'u>,
    }
    let user = Shown { id: user.id, username: &user.username, role: user.role.name() };
    to_json(&Envelope { user })
}
