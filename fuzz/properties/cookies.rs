//! `Cookie` lines.

use tillcast::auth::Cookie;
use tillcast::domain::Secret;

/// Every token is a part of the header, and a second line appends its tokens to those of the first.
pub(crate) fn hold(line: &[u8]) {
    let cookie = Cookie::session(3001);
    let tokens = |lines: &[&[u8]]| -> Vec<String> {
        cookie.tokens(false, lines.iter().copied()).map(|Secret(token)| token).collect()
    };
    let found = tokens(&[line]);
    for token in &found {
        let is_part = line.windows(64).any(|part| part == token.as_bytes());
        assert!(is_part, "{token} in {:?}", String::from_utf8_lossy(line));
    }
    let more = format!("tillcast_session_3001={}", "e".repeat(64));
    assert_eq!(tokens(&[line, more.as_bytes()]), [&found[..], &["e".repeat(64)]].concat());
}
