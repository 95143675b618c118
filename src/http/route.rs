//! A route describes one endpoint. Dispatch, `Allow`, the checks of role and query, and the API document
//! follow from it. All routes are in `routes.rs`.

use std::pin::Pin;

use hyper::Method;

use crate::domain::{Code, EntityKind, Role};
use crate::http::api::Api;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::Reply;
use crate::http::request::ApiRequest;

/// The result of a handler: a reply, or the reason why there is none.
pub(super) type Handled<'h> = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send + 'h>>;
/// Answers a request that has passed the checks of its route.
pub(super) type Handler = for<'h> fn(&'h Api, &'h mut ApiRequest) -> Handled<'h>;

/// One method of one path.
pub(super) struct Route {
    /// `GET` answers `HEAD` too.
    pub method: Method,
    /// The template of the path; see `path::read`.
    pub path: &'static str,
    /// The principals whose requests it takes.
    pub access: Access,
    /// The parameters of its query.
    pub query: Query,
    /// The kind of its body.
    pub request: RequestBody,
    /// The kind of its success.
    pub response: ResponseBody,
    /// The operation's name in generated clients; `{Kind}` and `{Kinds}` are filled in for each kind.
    pub id: &'static str,
    /// One line for the API document; `{noun}` and `{plural}` are filled in for each kind.
    pub summary: &'static str,
    /// The problems of its own, beside those that every such request can have.
    pub rules: &'static [Code],
    /// Answers it.
    pub handler: Handler,
}

/// The principals that may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody.
    Public,
    /// Every user who is logged in.
    LoggedIn,
    /// Roles that may read the kind of the path.
    Read,
    /// Roles that may create entities of that kind.
    Create,
    /// Roles that may make orders.
    Sell,
    /// Roles that may patch entities of that kind.
    Patch,
    /// Roles that may delete entities, and change them otherwise.
    Change,
    /// Admins.
    Admin,
}

/// A request's body, by the name of its schema; `{Kind}` is the kind's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestBody {
    /// It has none.
    None,
    /// A JSON object.
    Json(&'static str),
    /// A JSON merge patch (RFC 7396).
    MergePatch(&'static str),
}

/// A success, by the name of its schema; `{Kind}` is the kind's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseBody {
    /// `204`.
    Nothing,
    /// `200` with JSON.
    Json(&'static str),
    /// `200` with JSON and `ETag`, or `304` to a client that has this version.
    Versioned(&'static str),
    /// `200` with JSON and `ETag`, the same for each repeat with an `Idempotency-Key`.
    Repeatable(&'static str),
    /// `201` with JSON, `Location` and `ETag`, the same for each repeat with an `Idempotency-Key`.
    Created(&'static str),
    /// `201` with JSON and `Location`. A repeat is another request.
    Made(&'static str),
    /// `201` or `200` with JSON and `ETag`: created or changed.
    Put(&'static str),
    /// `201` with a sale, or `200` with one that was stored before.
    Sold,
    /// `200` with a text of this content type.
    Text(&'static str),
    /// `200` with a page or an asset, which the API document leaves out.
    Page,
}

impl Access {
    /// Refuses a role that has no right to use the route.
    pub(super) fn check(self, role: Role, kind: Option<EntityKind>) -> Result<(), Problem> {
        let of_kind =
            |allowed: fn(Role, EntityKind) -> bool| kind.is_some_and(|kind| allowed(role, kind));
        let (allowed, verb) = match self {
            Self::Public | Self::LoggedIn => (true, ""),
            Self::Read => (of_kind(Role::may_read), "read"),
            Self::Create => (of_kind(Role::may_create), "create"),
            Self::Sell => (role.may_create(EntityKind::Order), "sell"),
            Self::Patch => (of_kind(Role::may_patch), "change"),
            Self::Change => (role.may_change(), "change or delete"),
            Self::Admin => (role.may_manage_users(), ""),
        };
        if allowed {
            return Ok(());
        }
        let detail = match kind {
            Some(kind) => {
                format!("the role {} may not {verb} {}", role.name(), kind.schema().plural)
            }
            None if self == Self::Sell => format!("the role {} may not sell", role.name()),
            None => "only an admin may do this".to_owned(),
        };
        Err(Problem::new(Code::RoleNotAllowed, detail))
    }
}

impl Route {
    /// The kinds that the path stands for; one `None` if it has no kind.
    pub(super) fn kinds(&self) -> Vec<Option<EntityKind>> {
        let named = |kind: &EntityKind| {
            let (_, rest) = self.path.split_once('{').unwrap_or_default();
            rest.starts_with("kind}")
                || rest.split_once('}').is_some_and(|(name, _)| name == kind.schema().plural)
        };
        let kinds: Vec<_> = EntityKind::ALL.into_iter().filter(named).map(Some).collect();
        if kinds.is_empty() { vec![None] } else { kinds }
    }
}
