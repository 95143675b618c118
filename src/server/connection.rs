//! One TCP connection: it waits for a head, then serves HTTP, and perhaps becomes a WebSocket.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::auth::SessionLookup;
use crate::auth::sessions::SessionGuard;
use crate::domain::Code;
use crate::http::{Peer, Problem, Reply, ReplyBody, header_text, may_act};
use crate::limits::{
    ANONYMOUS_KEEP_ALIVE_EIGHTHS_MAX, CLOSE_WAIT, HEAD_BYTES_MAX, HEAD_TIMEOUT, HTTP_BUFFER_BYTES,
    KEEP_ALIVE_EIGHTHS_MAX, KERNEL_STALL_MAX, LOGIN_BYTES_MAX, REJECTED_SKIP_TIMEOUT,
    SEND_BUFFER_BYTES,
};
use crate::server::admission::{ConnectionPermit, RESERVED, Refusal};
use crate::server::redirect::redirect;
use crate::server::stream::{Parts, Stream};
use crate::server::{Server, head};
use crate::tls::TlsConnection;
use crate::ws;

/// The way on after the upgrade.
enum AfterUpgrade {
    /// The socket joins the others.
    Join(SessionGuard),
    /// The socket gets a close frame with this reason.
    Reject(&'static str),
}

impl Server {
    /// Serves a connection until it ends or becomes a WebSocket.
    #[expect(clippy::manual_async_fn, reason = "an async fn would keep its arguments twice")]
    pub(super) fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        from: IpAddr,
        permit: ConnectionPermit,
    ) -> impl Future<Output = ()> {
        async move {
            set_socket_options(&stream);
            let tls = tokio::select! {
                tls = timeout(HEAD_TIMEOUT, self.await_request(&stream)) => tls,
                () = self.stopped() => return,
            };
            let Ok(Ok(tls)) = tls else {
                return;
            };
            let stream = Stream::new(stream, tls);
            let Ok(http_permit) = self.http_permits.acquire().await else {
                return;
            };
            permit.keep();
            // A large future, boxed so that it takes memory only during the HTTP phase.
            let served = Box::pin(self.serve_http(stream, from, permit)).await;
            drop(http_permit);
            if let Err(error) = served {
                tracing::debug!(%error, %from, "connection ended");
            }
        }
    }

    /// Waits until the server stops.
    async fn stopped(&self) {
        // Created before the flag is read, so that a stop in between is not missed.
        let notified = self.stop.notified();
        if !self.api.stopping.load(Ordering::Acquire) {
            notified.await;
        }
    }

    /// Waits for the head of a request; over TLS for the handshake and the record that begins the head.
    #[expect(clippy::manual_async_fn, reason = "an async fn would keep its arguments twice")]
    fn await_request(
        &self,
        stream: &TcpStream,
    ) -> impl Future<Output = io::Result<Option<Box<TlsConnection>>>> {
        async move {
            match &self.identity {
                Some(identity) => Box::pin(head::wait_tls(stream, identity)).await,
                None => head::wait_plain(stream).await.map(|()| None),
            }
        }
    }

    async fn serve_http(
        self: &Arc<Self>,
        stream: Stream,
        from: IpAddr,
        permit: ConnectionPermit,
    ) -> hyper::Result<()> {
        let permit = Arc::new(permit);
        let peer = Peer { address: from.to_canonical(), secure: stream.is_secure() };
        let service = service_fn(|request| {
            let (server, permit) = (Arc::clone(self), Arc::clone(&permit));
            async move { Ok::<_, Infallible>(server.respond(request, peer, permit).await) }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HTTP_BUFFER_BYTES)
            .max_header_size(HEAD_BYTES_MAX);
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = pin!(connection);
        tokio::select! {
            served = connection.as_mut() => served,
            () = self.stopped() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    }

    async fn respond(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        sender: Peer,
        permit: Arc<ConnectionPermit>,
    ) -> Reply {
        let session = self.api.auth.session(header_text(request.headers(), &header::COOKIE));
        let known = session.is_ok();
        let anonymous = if known { None } else { self.anonymous_permits.try_acquire().ok() };
        let rejected = !known && (permit.reserved || anonymous.is_none());
        let client =
            check_head(&request).and_then(|()| self.proxies.client(sender, request.headers_mut()));
        let secure = client.as_ref().is_ok_and(|client| client.secure);
        let mut reply = match client {
            Err(problem) => closing(problem.into_reply()),
            Ok(_) if self.identity.is_some() && !secure => closing(redirect(&request)),
            Ok(_) if rejected => {
                skip_body(request.into_body()).await;
                too_many(&RESERVED).into_reply()
            }
            Ok(client) if request.uri().path() == "/ws" => {
                let permit = self.socket_permit(client, permit);
                permit.map_or_else(Problem::into_reply, |permit| {
                    self.upgrade_or_refuse(request, secure, session, permit)
                })
            }
            Ok(client) => self.api.handle(request, client, session).await,
        };
        if let Some(hsts) = self.hsts.as_ref().filter(|_| secure) {
            reply.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        // Permits are scarce: clients must ask again for more, those without a session sooner than others.
        let taken = self.http_permits_max - self.http_permits.available_permits();
        let eighths = if known { KEEP_ALIVE_EIGHTHS_MAX } else { ANONYMOUS_KEEP_ALIVE_EIGHTHS_MAX };
        let scarce = rejected || taken * 8 > self.http_permits_max * eighths;
        if scarce && reply.status() != StatusCode::SWITCHING_PROTOCOLS {
            reply = closing(reply);
        }
        reply
    }

    /// The permit that a WebSocket holds until it ends: its connection's, and behind a proxy the client's
    /// own as well.
    fn socket_permit(
        &self,
        client: Peer,
        permit: Arc<ConnectionPermit>,
    ) -> Result<ws::ConnectionPermit, Problem> {
        if !permit.is_proxy() || self.proxies.trust(client.address) {
            return Ok(permit);
        }
        let share = self.admission.admit_behind_proxy(client.address);
        let share = share.map_err(|refusal| too_many(&refusal))?;
        Ok(Arc::new((permit, share)))
    }

    /// The reply to `/ws`. A request with a body ends the connection: the body would stand before the next
    /// request.
    fn upgrade_or_refuse(
        self: &Arc<Self>,
        request: Request<Incoming>,
        secure: bool,
        session: SessionLookup,
        permit: ws::ConnectionPermit,
    ) -> Reply {
        let has_body = !request.body().is_end_stream();
        let reply =
            self.upgrade(request, secure, session, permit).unwrap_or_else(Problem::into_reply);
        if has_body && reply.status() != StatusCode::SWITCHING_PROTOCOLS {
            return closing(reply);
        }
        reply
    }

    /// Upgrades to a WebSocket, or says why not.
    fn upgrade(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        secure: bool,
        session: SessionLookup,
        permit: ws::ConnectionPermit,
    ) -> Result<Reply, Problem> {
        if request.method() != Method::GET {
            let problem = Problem::new(Code::MethodNotAllowed, "allowed: GET");
            return Err(problem.with(header::ALLOW, HeaderValue::from_static("GET")));
        }
        let headers = request.headers();
        if !may_act(headers, &self.api.origins, secure) {
            return Err(Problem::new(
                Code::OriginNotAllowed,
                "a page of this origin may not connect; see --allow-origin",
            ));
        }
        let hello = ws::Hello {
            connection: header_text(headers, &header::CONNECTION),
            upgrade: header_text(headers, &header::UPGRADE),
            version: header_text(headers, &header::SEC_WEBSOCKET_VERSION),
            key: header_text(headers, &header::SEC_WEBSOCKET_KEY),
        };
        let accept = ws::accept(hello).map_err(|wrong| {
            let problem = Problem::new(Code::UpgradeRequired, wrong);
            problem.with(header::UPGRADE, HeaderValue::from_static("websocket"))
        })?;
        if self.api.stopping.load(Ordering::Acquire) {
            let wait = Duration::from_secs(1);
            return Err(Problem::retry_after(Code::Stopping, "the server is stopping", wait));
        }
        let after_upgrade = self.attach_session(session)?;
        self.continue_as_websocket(hyper::upgrade::on(&mut request), after_upgrade, permit);
        let mut reply = Response::new(ReplyBody::new(""));
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = reply.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        Ok(reply)
    }

    fn attach_session(&self, session: SessionLookup) -> Result<AfterUpgrade, Problem> {
        match session {
            Ok(session) => {
                let attached = self.api.auth.sessions.attach(session, self.sockets_per_user_max);
                let too_many = || {
                    let detail = "this user has as many connections as a user may";
                    Problem::retry_after(Code::TooManyRequests, detail, Duration::from_secs(5))
                };
                attached.map(AfterUpgrade::Join).ok_or_else(too_many)
            }
            Err(Some(ended)) => Ok(AfterUpgrade::Reject(ended.text())),
            Err(None) => Ok(AfterUpgrade::Reject("no valid session, log in first")),
        }
    }

    /// Takes the stream back from hyper, so that none of its buffers stays, and hands it to the socket
    /// thread.
    fn continue_as_websocket(
        self: &Arc<Self>,
        upgrade: hyper::upgrade::OnUpgrade,
        after_upgrade: AfterUpgrade,
        permit: ws::ConnectionPermit,
    ) {
        let server = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(upgraded) = upgrade.await else {
                return;
            };
            let Ok(parts) = upgraded.downcast::<TokioIo<Stream>>() else {
                return;
            };
            let (mut stream, mut early) = (parts.io.into_inner(), parts.read_buf);
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
                    tracing::debug!(%error, "a socket cannot change hands");
                    return;
                }
            };
            match after_upgrade {
                AfterUpgrade::Join(session) => {
                    server.hub.join(ws::NewSocket { stream, tls, early, session, permit }).await;
                }
                AfterUpgrade::Reject(why) => {
                    ws::close(ws::Socket::new(stream, tls), Some((1008, why))).await;
                }
            }
        });
    }

    /// Sends a refused connection the reason, unless too many are being told already.
    pub(super) async fn refuse(self: Arc<Self>, stream: TcpStream, refusal: Refusal) {
        let Ok(_permit) = self.refusals.try_acquire() else {
            return;
        };
        let problem = too_many(&refusal);
        let sent = async {
            let tls = self.await_request(&stream).await?;
            let mut stream = Stream::new(stream, tls);
            stream.write_all(problem.into_raw().as_bytes()).await?;
            stream.shutdown().await?;
            // Until the peer has closed: an unread byte would turn the answer into a reset.
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        drop(timeout(CLOSE_WAIT, sent).await);
    }
}

/// The `429` for a refusal.
fn too_many(refusal: &Refusal) -> Problem {
    Problem::retry_after(Code::TooManyRequests, refusal.reason, refusal.retry_after)
}

/// A reply after which the connection ends.
fn closing(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// Reads the body for a moment: an unread byte would turn the reply into a reset.
async fn skip_body(body: Incoming) {
    let read = Limited::new(body, LOGIN_BYTES_MAX).collect();
    drop(timeout(REJECTED_SKIP_TIMEOUT, read).await);
}

/// Sends small packets at once, bounds the kernel's buffer for slow readers, and ends connections that
/// accept nothing at all.
fn set_socket_options(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let set = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_send_buffer_size(SEND_BUFFER_BYTES))
        .and_then(|()| socket.set_tcp_user_timeout(Some(KERNEL_STALL_MAX)));
    if let Err(error) = set {
        tracing::debug!(%error, "socket options");
    }
}

/// Rejects heads that hyper accepts and a proxy in front may read differently: more than one `Host`, or
/// none (RFC 9112, section 3.2), and a body in any coding but chunked (section 6.1).
fn check_head(request: &Request<Incoming>) -> Result<(), Problem> {
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    let has_one_host = match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => host.is_empty() || Authority::try_from(host.as_bytes()).is_ok(),
        _ => false,
    };
    if !has_one_host {
        return Err(Problem::new(Code::MalformedRequest, "a request has one Host"));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection's heap while it waits for its head, without its socket's registration. The runtime
    /// adds 104 bytes and rounds up to a multiple of 128.
    #[test]
    fn the_task_of_a_waiting_connection_stays_small() {
        fn size<F: Future>(_: fn(Arc<Server>, TcpStream, IpAddr, ConnectionPermit) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size(Server::connection);
        assert!(bytes <= 536, "{bytes} bytes");
    }
}
