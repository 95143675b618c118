//! One TCP connection: it waits for the head of a request, then serves HTTP until it ends or becomes a
//! WebSocket.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::auth::ClientAddr;
use crate::limits::{
    HEAD_BYTES_MAX, HEAD_TIMEOUT, HTTP_BUFFER_BYTES, KERNEL_STALL_MAX, SEND_BUFFER_BYTES,
};
use crate::server::admission::{ConnectionPermit, FULL};
use crate::server::context::Context;
use crate::server::dispatch::dispatch;
use crate::server::head::await_request;
use crate::server::pace::{Paced, Peer};
use crate::server::parse_errors::WithProblems;
use crate::server::refuse::refuse;
use crate::server::stream::Stream;
use crate::throttle::Owner;

/// Serves a connection until it ends or becomes a WebSocket.
#[expect(clippy::manual_async_fn, reason = "an async fn would keep its arguments twice")]
pub(super) fn serve_connection(
    context: Arc<Context>,
    stream: TcpStream,
    from: IpAddr,
    permit: ConnectionPermit,
) -> impl Future<Output = ()> {
    async move {
        set_socket_options(&stream);
        let tls = tokio::select! {
            tls = timeout(HEAD_TIMEOUT, await_request(&stream, context.api.identity.as_deref())) => tls,
            () = context.lifecycle.stop_begun() => return,
        };
        let Ok(Ok(tls)) = tls else {
            return;
        };
        let Some(stream) = answer_probe(&context, Stream::new(stream, tls), from) else {
            return;
        };
        let Some(http_permit) = context.http_permits.acquire().await else {
            return;
        };
        permit.keep();
        // A large future, boxed so that it takes memory only during the HTTP phase.
        let served = Box::pin(serve_http(&context, stream, from, permit)).await;
        drop(http_permit);
        if let Err(error) = served {
            tracing::debug!(%error, %from, "connection ended");
        }
    }
}

/// Answers a monitor at once if all others have to wait; returns any other stream.
fn answer_probe(context: &Arc<Context>, stream: Stream, from: IpAddr) -> Option<Stream> {
    if !context.http_permits.are_taken() || !stream.is_probe() {
        return Some(stream);
    }
    tokio::spawn(refuse(Arc::clone(context), stream.into_parts().tcp, from, FULL));
    None
}

async fn serve_http(
    context: &Arc<Context>,
    stream: Stream,
    from: IpAddr,
    permit: ConnectionPermit,
) -> hyper::Result<()> {
    let permit = Arc::new(permit);
    let sender = ClientAddr { address: from.to_canonical(), secure: stream.is_secure() };
    let peer = Arc::new(Peer::new(Owner::Address(from.into())));
    let service = service_fn(|request| {
        let (context, permit, peer) = (Arc::clone(context), Arc::clone(&permit), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(dispatch(&context, request, sender, permit, &peer).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HTTP_BUFFER_BYTES)
        .max_header_size(HEAD_BYTES_MAX);
    let stream = WithProblems::new(stream, Arc::clone(&context.api.origins));
    let stream = Paced::new(stream, Arc::clone(&context.api.pools), Arc::clone(&peer));
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        served = connection.as_mut() => served,
        () = context.lifecycle.stop_begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

/// Makes the kernel send small packets at once, bound its buffer for slow readers, and end connections whose
/// peer accepts nothing.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection's heap while it waits for its head, without its socket's registration. The runtime
    /// adds 104 bytes and rounds up to a multiple of 128.
    #[test]
    fn the_task_of_a_waiting_connection_stays_small() {
        fn size<F: Future>(_: fn(Arc<Context>, TcpStream, IpAddr, ConnectionPermit) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size(serve_connection);
        assert!(bytes <= 536, "{bytes} bytes");
    }
}
