//! The server's part of the opening handshake (RFC 6455, section 4.2).

use tungstenite::handshake::derive_accept_key;

use crate::domain::text::shorten;
use crate::limits::QUOTED_CHARS_MAX;

/// The subprotocol that the server speaks, also with a client that offers none.
pub const SUBPROTOCOL: &str = "tillcast.v1";
/// The version of the protocol (RFC 6455, section 4.4).
pub const VERSION: &str = "13";

/// The lines of the handshake's headers. Several lines of one header form one list (RFC 9110, section
/// 5.3).
#[derive(Debug, Default)]
pub struct Handshake<'h> {
    connection: Vec<&'h [u8]>,
    upgrade: Vec<&'h [u8]>,
    version: Vec<&'h [u8]>,
    key: Vec<&'h [u8]>,
    protocol: Vec<&'h [u8]>,
}

/// The server's reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: String,
    /// The value of `Sec-WebSocket-Protocol`, if the client offers subprotocols.
    pub protocol: Option<&'static str>,
}

/// A handshake that the server does not accept.
#[derive(Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// The request is no valid handshake; a sentence names what is wrong.
    Malformed(String),
    /// The handshake is for another version of the protocol than `VERSION`.
    OtherVersion,
}

impl<'h> FromIterator<(&'h str, &'h [u8])> for Handshake<'h> {
    /// Collects the handshake's lines from all header lines of a request: names and values.
    fn from_iter<I: IntoIterator<Item = (&'h str, &'h [u8])>>(lines: I) -> Self {
        let mut handshake = Self::default();
        for (name, value) in lines {
            let values = match name.to_ascii_lowercase().as_str() {
                "connection" => &mut handshake.connection,
                "upgrade" => &mut handshake.upgrade,
                "sec-websocket-version" => &mut handshake.version,
                "sec-websocket-key" => &mut handshake.key,
                "sec-websocket-protocol" => &mut handshake.protocol,
                _ => continue,
            };
            values.push(value);
        }
        handshake
    }
}

impl Handshake<'_> {
    /// Checks the handshake of a `GET` request with HTTP/1.1.
    pub fn accept(&self) -> Result<Accepted, HandshakeError> {
        let names = |lines: &[&[u8]], word: &str| {
            list(lines).any(|item| item.eq_ignore_ascii_case(word.as_bytes()))
        };
        if !names(&self.upgrade, "websocket") || !names(&self.connection, "upgrade") {
            let wrong = "this path is a WebSocket: send Upgrade: websocket and Connection: Upgrade";
            return Err(malformed(wrong));
        }
        if single(&self.version, "Sec-WebSocket-Version")? != VERSION.as_bytes() {
            return Err(HandshakeError::OtherVersion);
        }
        let key = single(&self.key, "Sec-WebSocket-Key")?;
        if !is_16_bytes(key) {
            return Err(malformed("Sec-WebSocket-Key must be 16 bytes in base64"));
        }
        Ok(Accepted { accept: derive_accept_key(key), protocol: self.select_protocol()? })
    }

    /// Selects the server's subprotocol from those that the client offers.
    fn select_protocol(&self) -> Result<Option<&'static str>, HandshakeError> {
        if self.protocol.is_empty() {
            return Ok(None);
        }
        let offered: Vec<&[u8]> = list(&self.protocol).collect();
        let twice = |(at, item): (usize, &&[u8])| offered[..at].contains(item);
        if !offered.iter().all(|item| is_token(item)) || offered.iter().enumerate().any(twice) {
            let wrong = "Sec-WebSocket-Protocol must be a list of different names";
            return Err(malformed(wrong));
        }
        if offered.contains(&SUBPROTOCOL.as_bytes()) {
            return Ok(Some(SUBPROTOCOL));
        }
        // A token is not repeated, neither in the reply nor in a log.
        let named = |item: &&[u8]| match item.strip_prefix(b"bearer.") {
            Some(_) => "bearer.*".to_owned(),
            None => String::from_utf8_lossy(item).into_owned(),
        };
        let offered = offered.iter().map(named).collect::<Vec<_>>().join(", ");
        let offered = shorten(&offered, QUOTED_CHARS_MAX);
        Err(malformed(format!(
            "Sec-WebSocket-Protocol offers {offered:?}; the server speaks {SUBPROTOCOL}"
        )))
    }
}

fn malformed(wrong: impl Into<String>) -> HandshakeError {
    HandshakeError::Malformed(wrong.into())
}

/// The items of a list over all its lines, without empty ones (RFC 9110, section 5.6.1).
fn list<'h>(lines: &[&'h [u8]]) -> impl Iterator<Item = &'h [u8]> {
    let items = lines.iter().flat_map(|line| line.split(|byte| *byte == b','));
    items.map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

/// The value of a header that comes in exactly one line.
fn single<'h>(lines: &[&'h [u8]], name: &str) -> Result<&'h [u8], HandshakeError> {
    match lines {
        [value] => Ok(value.trim_ascii()),
        [] => Err(malformed(format!("{name} is missing"))),
        _ => Err(malformed(format!("{name} is given twice"))),
    }
}

/// Whether a text is 16 bytes in base64 (RFC 4648, section 4): 22 characters and the padding.
fn is_16_bytes(key: &[u8]) -> bool {
    const CHARACTERS: usize = 22;
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix(b"==")
        .is_some_and(|rest| rest.len() == CHARACTERS && rest.iter().all(is_base64))
}

/// Whether it is a token (RFC 9110, section 5.6.2).
fn is_token(item: &[u8]) -> bool {
    item.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the example in RFC 6455, section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const GOOD: [(&str, &str); 4] = [
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "WebSocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ];

    fn accept(lines: &[(&str, &str)]) -> Result<Accepted, HandshakeError> {
        let bytes = lines.iter().map(|(name, value)| (*name, value.as_bytes()));
        bytes.collect::<Handshake<'_>>().accept()
    }

    /// Tries the good handshake with these lines for that header.
    fn with(name: &str, values: &[&str]) -> Result<Accepted, HandshakeError> {
        let mut lines: Vec<_> = GOOD.into_iter().filter(|(own, _)| *own != name).collect();
        lines.extend(values.iter().map(|value| (name, *value)));
        accept(&lines)
    }

    #[track_caller]
    fn is_refused(result: &Result<Accepted, HandshakeError>, named: &str) {
        match result {
            Err(HandshakeError::Malformed(wrong)) => assert!(wrong.contains(named), "{wrong}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let accepted =
            Accepted { accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned(), protocol: None };
        assert_eq!(accept(&GOOD), Ok(accepted));
    }

    #[test]
    fn lists_may_come_in_several_lines() {
        for (name, values) in [
            ("Connection", &["keep-alive", "Upgrade"][..]),
            ("Connection", &["upgrade", "keep-alive"]),
            ("Connection", &["keep-alive,,\tUPGRADE ,"]),
            ("Upgrade", &["h2c", "websocket"]),
            ("Upgrade", &["", "websocket, h2c"]),
        ] {
            assert!(with(name, values).is_ok(), "{name}: {values:?}");
        }
        for (name, values) in [
            ("Connection", &["keep-alive"][..]),
            ("Connection", &[]),
            ("Connection", &["up", "grade"]),
            ("Upgrade", &["web socket"]),
            ("Upgrade", &[]),
        ] {
            is_refused(&with(name, values), "Upgrade");
        }
    }

    #[test]
    fn another_version_is_told_from_a_missing_one() {
        for version in ["25", "8", "1", "013", "13, 8", ""] {
            let refused = with("Sec-WebSocket-Version", &[version]);
            assert_eq!(refused, Err(HandshakeError::OtherVersion), "{version}");
        }
        is_refused(&with("Sec-WebSocket-Version", &[]), "Sec-WebSocket-Version is missing");
        is_refused(&with("Sec-WebSocket-Version", &["13", "13"]), "twice");
    }

    #[test]
    fn a_key_is_16_bytes_in_base64_once() {
        for key in [
            "",
            "AAAA",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=A",
            "dGhlIHNhbXBsZSBub25jZQA=",
            "dGhlIHNhbXBsZSBub25jZQAA==",
            "-_hlIHNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25j Q==",
            "\u{e9}GhlIHNhbXBsZSBub25jQ==",
        ] {
            is_refused(&with("Sec-WebSocket-Key", &[key]), "Sec-WebSocket-Key must be 16 bytes");
        }
        assert!(with("Sec-WebSocket-Key", &["+/hlIHNhbXBsZSBub25jZQ=="]).is_ok());
        is_refused(&with("Sec-WebSocket-Key", &[]), "Sec-WebSocket-Key is missing");
        is_refused(&with("Sec-WebSocket-Key", &[KEY, KEY]), "Sec-WebSocket-Key is given twice");
    }

    #[test]
    fn a_subprotocol_is_selected_or_refused_by_name() {
        let selected = |values: &[&str]| with("Sec-WebSocket-Protocol", values);
        for values in [
            &["tillcast.v1"][..],
            &["json, tillcast.v1"],
            &["tillcast.v1, bearer.abc"],
            &["json", "tillcast.v1"],
        ] {
            assert_eq!(selected(values).unwrap().protocol, Some(SUBPROTOCOL), "{values:?}");
        }
        is_refused(&selected(&["json"]), "\"json\"; the server speaks tillcast.v1");
        is_refused(&selected(&["Tillcast.v1"]), "Tillcast.v1");
        is_refused(
            &selected(&["bearer.abc, json"]),
            "\"bearer.*, json\"; the server speaks tillcast.v1",
        );
        is_refused(&selected(&[""]), "tillcast.v1");
        for values in [&["a b"][..], &["json, json"], &["tillcast.v1", "tillcast.v1"], &["{}"]] {
            is_refused(&selected(values), "different names");
        }
    }
}
