//! Matches a request's path with a route's template.

use crate::domain::EntityKind;

/// The parameters of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PathParameters {
    /// The kind of entity, if the template has `{kind}`.
    pub kind: Option<EntityKind>,
    /// The id, if the template has `{id}`.
    pub id: Option<i64>,
    /// Whether the template ends with `{sku}` or `{code}`, which stands for any text.
    pub has_text: bool,
}

/// Matches a path with a template; `None` if it does not match. `{kind}` stands for the plural of any
/// entity kind, a plural such as `{customers}` for this kind only, `{id}` for an id, and `{sku}` or `{code}` for any
/// text.
pub(super) fn read(template: &str, path: &str) -> Option<PathParameters> {
    let (mut template, mut path) = (template, path);
    let mut parameters = PathParameters::default();
    while let Some((literal, rest)) = template.split_once('{') {
        path = path.strip_prefix(literal)?;
        let (name, rest) = rest.split_once('}')?;
        let (value, behind) = path.split_at(path.find('/').unwrap_or(path.len()));
        if matches!(name, "sku" | "code") {
            parameters.has_text = !value.is_empty();
            parameters.has_text.then_some(())?;
        } else if name == "id" {
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

/// An id: a positive number without sign or leading zeros.
fn parse_id(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}
