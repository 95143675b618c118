//! The handle of this room: what handlers need to answer a request.

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

/// The right to a large answer; none where it is small.
pub(super) type ResponsePermit = Option<OwnedSemaphorePermit>;

/// Everything that answers need.
pub struct Api {
    /// The shop.
    pub store: Arc<Store>,
    /// Logins and sessions.
    pub auth: Arc<Auth>,
    /// For the numbers of `/metrics` only.
    pub feed: Arc<Feed>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The origins whose pages may send requests.
    pub origins: Arc<Origins>,
    /// A server that is stopping is no longer ready.
    pub lifecycle: Arc<Lifecycle>,
    /// The server's certificate; `None` where it speaks plain HTTP only.
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
    /// For so many KiB of bodies and so many pages.
    pub fn new(bodies_kib: u32, pages: usize) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self { bodies: semaphore(bodies_kib as usize), pages: semaphore(pages) }
    }
}

impl Api {
    /// Waits for the right to make and send a page.
    pub(super) async fn page_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = Arc::clone(&self.memory_budget.pages).acquire_owned();
        let busy = || Problem::from(Reject::Busy);
        tokio::time::timeout(PAGE_WAIT, permit).await.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// Waits for the right to make and send a response of about this size, if that is large.
    pub(super) async fn response_permit(&self, bytes: usize) -> Result<ResponsePermit, Problem> {
        match bytes {
            0..=SMALL_RESPONSE_BYTES_MAX => Ok(None),
            _ => self.page_permit().await.map(Some),
        }
    }
}
