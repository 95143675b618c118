//! Every message of the WebSocket except the events: one enum for each direction. `message_rows` describes them.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::decimal::parse_integer;
use crate::domain::text::shorten;
use crate::domain::{EntityKind, LogId, json};
use crate::frame;
use crate::limits::QUOTED_CHARS_MAX;
use crate::ws::message_rows::CLIENT_MESSAGES;

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Asks for a channel's events: from now on, or all after a `seq`.
    Subscribe {
        /// The kind whose channel it is.
        channel: EntityKind,
        /// The last `seq` that the client has.
        since: Option<i64>,
        /// The id of the log that this `seq` belongs to.
        log: Option<String>,
    },
    /// Ends a channel's events.
    Unsubscribe {
        /// The kind whose channel it is.
        channel: EntityKind,
    },
    /// Asks for a pong.
    Ping,
    /// Asks for the client's turn after a restart.
    Turn,
    /// Asks how far the client is behind.
    Lag,
}

/// A message of the server, except the events.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum ServerMessage<'a> {
    /// The first message: the session is valid.
    Connected {
        message: &'a str,
        #[serde(rename = "userId")]
        user_id: Option<i64>,
    },
    /// Every event of the channel after this `seq` follows.
    Subscribed { channel: &'a str, seq: i64, log: LogId },
    /// The client has missed events and must read the channel's entities again over REST. Every event after
    /// this `seq` follows.
    Reset { channel: &'a str, seq: i64, log: LogId },
    /// No further event of the channel follows.
    Unsubscribed { channel: &'a str },
    /// The reply to a ping.
    Pong,
    /// The times at which the client may come back: those that are `at` milliseconds, modulo `every`.
    Turn { at: u32, every: u32 },
    /// The number of events that were not sent yet. With 0, the client has all that were there before it asked.
    Lag { unsent: i64 },
    /// The message before was wrong; the connection stays open.
    Error { message: &'a str },
}

impl ClientMessage {
    /// Reads a text message; the error is a sentence that names what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value = json::parse(text.as_bytes()).map_err(|error| format!("the message {error}"))?;
        let Value::Object(fields) = value else {
            return Err("the message must be a JSON object".to_owned());
        };
        match text_field(&fields, "type")? {
            "subscribe" => Ok(Self::Subscribe {
                channel: channel_field(&fields)?,
                since: since_field(&fields)?,
                log: log_field(&fields)?,
            }),
            "unsubscribe" => Ok(Self::Unsubscribe { channel: channel_field(&fields)? }),
            "ping" => Ok(Self::Ping),
            "turn" => Ok(Self::Turn),
            "lag" => Ok(Self::Lag),
            name => {
                let known = CLIENT_MESSAGES.map(|row| row.name).join(", ");
                Err(format!("unknown type {}; the types are {known}", quoted(name)))
            }
        }
    }
}

fn text_field<'f>(fields: &'f Map<String, Value>, name: &str) -> Result<&'f str, String> {
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("{name} must be a string")),
        None => Err(format!("{name} is missing")),
    }
}

fn channel_field(fields: &Map<String, Value>) -> Result<EntityKind, String> {
    let name = text_field(fields, "channel")?;
    EntityKind::of_channel(name).ok_or_else(|| {
        let known = EntityKind::ALL.map(|kind| kind.schema().channel).join(", ");
        format!("unknown channel {}; the channels are {known}", quoted(name))
    })
}

fn since_field(fields: &Map<String, Value>) -> Result<Option<i64>, String> {
    let seq = match fields.get("since") {
        None => return Ok(None),
        Some(Value::Number(number)) => parse_integer(number.as_str()).ok(),
        Some(_) => None,
    };
    let seq = seq.filter(|seq| *seq >= 0);
    seq.map(Some).ok_or_else(|| "since must be a whole number, 0 or more".to_owned())
}

fn log_field(fields: &Map<String, Value>) -> Result<Option<String>, String> {
    let log = fields.contains_key("log").then(|| text_field(fields, "log"));
    log.transpose().map(|log| log.map(ToOwned::to_owned))
}

/// The beginning of a client's own word, in quotes.
fn quoted(word: &str) -> String {
    format!("{:?}", shorten(word, QUOTED_CHARS_MAX))
}

impl ServerMessage<'static> {
    pub(super) fn connected(user_id: Option<i64>) -> Self {
        Self::Connected { message: "WebSocket connection established", user_id }
    }

    pub(super) fn subscribed(kind: EntityKind, seq: i64, log: LogId) -> Self {
        Self::Subscribed { channel: kind.schema().channel, seq, log }
    }

    pub(super) fn reset(kind: EntityKind, seq: i64, log: LogId) -> Self {
        Self::Reset { channel: kind.schema().channel, seq, log }
    }

    pub(super) fn unsubscribed(kind: EntityKind) -> Self {
        Self::Unsubscribed { channel: kind.schema().channel }
    }
}

impl ServerMessage<'_> {
    /// Appends it as a frame.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        #[expect(clippy::expect_used, reason = "texts and numbers are always JSON")]
        let text = serde_json::to_string(self).expect("texts and numbers are always JSON");
        frame::put_text(out, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::message_rows::{FieldType, SERVER_MESSAGES};

    const ORDER: EntityKind = EntityKind::Order;

    fn log() -> LogId {
        LogId::parse("0123456789ab").unwrap()
    }

    #[test]
    fn messages_are_read() {
        let parse = ClientMessage::parse;
        assert_eq!(parse(r#"{"type":"ping"}"#), Ok(ClientMessage::Ping));
        let unsubscribe = r#"{"type":"unsubscribe","channel":"order_changes"}"#;
        assert_eq!(parse(unsubscribe), Ok(ClientMessage::Unsubscribe { channel: ORDER }));
    }

    #[test]
    fn a_position_is_any_whole_number() {
        for (written, since) in
            [("7", 7), ("7.0", 7), ("70e-1", 7), ("0.7E1", 7), ("0", 0), ("-0", 0)]
        {
            let text =
                format!(r#"{{"type":"subscribe","channel":"order_changes","since":{written}}}"#);
            let read = ClientMessage::Subscribe { channel: ORDER, since: Some(since), log: None };
            assert_eq!(ClientMessage::parse(&text), Ok(read), "{written}");
        }
    }

    #[test]
    fn a_mistake_is_named() {
        for (text, named) in [
            ("", "JSON"),
            ("[]", "object"),
            (r#"{"type":"ping","type":"ping"}"#, "the key type twice"),
            (r#"{"type":"ping","more":[{"a":1,"a":1}]}"#, "the key more[0].a twice"),
            (r#"{"type":"subscribe","channel":"x","channel":"order_changes"}"#, "channel twice"),
            ("{}", "type"),
            (r#"{"type":1}"#, "type"),
            (r#"{"type":"dance"}"#, "dance"),
            (r#"{"type":"subscribe"}"#, "channel"),
            (r#"{"type":"subscribe","channel":7}"#, "channel"),
            (r#"{"type":"subscribe","channel":"x"}"#, "\"x\""),
            (r#"{"type":"subscribe","channel":"order_changes","since":-1}"#, "since"),
            (r#"{"type":"subscribe","channel":"order_changes","since":1.5}"#, "since"),
            (r#"{"type":"subscribe","channel":"order_changes","since":1e99}"#, "since"),
            (r#"{"type":"subscribe","channel":"order_changes","since":"1"}"#, "since"),
            (r#"{"type":"subscribe","channel":"order_changes","since":null}"#, "since"),
            (r#"{"type":"subscribe","channel":"order_changes","since":1,"log":1}"#, "log"),
            (
                r#"{"type":"subscribe","channel":"order_changes","since":{"$serde_json::private::Number":"1"}}"#,
                "since",
            ),
        ] {
            let error = ClientMessage::parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    /// The parser reads exactly the members of the rows, and only optional ones may be missing.
    #[test]
    fn client_rows_describe_what_is_read() {
        for row in &CLIENT_MESSAGES {
            let sample = |ty| match ty {
                FieldType::Channel => Value::from("order_changes"),
                FieldType::Seq | FieldType::UserId | FieldType::Milliseconds | FieldType::Count => {
                    Value::from(7)
                }
                FieldType::Log | FieldType::Text => Value::from("text"),
            };
            let members = row.fields.iter().map(|field| (field.name.to_owned(), sample(field.ty)));
            let mut all: Map<String, Value> = members.collect();
            all.insert("type".to_owned(), Value::from(row.name));
            let parse = |fields: &Map<String, Value>| {
                ClientMessage::parse(&Value::Object(fields.clone()).to_string())
            };
            parse(&all).unwrap();
            for field in row.fields {
                let mut wrong = all.clone();
                wrong.insert(field.name.to_owned(), Value::from(true));
                assert!(parse(&wrong).unwrap_err().contains(field.name), "{}", row.name);
                wrong.remove(field.name);
                let without = parse(&wrong);
                assert_eq!(without.is_err(), field.required, "{} of {}", field.name, row.name);
            }
        }
    }

    #[test]
    fn server_rows_describe_what_is_written() {
        let messages = [
            ServerMessage::connected(Some(1)),
            ServerMessage::subscribed(ORDER, 7, log()),
            ServerMessage::reset(ORDER, 7, log()),
            ServerMessage::unsubscribed(ORDER),
            ServerMessage::Pong,
            ServerMessage::Turn { at: 20, every: 40 },
            ServerMessage::Lag { unsent: 3 },
            ServerMessage::Error { message: "wrong" },
        ];
        for (message, row) in messages.iter().zip(&SERVER_MESSAGES) {
            let Value::Object(written) = serde_json::to_value(message).unwrap() else { panic!() };
            assert_eq!(written["type"], row.name);
            let mut described = vec!["type"];
            described.extend(row.fields.iter().map(|field| field.name));
            described.sort_unstable();
            let mut written: Vec<&String> = written.keys().collect();
            written.sort_unstable();
            assert_eq!(written, described, "{}", row.name);
        }
    }

    #[test]
    fn messages_are_written_as_the_protocol_shows_them() {
        let written = |message: ServerMessage<'_>| {
            let mut frame = Vec::new();
            message.put(&mut frame);
            String::from_utf8(frame.split_off(2)).unwrap()
        };
        assert_eq!(
            written(ServerMessage::connected(Some(1))),
            r#"{"type":"connected","message":"WebSocket connection established","userId":1}"#
        );
        let seq = r#"{"type":"subscribed","channel":"order_changes","seq":7,"log":"0123456789ab"}"#;
        assert_eq!(written(ServerMessage::subscribed(ORDER, 7, log())), seq);
        assert_eq!(
            written(ServerMessage::reset(ORDER, 7, log())),
            seq.replace("subscribed", "reset")
        );
        assert_eq!(
            written(ServerMessage::unsubscribed(ORDER)),
            r#"{"type":"unsubscribed","channel":"order_changes"}"#
        );
        assert_eq!(written(ServerMessage::Pong), r#"{"type":"pong"}"#);
        assert_eq!(
            written(ServerMessage::Turn { at: 20, every: 40 }),
            r#"{"type":"turn","at":20,"every":40}"#
        );
        assert_eq!(written(ServerMessage::Lag { unsent: 3 }), r#"{"type":"lag","unsent":3}"#);
        assert_eq!(
            written(ServerMessage::Error { message: "a \"b\"" }),
            r#"{"type":"error","message":"a \"b\""}"#
        );
    }
}
