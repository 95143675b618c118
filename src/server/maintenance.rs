//! The server's regular work beside requests, and its progress as the service manager sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::domain::input::Purpose;
use crate::domain::order::{self, OrderStatus};
use crate::domain::{EntityKind, Input, Precondition, Reject, Versions};
use crate::limits::{
    CERTIFICATE_CHECK_INTERVAL, KIOSK_EXPIRY_INTERVAL, SAMPLE_INTERVAL, SWEEP_INTERVAL,
    TRIM_INTERVAL,
};
use crate::memory;
use crate::metrics::{self, saturated};
use crate::server::context::Context;
use crate::server::systemd::Heartbeat;
use crate::shop::{Change, Operation};
use crate::store::{Caller, OrderVersion, Store};

/// Watches the threads. Returns the reason to stop once one of them has ended.
pub(super) async fn watch_threads(
    writer: &JoinHandle<()>,
    sockets: &JoinHandle<()>,
) -> &'static str {
    let mut second = interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        if writer.is_finished() {
            return "the writer has ended; the data is as of the last commit";
        }
        if sockets.is_finished() {
            return "the socket thread has ended; no stored data is lost";
        }
    }
}

/// Gives memory back after connections have ended, and warns about the certificate. Never returns.
pub(super) async fn run_maintenance(context: &Context) {
    let mut trim = interval(TRIM_INTERVAL);
    let mut certificate = interval(CERTIFICATE_CHECK_INTERVAL);
    let mut connections_before = 0;
    loop {
        tokio::select! {
            _ = certificate.tick() => {
                for warning in context.api.identity.iter().flat_map(|identity| identity.warnings()) {
                    tracing::warn!("{warning}");
                }
            }
            _ = trim.tick() => {
                let connections = context.admission.connections();
                if connections != connections_before {
                    connections_before = connections;
                    memory::trim();
                }
            }
        }
    }
}

/// Samples the server's load. It waits for the disk, so nothing else shares its timer. Never returns.
pub(super) async fn sample_load(context: &Context) {
    let metrics = &context.api.metrics;
    let mut timer = interval(SAMPLE_INTERVAL);
    // After a pause, such as a laptop's sleep, the samples that are missing stay so.
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut events_before = 0;
    loop {
        timer.tick().await;
        // A disk that does not answer leaves the values of the last time.
        if let Ok(disk) = context.api.store.disk_use().await {
            let bytes = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
            metrics.disk_size.set(bytes(disk.size));
            metrics.disk_free.set(bytes(disk.free));
            metrics.database_bytes.set(bytes(disk.database));
        }
        let events = metrics.events.get();
        let (commit_mean, commit_max, queue) = metrics.writer_load.take();
        metrics.history.push([
            saturated(events - events_before),
            commit_mean,
            commit_max,
            queue,
            saturated(context.admission.connections()),
            saturated(metrics.sockets.get()),
            saturated(context.api.feed.size().0),
            saturated(metrics.unsent.get()),
            saturated(metrics::resident_bytes() >> 10),
            saturated(metrics.disk_free.get() >> 20),
        ]);
        events_before = events;
    }
}

/// Ends expired sessions. It waits for the store, so nothing else shares its timer. Never returns.
pub(super) async fn sweep_sessions(context: &Context) {
    let mut sweep = interval(SWEEP_INTERVAL);
    loop {
        sweep.tick().await;
        context.api.auth.sweep(false).await;
    }
}

/// Cancels the unpaid orders of kiosks that are too old. An order that is paid or changed meanwhile stays. Never
/// returns.
pub(super) async fn expire_kiosk_orders(context: &Context, expiry: Duration) {
    let store = &context.api.store;
    let mut look = interval(KIOSK_EXPIRY_INTERVAL);
    loop {
        look.tick().await;
        for order in store.old_kiosk_orders(expiry).await.unwrap_or_default() {
            match cancel(store, order).await {
                Ok(()) | Err(Reject::PreconditionFailed | Reject::NotFound) => {}
                Err(error) => {
                    tracing::warn!(?error, id = order.id, "a kiosk's order did not expire");
                }
            }
        }
    }
}

async fn cancel(store: &Store, order: OrderVersion) -> Result<(), Reject> {
    let status = json!({order::STATUS.name: OrderStatus::Cancelled.word()});
    let Value::Object(body) = status else { return Ok(()) };
    let kind = EntityKind::Order;
    let operation = Operation::Update(order.id, Input::read(kind, Purpose::Patch, body)?);
    let if_match = Some(Versions::Listed(vec![order.version]));
    let precondition = Precondition { if_match, ..Precondition::default() };
    let change = Arc::new(Change { kind, operation, precondition });
    store.change(Caller::CONSOLE, change, usize::MAX).await.map(drop)
}

/// The status line for the service manager.
pub(super) fn status(context: &Context) -> String {
    let (connections, head) = (context.admission.connections(), context.api.feed.head());
    let unsent = context.api.metrics.unsent.get();
    format!("{connections} connections, seq {head}, {unsent} unsent")
}

/// The progress of the writer, the socket thread, and each accept loop.
pub(super) fn heartbeats(context: &Context, accept_rounds: &[Arc<AtomicU64>]) -> Vec<Heartbeat> {
    let metrics = &context.api.metrics;
    let threads = [
        ("the writer", metrics.writer_rounds.get()),
        ("the socket thread", metrics.event_loop_rounds.get()),
    ];
    let accept_rounds = accept_rounds.iter().map(|rounds| rounds.load(Ordering::Relaxed));
    let parts = threads.into_iter().chain(accept_rounds.map(|rounds| ("an accept loop", rounds)));
    parts.map(|(part, rounds)| Heartbeat { part, rounds }).collect()
}

/// Wakes the parts that only wait. The writer wakes by itself, at each tick.
pub(super) fn probe(context: &Context) {
    context.accept_probe.notify_waiters();
    context.hub.wake();
}
