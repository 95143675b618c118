//! The server: listens, admits connections, maintains itself, and drains before it stops.

mod admission;
mod backups;
mod connection;
mod head;
mod listen;
mod proxy;
mod redirect;
mod settings;
mod stream;
mod systemd;

use std::net::{SocketAddr, TcpListener as Passed};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::header::HeaderValue;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use crate::auth::Auth;
use crate::auth::origin::Origins;
use crate::auth::sessions::Sessions;
use crate::feed::Feed;
use crate::http::{Api, MemoryBudget};
use crate::limits::{
    ACCEPT_RETRY_DELAY, ANONYMOUS_REQUEST_EIGHTHS_MAX, CERTIFICATE_CHECK_INTERVAL, DRAIN_STEP,
    REFUSALS_MAX, SWEEP_INTERVAL, TRIM_INTERVAL,
};
use crate::memory;
use crate::metrics::Metrics;
use crate::store::{self, CommitSinks, Store};
use crate::tls::Identity;
use crate::ws::{DRAIN_SLOTS, EventLoop, Hub};

use admission::Admission;
pub use backups::DailyBackup;
use listen::listen;
pub use listen::passed;
use proxy::Proxies;
pub use settings::Settings;
use systemd::{Heartbeat, ServiceNotifier};

/// A server that listens.
pub struct Server {
    api: Api,
    hub: Arc<Hub>,
    admission: Arc<Admission>,
    identity: Option<Arc<Identity>>,
    /// The value of `Strict-Transport-Security`.
    hsts: Option<HeaderValue>,
    proxies: Proxies,
    http_permits: Semaphore,
    /// For requests without a session.
    anonymous_permits: Semaphore,
    http_permits_max: usize,
    refusals: Semaphore,
    /// Notified when `api.stopping` has become true.
    stop: Notify,
    /// Notified to see whether the accept loops still make progress.
    probe: Notify,
    sockets_per_user_max: usize,
    drain_time: Duration,
    daily_backup: Option<DailyBackup>,
}

/// An opened server, with what only `run` needs.
pub struct Opened {
    server: Arc<Server>,
    listeners: Vec<TcpListener>,
    writer: JoinHandle<()>,
    event_loop: EventLoop,
    notifier: ServiceNotifier,
    terminate: Signal,
    interrupt: Signal,
    /// The addresses it listens on, with the ports that the system chose for port 0.
    pub addresses: Vec<SocketAddr>,
}

impl Server {
    /// Opens the data directory, and the addresses beside the passed sockets.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn open(settings: &Settings, passed: Vec<Passed>) -> Result<Opened, String> {
        let notifier = ServiceNotifier::starting(store::database_bytes(&settings.data_dir));
        let (limits, lifetimes) = (settings.limits, settings.lifetimes);
        let metrics = Arc::new(Metrics::new());
        let feed: Arc<OnceLock<Arc<Feed>>> = Arc::default();
        let (hub, inbox) = Hub::new().map_err(|error| format!("sockets: {error}"))?;
        let hub = Arc::new(hub);
        let (wake, recheck) = (Arc::clone(&hub), Arc::clone(&hub));
        let sessions =
            Sessions::new(limits.sessions, lifetimes, move || recheck.recheck_sessions());
        let sessions = Arc::new(sessions);
        let sinks = commit_sinks(&feed, &sessions, &metrics);
        let (dir, clock) = (&settings.data_dir, settings.clock);
        let opened = Store::open(dir, settings.retention, limits, clock, &metrics, sinks)
            .map_err(|error| error.to_string())?;
        let store = Arc::new(opened.store);
        let made = Feed::new(opened.head, move || wake.wake());
        let feed = Arc::clone(feed.get_or_init(|| Arc::new(made)));
        sessions.restore(opened.sessions, opened.now);
        let hash = limits.hash;
        let auth = Auth::new(Arc::clone(&store), sessions, lifetimes, hash, Arc::clone(&metrics));
        let event_loop = EventLoop::new(
            Arc::clone(&hub),
            inbox,
            Arc::clone(&feed),
            Arc::clone(&store),
            Arc::clone(&metrics),
            settings.connections_max,
        );
        let listeners = listen(settings, passed)?;
        let admission = Arc::new(Admission::new(settings.admission_limits(), Arc::clone(&metrics)));
        let api = Api {
            store,
            auth: Arc::new(auth),
            feed,
            metrics,
            origins: Arc::new(Origins(settings.allow_origin.clone())),
            stopping: AtomicBool::new(false),
            memory_budget: MemoryBudget::new(limits.bodies_kib, limits.pages_at_once),
        };
        let server = Self {
            api,
            hub,
            admission,
            identity: settings.identity.clone(),
            hsts: settings.hsts(),
            proxies: Proxies(settings.proxies.clone()),
            http_permits: Semaphore::new(limits.http_connections),
            anonymous_permits: Semaphore::new(
                limits.http_connections * ANONYMOUS_REQUEST_EIGHTHS_MAX / 8,
            ),
            http_permits_max: limits.http_connections,
            refusals: Semaphore::new(REFUSALS_MAX),
            stop: Notify::new(),
            probe: Notify::new(),
            sockets_per_user_max: settings.sockets_per_user_max,
            drain_time: settings.drain,
            daily_backup: settings.daily_backup.clone(),
        };
        // From here on a signal stops the server in good order, even before it is announced.
        let [terminate, interrupt] = [SignalKind::terminate(), SignalKind::interrupt()];
        let (terminate, interrupt) = (listen_for_signal(terminate)?, listen_for_signal(interrupt)?);
        Ok(Opened {
            server: Arc::new(server),
            addresses: listeners.iter().filter_map(|one| one.local_addr().ok()).collect(),
            listeners,
            writer: opened.writer,
            event_loop,
            notifier,
            terminate,
            interrupt,
        })
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, rounds: Arc<AtomicU64>) {
        let mut failing = false;
        loop {
            rounds.fetch_add(1, Ordering::Relaxed);
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.probe.notified() => continue,
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
            let admitted = if self.proxies.trust(from.ip()) {
                self.admission.admit_proxy()
            } else {
                self.admission.admit(from.ip())
            };
            match admitted {
                Ok(permit) => {
                    let number = permit.number;
                    let task =
                        tokio::spawn(Arc::clone(&self).connection(stream, from.ip(), permit));
                    self.admission.set_abort_handle(number, task.abort_handle());
                }
                Err(refusal) => drop(tokio::spawn(Arc::clone(&self).refuse(stream, refusal))),
            }
        }
    }

    /// Trims memory, checks the certificate, and watches the threads. Returns the reason to stop once one
    /// of them has ended.
    async fn run_maintenance(
        &self,
        writer: &JoinHandle<()>,
        event_loop: &JoinHandle<()>,
    ) -> &'static str {
        let mut second = interval(Duration::from_secs(1));
        let mut trim = interval(TRIM_INTERVAL);
        let mut certificate = interval(CERTIFICATE_CHECK_INTERVAL);
        let mut connections_before = 0;
        loop {
            tokio::select! {
                _ = second.tick() => {
                    if writer.is_finished() {
                        return "the writer has ended; the data is as of the last commit";
                    }
                    if event_loop.is_finished() {
                        return "the socket thread has ended; no stored data is lost";
                    }
                }
                _ = certificate.tick() => {
                    for warning in self.identity.iter().flat_map(|identity| identity.warnings()) {
                        tracing::warn!("{warning}");
                    }
                }
                _ = trim.tick() => {
                    let connections = self.admission.connections();
                    if connections != connections_before {
                        connections_before = connections;
                        memory::trim();
                    }
                }
            }
        }
    }

    /// The status line for the service manager.
    fn status(&self) -> String {
        let (connections, head) = (self.admission.connections(), self.api.feed.head());
        let unsent = self.api.metrics.unsent.get();
        format!("{connections} connections, seq {head}, {unsent} unsent")
    }

    /// The progress of the writer, the socket thread, and each accept loop.
    fn heartbeats(&self, accepting: &[Arc<AtomicU64>]) -> Vec<Heartbeat> {
        let metrics = &self.api.metrics;
        let threads = [
            ("the writer", metrics.writer_rounds.get()),
            ("the socket thread", metrics.socket_turns.get()),
        ];
        let rounds = accepting.iter().map(|rounds| rounds.load(Ordering::Relaxed));
        let parts = threads.into_iter().chain(rounds.map(|rounds| ("an accept loop", rounds)));
        parts.map(|(part, rounds)| Heartbeat { part, rounds }).collect()
    }

    /// Wakes the parts that only wait. The writer wakes by itself, at each tick.
    fn probe(&self) {
        self.probe.notify_waiters();
        self.hub.wake();
    }

    /// Ends expired sessions. It waits for the store, so nothing else shares its timer.
    async fn sweep_sessions(&self) {
        let mut sweep = interval(SWEEP_INTERVAL);
        loop {
            sweep.tick().await;
            self.api.auth.sweep(false).await;
        }
    }

    /// Lets every connection end, the WebSockets one after the other, so that they do not all reconnect
    /// at the same instant.
    async fn drain(&self) {
        let begun = Instant::now();
        self.api.stopping.store(true, Ordering::Release);
        self.stop.notify_waiters();
        let connections = u32::try_from(self.admission.connections()).unwrap_or(u32::MAX);
        let window = (self.drain_time * 3 / 4).min(DRAIN_STEP.saturating_mul(connections));
        let mut step = interval(Duration::from_millis(20));
        while self.admission.connections() > 0 && begun.elapsed() < self.drain_time.mul_f32(0.9) {
            let gone = begun.elapsed().as_secs_f32() / window.as_secs_f32().max(0.001);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 1000, clamped"
            )]
            let share = (gone * 1000.0).clamp(0.0, 1000.0) as u32;
            self.hub.drain_to(share.min(DRAIN_SLOTS));
            step.tick().await;
        }
        self.api.auth.sweep(true).await;
        let left = self.admission.connections();
        let took = begun.elapsed().as_millis();
        tracing::info!(took_ms = took, left, "stopped");
    }
}

impl Opened {
    /// Serves until a signal; returns the writer, which ends once the runtime has dropped everything else.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn run(self) -> Result<JoinHandle<()>, String> {
        let Self { server, listeners, writer, event_loop, notifier, addresses, .. } = self;
        let (mut terminate, mut interrupt) = (self.terminate, self.interrupt);
        let event_loop = thread::Builder::new()
            .name("sockets".to_owned())
            .spawn(move || event_loop.serve())
            .map_err(|error| format!("no thread for the sockets: {error}"))?;
        let mut accepting = JoinSet::new();
        let mut accept_on = |listener| {
            let rounds = Arc::default();
            accepting.spawn(Arc::clone(&server).accept(listener, Arc::clone(&rounds)));
            rounds
        };
        let rounds: Vec<Arc<AtomicU64>> = listeners.into_iter().map(&mut accept_on).collect();
        for address in addresses {
            tracing::info!("listening on {address}");
        }
        notifier.ready(&server.status()).await;
        let (status, heartbeats) = (|| server.status(), || server.heartbeats(&rounds));
        let failed = tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            failed = server.run_maintenance(&writer, &event_loop) => Some(failed.to_owned()),
            _ = accepting.join_next() => Some("connections are no longer accepted".to_owned()),
            () = notifier.report(status, heartbeats, || server.probe()) => None,
            () = server.sweep_sessions() => None,
            () = server.api.store.tick() => None,
            () = backups::make_daily(server.daily_backup.clone()) => None,
        };
        tracing::info!("stopping");
        accepting.abort_all();
        notifier.stopping(server.drain_time);
        let drained = tokio::time::timeout(server.drain_time, server.drain()).await;
        if drained.is_err() {
            tracing::warn!("the drain took longer than --drain; the remaining connections are cut");
        }
        server.hub.stop();
        failed.map_or(Ok(writer), Err)
    }
}

fn listen_for_signal(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("cannot listen for signals: {error}"))
}

/// The sinks that the writer hands its results to.
fn commit_sinks(
    feed: &Arc<OnceLock<Arc<Feed>>>,
    sessions: &Arc<Sessions>,
    metrics: &Arc<Metrics>,
) -> CommitSinks {
    let (publish, jump) = (Arc::clone(feed), Arc::clone(feed));
    let (sessions, metrics) = (Arc::clone(sessions), Arc::clone(metrics));
    CommitSinks {
        publish: Box::new(move |events| {
            metrics.events.inc_by(events.len() as u64);
            if let Some(feed) = publish.get() {
                feed.publish(&events);
            }
        }),
        reset_to: Box::new(move |head| jump.get().into_iter().for_each(|feed| feed.reset_to(head))),
        sessions: Box::new(move |snapshots| sessions.reconcile(&snapshots)),
    }
}
