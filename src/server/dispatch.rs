//! One request: it is checked, traced to its client, and handed to the API or to `/ws`.

use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::{Request, StatusCode, Version};
use tokio::time::timeout;

use crate::auth::{ClientAddr, SessionLookup};
use crate::domain::Code;
use crate::http::{
    AUTHORITY_PATH, Problem, Reply, allow_origin, bearer, cookie_lines, is_probe, may_act,
    origin_of, owner,
};
use crate::limits::{LOGIN_BYTES_MAX, REJECTED_SKIP_TIMEOUT};
use crate::server::admission::{ConnectionPermit, RESERVED};
use crate::server::context::Context;
use crate::server::host::{check_host, check_name, only_host};
use crate::server::pace::Peer;
use crate::server::redirect::redirect;
use crate::server::upgrade::upgrade;

/// Replies to a request.
pub(super) async fn dispatch(
    context: &Arc<Context>,
    mut request: Request<Incoming>,
    sender: ClientAddr,
    permit: Arc<ConnectionPermit>,
    peer: &Peer,
) -> Reply {
    let client =
        check_head(&request).and_then(|()| context.proxies.client(sender, request.headers_mut()));
    let client = client.and_then(|client| check_hosts(context, &request).map(|()| client));
    let secure = client.as_ref().is_ok_and(|client| client.secure);
    let headers = request.headers();
    let session = context.api.auth.session(secure, &bearer(headers), cookie_lines(headers));
    if let (Ok(session), Ok(client)) = (&session, &client) {
        session.seen_at(client.address);
    }
    let has_session = session.is_ok();
    let origin = origin_of(request.headers()).map(ToOwned::to_owned);
    if let Some(origin) = &origin
        && !may_act(request.headers(), &context.api.origins, secure)
    {
        context.api.origins.warn_refused(origin);
    }
    peer.set(owner(&session, client.as_ref().map_or(sender, |client| *client)));
    let mut reply = match client {
        Err(problem) => closing(problem.into_reply()),
        Ok(_) if needs_tls(context, &request) && !secure => closing(redirect(&request)),
        Ok(client) => route(context, request, client, session, permit).await,
    };
    allow_origin(&mut reply, origin.as_deref(), &context.api.origins);
    if let Some(hsts) = context.hsts.as_ref().filter(|_| secure) {
        reply.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    if reply.status() != StatusCode::SWITCHING_PROTOCOLS
        && !context.http_permits.allow_keep_alive(has_session)
    {
        reply = closing(reply);
    }
    reply
}

/// Whether a request must come over TLS: all do where it is spoken, but the one for the certificate that a
/// client has to trust first.
fn needs_tls(context: &Context, request: &Request<Incoming>) -> bool {
    context.api.identity.is_some() && request.uri().path() != AUTHORITY_PATH
}

/// Turns a request without a session away from a place that is kept for others, else hands it on.
async fn route(
    context: &Arc<Context>,
    request: Request<Incoming>,
    client: ClientAddr,
    session: SessionLookup,
    permit: Arc<ConnectionPermit>,
) -> Reply {
    if session.is_err() && permit.reserved && !is_probe(request.uri().path()) {
        skip_body(request.into_body()).await;
        return closing(Problem::from(&RESERVED).into_reply());
    }
    if request.uri().path() == "/ws" {
        // A body would stand before the next request.
        let has_body = !request.body().is_end_stream();
        let reply = upgrade(context, request, client, session, permit);
        let ends = has_body && reply.status() != StatusCode::SWITCHING_PROTOCOLS;
        return if ends { closing(reply) } else { reply };
    }
    context.api.handle(request, client, session).await
}

/// A reply after which the connection ends.
fn closing(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// Reads the body for at most `REJECTED_SKIP_TIMEOUT`: an unread byte would turn the reply into a reset.
async fn skip_body(body: Incoming) {
    let read = Limited::new(body, LOGIN_BYTES_MAX).collect();
    // Whether or not it was read in time, the reply leaves now.
    drop(timeout(REJECTED_SKIP_TIMEOUT, read).await);
}

/// Rejects heads that hyper accepts and a proxy in front may read differently: more than one `Host`, or
/// none (RFC 9112, section 3.2), and a body in any coding but chunked (section 6.1).
fn check_head(request: &Request<Incoming>) -> Result<(), Problem> {
    let headers = request.headers();
    let hosts = headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    only_host(hosts, request.version() < Version::HTTP_11)?;
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    };
    if is_chunked {
        return Ok(());
    }
    Err(Problem::new(Code::MalformedRequest, "a body comes in chunks or with its length"))
}

/// Rejects a request for a host that is not this server. A request without a host does not come from a browser,
/// and is allowed.
fn check_hosts(context: &Context, request: &Request<Incoming>) -> Result<(), Problem> {
    if let Some(target) = request.uri().authority() {
        check_name(&context.hosts, target.host())?;
    }
    let host = request.headers().get(header::HOST);
    host.map_or(Ok(()), |host| check_host(&context.hosts, host.as_bytes()))
}
