//! The server: opens the shop, listens, serves until a signal, and drains.

mod accept;
mod admission;
mod backups;
mod connection;
mod context;
mod dispatch;
mod drain;
mod half_open;
mod head;
mod host;
mod http_permits;
mod listen;
mod maintenance;
mod pace;
mod parse_errors;
mod proxy;
mod redirect;
mod refuse;
mod settings;
mod storage;
mod stream;
mod systemd;
mod upgrade;

use std::net::{SocketAddr, TcpListener as Passed};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::auth::Auth;
use crate::auth::origin::Origins;
use crate::http::{Api, Bounds, Descriptions, Pools};
use crate::metrics::Metrics;
use crate::store;
use crate::throttle::OrderRate;
use crate::ws::{EventLoop, Hub};

pub use backups::DailyBackup;
use context::Context;
pub use listen::passed;
pub use settings::Settings;
use storage::Storage;
use systemd::ServiceNotifier;

/// An opened server, which listens and does not accept connections yet.
pub struct Server {
    context: Arc<Context>,
    listeners: Vec<TcpListener>,
    writer: JoinHandle<()>,
    event_loop: EventLoop,
    notifier: ServiceNotifier,
    signals: Signals,
    drain_time: Duration,
    kiosk_order_expiry: Duration,
    daily_backup: Option<DailyBackup>,
    /// The addresses it listens on, with the ports that the system chose for port 0.
    pub addresses: Vec<SocketAddr>,
}

impl Server {
    /// Opens the data directory, and the addresses beside the passed sockets.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn open(
        settings: &Settings,
        passed: Vec<Passed>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, String> {
        let notifier = ServiceNotifier::starting(store::database_bytes(&settings.data_dir));
        let (hub, inbox) = Hub::new().map_err(|error| format!("sockets: {error}"))?;
        let hub = Arc::new(hub);
        let storage = Storage::open(settings, &metrics, &hub)?;
        let listeners = listen::listen(settings, passed)?;
        let addresses: Vec<SocketAddr> =
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let event_loop = EventLoop::new(
            Arc::clone(&hub),
            inbox,
            Arc::clone(&storage.feed),
            Arc::clone(&storage.store),
            Arc::clone(&metrics),
            settings.connections_max,
        );
        let port = addresses.first().map_or(0, SocketAddr::port);
        let (api, writer) = api(settings, storage, port, metrics);
        Ok(Self {
            context: Arc::new(Context::new(settings, api, hub)),
            addresses,
            listeners,
            writer,
            event_loop,
            notifier,
            signals: Signals::listen()?,
            drain_time: settings.drain,
            kiosk_order_expiry: settings.kiosk_order_expiry,
            daily_backup: settings.daily_backup.clone(),
        })
    }

    /// Serves until a signal; returns the writer, which ends once the runtime has dropped everything else.
    ///
    /// # Errors
    /// A sentence for the operator, if a part of the server has ended by itself.
    pub async fn run(mut self) -> Result<JoinHandle<()>, String> {
        let context = &self.context;
        let event_loop = self.event_loop;
        let sockets = thread::Builder::new()
            .name("sockets".to_owned())
            .spawn(move || event_loop.serve())
            .map_err(|error| format!("no thread for the sockets: {error}"))?;
        let mut accepting = JoinSet::new();
        let mut accept_rounds = Vec::new();
        for listener in self.listeners {
            let rounds = Arc::default();
            accept_rounds.push(Arc::clone(&rounds));
            accepting.spawn(accept::accept_connections(Arc::clone(context), listener, rounds));
        }
        for address in self.addresses {
            tracing::info!("listening on {address}");
        }
        let status = || maintenance::status(context);
        let heartbeats = || maintenance::heartbeats(context, &accept_rounds);
        self.notifier.ready(&status()).await;
        let failure = tokio::select! {
            () = self.signals.received() => None,
            ended = maintenance::watch_threads(&self.writer, &sockets) => Some(ended.to_owned()),
            _ = accepting.join_next() => Some("connections are no longer accepted".to_owned()),
            () = self.notifier.report(status, heartbeats, || maintenance::probe(context)) => None,
            () = maintenance::run_maintenance(context) => None,
            () = maintenance::sweep_sessions(context) => None,
            () = maintenance::sample_load(context) => None,
            () = maintenance::expire_kiosk_orders(context, self.kiosk_order_expiry) => None,
            () = context.api.store.tick() => None,
            () = backups::make_daily(self.daily_backup) => None,
        };
        tracing::info!("stopping");
        accepting.abort_all();
        self.notifier.stopping(self.drain_time);
        drain::drain(context, self.drain_time).await;
        failure.map_or(Ok(self.writer), Err)
    }
}

/// The signals that stop the server: `SIGTERM` and `SIGINT`.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on they no longer end the process at once.
    fn listen() -> Result<Self, String> {
        let listen =
            |kind| signal(kind).map_err(|error| format!("signals cannot be listened for: {error}"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first of them.
    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

/// The HTTP API on an opened shop, and the shop's writer.
fn api(
    settings: &Settings,
    storage: Storage,
    port: u16,
    metrics: Arc<Metrics>,
) -> (Api, JoinHandle<()>) {
    let Storage { store, writer, sessions, feed } = storage;
    let (limits, lifetimes) = (settings.limits, settings.lifetimes);
    let auth =
        Auth::new(Arc::clone(&store), sessions, port, lifetimes, limits.hash, Arc::clone(&metrics));
    let api = Api {
        store,
        auth: Arc::new(auth),
        feed,
        metrics,
        origins: Arc::new(Origins::new(settings.allow_origin.clone())),
        lifecycle: Arc::default(),
        metrics_readers: settings.metrics_readers,
        identity: settings.identity.clone(),
        bounds: Bounds {
            connections: settings.connections_max,
            queue: limits.write_queue,
            memory_bytes: settings.memory_bytes_max,
        },
        backups: Arc::clone(&settings.backups),
        pools: Arc::new(Pools::new(&limits)),
        kiosk_orders: OrderRate::new(),
        descriptions: Descriptions::default(),
        demo_logins: settings.demo_logins.clone(),
    };
    (api, writer)
}
