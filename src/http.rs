//! Turns one request into one reply, both of hyper's types.

mod api;
mod audit;
mod authority;
mod backups;
mod body;
mod cors;
mod description;
mod devices;
mod documents;
mod entities;
mod errors;
mod etag;
mod events;
mod headers;
mod health;
mod login;
pub mod openapi;
mod pages;
mod pairing;
mod path;
mod problem;
mod query;
mod reply;
mod request;
mod route;
mod routes;
mod sales;
mod setup;
mod shop;
mod status;
mod users;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Uri};

use crate::auth::session::EndReason;
use crate::auth::{ClientAddr, SessionLookup};
use crate::domain::Code;
use crate::limits::LOG_PATH_CHARS;

pub use api::{Api, Bounds, MetricsReaders, Pools};
pub use authority::AUTHORITY_PATH;
pub use cors::{allow_origin, may_act, origin_of};
pub use description::{COOKIE_NAME, Descriptions};
pub use headers::{bearer, cookie_lines, header_text};
pub use health::{is_probe, probe_in};
pub use problem::Problem;
pub use reply::{Reply, redirect, switching_protocols, to_raw};
pub use request::owner;

use query::{Query, QueryReader};
use request::ApiRequest;
use route::Access;

impl Api {
    /// Answers a request. It never fails: a refusal is a reply, too.
    pub async fn handle(
        &self,
        request: Request<Incoming>,
        client: ClientAddr,
        session: SessionLookup,
    ) -> Reply {
        let (parts, body) = request.into_parts();
        let mut request = ApiRequest::new(parts, body, (client, session), Arc::clone(&self.pools));
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

    /// Finds the request's route, makes the checks that the route names, and calls its handler.
    async fn dispatch(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let path = request.parts.uri.path();
        let Some((rows, parameters)) = routes::of_path(path) else {
            return without_slash(&request.parts.uri).ok_or_else(Problem::not_found);
        };
        if cors::is_preflight(&request.parts, &self.origins) {
            return Ok(cors::preflight(&routes::allow(rows)));
        }
        let method = match &request.parts.method {
            &Method::HEAD => &Method::GET,
            method => method,
        };
        let route = rows.iter().find(|route| route.method == *method);
        let route = route.ok_or_else(|| Problem::method_not_allowed(&routes::allow(rows)))?;
        if *method != Method::GET {
            self.check_origin(request)?;
        }
        if route.access != Access::Public {
            route.access.check(request.session()?.principal.role(), parameters.kind)?;
        }
        let query = request.parts.uri.query().unwrap_or_default();
        let query = QueryReader::new(query, route.query, parameters.kind);
        match route.query {
            Query::Parameters([]) => query.finish()?,
            _ => request.query = query,
        }
        request.path = parameters;
        let reads = *method == Method::GET;
        let result = (route.handler)(self, request).await;
        // The writer has looked at the session in the transaction of a change that was made.
        if reads || result.is_err() {
            self.check_session(request, route.access).await?;
        }
        result
    }

    /// The session may have ended, or its user may have another role, since the request came: it waited
    /// for its body, for a permit, for the store.
    async fn check_session(&self, request: &ApiRequest, access: Access) -> Result<(), Problem> {
        if access == Access::Public {
            return Ok(());
        }
        let session = request.session()?;
        let Err(reason) = self.auth.sessions.check(&session) else { return Ok(()) };
        if reason == EndReason::RoleChanged
            && let Some(role) = self.auth.present_role(&session).await
        {
            access.check(role, request.path.kind)?;
        }
        Err(Problem::session_ended(reason))
    }

    /// Refuses a page of another origin, which would act with its visitor's cookies.
    fn check_origin(&self, request: &ApiRequest) -> Result<(), Problem> {
        if cors::may_act(&request.parts.headers, &self.origins, request.client.secure) {
            return Ok(());
        }
        Err(Problem::new(
            Code::OriginNotAllowed,
            "a page of this origin may not do this; see --allow-origin",
        ))
    }
}

/// A redirect to the path without its last slash; `None` if no route has that path.
fn without_slash(uri: &Uri) -> Option<Reply> {
    let path = uri.path().strip_suffix('/')?;
    routes::of_path(path)?;
    let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
    Some(redirect(&format!("{path}{query}")))
}
