//! The names of a route in the document, filled in for a kind of entity.

use crate::domain::EntityKind;
use crate::domain::json_schema::title;
use crate::http::route::Route;

/// A route's path with the plural of the kind filled in.
pub(super) fn path_of(route: &Route, kind: Option<EntityKind>) -> String {
    let plural = kind.map_or("", |kind| kind.schema().plural);
    route.path.replace("{kind}", plural).replace(&format!("{{{plural}}}"), plural)
}

/// A text of a route with the names of the kind filled in.
pub(super) fn fill(text: &str, kind: Option<EntityKind>) -> String {
    let Some(schema) = kind.map(EntityKind::schema) else {
        return text.to_owned();
    };
    let article = if schema.noun.starts_with('o') { "an" } else { "a" };
    text.replace("a {noun}", &format!("{article} {}", schema.noun))
        .replace("{plural}", schema.plural)
        .replace("{Kinds}", &title(schema.plural))
        .replace("{Kind}", &title(schema.noun))
}

/// The tag that groups a route in the document.
pub(super) fn tag_of(route: &Route, kind: Option<EntityKind>) -> &'static str {
    match (kind, route.path) {
        (Some(kind), _) => kind.schema().plural,
        (_, path) if path.starts_with("/api/auth/") => "session",
        (_, path) if path.starts_with("/api/users") => "users",
        (_, "/api/sales") => "sales",
        (_, "/api/shop" | "/api/setup") => "shop",
        (_, path) if path.starts_with("/api/devices") => "devices",
        (_, path) if path.starts_with("/api/pairing") => "devices",
        (_, "/api/events") => "events",
        (_, "/api/audit") => "audit",
        _ => "server",
    }
}
