//! Refused connections: each gets a `429` with the reason, written without hyper.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::{Problem, allow_origin, to_raw};
use crate::limits::{CLOSE_WAIT, REFUSED_HEAD_BYTES};
use crate::server::admission::Refusal;
use crate::server::context::Context;
use crate::server::head::{await_request, origin_in};
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
    let tls = await_request(&stream, context.api.identity.as_deref()).await?;
    let mut stream = Stream::new(stream, tls);
    let origin = read_origin(&mut stream).await?;
    let mut reply = Problem::from(refusal).into_reply();
    allow_origin(&mut reply, origin.as_deref(), &context.api.origins);
    stream.write_all(&to_raw(&reply)).await?;
    drop(reply);
    stream.shutdown().await?;
    // Waits until the peer has closed: an unread byte would turn the reply into a reset.
    let mut rest = [0; 256];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Reads the origin from the beginning of the head. Frees the buffer before the reply is made.
async fn read_origin(stream: &mut Stream) -> io::Result<Option<String>> {
    let mut head = vec![0; REFUSED_HEAD_BYTES];
    let length = stream.read(&mut head).await?;
    Ok(origin_in(&head[..length]).map(ToOwned::to_owned))
}
