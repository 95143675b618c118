//! The token of a device, as a request brings it: in `Authorization` (RFC 6750, section 2.1), or where a page cannot
//! set that header, as a subprotocol of its WebSocket.

use crate::auth::token;
use crate::domain::Secret;

/// The scheme in `Authorization`, in any case.
const SCHEME: &[u8] = b"bearer";
/// The beginning of the subprotocol.
const PREFIX: &[u8] = b"bearer.";

/// The token that a request brings beside its cookies.
#[derive(Debug, PartialEq, Eq)]
pub enum Bearer {
    /// None: its session is that of its cookies.
    Absent,
    /// One, of the right form.
    Token(Secret),
    /// One of another form, or several. Such a request has no session.
    Malformed,
}

impl Bearer {
    /// Reads the lines of `Authorization` and of `Sec-WebSocket-Protocol`. Other schemes, which a proxy may have
    /// asked for, and other subprotocols mean nothing here.
    pub fn read<'h>(
        authorization: impl Iterator<Item = &'h [u8]>,
        protocols: impl Iterator<Item = &'h [u8]>,
    ) -> Self {
        let offered = protocols.flat_map(|line| line.split(|byte| *byte == b','));
        let offered = offered.filter_map(|item| item.trim_ascii().strip_prefix(PREFIX));
        let mut tokens = authorization.filter_map(credentials).chain(offered);
        match (tokens.next(), tokens.next()) {
            (None, _) => Self::Absent,
            (Some(one), None) => token::parse(one).map_or(Self::Malformed, Self::Token),
            (Some(_), Some(_)) => Self::Malformed,
        }
    }
}

/// The text behind the scheme of a bearer; `None` for another scheme.
fn credentials(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii();
    let (scheme, rest) = line.split_at(line.len().min(SCHEME.len()));
    let ends = rest.first().is_none_or(|byte| matches!(byte, b' ' | b'\t'));
    (ends && scheme.eq_ignore_ascii_case(SCHEME)).then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(authorization: &[&str], protocols: &[&str]) -> Bearer {
        Bearer::read(
            authorization.iter().map(|line| line.as_bytes()),
            protocols.iter().map(|line| line.as_bytes()),
        )
    }

    #[test]
    fn exactly_one_token_is_read() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let (of_a, of_b) = (format!("Bearer {a}"), format!("bearer {b}"));
        let (item, list) = (format!("bearer.{a}"), format!("tillcast.v1,\tbearer.{a}"));
        let token = || Bearer::Token(Secret(a.clone()));
        for (authorization, protocols, read_as) in [
            (&[][..], &[][..], Bearer::Absent),
            (&["", "Basic YTpi", "Bearers x", "Bear"], &["tillcast.v1", "bearer"], Bearer::Absent),
            (&[&of_a], &[], token()),
            (&[&format!("BEARER \t {a} ")], &["tillcast.v1"], token()),
            (&["Basic YTpi", &of_a], &[], token()),
            (&[], &[&list], token()),
            (&[], &["tillcast.v1", &item], token()),
            (&[&of_a, &of_b], &[], Bearer::Malformed),
            (&[&of_a, &of_a], &[], Bearer::Malformed),
            (&[&of_a], &[&item], Bearer::Malformed),
            (&[&format!("{of_a}, {of_b}")], &[], Bearer::Malformed),
            (&["Bearer"], &[], Bearer::Malformed),
            (&["Bearer "], &[], Bearer::Malformed),
            (&[&format!("Bearer{a}")], &[], Bearer::Absent),
            (&[&format!("Bearer {a}0")], &[], Bearer::Malformed),
            (&[&format!("Bearer {}", "A".repeat(64))], &[], Bearer::Malformed),
            (&[], &["tillcast.v1, bearer."], Bearer::Malformed),
            (&[], &[&format!("Bearer.{a}")], Bearer::Absent),
        ] {
            assert_eq!(read(authorization, protocols), read_as, "{authorization:?} {protocols:?}");
        }
    }

    proptest! {
        /// Whatever the lines are, a token is either one of them or there is none.
        #[test]
        fn no_bytes_become_a_token(
            authorization in prop::collection::vec(".{0,80}", 0..3),
            protocols in prop::collection::vec(".{0,80}", 0..3),
        ) {
            let lines = || authorization.iter().chain(&protocols);
            if let Bearer::Token(Secret(token)) = Bearer::read(
                authorization.iter().map(String::as_bytes),
                protocols.iter().map(String::as_bytes),
            ) {
                prop_assert!(lines().any(|line| line.contains(&token)));
            }
        }
    }
}
