//! The start of the shop: opens the database, and connects the feed and the sessions to its commits.

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::auth::sessions::Sessions;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::server::settings::Settings;
use crate::store::{self, CommitSinks, SessionChange, Store};
use crate::ws::Hub;

/// The store, its writer, and the sessions and the feed that follow its commits.
pub(super) struct Storage {
    pub(super) store: Arc<Store>,
    pub(super) writer: JoinHandle<()>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) feed: Arc<Feed>,
}

impl Storage {
    /// Opens and checks the database, restores the sessions and the feed's head from it, and starts the
    /// writer.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn open(
        settings: &Settings,
        metrics: &Arc<Metrics>,
        hub: &Arc<Hub>,
    ) -> Result<Self, String> {
        let Settings { data_dir, retention, limits, lifetimes, tax, clock, .. } = settings;
        let failed = |error: store::OpenError| error.to_string();
        let mut opened =
            store::open(data_dir, *retention, *limits, *tax, *clock).map_err(failed)?;
        let (wake, recheck) = (Arc::clone(hub), Arc::clone(hub));
        let sessions =
            Sessions::new(limits.sessions, *lifetimes, move || recheck.recheck_sessions());
        let (valid, now) = (opened.take_sessions(), opened.now);
        sessions.apply(SessionChange::Reloaded { valid, now });
        let (sessions, feed) =
            (Arc::new(sessions), Arc::new(Feed::new(opened.head, move || wake.wake())));
        let sinks = commit_sinks(&feed, &sessions, metrics);
        let (store, writer) = opened.start(metrics, sinks).map_err(failed)?;
        Ok(Self { store: Arc::new(store), writer, sessions, feed })
    }
}

/// The sinks that the writer hands its results to.
fn commit_sinks(feed: &Arc<Feed>, sessions: &Arc<Sessions>, metrics: &Arc<Metrics>) -> CommitSinks {
    let (lagging, publish) = (Arc::clone(feed), Arc::clone(feed));
    let (reset, forget) = (Arc::clone(feed), Arc::clone(feed));
    let (sessions, metrics) = (Arc::clone(sessions), Arc::clone(metrics));
    CommitSinks {
        sessions: Box::new(move |change| sessions.apply(change)),
        lags: Box::new(move || lagging.lags()),
        publish: Box::new(move |events| {
            metrics.events.inc_by(events.len() as u64);
            publish.publish(&events);
        }),
        reset_to: Box::new(move |head| reset.reset_to(head)),
        forget: Box::new(move |kinds| kinds.iter().for_each(|kind| forget.forget(kind))),
    }
}
