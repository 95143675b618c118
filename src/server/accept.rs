//! Accepts connections from one listener, for as long as the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::limits::ACCEPT_RETRY_DELAY;
use crate::server::connection::serve_connection;
use crate::server::context::Context;
use crate::server::refuse::refuse;

/// Admits each connection or refuses it, in a task of its own. Counts its rounds for the watchdog. Never
/// returns.
pub(super) async fn accept_connections(
    context: Arc<Context>,
    listener: TcpListener,
    rounds: Arc<AtomicU64>,
) {
    let mut failing = false;
    loop {
        rounds.fetch_add(1, Ordering::Relaxed);
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = context.accept_probe.notified() => continue,
        };
        // Logged once, not at each retry.
        match &accepted {
            Err(error) if !failing => tracing::warn!(%error, "cannot accept connections"),
            Ok(_) if failing => tracing::warn!("connections can be accepted again"),
            _ => {}
        }
        failing = accepted.is_err();
        let Ok((stream, from)) = accepted else {
            // Out of file descriptors or memory; connections that end give some back.
            sleep(ACCEPT_RETRY_DELAY).await;
            continue;
        };
        let admission = &context.admission;
        let admitted = if context.proxies.trust(from.ip()) {
            admission.admit_proxy(from.ip())
        } else {
            admission.admit(from.ip())
        };
        match admitted {
            Ok(permit) => {
                let number = permit.number;
                let serving = serve_connection(Arc::clone(&context), stream, from.ip(), permit);
                admission.set_abort_handle(number, tokio::spawn(serving).abort_handle());
            }
            Err(refusal) => {
                tokio::spawn(refuse(Arc::clone(&context), stream, from.ip(), refusal));
            }
        }
    }
}
