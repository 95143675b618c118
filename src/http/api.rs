//! The state that the handlers of requests share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::Auth;
use crate::auth::origin::Origins;
use crate::domain::Reject;
use crate::feed::Feed;
use crate::http::problem::Problem;
use crate::lifecycle::Lifecycle;
use crate::limits::{PAGE_WAIT, SMALL_RESPONSE_BYTES_MAX};
use crate::metrics::Metrics;
use crate::store::Store;
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
    /// The memory that requests may hold at the same time.
    pub memory_budget: MemoryBudget,
    /// Makes the description of the WebSocket for a session cookie of this name.
    pub asyncapi: fn(&str) -> String,
}

/// The memory that requests may hold at the same time.
pub struct MemoryBudget {
    pub(super) bodies: Arc<Semaphore>,
    pages: Arc<Semaphore>,
}

impl MemoryBudget {
    /// Creates a budget of `bodies_kib` KiB of bodies and `pages` pages.
    pub fn new(bodies_kib: u32, pages: usize) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self { bodies: semaphore(bodies_kib as usize), pages: semaphore(pages) }
    }
}

impl Api {
    /// Waits for a permit to make and send a page.
    ///
    /// # Errors
    /// `Busy` after `PAGE_WAIT`.
    pub(super) async fn page_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = Arc::clone(&self.memory_budget.pages).acquire_owned();
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
