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
use crate::server::head::{await_request, is_http_1_0, origin_in, values_in};
use crate::server::host::{check_host, only_host};
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
    if let Ok(Err(error)) = timeout(CLOSE_WAIT, send(&context, stream, from, &refusal)).await {
        tracing::debug!(%error, "a refusal could not be sent");
    }
}

async fn send(
    context: &Context,
    stream: TcpStream,
    from: IpAddr,
    refusal: &Refusal,
) -> io::Result<()> {
    let tls = await_request(&stream, context.api.identity.as_deref()).await?;
    let mut stream = Stream::new(stream, tls);
    let reply = reply_to(&read_head(&mut stream).await?, from, context, refusal);
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

fn reply_to(head: &[u8], from: IpAddr, context: &Context, refusal: &Refusal) -> Reply {
    let mut reply = match context.api.probe(head) {
        None => Problem::from(refusal).into_reply(),
        Some(answer) => match check_head_host(head, from, context) {
            Ok(()) => answer,
            Err(problem) => problem.into_reply(),
        },
    };
    allow_origin(&mut reply, origin_in(head), &context.api.origins);
    reply
}

/// Rejects a probe for a host that is not this server. As everywhere, a trusted proxy says what its client asked
/// for.
fn check_head_host(head: &[u8], from: IpAddr, context: &Context) -> Result<(), Problem> {
    let host = only_host(values_in(head, "host"), is_http_1_0(head))?;
    let forwarded =
        values_in(head, "x-forwarded-host").last().filter(|_| context.proxies.trust(from));
    let forwarded = forwarded.and_then(|hosts| hosts.rsplit(|byte| *byte == b',').next());
    let host = forwarded.map(<[u8]>::trim_ascii).or(host);
    host.map_or(Ok(()), |host| check_host(&context.hosts, host))
}
