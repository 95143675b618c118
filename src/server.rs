//! The server: listens, lets connections in, keeps time, and leaves in good order.

mod backups;
mod connection;
mod doors;
mod head;
mod listen;
mod manager;
mod proxy;
mod redirect;
mod settings;
mod stream;

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
use crate::ws::{Crowd, EVERYBODY, Hub};

pub use backups::Daily;
use doors::Doors;
use listen::listen;
pub use listen::passed;
use manager::{Beat, Manager};
use proxy::Proxies;
pub use settings::Settings;

/// A server that listens.
pub struct Server {
    api: Api,
    hub: Arc<Hub>,
    doors: Arc<Doors>,
    identity: Option<Arc<Identity>>,
    /// The value of `Strict-Transport-Security`.
    hsts: Option<HeaderValue>,
    proxies: Proxies,
    http_places: Semaphore,
    /// Requests of those who are not logged in.
    stranger_turns: Semaphore,
    http_places_max: usize,
    refusals: Semaphore,
    /// Rung when `api.stopping` has become true.
    stop: Notify,
    /// Rung to see whether the accept loops still move.
    nudge: Notify,
    sockets_per_user_max: usize,
    drain: Duration,
    daily: Option<Daily>,
}

/// What `Server::open` gives: the server and what only `run` needs.
pub struct Opened {
    server: Arc<Server>,
    listeners: Vec<TcpListener>,
    writer: JoinHandle<()>,
    crowd: Crowd,
    manager: Manager,
    terminate: Signal,
    interrupt: Signal,
    /// Where it listens, with the ports that the system chose for port 0.
    pub addresses: Vec<SocketAddr>,
}

impl Server {
    /// Opens the data directory and the ports, beside those that were passed. The error is a sentence
    /// for the operator.
    pub fn open(settings: &Settings, passed: Vec<Passed>) -> Result<Opened, String> {
        let manager = Manager::starting(store::database_bytes(&settings.data_dir));
        let (limits, lifetimes) = (settings.limits, settings.lifetimes);
        let metrics = Arc::new(Metrics::new());
        let feed: Arc<OnceLock<Arc<Feed>>> = Arc::default();
        let (hub, inbox) = Hub::new().map_err(|error| format!("sockets: {error}"))?;
        let hub = Arc::new(hub);
        let (ring, look) = (Arc::clone(&hub), Arc::clone(&hub));
        let sessions = Sessions::new(limits.sessions, lifetimes, move || look.look());
        let sessions = Arc::new(sessions);
        let commit_sinks = commit_sinks(&feed, &sessions, &metrics);
        let (dir, clock) = (&settings.data_dir, settings.clock);
        let opened = Store::open(dir, settings.retention, limits, clock, &metrics, commit_sinks)
            .map_err(|error| error.to_string())?;
        let store = Arc::new(opened.store);
        let made = Feed::new(opened.head, move || ring.ring());
        let feed = Arc::clone(feed.get_or_init(|| Arc::new(made)));
        sessions.restore(opened.sessions, opened.now);
        let hash = limits.hash;
        let auth = Auth::new(Arc::clone(&store), sessions, lifetimes, hash, Arc::clone(&metrics));
        let crowd = Crowd::new(
            Arc::clone(&hub),
            inbox,
            Arc::clone(&feed),
            Arc::clone(&store),
            Arc::clone(&metrics),
            settings.connections_max,
        );
        let listeners = listen(settings, passed)?;
        let doors = Arc::new(Doors::new(settings.bounds(), Arc::clone(&metrics)));
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
            doors,
            identity: settings.identity.clone(),
            hsts: settings.hsts(),
            proxies: Proxies(settings.proxies.clone()),
            http_places: Semaphore::new(limits.http_connections),
            stranger_turns: Semaphore::new(
                limits.http_connections * ANONYMOUS_REQUEST_EIGHTHS_MAX / 8,
            ),
            http_places_max: limits.http_connections,
            refusals: Semaphore::new(REFUSALS_MAX),
            stop: Notify::new(),
            nudge: Notify::new(),
            sockets_per_user_max: settings.sockets_per_user_max,
            drain: settings.drain,
            daily: settings.daily.clone(),
        };
        // Heard from here on, before anybody is told that there is a server to stop.
        let [terminate, interrupt] =
            [hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?];
        Ok(Opened {
            server: Arc::new(server),
            addresses: listeners.iter().filter_map(|one| one.local_addr().ok()).collect(),
            listeners,
            writer: opened.writer,
            crowd,
            manager,
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
                () = self.nudge.notified() => continue,
            };
            // Told once, not ten times a second for as long as it lasts.
            match &accepted {
                Err(error) if !failing => tracing::warn!(%error, "cannot accept connections"),
                Ok(_) if failing => tracing::warn!("connections can be accepted again"),
                _ => {}
            }
            failing = accepted.is_err();
            let Ok((stream, from)) = accepted else {
                // No file descriptors, or no memory: some will be given back soon.
                sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            };
            let admitted = if self.proxies.trust(from.ip()) {
                self.doors.admit_proxy()
            } else {
                self.doors.admit(from.ip())
            };
            match admitted {
                Ok(place) => {
                    let number = place.number;
                    let task = tokio::spawn(Arc::clone(&self).connection(stream, from.ip(), place));
                    self.doors.remember(number, task.abort_handle());
                }
                Err(refusal) => drop(tokio::spawn(Arc::clone(&self).refuse(stream, refusal))),
            }
        }
    }

    /// Gives memory back, and sees to it that the threads live. Ends only if one of them does.
    async fn keep_house(&self, writer: &JoinHandle<()>, crowd: &JoinHandle<()>) -> &'static str {
        let mut second = interval(Duration::from_secs(1));
        let mut trim = interval(TRIM_INTERVAL);
        let mut certificate = interval(CERTIFICATE_CHECK_INTERVAL);
        let mut connections_before = 0;
        loop {
            tokio::select! {
                _ = second.tick() => {
                    if writer.is_finished() {
                        return "the writer has ended; the data is as the last commit left it";
                    }
                    if crowd.is_finished() {
                        return "the thread of the sockets has ended; nothing stored is lost";
                    }
                }
                _ = certificate.tick() => {
                    for warning in self.identity.iter().flat_map(|identity| identity.warnings()) {
                        tracing::warn!("{warning}");
                    }
                }
                _ = trim.tick() => {
                    let connections = self.doors.all();
                    if connections != connections_before {
                        connections_before = connections;
                        memory::trim();
                    }
                }
            }
        }
    }

    /// A line about how it goes.
    fn status(&self) -> String {
        let (connections, head) = (self.doors.all(), self.api.feed.head());
        let unsent = self.api.metrics.unsent.get();
        format!("{connections} connections, seq {head}, {unsent} unsent")
    }

    /// What has to move, and how often it has: the writer, the sockets, and each accept loop.
    fn beats(&self, accepting: &[Arc<AtomicU64>]) -> Vec<Beat> {
        let metrics = &self.api.metrics;
        let threads = [
            ("the writer", metrics.writer_rounds.get()),
            ("the thread of the sockets", metrics.socket_turns.get()),
        ];
        let rounds = accepting.iter().map(|rounds| rounds.load(Ordering::Relaxed));
        threads.into_iter().chain(rounds.map(|rounds| ("an accept loop", rounds))).collect()
    }

    /// Lets those move who only wait. The writer does by itself, at each tick.
    fn nudge(&self) {
        self.nudge.notify_waiters();
        self.hub.ring();
    }

    /// Ends sessions that have expired. It waits for the store, so it keeps no other time.
    async fn sweep_sessions(&self) {
        let mut sweep = interval(SWEEP_INTERVAL);
        loop {
            sweep.tick().await;
            self.api.auth.sweep(false).await;
        }
    }

    /// Sends everybody home, the WebSockets one after the other, so that they do not all come back
    /// in one instant.
    async fn leave(&self) {
        let begun = Instant::now();
        self.api.stopping.store(true, Ordering::Release);
        self.stop.notify_waiters();
        let connections = u32::try_from(self.doors.all()).unwrap_or(u32::MAX);
        let window = (self.drain * 3 / 4).min(DRAIN_STEP.saturating_mul(connections));
        let mut step = interval(Duration::from_millis(20));
        while self.doors.all() > 0 && begun.elapsed() < self.drain.mul_f32(0.9) {
            let gone = begun.elapsed().as_secs_f32() / window.as_secs_f32().max(0.001);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 1000, clamped"
            )]
            let share = (gone * 1000.0).clamp(0.0, 1000.0) as u32;
            self.hub.send_away(share.min(EVERYBODY));
            step.tick().await;
        }
        self.api.auth.sweep(true).await;
        let left = self.doors.all();
        let took = begun.elapsed().as_millis();
        tracing::info!(took_ms = took, left, "stopped");
    }
}

impl Opened {
    /// Serves until a signal; returns the writer, which ends when the runtime has let go of the
    /// rest. The error is a sentence for the operator.
    pub async fn run(self) -> Result<JoinHandle<()>, String> {
        let Self { server, listeners, writer, crowd, manager, addresses, .. } = self;
        let (mut terminate, mut interrupt) = (self.terminate, self.interrupt);
        let crowd = thread::Builder::new()
            .name("sockets".to_owned())
            .spawn(move || crowd.serve())
            .map_err(|error| format!("no thread for the sockets: {error}"))?;
        let mut accepting = JoinSet::new();
        let mut let_in = |listener| {
            let rounds = Arc::default();
            accepting.spawn(Arc::clone(&server).accept(listener, Arc::clone(&rounds)));
            rounds
        };
        let rounds: Vec<Arc<AtomicU64>> = listeners.into_iter().map(&mut let_in).collect();
        for address in addresses {
            tracing::info!("listening on {address}");
        }
        manager.ready(&server.status()).await;
        let (status, beats) = (|| server.status(), || server.beats(&rounds));
        let failed = tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            failed = server.keep_house(&writer, &crowd) => Some(failed.to_owned()),
            _ = accepting.join_next() => Some("nobody is let in any more".to_owned()),
            () = manager.report(status, beats, || server.nudge()) => None,
            () = server.sweep_sessions() => None,
            () = server.api.store.tick() => None,
            () = backups::make(server.daily.clone()) => None,
        };
        tracing::info!("stopping");
        accepting.abort_all();
        manager.stopping(server.drain);
        let drained = tokio::time::timeout(server.drain, server.leave()).await;
        if drained.is_err() {
            tracing::warn!("not everything was done within --drain");
        }
        server.hub.stop();
        failed.map_or(Ok(writer), Err)
    }
}

fn hear(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("signals cannot be heard: {error}"))
}

/// Where the writer's results go.
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
        reset_to: Box::new(move |head| jump.get().into_iter().for_each(|feed| feed.jump(head))),
        sessions: Box::new(move |snapshots| sessions.reconcile(&snapshots)),
    }
}
