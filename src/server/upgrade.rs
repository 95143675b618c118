//! The upgrade of `/ws`: from an HTTP request to a socket of the socket thread (RFC 6455, section 4.2).

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use crate::auth::session::{EndReason, NoSession};
use crate::auth::sessions::{AttachError, SessionGuard};
use crate::auth::{ClientAddr, SessionLookup};
use crate::domain::Code;
use crate::http::{Problem, Reply, may_act, switching_protocols};
use crate::server::admission::ConnectionPermit;
use crate::server::context::Context;
use crate::server::pace::Paced;
use crate::server::stream::Parts;
use crate::ws;

/// The next step after the upgrade.
enum AfterUpgrade {
    /// The socket joins the others.
    Join(SessionGuard),
    /// The socket gets a close frame with this reason.
    Reject(&'static str),
}

/// Replies to `/ws`.
pub(super) fn upgrade(
    context: &Arc<Context>,
    request: Request<Incoming>,
    client: ClientAddr,
    session: SessionLookup,
    permit: Arc<ConnectionPermit>,
) -> Reply {
    socket_permit(context, client, permit)
        .and_then(|permit| try_upgrade(context, request, client, session, permit))
        .unwrap_or_else(refuse)
}

/// The permits that a WebSocket holds until it ends: its connection's, and behind a proxy also the client's.
fn socket_permit(
    context: &Context,
    client: ClientAddr,
    permit: Arc<ConnectionPermit>,
) -> Result<ws::ConnectionPermit, Problem> {
    if !permit.is_proxy() || context.proxies.trust(client.address) {
        return Ok(permit);
    }
    let of_client = context.admission.admit_behind_proxy(client.address);
    let of_client = of_client.map_err(|refusal| Problem::from(&refusal))?;
    Ok(Arc::new((permit, of_client)))
}

fn try_upgrade(
    context: &Arc<Context>,
    mut request: Request<Incoming>,
    client: ClientAddr,
    session: SessionLookup,
    permit: ws::ConnectionPermit,
) -> Result<Reply, Problem> {
    let accepted = check_request(context, &request, client)?;
    let after_upgrade = attach_session(context, session)?;
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(continue_as_websocket(Arc::clone(context), upgrade, after_upgrade, permit));
    let mut reply = switching_protocols();
    let headers = reply.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accepted.accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(protocol) = accepted.protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    Ok(reply)
}

/// Checks all of a request but its session.
fn check_request(
    context: &Context,
    request: &Request<Incoming>,
    client: ClientAddr,
) -> Result<ws::Accepted, Problem> {
    if request.method() != Method::GET {
        let problem = Problem::new(Code::MethodNotAllowed, "allowed: GET");
        return Err(problem.with(header::ALLOW, HeaderValue::from_static("GET")));
    }
    let headers = request.headers();
    if !may_act(headers, &context.api.origins, client.secure) {
        return Err(Problem::new(
            Code::OriginNotAllowed,
            "a page of this origin may not connect; see --allow-origin",
        ));
    }
    if request.version() < Version::HTTP_11 {
        return Err(Problem::new(Code::NoHandshake, "a WebSocket handshake needs HTTP/1.1"));
    }
    let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let accepted = lines.collect::<ws::Handshake<'_>>().accept().map_err(|error| match error {
        ws::HandshakeError::Malformed(wrong) => Problem::new(Code::NoHandshake, wrong),
        ws::HandshakeError::OtherVersion => {
            let wrong = format!("Sec-WebSocket-Version must be {}", ws::VERSION);
            Problem::new(Code::UpgradeRequired, wrong)
        }
    })?;
    if context.lifecycle.is_stopping() {
        let wait = Duration::from_secs(1);
        return Err(Problem::retry_after(Code::Stopping, "the server is stopping", wait));
    }
    Ok(accepted)
}

/// Replies with a problem. One about the version names the version that the server speaks (RFC 6455,
/// section 4.4) and the protocol that it would switch to (RFC 9110, section 15.5.22).
fn refuse(problem: Problem) -> Reply {
    let mut reply = problem.into_reply();
    if reply.status() == StatusCode::UPGRADE_REQUIRED {
        let headers = reply.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(ws::VERSION));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    }
    reply
}

/// Attaches the socket to its session. Without a valid session, the upgrade succeeds and a close frame
/// follows, because a browser cannot read the status of a refused handshake. Only a user with too many
/// sockets is refused before the upgrade.
fn attach_session(context: &Context, session: SessionLookup) -> Result<AfterUpgrade, Problem> {
    match session {
        Ok(session) => {
            match context.api.auth.sessions.attach(session, context.sockets_per_user_max) {
                Ok(session) => Ok(AfterUpgrade::Join(session)),
                Err(AttachError::Ended(reason)) => Ok(rejection(reason)),
                Err(AttachError::TooMany) => {
                    let detail = "this user has as many connections as a user may have";
                    let wait = Duration::from_secs(5);
                    Err(Problem::retry_after(Code::TooManyRequests, detail, wait))
                }
            }
        }
        Err(NoSession::Unknown | NoSession::InvalidToken) => Ok(rejection(None)),
        Err(NoSession::Ended(reason)) => Ok(rejection(Some(reason))),
        Err(ambiguous @ NoSession::Ambiguous) => Err(ambiguous.into()),
    }
}

/// The close frame of a socket without a session says why.
fn rejection(reason: Option<EndReason>) -> AfterUpgrade {
    AfterUpgrade::Reject(reason.map_or("no valid session, log in first", EndReason::text))
}

/// Takes the stream back from hyper, so that none of its buffers stays, and hands it to the socket thread.
async fn continue_as_websocket(
    context: Arc<Context>,
    upgrade: OnUpgrade,
    after_upgrade: AfterUpgrade,
    permit: ws::ConnectionPermit,
) {
    let Ok(upgraded) = upgrade.await else {
        return;
    };
    let Ok(parts) = upgraded.downcast::<TokioIo<Paced>>() else {
        return;
    };
    let (mut stream, mut early) = (parts.io.into_inner().into_inner(), parts.read_buf);
    if stream.flush().await.is_err() {
        return;
    }
    let Parts { tcp, tls, text } = stream.into_parts();
    if !text.is_empty() {
        early = [&early[..], &text].concat().into();
    }
    let stream = match tcp.into_std() {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a socket cannot leave the runtime");
            return;
        }
    };
    match after_upgrade {
        AfterUpgrade::Join(session) => {
            context.hub.join(ws::NewSocket { stream, tls, early, session, permit }).await;
        }
        AfterUpgrade::Reject(reason) => {
            ws::close(ws::Socket::new(stream, tls), Some((1008, reason))).await;
        }
    }
}
