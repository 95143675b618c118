//! Entity tags: how a version is written, and what the conditions of a request say of it (RFC 9110,
//! sections 8.8.3 and 13.1). Tags are compared as bytes: `"034"` is not `"34"`.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The tag of a version.
pub(super) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The versions that `If-Match` names, `None` where it is absent or any will do. What cannot be
/// read, and a weak or foreign tag, matches nothing; it is not the same as absent.
pub(super) fn if_match(headers: &HeaderMap) -> Option<Vec<i64>> {
    let mut tags = tags(headers, &header::IF_MATCH).peekable();
    tags.peek()?;
    let mut versions = Vec::new();
    for tag in tags {
        if tag == b"*" {
            return None;
        }
        versions.extend(version_of(tag));
    }
    Some(versions)
}

/// Whether `If-None-Match` names this version; a weak one will do (section 13.1.2).
pub(super) fn has_version(headers: &HeaderMap, version: i64) -> bool {
    let etag = etag(version);
    tags(headers, &header::IF_NONE_MATCH)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

/// The elements of a list header, over all its lines (section 5.3). Tags of ours hold no comma, so
/// that the pieces of a foreign one that does match nothing.
fn tags<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// The version whose tag this is.
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
        let read = |lines: &[&[u8]]| if_match(&headers(&header::IF_MATCH, lines));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[b"*"]), None);
        assert_eq!(read(&[b"\"1\"", b"*"]), None);
        assert_eq!(read(&[b"\"34\""]), Some(vec![34]));
        assert_eq!(read(&[b"\"1\" , \"2\"", b"\"34\""]), Some(vec![1, 2, 34]));
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
            assert_eq!(read(&[nothing]), Some(vec![]), "{nothing:?}");
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
