//! Which path means what, and which methods it has. The API document follows this table.

use hyper::Method;

use crate::domain::EntityKind;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// All entities of a kind.
    Collection(EntityKind),
    /// One of them.
    Entity(EntityKind, i64),
    /// All users.
    Users,
    /// One of them.
    User(i64),
    /// The event log.
    Events,
    /// The audit trail.
    Audit,
    /// Where sessions begin.
    Login,
    /// Where they end.
    Logout,
    /// Who is logged in.
    Me,
    /// The own password.
    Password,
    /// The process lives.
    Health,
    /// The process can take orders.
    Ready,
    /// Numbers for a monitor.
    Metrics,
    /// The description of this API.
    OpenApi,
    /// The description of the WebSocket.
    AsyncApi,
    /// The page that a browser shows for the server's address.
    Home,
    /// The page of all problem codes.
    Problems,
    /// The pages' style.
    Style,
    /// The pages' sign.
    Favicon,
}

impl Route {
    /// Every route of the API, an id standing for all.
    pub(super) fn all() -> Vec<Self> {
        let entities = EntityKind::ALL
            .into_iter()
            .flat_map(|kind| [Self::Collection(kind), Self::Entity(kind, 1)]);
        let others = [
            Self::Users,
            Self::User(1),
            Self::Events,
            Self::Audit,
            Self::Login,
            Self::Logout,
            Self::Me,
            Self::Password,
            Self::Health,
            Self::Ready,
            Self::Metrics,
            Self::OpenApi,
            Self::AsyncApi,
        ];
        entities.chain(others).collect()
    }

    /// What a path names, if anything.
    pub(super) fn find(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        Some(match segments[..] {
            ["healthz"] => Self::Health,
            ["readyz"] => Self::Ready,
            ["metrics"] => Self::Metrics,
            ["openapi.json"] => Self::OpenApi,
            ["asyncapi.json"] => Self::AsyncApi,
            [""] => Self::Home,
            ["docs", "problems"] => Self::Problems,
            ["style.css"] => Self::Style,
            ["favicon.svg"] => Self::Favicon,
            ["api", "auth", "login"] => Self::Login,
            ["api", "auth", "logout"] => Self::Logout,
            ["api", "auth", "me"] => Self::Me,
            ["api", "auth", "password"] => Self::Password,
            ["api", "events"] => Self::Events,
            ["api", "audit"] => Self::Audit,
            ["api", "users"] => Self::Users,
            ["api", "users", id] => Self::User(id_in(id)?),
            ["api", plural] => Self::Collection(EntityKind::of_plural(plural)?),
            ["api", plural, id] => Self::Entity(EntityKind::of_plural(plural)?, id_in(id)?),
            _ => return None,
        })
    }

    /// The path, with `{id}` for an id.
    pub(super) fn template(self) -> String {
        match self {
            Self::Collection(kind) => format!("/api/{}", kind.schema().plural),
            Self::Entity(kind, _) => format!("/api/{}/{{id}}", kind.schema().plural),
            Self::Users => "/api/users".to_owned(),
            Self::User(_) => "/api/users/{id}".to_owned(),
            Self::Events => "/api/events".to_owned(),
            Self::Audit => "/api/audit".to_owned(),
            Self::Login => "/api/auth/login".to_owned(),
            Self::Logout => "/api/auth/logout".to_owned(),
            Self::Me => "/api/auth/me".to_owned(),
            Self::Password => "/api/auth/password".to_owned(),
            Self::Health => "/healthz".to_owned(),
            Self::Ready => "/readyz".to_owned(),
            Self::Metrics => "/metrics".to_owned(),
            Self::OpenApi => "/openapi.json".to_owned(),
            Self::AsyncApi => "/asyncapi.json".to_owned(),
            Self::Home => "/".to_owned(),
            Self::Problems => "/docs/problems".to_owned(),
            Self::Style => "/style.css".to_owned(),
            Self::Favicon => "/favicon.svg".to_owned(),
        }
    }

    /// The methods that the path has; `HEAD` goes wherever `GET` does.
    pub(super) fn methods(self) -> &'static [Method] {
        match self {
            Self::Collection(_) | Self::Users => &[Method::GET, Method::POST],
            Self::Entity(..) | Self::User(_) => &[Method::GET, Method::PATCH, Method::DELETE],
            Self::Login | Self::Logout | Self::Password => &[Method::POST],
            Self::Events
            | Self::Audit
            | Self::Me
            | Self::Health
            | Self::Ready
            | Self::Metrics
            | Self::OpenApi
            | Self::AsyncApi
            | Self::Home
            | Self::Problems
            | Self::Style
            | Self::Favicon => &[Method::GET],
        }
    }

    /// The value of `Allow`.
    pub(super) fn allow(self) -> String {
        let mut names: Vec<&str> = self.methods().iter().map(Method::as_str).collect();
        if names.contains(&"GET") {
            names.push("HEAD");
        }
        names.join(", ")
    }
}

/// Ids are plain positive numbers: anything else names nothing.
fn id_in(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_leads_to_its_target() {
        for route in Route::all() {
            let path = route.template().replace("{id}", "1");
            assert_eq!(Route::find(&path), Some(route), "{path}");
        }
    }

    #[test]
    fn a_path_with_a_bad_id_names_nothing() {
        for path in [
            "/api/orders/0",
            "/api/orders/-1",
            "/api/orders/1/",
            "/api/orders/+1",
            "/api/orders/x",
            "api",
        ] {
            assert_eq!(Route::find(path), None, "{path}");
        }
    }
}
