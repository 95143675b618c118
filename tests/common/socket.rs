//! A blocking WebSocket client whose every wait has a limit, and which can also send raw bytes.

use super::{Answer, PATIENCE};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::{HeaderMap, HeaderName, HeaderValue};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

/// An open WebSocket, over TCP or another stream.
pub(crate) struct Socket<S = TcpStream> {
    ws: WebSocket<S>,
}

impl Socket {
    /// Connects and upgrades; `Err` is the response of a server that refused.
    pub(crate) fn connect(
        address: SocketAddr,
        cookie: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Self, Box<Answer>> {
        let stream = TcpStream::connect(address).unwrap();
        Self::over(stream, address, cookie, headers)
    }

    /// Like `connect`, on a connection that the test made itself (with a small receive buffer, for
    /// example).
    pub(crate) fn over(
        stream: TcpStream,
        address: SocketAddr,
        cookie: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Self, Box<Answer>> {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self::over_stream(stream, address, cookie, headers)
    }

    /// Sends these bytes, which must begin with a handshake; returns the head of the server's
    /// response, and the socket.
    pub(crate) fn with_own_handshake(address: SocketAddr, bytes: &[u8]) -> (String, Self) {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let ws = WebSocket::from_raw_socket(stream, Role::Client, None);
        (String::from_utf8(head).unwrap(), Self { ws })
    }

    /// The TCP connection beneath.
    pub(crate) fn stream(&self) -> &TcpStream {
        self.ws.get_ref()
    }

    /// Sets how long a read may wait from now on.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.stream().set_read_timeout(Some(patience)).unwrap();
    }
}

impl<S: Read + Write> Socket<S> {
    /// Upgrades a stream whose reads and writes have a timeout.
    pub(crate) fn over_stream(
        stream: S,
        address: SocketAddr,
        cookie: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Self, Box<Answer>> {
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        for (name, value) in headers.iter().copied().chain(cookie.map(|value| ("cookie", value))) {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            // Tests send only this header in several lines; any other replaces the one that the
            // crate set.
            if name == "cookie" {
                request.headers_mut().append(name, value);
            } else {
                request.headers_mut().insert(name, value);
            }
        }
        let config = WebSocketConfig::default().read_buffer_size(16 * 1024);
        match tungstenite::client::client_with_config(request, stream, Some(config)) {
            Ok((ws, _)) => Ok(Self { ws }),
            Err(HandshakeError::Failure(Error::Http(response))) => {
                let (head, body) = response.into_parts();
                let (status, body) = (head.status.as_u16(), body.unwrap_or_default());
                Err(Box::new(Answer { status, headers: head.headers, body }))
            }
            // A connection that is closed without a response has no status.
            Err(HandshakeError::Failure(Error::Io(error)))
                if error.kind() == ErrorKind::ConnectionReset =>
            {
                Err(Box::new(Answer { status: 0, headers: HeaderMap::new(), body: Vec::new() }))
            }
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }

    pub(crate) fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text));
    }

    #[track_caller]
    pub(crate) fn send_message(&mut self, message: Message) {
        self.ws.send(message).unwrap();
    }

    /// Sends bytes as they are: hostile frames, half frames, many frames at once.
    #[track_caller]
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.ws.get_mut().write_all(bytes).unwrap();
    }

    /// The stream alone; valid only while no frame is half read.
    pub(crate) fn into_stream(self) -> S {
        self.ws.into_inner()
    }

    /// The next message of any kind; the library answers pings.
    pub(crate) fn recv_message(&mut self) -> Result<Message, Error> {
        self.ws.read()
    }

    /// The text of the next text frame, exactly as it came; pings and pongs are skipped.
    #[track_caller]
    pub(crate) fn recv_text(&mut self) -> String {
        loop {
            match self.ws.read() {
                Ok(Message::Text(text)) => return text.to_string(),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(other) => panic!("expected a text message, got {other:?}"),
                Err(error) => panic!("expected a text message, got {}", explain(&error)),
            }
        }
    }

    /// The next text, without the log's id, with which it must end.
    #[track_caller]
    pub(crate) fn recv_text_with_log(&mut self) -> String {
        let text = self.recv_text();
        let (rest, log) = text.rsplit_once(r#","log":""#).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(log.strip_suffix("\"}").map(str::len), Some(12), "{text}");
        format!("{rest}}}")
    }

    #[track_caller]
    pub(crate) fn recv(&mut self) -> Value {
        let text = self.recv_text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next `count` messages, all of them events.
    #[track_caller]
    pub(crate) fn recv_events(&mut self, count: usize) -> Vec<Value> {
        (0..count).map(|_| self.recv_event()).collect()
    }

    #[track_caller]
    pub(crate) fn recv_event(&mut self) -> Value {
        let message = self.recv();
        assert!(message["event"].is_string(), "expected an event, got {message}");
        message
    }

    /// The text of the next message, which must be an error.
    #[track_caller]
    pub(crate) fn recv_error(&mut self) -> String {
        let message = self.recv();
        assert_eq!(message["type"], "error", "{message}");
        message["message"].as_str().expect("an error has a message").to_owned()
    }

    /// Waits for the server's close frame, with no message before it; returns its code and reason.
    #[track_caller]
    pub(crate) fn expect_close(&mut self) -> (u16, String) {
        loop {
            match self.ws.read() {
                Ok(Message::Close(Some(frame))) => {
                    let reason = (frame.code.into(), frame.reason.to_string());
                    self.finish();
                    return reason;
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(other) => panic!("expected a close frame, got {other:?}"),
                Err(error) => panic!("expected a close frame, got {}", explain(&error)),
            }
        }
    }

    /// Like `expect_close`, but skips messages that were under way.
    #[track_caller]
    pub(crate) fn drain_until_close(&mut self) -> (u16, String) {
        loop {
            match self.ws.read() {
                Ok(Message::Close(Some(frame))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Ok(_) => {}
                Err(error) => panic!("expected a close frame, got {}", explain(&error)),
            }
        }
    }

    /// Checks that the server closes the connection after its close frame.
    #[track_caller]
    fn finish(&mut self) {
        match self.ws.read() {
            Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => {}
            Err(Error::Io(error)) if !timed_out(&error) => {}
            other => panic!("the connection stays open after its close frame: {other:?}"),
        }
    }

    /// Subscribes to new events; returns the `seq` of the acknowledgement.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, channel: &str) -> u64 {
        self.send(&json!({"type": "subscribe", "channel": channel}));
        let ack = self.recv();
        assert_eq!(ack["type"], "subscribed", "{ack}");
        assert_eq!(ack["channel"], channel, "{ack}");
        ack["seq"].as_u64().unwrap_or_else(|| panic!("no seq in {ack}"))
    }

    /// Subscribes from an earlier `seq` on; returns the whole response, an acknowledgement or a
    /// reset.
    #[track_caller]
    pub(crate) fn subscribe_since(&mut self, channel: &str, since: u64) -> Value {
        self.send(&json!({"type": "subscribe", "channel": channel, "since": since}));
        let ack = self.recv();
        assert_eq!(ack["channel"], channel, "{ack}");
        ack
    }

    /// Checks that the connection is open and that no other message was under way.
    #[track_caller]
    pub(crate) fn expect_quiet(&mut self) {
        self.send(&json!({"type": "ping"}));
        assert_eq!(self.recv_text(), r#"{"type":"pong"}"#);
    }
}

fn explain(error: &Error) -> String {
    match error {
        Error::Io(error) if timed_out(error) => "nothing in time".to_owned(),
        other => format!("{other:?}"),
    }
}

fn timed_out(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
