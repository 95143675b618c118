//! The state that the handlers of requests share.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::auth::Auth;
use crate::auth::origin::Origins;
use crate::domain::{Role, Secret};
use crate::feed::Feed;
use crate::http::description::Descriptions;
use crate::http::problem::Problem;
use crate::lifecycle::Lifecycle;
use crate::limits::{Limits, PAGE_WAIT, SLOW_AFTER, SLOW_EIGHTHS_MAX, SMALL_RESPONSE_BYTES_MAX};
use crate::metrics::Metrics;
use crate::store::{Backups, Store};
use crate::throttle::{OrderRate, Owner, Permit, Pool};
use crate::tls::Identity;

/// A permit for a large response; `None` for a small one.
pub(super) type ResponsePermit = Option<Permit>;

/// The clients that may read `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsReaders {
    /// Programs of this machine.
    Local,
    /// Users who are admins.
    Admin,
    /// Everybody.
    Open,
}

/// The bounds of the measures.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Open connections, all together.
    pub connections: usize,
    /// Commands that wait for the writer.
    pub queue: usize,
    /// All memory, as `tillcast limits` prints the sum.
    pub memory_bytes: usize,
}

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
    /// The clients that may read `/metrics`.
    pub metrics_readers: MetricsReaders,
    /// The server's certificate; `None` if it speaks plain HTTP only.
    pub identity: Option<Arc<Identity>>,
    /// The bounds of the measures that `/api/status` reports.
    pub bounds: Bounds,
    /// The folder of the backups.
    pub backups: Arc<Backups>,
    /// The pools that all requests share.
    pub pools: Arc<Pools>,
    /// The newest orders of kiosks.
    pub kiosk_orders: OrderRate,
    /// The descriptions of the API that were made.
    pub descriptions: Descriptions,
    /// The logins of a demo.
    pub demo_logins: Vec<(Role, Secret)>,
}

/// The pools from which each request takes memory and turns.
pub struct Pools {
    /// Bodies, KiB.
    pub(super) bodies: Arc<Pool>,
    /// Permits for clients that the server waits for.
    pub(super) slow: Arc<Pool>,
    /// Pages, and responses as large, that are being made or sent.
    pages: Arc<Pool>,
}

impl Pools {
    /// Creates the pools with the bounds of a profile.
    pub fn new(limits: &Limits) -> Self {
        let places = limits.http_connections;
        Self {
            bodies: Pool::new(limits.bodies_kib, places),
            slow: Pool::part(places * SLOW_EIGHTHS_MAX / 8, places, 0),
            pages: Pool::new(limits.pages_at_once, places),
        }
    }

    /// Waits for a client's bytes. After a moment the client counts as slow, if its owner may have another slow
    /// one.
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
        let _slow = self.slow_place(owner)?;
        timeout(patience, bytes).await.ok()
    }

    /// A place of a client that the server waits for, if its owner may have another.
    pub fn slow_place(&self, owner: Owner) -> Option<Permit> {
        self.slow.try_acquire(owner, 1).ok()
    }

    /// Whether a page waits until this owner's are sent.
    pub fn page_is_wanted_of(&self, owner: Owner) -> bool {
        self.pages.is_wanted_of(owner)
    }
}

impl Api {
    /// Waits for a permit to make and send a page.
    ///
    /// # Errors
    /// `Busy` after `PAGE_WAIT`, or `TooManyRequests` if the owner has its share.
    pub(super) async fn page_permit(&self, owner: Owner) -> Result<Permit, Problem> {
        let permit = self.pools.pages.acquire(owner, 1, PAGE_WAIT).await;
        permit.map_err(|reason| Problem::no_room(reason, "large responses"))
    }

    /// Waits for a permit to make and send a response of about `bytes`, if that is large.
    pub(super) async fn response_permit(
        &self,
        owner: Owner,
        bytes: usize,
    ) -> Result<ResponsePermit, Problem> {
        match bytes {
            0..=SMALL_RESPONSE_BYTES_MAX => Ok(None),
            _ => self.page_permit(owner).await.map(Some),
        }
    }
}
