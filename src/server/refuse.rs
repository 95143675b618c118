//! Refused connections: each gets a `429` with the reason, written without hyper.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::{Problem, Reply, allow_origin, to_raw};
use crate::limits::{CLOSE_WAIT, REFUSED_HEAD_BYTES};
use crate::server::admission::Refusal;
use crate::server::context::Context;
use crate::server::head::{await_request, origin_in};
use crate::server::stream::Stream;
use crate::throttle::Owner;

/// Sends a refused connection the reason, or the answer to a monitor, unless `REFUSALS_MAX` others are
/// being told already, or an eighth of them of its address.
pub(super) async fn refuse(
    context: Arc<Context>,
    stream: TcpStream,
    from: IpAddr,
    refusal: Refusal,
) {
    let Ok(_permit) = context.refusals.try_acquire(Owner::Address(from.into()), 1) else {
        return;
    };
    if let Ok(Err(error)) = timeout(CLOSE_WAIT, send(&context, stream, &refusal)).await {
        tracing::debug!(%error, "a refusal could not be sent");
    }
}

async fn send(context: &Context, stream: TcpStream, refusal: &Refusal) -> io::Result<()> {
    let tls = await_request(&stream, context.api.identity.as_deref()).await?;
    let mut stream = Stream::new(stream, tls);
    let reply = reply_to(&read_head(&mut stream).await?, context, refusal);
    stream.write_all(&to_raw(&reply)).await?;
    drop(reply);
    stream.shutdown().await?;
    // Waits until the peer has closed: an unread byte would turn the reply into a reset.
    let mut rest = [0; 256];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Reads the beginning of the head.
async fn read_head(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut head = vec![0; REFUSED_HEAD_BYTES];
    let length = stream.read(&mut head).await?;
    head.truncate(length);
    Ok(head)
}

fn reply_to(head: &[u8], context: &Context, refusal: &Refusal) -> Reply {
    let refuse = || Problem::from(refusal).into_reply();
    let mut reply = context.api.probe(head).unwrap_or_else(refuse);
    allow_origin(&mut reply, origin_in(head), &context.api.origins);
    reply
}
