//! Entity tags, and the preconditions of a request (RFC 9110, sections 8.8.3 and 13.1). Tags are compared
//! as bytes: `"034"` is not `"34"`.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::domain::{Precondition, Versions};

/// The tag of a version.
pub(super) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The versions that `If-Match` and `If-None-Match` name. A weak tag counts for the latter only.
pub(super) fn precondition(headers: &HeaderMap) -> Precondition {
    let strong = |tag: &[u8]| version_of(tag);
    let weak = |tag: &[u8]| version_of(tag.strip_prefix(b"W/").unwrap_or(tag));
    Precondition {
        if_match: versions(headers, &header::IF_MATCH, strong),
        if_none_match: versions(headers, &header::IF_NONE_MATCH, weak),
    }
}

/// Whether `If-None-Match` of a read names this version.
pub(super) fn has_version(headers: &HeaderMap, version: i64) -> bool {
    precondition(headers).if_none_match.is_some_and(|versions| versions.contains(version))
}

/// The versions in a list header, over all its lines (section 5.3); `None` if it is absent. An unreadable
/// or foreign tag names no version, which is not the same as absent. This server's tags have no comma, so
/// the pieces of a foreign tag with a comma name no version either.
fn versions(
    headers: &HeaderMap,
    name: &HeaderName,
    version_of: impl Fn(&[u8]) -> Option<i64>,
) -> Option<Versions> {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let mut tags =
        lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).peekable();
    tags.peek()?;
    let mut listed = Vec::new();
    for tag in tags {
        if tag == b"*" {
            return Some(Versions::Any);
        }
        listed.extend(version_of(tag));
    }
    Some(Versions::Listed(listed))
}

/// The version that has this tag.
fn version_of(tag: &[u8]) -> Option<i64> {
    let digits = tag.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let version: i64 = str::from_utf8(digits).ok()?.parse().ok()?;
    (etag(version).as_bytes() == tag).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    #[test]
    fn if_match_is_read_as_bytes_over_all_lines() {
        let read = |lines: &[&[u8]]| precondition(&headers(&header::IF_MATCH, lines)).if_match;
        let listed = |versions: &[i64]| Some(Versions::Listed(versions.to_vec()));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[b"*"]), Some(Versions::Any));
        assert_eq!(read(&[b"\"1\"", b"*"]), Some(Versions::Any));
        assert_eq!(read(&[b"\"34\""]), listed(&[34]));
        assert_eq!(read(&[b"\"1\" , \"2\"", b"\"34\""]), listed(&[1, 2, 34]));
        for nothing in [
            &b"\"034\""[..],
            b"\"+34\"",
            b"34",
            b"W/\"34\"",
            b"\"\xe9\"",
            b"\xff",
            b"",
            b"\"",
            b"\" 34\"",
        ] {
            assert_eq!(read(&[nothing]), listed(&[]), "{nothing:?}");
        }
    }

    #[test]
    fn if_none_match_takes_weak_tags_and_every_line() {
        let has = |lines: &[&[u8]]| has_version(&headers(&header::IF_NONE_MATCH, lines), 34);
        assert!(has(&[b"\"34\""]) && has(&[b"W/\"34\""]) && has(&[b"*"]));
        assert!(has(&[b"\"1\"", b"\"2\",\"34\""]) && has(&[b"\"\xe9\"", b"\"34\""]));
        assert!(!has(&[]) && !has(&[b"\"034\""]) && !has(&[b"34"]) && !has(&[b"\"3\",\"4\""]));
    }
}
