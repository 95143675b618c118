//! The state that the handlers of requests share.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::auth::Auth;
use crate::auth::origin::Origins;
use crate::domain::Reject;
use crate::feed::Feed;
use crate::http::problem::Problem;
use crate::lifecycle::Lifecycle;
use crate::limits::{Limits, PAGE_WAIT, SLOW_AFTER, SLOW_EIGHTHS_MAX, SMALL_RESPONSE_BYTES_MAX};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::throttle::{Owner, Pool};
use crate::tls::Identity;

/// A permit for a large response; `None` for a small one.
pub(super) type ResponsePermit = Option<OwnedSemaphorePermit>;

/// Everything that handlers need to answer a request.
pub struct Api {
    /// The shop.
    pub store: Arc<Store>,
    /// Logins and sessions.
    pub auth: Arc<Auth>,
    /// The feed, whose size and head `/metrics` reports.
    pub feed: Arc<Feed>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The origins whose pages may send requests.
    pub origins: Arc<Origins>,
    /// Tells whether the server is stopping and thus no longer ready.
    pub lifecycle: Arc<Lifecycle>,
    /// The server's certificate; `None` if it speaks plain HTTP only.
    pub identity: Option<Arc<Identity>>,
    /// What requests may hold at the same time.
    pub pools: Arc<Pools>,
    /// Makes the description of the WebSocket for a session cookie of this name.
    pub asyncapi: fn(&str) -> String,
}

/// What requests may hold at the same time.
pub struct Pools {
    /// Bodies, KiB.
    pub(super) bodies: Arc<Pool>,
    /// Places of clients that the server waits for.
    pub(super) slow: Arc<Pool>,
    pages: Arc<Semaphore>,
}

impl Pools {
    /// For the bounds of a profile.
    pub fn new(limits: &Limits) -> Self {
        let places = limits.http_connections;
        Self {
            bodies: Pool::new(limits.bodies_kib, places),
            slow: Pool::part(places * SLOW_EIGHTHS_MAX / 8, places, 0),
            pages: Arc::new(Semaphore::new(limits.pages_at_once)),
        }
    }

    /// Waits for a client's bytes: as a slow one after a moment, if its owner may have another.
    pub async fn wait_for<T>(
        &self,
        owner: Owner,
        patience: Duration,
        bytes: impl Future<Output = T>,
    ) -> Option<T> {
        let mut bytes = pin!(bytes);
        if let Ok(all) = timeout(SLOW_AFTER, bytes.as_mut()).await {
            return Some(all);
        }
        let _slow = self.slow.try_acquire(owner, 1).ok()?;
        timeout(patience, bytes).await.ok()
    }
}

impl Api {
    /// Waits for a permit to make and send a page.
    ///
    /// # Errors
    /// `Busy` after `PAGE_WAIT`.
    pub(super) async fn page_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = Arc::clone(&self.pools.pages).acquire_owned();
        let busy = || Problem::from(Reject::Busy);
        tokio::time::timeout(PAGE_WAIT, permit).await.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// Waits for a permit to make and send a response of about `bytes`, if that is large.
    pub(super) async fn response_permit(&self, bytes: usize) -> Result<ResponsePermit, Problem> {
        match bytes {
            0..=SMALL_RESPONSE_BYTES_MAX => Ok(None),
            _ => self.page_permit().await.map(Some),
        }
    }
}
