//! One request → one answer. This room is the home of hyper's requests and answers.

mod asyncapi;
mod audit;
mod cors;
mod entities;
mod events;
mod login;
mod openapi;
mod pages;
mod problem;
mod reply;
mod request;
mod route;
mod schemas;
mod users;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::origin::Origins;
use crate::auth::{Auth, ClientAddr, SessionLookup};
use crate::domain::{Code, Reject};
use crate::feed::Feed;
use crate::lifecycle::Lifecycle;
use crate::limits::{LOG_PATH_CHARS, PAGE_WAIT, SMALL_RESPONSE_BYTES_MAX};
use crate::metrics::Metrics;
use crate::store::Store;

pub use cors::{allow_origin, may_act, origin_of};
pub use problem::Problem;
pub use reply::{Reply, ReplyBody};
pub use request::{cookie_lines, header_text};

use request::ApiRequest;
use route::Route;

/// The right to a large answer; none where it is small.
type ResponsePermit = Option<OwnedSemaphorePermit>;

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
    /// The origins whose pages may send requests.
    pub origins: Arc<Origins>,
    /// A server that is stopping is no longer ready.
    pub lifecycle: Arc<Lifecycle>,
    /// What requests may hold at the same time.
    pub memory_budget: MemoryBudget,
}

/// What requests may hold at the same time.
pub struct MemoryBudget {
    bodies: Arc<Semaphore>,
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
    /// Answers a request; never fails, a refusal is an answer too.
    pub async fn handle(
        &self,
        request: Request<Incoming>,
        client: ClientAddr,
        session: SessionLookup,
    ) -> Reply {
        let (parts, body) = request.into_parts();
        let mut request =
            ApiRequest::new(parts, body, (client, session), Arc::clone(&self.memory_budget.bodies));
        let mut reply = self.dispatch(&mut request).await.unwrap_or_else(Problem::into_reply);
        if !request.discard_body().await {
            reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        self.metrics.requests.inc();
        let (method, path) = (&request.parts.method, request.parts.uri.path());
        // Hyper's paths are ASCII, so no character is cut in two.
        let path = path.get(..LOG_PATH_CHARS).unwrap_or(path);
        tracing::debug!(%method, path, status = reply.status().as_u16(), "answered");
        reply
    }

    async fn dispatch(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let route = Route::find(request.parts.uri.path()).ok_or_else(Problem::not_found)?;
        if let Some(reply) = cors::preflight(request, route, &self.origins) {
            return Ok(reply);
        }
        let method = match &request.parts.method {
            &Method::HEAD => &Method::GET,
            method => method,
        };
        if !route.methods().contains(method) {
            let allow =
                HeaderValue::from_str(&route.allow()).unwrap_or(HeaderValue::from_static("GET"));
            let problem =
                Problem::new(Code::MethodNotAllowed, format!("allowed: {}", route.allow()));
            return Err(problem.with(header::ALLOW, allow));
        }
        if method != Method::GET {
            self.check_origin(request)?;
        }
        match route {
            Route::Health => Ok(reply::json("{\"status\":\"ok\"}".to_owned())),
            Route::Ready => self.ready(),
            Route::Metrics => Ok(self.metrics_page()),
            Route::OpenApi => {
                Ok(reply::json(openapi::document(self.auth.cookie_name()).to_string()))
            }
            Route::AsyncApi => Ok(reply::json(asyncapi::document().to_string())),
            Route::Home => Ok(pages::home()),
            Route::Problems => Ok(pages::problems()),
            Route::Style => Ok(pages::style()),
            Route::Favicon => Ok(pages::favicon()),
            Route::Login => self.login(request).await,
            _ => self.dispatch_authenticated(request, route).await,
        }
    }

    /// What needs a session.
    async fn dispatch_authenticated(
        &self,
        request: &mut ApiRequest,
        route: Route,
    ) -> Result<Reply, Problem> {
        let session = request.session()?;
        match route {
            Route::Collection(kind) => self.collection(request, kind, &session).await,
            Route::Entity(kind, id) => self.entity(request, (kind, id), &session).await,
            Route::Users => self.users(request, &session).await,
            Route::User(id) => self.user(request, id, &session).await,
            Route::Events => self.events(request, &session).await,
            Route::Audit => self.audit(request, &session).await,
            Route::Logout => self.logout(request, &session).await,
            Route::Me => self.me(&session).await,
            Route::Password => self.password(request, &session).await,
            _ => Err(Problem::not_found()),
        }
    }

    /// Waits for the right to make and send a page.
    async fn page_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = Arc::clone(&self.memory_budget.pages).acquire_owned();
        let busy = || Problem::from(Reject::Busy);
        tokio::time::timeout(PAGE_WAIT, permit).await.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// Waits for the right to make and send a response of about this size, if that is large.
    async fn response_permit(&self, bytes: usize) -> Result<ResponsePermit, Problem> {
        match bytes {
            0..=SMALL_RESPONSE_BYTES_MAX => Ok(None),
            _ => self.page_permit().await.map(Some),
        }
    }

    /// A page elsewhere must not act with the cookies of whoever looks at it.
    fn check_origin(&self, request: &ApiRequest) -> Result<(), Problem> {
        if cors::may_act(&request.parts.headers, &self.origins, request.client.secure) {
            return Ok(());
        }
        Err(Problem::new(
            Code::OriginNotAllowed,
            "a page of this origin may not do this; see --allow-origin",
        ))
    }

    fn ready(&self) -> Result<Reply, Problem> {
        if self.lifecycle.is_stopping() {
            return Err(Problem::new(Code::Stopping, "the server is stopping"));
        }
        if !self.store.healthy() {
            return Err(Problem::new(Code::Unavailable, "the last commit failed"));
        }
        if self.store.check_disk_space().is_err() {
            return Err(Problem::new(Code::Unavailable, "the disk is full"));
        }
        Ok(reply::json("{\"status\":\"ready\"}".to_owned()))
    }

    fn metrics_page(&self) -> Reply {
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
