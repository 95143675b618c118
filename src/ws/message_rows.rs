//! One row for each message of the WebSocket except the events, from which `/asyncapi.json` is generated.

/// A message as the document describes it.
pub(super) struct MessageRow {
    /// The value of its `type`.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) fields: &'static [MessageField],
}

/// A member of a message, except `type`.
pub(super) struct MessageField {
    pub(super) name: &'static str,
    pub(super) ty: FieldType,
    pub(super) required: bool,
    pub(super) about: &'static str,
}

/// The type of a member.
#[derive(Clone, Copy)]
pub(super) enum FieldType {
    Channel,
    Count,
    Log,
    Milliseconds,
    Seq,
    Text,
    UserId,
}

impl MessageField {
    const fn new(name: &'static str, ty: FieldType, about: &'static str) -> Self {
        Self { name, ty, required: true, about }
    }

    const fn optional(mut self) -> Self {
        self.required = false;
        self
    }
}

const CHANNEL: MessageField = MessageField::new("channel", FieldType::Channel, "The channel.");
const FOLLOWS: MessageField = MessageField::new(
    "seq",
    FieldType::Seq,
    "The position: every later event of the channel follows.",
);
const SINCE: MessageField = MessageField::new(
    "since",
    FieldType::Seq,
    "The client's last position, such as a Tillcast-Seq: every later event follows. Without it, the \
     events from now on follow.",
)
.optional();
const LOG: MessageField = MessageField::new(
    "log",
    FieldType::Log,
    "The id of the log that the positions belong to. Every restore gives the log a new id.",
);
const LOG_OF_SINCE: MessageField = MessageField::new(
    "log",
    FieldType::Log,
    "The id of the log that `since` belongs to. If the server has another log, it replies with reset.",
)
.optional();
const GREETING: MessageField = MessageField::new("message", FieldType::Text, "A text for people.");
const USER_ID: MessageField =
    MessageField::new("userId", FieldType::UserId, "The user of the session; null for a device.");
const TURN_AT: MessageField = MessageField::new(
    "at",
    FieldType::Milliseconds,
    "The client's place in the period, in milliseconds.",
);
const TURN_EVERY: MessageField = MessageField::new(
    "every",
    FieldType::Milliseconds,
    "The period in milliseconds; it grows with the number of clients.",
);
const UNSENT: MessageField = MessageField::new(
    "unsent",
    FieldType::Count,
    "The events that were not sent yet. With 0, the client has all that were there when it asked.",
);
const WRONG: MessageField =
    MessageField::new("message", FieldType::Text, "A sentence that names what was wrong.");

/// The rows of `protocol::ClientMessage`.
pub(super) const CLIENT_MESSAGES: [MessageRow; 5] = [
    MessageRow {
        name: "subscribe",
        about: "Asks for a channel's events: from now on, or all after a position. A client may subscribe \
                again.",
        fields: &[CHANNEL, SINCE, LOG_OF_SINCE],
    },
    MessageRow { name: "unsubscribe", about: "Ends a channel's events.", fields: &[CHANNEL] },
    MessageRow { name: "ping", about: "Asks for a pong.", fields: &[] },
    MessageRow {
        name: "turn",
        about: "Asks when to come back, should the connection be lost; the server also tells later changes.",
        fields: &[],
    },
    MessageRow { name: "lag", about: "Asks how far the client is behind.", fields: &[] },
];

/// The rows of `protocol::ServerMessage`.
pub(super) const SERVER_MESSAGES: [MessageRow; 8] = [
    MessageRow {
        name: "connected",
        about: "The first message: the session is valid.",
        fields: &[GREETING, USER_ID],
    },
    MessageRow {
        name: "subscribed",
        about: "Answers a subscribe. If the server has not reached the position yet, it waits for at most \
                a second.",
        fields: &[CHANNEL, FOLLOWS, LOG],
    },
    MessageRow {
        name: "reset",
        about: "Comes in place of subscribed, or at any time later: the log does not reach back to the \
                client's position. The client has to read the channel's entities again over REST.",
        fields: &[CHANNEL, FOLLOWS, LOG],
    },
    MessageRow {
        name: "unsubscribed",
        about: "Answers an unsubscribe: no further event of the channel follows.",
        fields: &[CHANNEL],
    },
    MessageRow { name: "pong", about: "Answers a ping.", fields: &[] },
    MessageRow {
        name: "turn",
        about: "Answers a turn, and comes again when the number of clients has changed. A client that has lost \
                the server dials when its clock's milliseconds since 1970, modulo every, are at. So all come \
                back one after the other.",
        fields: &[TURN_AT, TURN_EVERY],
    },
    MessageRow {
        name: "lag",
        about: "Answers a lag. A pong says only that the server is there: events of the log may follow it.",
        fields: &[UNSENT],
    },
    MessageRow {
        name: "error",
        about: "Answers a message that was wrong, or a channel that the role may not read; the \
                connection stays open.",
        fields: &[WRONG],
    },
];
