//! One request → one answer. This room is the home of hyper's requests and answers.

mod ask;
mod asyncapi;
mod audit;
mod cors;
mod entities;
mod events;
mod login;
mod openapi;
mod reply;
mod route;
mod schemas;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::origin::Origins;
use crate::auth::{Auth, Found};
use crate::domain::Reject;
use crate::feed::Feed;
use crate::limits::{LOG_PATH_CHARS, PAGE_WAIT, SMALL_RESPONSE_BYTES_MAX};
use crate::metrics::Metrics;
use crate::store::Store;

pub use ask::{Peer, text_of};
pub use cors::may_act;
pub use reply::{Problem, Reply, Text};

use ask::Ask;
use route::Target;

/// The right to a large answer; none where it is small.
type Room = Option<OwnedSemaphorePermit>;

/// Everything that answers need.
pub struct Api {
    /// The shop.
    pub store: Arc<Store>,
    /// Who asks.
    pub auth: Arc<Auth>,
    /// For the numbers of `/metrics` only.
    pub feed: Arc<Feed>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The pages that may ask.
    pub origins: Arc<Origins>,
    /// The server is about to stop: not ready any more.
    pub stopping: AtomicBool,
    /// What requests may hold at the same time.
    pub shares: Shares,
}

/// What requests may hold at the same time.
pub struct Shares {
    bodies: Arc<Semaphore>,
    pages: Arc<Semaphore>,
}

impl Shares {
    /// For so many KiB of bodies and so many pages.
    pub fn new(bodies_kib: u32, pages: usize) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self { bodies: semaphore(bodies_kib as usize), pages: semaphore(pages) }
    }
}

impl Api {
    /// Answers a request; never fails, a refusal is an answer too.
    pub async fn answer(&self, request: Request<Incoming>, peer: Peer, session: Found) -> Reply {
        let (parts, body) = request.into_parts();
        let mut ask = Ask::new(parts, body, (peer, session), Arc::clone(&self.shares.bodies));
        let mut reply = self.respond(&mut ask).await.unwrap_or_else(Problem::into_reply);
        if !ask.skip_body().await {
            reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        cors::admit(&mut reply, ask.header(&header::ORIGIN), &self.origins);
        self.metrics.requests.inc();
        let (method, path) = (&ask.parts.method, ask.parts.uri.path());
        // Hyper's paths are ASCII, so no character is cut in two.
        let path = path.get(..LOG_PATH_CHARS).unwrap_or(path);
        tracing::debug!(%method, path, status = reply.status().as_u16(), "answered");
        reply
    }

    async fn respond(&self, ask: &mut Ask) -> Result<Reply, Problem> {
        let target = Target::find(ask.parts.uri.path()).ok_or_else(Problem::missing)?;
        if let Some(reply) = cors::preflight(ask, target, &self.origins) {
            return Ok(reply);
        }
        let method = match &ask.parts.method {
            &Method::HEAD => &Method::GET,
            method => method,
        };
        if !target.methods().contains(method) {
            let allow =
                HeaderValue::from_str(&target.allow()).unwrap_or(HeaderValue::from_static("GET"));
            let problem = Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("there is {}", target.allow()),
            );
            return Err(problem.with(header::ALLOW, allow));
        }
        if method != Method::GET {
            self.check_origin(ask)?;
        }
        match target {
            Target::Health => Ok(reply::json("{\"status\":\"ok\"}".to_owned())),
            Target::Ready => self.ready(),
            Target::Metrics => Ok(self.numbers()),
            Target::OpenApi => Ok(reply::json(openapi::document().to_string())),
            Target::AsyncApi => Ok(reply::json(asyncapi::document().to_string())),
            Target::Login => self.login(ask).await,
            _ => self.respond_to_user(ask, target).await,
        }
    }

    /// What needs a session.
    async fn respond_to_user(&self, ask: &mut Ask, target: Target) -> Result<Reply, Problem> {
        let session = ask.session()?;
        match target {
            Target::Collection(kind) => self.collection(ask, kind, &session).await,
            Target::Entity(kind, id) => self.entity(ask, (kind, id), &session).await,
            Target::Users => self.users(ask, &session).await,
            Target::User(id) => self.user(ask, id, &session).await,
            Target::Events => self.events(ask, &session).await,
            Target::Audit => self.audit(ask, &session).await,
            Target::Logout => self.logout(ask, &session).await,
            Target::Me => self.me(&session).await,
            Target::Password => self.password(ask, &session).await,
            _ => Err(Problem::missing()),
        }
    }

    /// Waits for the right to make and send a page.
    async fn page(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.shares.pages).acquire_owned();
        let busy = || Problem::from(Reject::Busy);
        tokio::time::timeout(PAGE_WAIT, place).await.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// Finds room for an answer of so many bytes before it is made, where nobody can wait for it.
    fn room(&self) -> impl Fn(usize) -> Result<Room, Reject> + Send + 'static {
        let pages = Arc::clone(&self.shares.pages);
        move |bytes| match bytes {
            0..=SMALL_RESPONSE_BYTES_MAX => Ok(None),
            _ => Arc::clone(&pages).try_acquire_owned().map(Some).map_err(|_| Reject::Busy),
        }
    }

    /// A page elsewhere must not act with the cookies of whoever looks at it.
    fn check_origin(&self, ask: &Ask) -> Result<(), Problem> {
        if cors::may_act(&ask.parts.headers, &self.origins, ask.peer.secure) {
            return Ok(());
        }
        Err(Problem::forbidden("a page of this origin may not do this; see --allow-origin"))
    }

    fn ready(&self) -> Result<Reply, Problem> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping"));
        }
        if !self.store.healthy() {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the last commit failed"));
        }
        if self.store.has_room().is_err() {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the disk is full"));
        }
        Ok(reply::json("{\"status\":\"ready\"}".to_owned()))
    }

    fn numbers(&self) -> Reply {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (events, bytes) = self.feed.size();
        self.metrics.ring_events.set(number(events));
        self.metrics.ring_bytes.set(number(bytes));
        self.metrics.head.set(self.feed.head());
        self.metrics.queue.set(number(self.store.queued()));
        self.metrics.sessions.set(number(self.auth.sessions.count()));
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        reply::plain(StatusCode::OK, content_type, self.metrics.text())
    }
}
