//! `POST /api/setup`: the first admin and the shop, by the link of the first start.

use hyper::header;
use serde_json::{Map, Value};

use crate::auth::SetupRefused;
use crate::domain::{Code, FieldError, Secret, ShopPatch, Violation};
use crate::http::api::Api;
use crate::http::headers::cookie_lines;
use crate::http::login::show;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply};
use crate::http::request::ApiRequest;
use crate::http::users::{read_password, read_username};
use crate::limits::{LOGIN_BODY_TIMEOUT, LOGIN_BYTES_MAX};

/// The body of a person who sets up the shop.
#[derive(Default)]
struct Setup {
    code: Option<String>,
    username: Option<String>,
    password: Option<Secret>,
    shop: ShopPatch,
}

impl Api {
    /// `POST /api/setup`. The code comes first: a page that sends it alone learns what it is worth.
    pub(super) async fn set_up(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let (body, _) = request.json_object_within(LOGIN_BYTES_MAX, LOGIN_BODY_TIMEOUT).await?;
        let (setup, errors) = read(body);
        let invalid = || Problem::invalid(errors.clone());
        let code = setup.code.ok_or_else(invalid)?;
        let ticket = self.auth.check_setup_code(&code, request.client).await?;
        let (Some(username), Some(password), []) = (setup.username, setup.password, &errors[..])
        else {
            return Err(invalid());
        };
        let lines: Vec<&[u8]> = cookie_lines(&request.parts.headers).collect();
        let admin = (username, password);
        let made = self.auth.set_up(ticket, admin, setup.shop, request.client, &lines);
        let (user, cookies) = made.await?;
        let mut reply = reply::made(show(&user), &format!("/api/users/{}", user.id));
        for cookie in cookies {
            reply::append(&mut reply, header::SET_COOKIE, &cookie);
        }
        Ok(reply)
    }
}

/// Reads a body, and lists every wrong member.
fn read(body: Map<String, Value>) -> (Setup, Vec<FieldError>) {
    let (mut setup, mut errors) = (Setup::default(), Vec::new());
    for name in ["code", "username", "password"] {
        if !body.contains_key(name) {
            errors.push(FieldError::new(name, Code::Required, "is required"));
        }
    }
    for (member, value) in body {
        let read = match (member.as_str(), value) {
            ("code", Value::String(code)) => {
                setup.code = Some(code);
                Ok(())
            }
            ("username", Value::String(text)) => {
                read_username(text).map(|name| setup.username = Some(name))
            }
            ("password", Value::String(text)) => {
                read_password(text).map(|password| setup.password = Some(password))
            }
            ("shop", value) => {
                setup.shop = ShopPatch::read_member("shop", value, &mut errors);
                Ok(())
            }
            ("code" | "username" | "password", _) => {
                Err(Violation::new(Code::WrongType, "must be a string"))
            }
            _ => Err(Violation::new(Code::UnknownField, "is not a field here")),
        };
        errors.extend(read.err().map(|wrong| wrong.at(member)));
    }
    (setup, errors)
}

impl From<SetupRefused> for Problem {
    fn from(refused: SetupRefused) -> Self {
        use crate::auth::Denied;
        match refused {
            SetupRefused::Ended => Self::new(
                Code::SetupEnded,
                "the shop has an admin already, or the link has expired: log in, or run `tillcast setup` on the server",
            ),
            SetupRefused::Denied(Denied::Wrong) => Self::new(
                Code::WrongSetupCode,
                "no link has this code: open the newest one, or run `tillcast setup` on the server",
            ),
            SetupRefused::Denied(denied) => denied.into(),
        }
    }
}
