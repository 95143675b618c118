//! Paths of requests: what one says, if it has the form of a route's template.

use crate::domain::EntityKind;

/// The parts of a path beside its route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PathParameters {
    /// The kind of entity, where the path has `{kind}`.
    pub kind: Option<EntityKind>,
    /// The id, where the path has `{id}`.
    pub id: Option<i64>,
}

/// Reads a path by a template with `{kind}` for the plural of any entity kind, `{customers}` and the
/// like for that of one, and `{id}` for an id; `None` where it has another form.
pub(super) fn read(template: &str, path: &str) -> Option<PathParameters> {
    let (mut template, mut path) = (template, path);
    let mut parameters = PathParameters::default();
    while let Some((literal, rest)) = template.split_once('{') {
        path = path.strip_prefix(literal)?;
        let (name, rest) = rest.split_once('}')?;
        let (value, behind) = path.split_at(path.find('/').unwrap_or(path.len()));
        if name == "id" {
            parameters.id = Some(parse_id(value)?);
        } else if name == "kind" || name == value {
            parameters.kind = Some(EntityKind::of_plural(value)?);
        } else {
            return None;
        }
        (template, path) = (rest, behind);
    }
    (template == path).then_some(parameters)
}

/// Ids are plain positive numbers: anything else names nothing.
fn parse_id(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}
