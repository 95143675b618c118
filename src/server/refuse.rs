//! Refused connections: they get a `429` that says why, written without hyper.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::domain::Code;
use crate::http::Problem;
use crate::limits::{CLOSE_WAIT, REFUSED_HEAD_BYTES};
use crate::server::admission::Refusal;
use crate::server::connection::await_request;
use crate::server::context::Context;
use crate::server::head::origin_in;
use crate::server::stream::Stream;

/// Sends a refused connection the reason, unless `REFUSALS_MAX` others are being told already.
pub(super) async fn refuse(context: Arc<Context>, stream: TcpStream, refusal: Refusal) {
    let Ok(_permit) = context.refusals.try_acquire() else {
        return;
    };
    if let Ok(Err(error)) = timeout(CLOSE_WAIT, send(&context, stream, &refusal)).await {
        tracing::debug!(%error, "a refusal could not be sent");
    }
}

async fn send(context: &Context, stream: TcpStream, refusal: &Refusal) -> io::Result<()> {
    let tls = await_request(context, &stream).await?;
    let mut stream = Stream::new(stream, tls);
    let origin = read_origin(&mut stream).await?;
    let reply = too_many(refusal).into_raw(origin.as_deref(), &context.api.origins);
    stream.write_all(&reply).await?;
    drop(reply);
    stream.shutdown().await?;
    // Until the peer has closed: an unread byte would turn the reply into a reset.
    let mut rest = [0; 256];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// The origin in the beginning of the head, whose buffer is free again before the reply is made.
async fn read_origin(stream: &mut Stream) -> io::Result<Option<String>> {
    let mut head = vec![0; REFUSED_HEAD_BYTES];
    let length = stream.read(&mut head).await?;
    Ok(origin_in(&head[..length]).map(ToOwned::to_owned))
}

/// The `429` for a refusal.
pub(super) fn too_many(refusal: &Refusal) -> Problem {
    Problem::retry_after(Code::TooManyRequests, refusal.reason, refusal.retry_after)
}
