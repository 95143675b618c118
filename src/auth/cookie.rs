//! The cookies (RFC 6265): their names, their attributes, and the tokens that requests bring in them.

use std::time::Duration;

use crate::auth::token;
use crate::domain::Secret;

const DEFAULT_PORT: u16 = 3000;

/// A cookie of one server that holds a token.
pub struct Cookie {
    plain_name: String,
    /// The name over TLS: a browser takes a cookie of this prefix from nobody but the host itself, over TLS.
    secure_name: String,
}

impl Cookie {
    /// The cookie of a session.
    pub fn session(port: u16) -> Self {
        Self::new("tillcast_session", port)
    }

    /// The cookie by which a browser is known from earlier logins while it has no session.
    pub fn device(port: u16) -> Self {
        Self::new("tillcast_device", port)
    }

    /// The cookie with the secret of a device that asks to be paired.
    pub fn pairing(port: u16) -> Self {
        Self::new("tillcast_pairing", port)
    }

    /// Names the cookie after the server's first port: a browser sends a host's cookies to all of its
    /// ports, so the servers of one host would overwrite each other's.
    fn new(name: &str, port: u16) -> Self {
        let plain_name = match port {
            DEFAULT_PORT => name.to_owned(),
            port => format!("{name}_{port}"),
        };
        Self { plain_name, secure_name: format!("__Host-{name}") }
    }

    /// The name, for clients that come over TLS or not.
    pub fn name(&self, secure: bool) -> &str {
        if secure { &self.secure_name } else { &self.plain_name }
    }

    /// The well-formed tokens in a request's `Cookie` lines.
    ///
    /// The lines are read as bytes: other cookies of the host may hold any. The name may occur several times,
    /// because a browser keeps one cookie for each path and domain.
    pub fn tokens<'h>(
        &self,
        secure: bool,
        lines: impl IntoIterator<Item = &'h [u8]>,
    ) -> impl Iterator<Item = Secret> {
        let own = self.name(secure).as_bytes();
        lines.into_iter().flat_map(Pairs).filter_map(move |pair| {
            let (name, value) = split_at_byte(pair, b'=')?;
            if name.trim_ascii() == own { token::parse(unquoted(value.trim_ascii())) } else { None }
        })
    }

    /// The value of `Set-Cookie` that stores a token.
    pub fn set(&self, Secret(token): &Secret, max_age: Duration, secure: bool) -> String {
        let (name, seconds) = (self.name(secure), max_age.as_secs());
        let secure = if secure { "; Secure" } else { "" };
        format!("{name}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}")
    }

    /// The value of `Set-Cookie` that removes the cookie.
    pub fn clear(&self, secure: bool) -> String {
        self.set(&Secret::default(), Duration::ZERO, secure)
    }
}

/// The rest of a `Cookie` line: pairs between semicolons. `split` would call its closure for each byte.
struct Pairs<'h>(&'h [u8]);

impl<'h> Iterator for Pairs<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (pair, rest) = split_at_byte(self.0, b';').unwrap_or((self.0, &[]));
        self.0 = rest;
        Some(pair)
    }
}

/// The bytes before and after the first byte of this value.
fn split_at_byte(bytes: &[u8], value: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == value)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// A value may stand in double quotes (RFC 6265, section 4.1.1).
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(port: u16, lines: &[&[u8]]) -> Vec<char> {
        let cookie = Cookie::session(port);
        let found: Vec<_> = cookie.tokens(false, lines.iter().copied()).collect();
        found.iter().map(|Secret(token)| token.chars().next().unwrap()).collect()
    }

    #[test]
    fn every_line_and_pair_is_read_as_bytes() {
        let [a, b] = ["a", "b"].map(|digit| digit.repeat(64));
        let pair = |token: &str| format!("tillcast_session={token}").into_bytes();
        let (a, b) = (pair(&a), pair(&b));
        for (line, found) in [
            (a.clone(), "a"),
            ([b"lang=Fran\xc3\xa7ais; ", &a[..]].concat(), "a"),
            ([b"\xff\xfe;;=; x; ", &a[..], b" ;"].concat(), "a"),
            ([&a[..], b"; ", &b[..]].concat(), "ab"),
            ([b"tillcast_session=stale; ", &b[..]].concat(), "b"),
            ([b"tillcast_session=\"", &a[17..], b"\""].concat(), "a"),
            ([b"old_", &a[..], b"; tillcast_session_3001=", &b[17..]].concat(), ""),
            ([&a[..], b"0"].concat(), ""),
            (a.to_ascii_uppercase(), ""),
        ] {
            let text = String::from_utf8_lossy(&line);
            assert_eq!(tokens(3000, &[&line]), found.chars().collect::<Vec<_>>(), "{text}");
        }
        assert_eq!(tokens(3000, &[b"theme=dark", &b, &a]), ['b', 'a']);
    }

    #[test]
    fn servers_of_one_host_have_cookies_of_their_own() {
        let [own, other] = [3001, 3002].map(Cookie::session);
        let [a, b] = ["a", "b"].map(|digit| Secret(digit.repeat(64)));
        let set = |cookie: &Cookie, token| cookie.set(token, Duration::from_secs(60), false);
        let both = format!("{}; {}", set(&own, &a), set(&other, &b));
        assert_eq!(tokens(3001, &[both.as_bytes()]), ['a']);
        assert_eq!(tokens(3002, &[both.as_bytes()]), ['b']);
        let at_default_port = set(&Cookie::session(3000), &a);
        assert!(at_default_port.starts_with("tillcast_session=aaaa"), "{at_default_port}");
        assert!(tokens(3001, &[at_default_port.as_bytes()]).is_empty());
    }

    #[test]
    fn over_tls_the_cookie_is_the_hosts_own() {
        let cookie = Cookie::session(3000);
        let [a, b] = ["a", "b"].map(|digit| Secret(digit.repeat(64)));
        let [plain, secure] = [(&a, false), (&b, true)]
            .map(|(token, secure)| cookie.set(token, Duration::ZERO, secure));
        assert!(secure.starts_with("__Host-tillcast_session=bbbb"), "{secure}");
        // What the prefix asks for: Secure, this path, and no Domain.
        assert!(
            secure.ends_with("; Path=/; Max-Age=0; Secure") && !secure.contains("Domain"),
            "{secure}"
        );
        let both = format!("{plain}; {secure}");
        for (over_tls, Secret(own)) in [(false, a), (true, b)] {
            let found: Vec<_> = cookie.tokens(over_tls, [both.as_bytes()]).collect();
            assert!(matches!(&found[..], [Secret(token)] if *token == own));
        }
    }
}
