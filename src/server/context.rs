//! Everything that connections, maintenance and the drain share.

use std::sync::Arc;

use hyper::header::HeaderValue;
use tokio::sync::Notify;

use crate::auth::hosts::Hosts;
use crate::http::Api;
use crate::lifecycle::Lifecycle;
use crate::limits::REFUSALS_MAX;
use crate::server::admission::Admission;
use crate::server::http_permits::HttpPermits;
use crate::server::proxy::Proxies;
use crate::server::settings::Settings;
use crate::throttle::Pool;
use crate::ws::Hub;

/// The server as its parts see it.
pub(super) struct Context {
    /// The HTTP API.
    pub(super) api: Api,
    /// The socket thread.
    pub(super) hub: Arc<Hub>,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) admission: Arc<Admission>,
    /// The value of `Strict-Transport-Security`.
    pub(super) hsts: Option<HeaderValue>,
    /// The hosts that clients may ask for.
    pub(super) hosts: Hosts,
    pub(super) proxies: Proxies,
    pub(super) http_permits: HttpPermits,
    /// Permits to tell a refused connection the reason.
    pub(super) refusals: Arc<Pool>,
    /// Notified to see whether the accept loops still make progress.
    pub(super) accept_probe: Notify,
    pub(super) sockets_per_user_max: usize,
}

impl Context {
    /// Joins the parts of a server with these settings.
    pub(super) fn new(settings: &Settings, api: Api, hub: Arc<Hub>) -> Self {
        let admission = Admission::new(settings.admission_limits(), Arc::clone(&api.metrics));
        Self {
            lifecycle: Arc::clone(&api.lifecycle),
            api,
            hub,
            admission: Arc::new(admission),
            hsts: settings.hsts(),
            hosts: Hosts::new(settings.allow_host.clone(), settings.identity.clone()),
            proxies: Proxies(settings.proxies.clone()),
            http_permits: HttpPermits::new(settings.limits.http_connections),
            refusals: Pool::new(REFUSALS_MAX, 0),
            accept_probe: Notify::new(),
            sockets_per_user_max: settings.sockets_per_user_max,
        }
    }
}
