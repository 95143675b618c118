//! Pairing a device over REST: the device shows a code, and an admin approves it.

use std::net::IpAddr;

use hyper::StatusCode;
use hyper::header::{self, HeaderMap};
use hyper::http::uri::Authority;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::auth::hosts::{address_towards, as_address};
use crate::auth::pairing::{PairingRefused, Polled};
use crate::auth::pairing_table::CodeRefused;
use crate::domain::device::NewDevice;
use crate::domain::json_literal::json;
use crate::domain::json_schema::{choice, closed, members, object, reference, time};
use crate::domain::{Code, Reject, timestamp};
use crate::http::api::Api;
use crate::http::headers::cookie_lines;
use crate::http::login::brief;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, to_json};
use crate::http::request::ApiRequest;
use crate::limits::{BODY_BYTES_MAX, PAIRING_POLL_MS, USER_AGENT_CHARS_MAX};
use crate::qr;

impl Api {
    /// `POST /api/pairing`.
    pub(super) fn open_pairing(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        #[derive(Serialize)]
        struct Shown<'p> {
            code: &'p str,
            expires_at: String,
            poll_after_ms: u64,
        }
        let user_agent = user_agent(&request.parts.headers);
        let opened = self.auth.open_pairing(request.client, user_agent)?;
        let expires_at = timestamp::text(opened.expires_at);
        let shown = Shown { code: &opened.code, expires_at, poll_after_ms: PAIRING_POLL_MS };
        let mut reply = reply::made(to_json(&shown), "/api/pairing");
        reply::set(&mut reply, header::SET_COOKIE, &opened.cookie);
        Ok(reply)
    }

    /// `GET /api/pairing`.
    pub(super) async fn poll_pairing(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let lines: Vec<&[u8]> = cookie_lines(&request.parts.headers).collect();
        let polled = self.auth.poll_pairing(request.client, &lines).await?;
        let Polled::Approved(id, cookie) = polled else {
            return Ok(reply::json(to_json(&json!({"status": "waiting"}))));
        };
        let device = self.store.device(id).await.map_err(|reject| match reject {
            Reject::NotFound => PairingRefused::Ended,
            reject => reject.into(),
        })?;
        let mut reply =
            reply::json(to_json(&json!({"status": "approved", "device": brief(&device)})));
        reply::set(&mut reply, header::SET_COOKIE, &cookie);
        Ok(reply)
    }

    /// `GET /api/pairing/qr.svg`: the link to the page where an admin approves the code of the device that asks.
    pub(super) fn pairing_qr(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let code =
            self.auth.open_code(request.client.secure, cookie_lines(&request.parts.headers))?;
        let authority = self.authority_for_others(request).ok_or_else(|| {
            Problem::new(Code::MalformedRequest, "a link to this server needs its Host")
        })?;
        let scheme = if request.client.secure { "https" } else { "http" };
        let svg = qr::svg(&format!("{scheme}://{authority}/pair#{code}"));
        Ok(reply::plain(StatusCode::OK, "image/svg+xml", svg.ok_or_else(Problem::not_found)?))
    }

    /// The host and port at which an admin's phone reaches this server as the device does. Names of the local network
    /// are replaced by the address, because many phones cannot resolve them.
    fn authority_for_others(&self, request: &ApiRequest) -> Option<String> {
        let authority = Authority::try_from(request.header(&header::HOST)?).ok()?;
        let host = authority.host();
        let own = address_towards(request.client.address).filter(|_| as_address(host).is_none());
        let Some(own) = own else { return Some(authority.to_string()) };
        let own = match own {
            IpAddr::V4(own) => own.to_string(),
            IpAddr::V6(own) => format!("[{own}]"),
        };
        // A certificate, this server's or that of a proxy in front, may be for the name alone.
        let has_certificate = request.client.secure
            && is_full_name(host)
            && !self.identity.as_ref().is_some_and(|identity| identity.covers(&own));
        Some(match authority.port() {
            _ if has_certificate => authority.to_string(),
            Some(port) => format!("{own}:{port}"),
            None => own,
        })
    }

    /// `GET /api/pairing/{code}`.
    pub(super) fn get_pairing(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        #[derive(Serialize)]
        struct Shown {
            code: String,
            address: IpAddr,
            user_agent: Option<String>,
            created_at: String,
        }
        let typed = request.path_text()?;
        let found = self.auth.find_pairing(&typed, self.caller(request)?)?;
        Ok(reply::json(to_json(&Shown {
            code: found.code.to_string(),
            address: found.applicant.address,
            user_agent: found.applicant.user_agent,
            created_at: timestamp::text(found.applicant.created_at),
        })))
    }

    /// `POST /api/pairing/{code}`.
    pub(super) async fn approve_pairing(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let typed = request.path_text()?;
        let (body, _) = request.json_object(BODY_BYTES_MAX).await?;
        let new = NewDevice::read(body)?;
        let device = self.auth.approve_pairing(&typed, self.caller(request)?, new).await?;
        Ok(reply::made(device.body, &format!("/api/devices/{}", device.id)))
    }
}

/// Whether a host has a name beyond the local network, for which certificates are issued.
fn is_full_name(host: &str) -> bool {
    let labels = host.trim_end_matches('.').rsplit_once('.');
    labels.is_some_and(|(_, last)| !last.eq_ignore_ascii_case("local"))
}

/// A browser's own name for itself, to be shown to an admin: it is the client's text, so it is cut, and every
/// character that is not printable ASCII becomes a question mark.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let bytes = headers.get(header::USER_AGENT)?.as_bytes().iter().take(USER_AGENT_CHARS_MAX);
    let shown = bytes.map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' });
    Some(shown.collect()).filter(|text: &String| !text.trim().is_empty())
}

impl From<PairingRefused> for Problem {
    fn from(refused: PairingRefused) -> Self {
        match refused {
            PairingRefused::TooMany(wait) => {
                let detail = "too many devices wait to be paired; wait until a code expires";
                Self::retry_after(Code::TooManyPairings, detail, wait)
            }
            PairingRefused::NoCookie => {
                Self::new(Code::NoPairing, "begin with POST /api/pairing, which sets a cookie")
            }
            PairingRefused::Ended => {
                Self::new(Code::PairingEnded, "the pairing has ended; begin another")
            }
            PairingRefused::Code(CodeRefused::Unknown) => {
                Self::new(Code::NotFound, "no device waits with this code; look at it again")
            }
            PairingRefused::Code(CodeRefused::Used) => {
                Self::new(Code::CodeUsed, "the code was used before; see GET /api/devices")
            }
            PairingRefused::Code(CodeRefused::TooMany(wait)) => {
                let detail = "too many wrong codes; wait and type it again";
                Self::retry_after(Code::TooManyCodes, detail, wait)
            }
            PairingRefused::Rejected(reject) => reject.into(),
        }
    }
}

/// The schemas in the API document.
pub(super) fn schemas() -> Map<String, Value> {
    let code =
        json!({"type": "string", "pattern": "^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$"});
    let text = json!({"type": "string"});
    let user_agent = json!({
        "type": ["string", "null"], "maxLength": USER_AGENT_CHARS_MAX,
        "description": "The browser's own name for itself.",
    });
    let poll = json!({"type": "integer", "description": "When to ask again, in milliseconds."});
    let progress = members([
        ("status", choice(["waiting", "approved"])),
        ("device", reference("SessionDevice")),
    ]);
    members([
        (
            "OpenedPairing",
            object(members([
                ("code", code.clone()),
                ("expires_at", time()),
                ("poll_after_ms", poll),
            ])),
        ),
        ("PairingProgress", closed(progress, &["status".to_owned()])),
        (
            "PairingDevice",
            object(members([
                ("code", code),
                ("address", text),
                ("user_agent", user_agent),
                ("created_at", time()),
            ])),
        ),
    ])
}
