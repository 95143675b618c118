//! The opening handshake, as far as it is about WebSocket (RFC 6455, section 4.2.1).

use tungstenite::handshake::derive_accept_key;

/// The headers of a request that count, as plain texts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hello<'h> {
    /// `Connection`
    pub connection: Option<&'h str>,
    /// `Upgrade`
    pub upgrade: Option<&'h str>,
    /// `Sec-WebSocket-Version`
    pub version: Option<&'h str>,
    /// `Sec-WebSocket-Key`
    pub key: Option<&'h str>,
}

/// The value of `Sec-WebSocket-Accept`, or what the client did wrong.
pub fn accept(hello: Hello<'_>) -> Result<String, &'static str> {
    let names = |header: Option<&str>, word: &str| {
        header.unwrap_or_default().split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    if !names(hello.upgrade, "websocket") || !names(hello.connection, "upgrade") {
        return Err("this path speaks WebSocket: send Upgrade: websocket");
    }
    if hello.version != Some("13") {
        return Err("Sec-WebSocket-Version must be 13");
    }
    // 16 bytes in base64: 22 characters and two signs of padding.
    match hello.key {
        Some(key) if key.len() == 24 && key.ends_with("==") => {
            Ok(derive_accept_key(key.as_bytes()))
        }
        _ => Err("Sec-WebSocket-Key must be 16 bytes in base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let hello = Hello {
            connection: Some("keep-alive, Upgrade"),
            upgrade: Some("WebSocket"),
            version: Some("13"),
            key: Some("dGhlIHNhbXBsZSBub25jZQ=="),
        };
        assert_eq!(accept(hello), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned()));
        assert!(accept(Hello { version: Some("8"), ..hello }).is_err());
        assert!(accept(Hello { key: Some("short"), ..hello }).is_err());
        assert!(accept(Hello { upgrade: None, ..hello }).is_err());
    }
}
