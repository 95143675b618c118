//! Every message of the protocol: what clients say, and what the server says but for events.

use serde_json::Value;

use crate::domain::EntityKind;
use crate::domain::event::put_text;
use crate::domain::text::shorten;

/// What a client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Send me this channel's events: from now on, or all behind a `seq`.
    Subscribe(EntityKind, Option<i64>),
    /// Send me no more of this channel.
    Unsubscribe(EntityKind),
    /// Are you there?
    Ping,
}

impl ClientMessage {
    /// Reads a text; the error is a sentence that names what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return Err("the message is not JSON".to_owned());
        };
        let Value::Object(message) = value else {
            return Err("the message must be a JSON object".to_owned());
        };
        let kind = || match message.get("channel") {
            Some(Value::String(name)) => EntityKind::of_channel(name).ok_or_else(|| {
                format!("unknown channel {}; there are {}", quoted(name), channels())
            }),
            Some(_) => Err("channel must be a string".to_owned()),
            None => Err("channel is missing".to_owned()),
        };
        match message.get("type") {
            Some(Value::String(name)) => match name.as_str() {
                "subscribe" => Ok(Self::Subscribe(kind()?, since(message.get("since"))?)),
                "unsubscribe" => Ok(Self::Unsubscribe(kind()?)),
                "ping" => Ok(Self::Ping),
                _ => Err(format!(
                    "unknown type {}; there are subscribe, unsubscribe, ping",
                    quoted(name)
                )),
            },
            Some(_) => Err("type must be a string".to_owned()),
            None => Err("type is missing".to_owned()),
        }
    }
}

fn since(value: Option<&Value>) -> Result<Option<i64>, String> {
    let Some(value) = value else {
        return Ok(None);
    };
    match value.as_i64() {
        Some(seq) if seq >= 0 && value.is_number() => Ok(Some(seq)),
        _ => Err("since must be a whole number, 0 or more".to_owned()),
    }
}

fn channels() -> String {
    EntityKind::ALL.map(|kind| kind.schema().channel).join(", ")
}

/// A client's own word, given back in quotes and not at any length.
fn quoted(word: &str) -> String {
    format!("{:?}", shorten(word, 40))
}

/// The first message.
pub(super) fn connected(user_id: i64) -> String {
    format!(
        "{{\"type\":\"connected\",\"message\":\"WebSocket connection established\",\"userId\":{user_id}}}"
    )
}

/// Every event of the channel behind this `seq` follows.
pub(super) fn subscribed(kind: EntityKind, seq: i64) -> String {
    format!("{{\"type\":\"subscribed\",\"channel\":\"{}\",\"seq\":{seq}}}", kind.schema().channel)
}

/// The log does not reach back: read again over REST; events behind this `seq` follow.
pub(super) fn reset(kind: EntityKind, seq: i64) -> String {
    format!("{{\"type\":\"reset\",\"channel\":\"{}\",\"seq\":{seq}}}", kind.schema().channel)
}

/// No further event of the channel follows.
pub(super) fn unsubscribed(kind: EntityKind) -> String {
    format!("{{\"type\":\"unsubscribed\",\"channel\":\"{}\"}}", kind.schema().channel)
}

/// The answer to a ping.
pub(super) const PONG: &str = "{\"type\":\"pong\"}";

/// What was wrong with a message.
pub(super) fn error(text: &str) -> String {
    let mut out = String::from("{\"type\":\"error\",\"message\":");
    put_text(&mut out, text);
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read() {
        let parse = ClientMessage::parse;
        let order = EntityKind::Order;
        assert_eq!(parse(r#"{"type":"ping"}"#), Ok(ClientMessage::Ping));
        let subscribe = r#"{"type":"subscribe","channel":"order_changes","since":7}"#;
        assert_eq!(parse(subscribe), Ok(ClientMessage::Subscribe(order, Some(7))));
        let unsubscribe = r#"{"type":"unsubscribe","channel":"order_changes"}"#;
        assert_eq!(parse(unsubscribe), Ok(ClientMessage::Unsubscribe(order)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("", "JSON"),
            ("[]", "object"),
            ("{}", "type"),
            (r#"{"type":1}"#, "type"),
            (r#"{"type":"dance"}"#, "dance"),
            (r#"{"type":"subscribe"}"#, "channel"),
            (r#"{"type":"subscribe","channel":7}"#, "channel"),
            (r#"{"type":"subscribe","channel":"x"}"#, "\"x\""),
            (r#"{"type":"subscribe","channel":"order_changes","since":-1}"#, "since"),
            (r#"{"type":"subscribe","channel":"order_changes","since":1.5}"#, "since"),
            (r#"{"type":"subscribe","channel":"order_changes","since":null}"#, "since"),
        ] {
            let error = ClientMessage::parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
