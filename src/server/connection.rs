//! One TCP connection: its head awaited, then HTTP, then perhaps a WebSocket in a task of its own.

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

use crate::auth::Found;
use crate::auth::sessions::Attached;
use crate::http::{Peer, Problem, Reply, ReplyBody, header_text, may_act};
use crate::limits::{
    ANONYMOUS_KEEP_ALIVE_EIGHTHS_MAX, CLOSE_WAIT, HEAD_BYTES_MAX, HEAD_TIMEOUT, HTTP_BUFFER_BYTES,
    KEEP_ALIVE_EIGHTHS_MAX, KERNEL_STALL_MAX, LOGIN_BYTES_MAX, REJECTED_SKIP_TIMEOUT,
    SEND_BUFFER_BYTES,
};
use crate::server::doors::{CROWDED, Place, Refusal};
use crate::server::redirect::redirect;
use crate::server::stream::{Parts, Stream};
use crate::server::{Server, head};
use crate::tls::Session;
use crate::ws;

/// What a client gets after the upgrade.
enum Welcome {
    /// The events.
    Session(Attached),
    /// A close frame with this reason.
    Unauthorized(&'static str),
}

impl Server {
    /// Serves a connection until it ends or becomes a WebSocket.
    #[expect(clippy::manual_async_fn, reason = "an async fn would keep its arguments twice")]
    pub(super) fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        from: IpAddr,
        place: Place,
    ) -> impl Future<Output = ()> {
        async move {
            tune(&stream);
            let session = tokio::select! {
                session = timeout(HEAD_TIMEOUT, self.greet(&stream)) => session,
                () = self.stopped() => return,
            };
            let Ok(Ok(session)) = session else {
                return;
            };
            let stream = Stream::new(stream, session);
            let Ok(permit) = self.http_places.acquire().await else {
                return;
            };
            place.keep();
            // Large as futures go: only there while it is needed, as the buffers are.
            let served = Box::pin(self.speak_http(stream, from, place)).await;
            drop(permit);
            if let Err(error) = served {
                tracing::debug!(%error, %from, "connection ended");
            }
        }
    }

    /// Waits until the server stops.
    async fn stopped(&self) {
        // Taken before the flag is looked at: a stop in between rings it.
        let rung = self.stop.notified();
        if !self.api.stopping.load(Ordering::Acquire) {
            rung.await;
        }
    }

    /// Waits for a request's head, or over TLS for the handshake and the record that it is in.
    #[expect(clippy::manual_async_fn, reason = "an async fn would keep its arguments twice")]
    fn greet(&self, stream: &TcpStream) -> impl Future<Output = io::Result<Option<Box<Session>>>> {
        async move {
            match &self.identity {
                Some(identity) => Box::pin(head::wait_secure(stream, identity)).await,
                None => head::wait(stream).await.map(|()| None),
            }
        }
    }

    async fn speak_http(
        self: &Arc<Self>,
        stream: Stream,
        from: IpAddr,
        place: Place,
    ) -> hyper::Result<()> {
        let place = Arc::new(place);
        let peer = Peer { address: from.to_canonical(), secure: stream.is_secure() };
        let service = service_fn(|request| {
            let (server, place) = (Arc::clone(self), Arc::clone(&place));
            async move { Ok::<_, Infallible>(server.answer(request, peer, place).await) }
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

    async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        sender: Peer,
        place: Arc<Place>,
    ) -> Reply {
        let session = self.api.auth.session(header_text(request.headers(), &header::COOKIE));
        let known = session.is_ok();
        let turn = if known { None } else { self.stranger_turns.try_acquire().ok() };
        let turned_away = !known && (place.reserved || turn.is_none());
        let client =
            check_head(&request).and_then(|()| self.proxies.client(sender, request.headers_mut()));
        let secure = client.as_ref().is_ok_and(|client| client.secure);
        let mut reply = match client {
            Err(problem) => closing(problem.into_reply()),
            Ok(_) if self.identity.is_some() && !secure => closing(redirect(&request)),
            Ok(_) if turned_away => {
                skip(request.into_body()).await;
                Problem::retry_after(StatusCode::TOO_MANY_REQUESTS, CROWDED.why, CROWDED.wait)
                    .into_reply()
            }
            Ok(client) if request.uri().path() == "/ws" => {
                let place = self.place_of(client, place);
                place.map_or_else(Problem::into_reply, |place| {
                    self.upgrade_or_refuse(request, secure, session, place)
                })
            }
            Ok(client) => self.api.handle(request, client, session).await,
        };
        if let Some(hsts) = self.hsts.as_ref().filter(|_| secure) {
            reply.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        // Places are short: whoever wants more asks for one again, strangers sooner than others.
        let taken = self.http_places_max - self.http_places.available_permits();
        let eighths = if known { KEEP_ALIVE_EIGHTHS_MAX } else { ANONYMOUS_KEEP_ALIVE_EIGHTHS_MAX };
        let short = turned_away || taken * 8 > self.http_places_max * eighths;
        if short && reply.status() != StatusCode::SWITCHING_PROTOCOLS {
            reply = closing(reply);
        }
        reply
    }

    /// What a WebSocket holds until it ends: its connection's place, and behind a proxy one of the
    /// client's own.
    fn place_of(&self, client: Peer, place: Arc<Place>) -> Result<ws::Place, Problem> {
        if !place.is_of_proxy() || self.proxies.trust(client.address) {
            return Ok(place);
        }
        let share = self.doors.admit_behind_proxy(client.address);
        let share = share.map_err(|Refusal { why, wait }| {
            Problem::retry_after(StatusCode::TOO_MANY_REQUESTS, why, wait)
        })?;
        Ok(Arc::new((place, share)))
    }

    /// What `/ws` answers. A body has no place there; it would stand before the next request.
    fn upgrade_or_refuse(
        self: &Arc<Self>,
        request: Request<Incoming>,
        secure: bool,
        session: Found,
        place: ws::Place,
    ) -> Reply {
        let has_body = !request.body().is_end_stream();
        let reply =
            self.upgrade(request, secure, session, place).unwrap_or_else(Problem::into_reply);
        if has_body && reply.status() != StatusCode::SWITCHING_PROTOCOLS {
            return closing(reply);
        }
        reply
    }

    /// Agrees to become a WebSocket, or says why not.
    fn upgrade(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        secure: bool,
        session: Found,
        place: ws::Place,
    ) -> Result<Reply, Problem> {
        if request.method() != Method::GET {
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "there is GET");
            return Err(problem.with(header::ALLOW, HeaderValue::from_static("GET")));
        }
        let headers = request.headers();
        if !may_act(headers, &self.api.origins, secure) {
            return Err(Problem::forbidden(
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
            let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, wrong);
            problem.with(header::UPGRADE, HeaderValue::from_static("websocket"))
        })?;
        if self.api.stopping.load(Ordering::Acquire) {
            let wait = Duration::from_secs(1);
            return Err(Problem::retry_after(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server is stopping",
                wait,
            ));
        }
        let welcome = self.welcome(session)?;
        self.go_on_as_websocket(hyper::upgrade::on(&mut request), welcome, place);
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

    fn welcome(&self, session: Found) -> Result<Welcome, Problem> {
        match session {
            Ok(session) => {
                let attached = self.api.auth.sessions.attach(session, self.sockets_per_user_max);
                let too_many = || {
                    let detail = "this user has as many connections as a user may";
                    Problem::retry_after(
                        StatusCode::TOO_MANY_REQUESTS,
                        detail,
                        Duration::from_secs(5),
                    )
                };
                attached.map(Welcome::Session).ok_or_else(too_many)
            }
            Err(Some(ended)) => Ok(Welcome::Unauthorized(ended.text())),
            Err(None) => Ok(Welcome::Unauthorized("no valid session, log in first")),
        }
    }

    /// Takes the stream back from hyper, so that none of its buffers stays, and gives it to the
    /// thread of the sockets.
    fn go_on_as_websocket(
        self: &Arc<Self>,
        upgrade: hyper::upgrade::OnUpgrade,
        welcome: Welcome,
        place: ws::Place,
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
            let Parts { tcp, session: tls, text } = stream.into_parts();
            if !text.is_empty() {
                early = [&early[..], &text].concat().into();
            }
            match welcome {
                Welcome::Session(session) => match tcp.into_std() {
                    Ok(stream) => {
                        server.hub.join(ws::Guest { stream, tls, early, session, place }).await;
                    }
                    Err(error) => tracing::debug!(%error, "a socket cannot change hands"),
                },
                Welcome::Unauthorized(why) => ws::refuse(tcp, tls, 1008, why).await,
            }
        });
    }

    /// Tells somebody who may not come in, if not too many are being told already.
    pub(super) async fn refuse(self: Arc<Self>, stream: TcpStream, refusal: Refusal) {
        let Ok(_place) = self.refusals.try_acquire() else {
            return;
        };
        let problem =
            Problem::retry_after(StatusCode::TOO_MANY_REQUESTS, refusal.why, refusal.wait);
        let told = async {
            let session = self.greet(&stream).await?;
            let mut stream = Stream::new(stream, session);
            stream.write_all(problem.into_raw().as_bytes()).await?;
            stream.shutdown().await?;
            // Until the peer has closed: an unread byte would turn the answer into a reset.
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        drop(timeout(CLOSE_WAIT, told).await);
    }
}

/// An answer after which the connection ends.
fn closing(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// Reads away what comes soon: an unread byte would turn the answer into a reset.
async fn skip(body: Incoming) {
    let read = Limited::new(body, LOGIN_BYTES_MAX).collect();
    drop(timeout(REJECTED_SKIP_TIMEOUT, read).await);
}

/// Small packets at once, little in the kernel for who does not read, and an end for who takes
/// nothing at all.
fn tune(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let tuned = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_send_buffer_size(SEND_BUFFER_BYTES))
        .and_then(|()| socket.set_tcp_user_timeout(Some(KERNEL_STALL_MAX)));
    if let Err(error) = tuned {
        tracing::debug!(%error, "socket options");
    }
}

/// What hyper lets pass and a proxy in front may read differently: for whom a request is (RFC 9112,
/// section 3.2), and a body within another coding than chunks (section 6.1).
fn check_head(request: &Request<Incoming>) -> Result<(), Problem> {
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    let whole = match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => host.is_empty() || Authority::try_from(host.as_bytes()).is_ok(),
        _ => false,
    };
    if !whole {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "a request has one Host"));
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let known = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    };
    if known {
        return Ok(());
    }
    Err(Problem::new(StatusCode::BAD_REQUEST, "a body comes in chunks or with its length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a connection holds on the heap while it waits for its head, but for its socket's
    /// registration. The runtime adds 104 bytes and rounds up to 128.
    #[test]
    fn the_task_of_a_waiting_connection_stays_small() {
        fn size<F: Future>(_: fn(Arc<Server>, TcpStream, IpAddr, Place) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size(Server::connection);
        assert!(bytes <= 536, "{bytes} bytes");
    }
}
