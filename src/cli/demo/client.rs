//! A client of the demo's shop, with one connection that stays open (RFC 9112). It blocks, which is the least code.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::cli::demo::login::Login;
use crate::domain::json_literal::json;
use crate::limits::DEMO_REPLY_BYTES_MAX;

/// A connection that is logged in.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    /// The header with the session or the token.
    credential: String,
}

/// A response.
struct Reply {
    status: u16,
    cookie: Option<String>,
    /// Null if there is none.
    body: Value,
}

impl Client {
    fn connect(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
        Ok(Self { stream: BufReader::new(stream), address, credential: String::new() })
    }

    /// Logs in with a user's password.
    pub(super) fn log_in(address: SocketAddr, user: &Login) -> Result<Self, String> {
        let mut client = Self::connect(address)?;
        let login = json!({"username": user.role.name(), "password": user.password.0.as_str()});
        let cookie = client.send("POST", "/api/auth/login", &login)?.cookie;
        client.credential = format!("Cookie: {}\r\n", cookie.ok_or("no cookie came")?);
        Ok(client)
    }

    /// Connects as the device with this token.
    pub(super) fn of_device(address: SocketAddr, token: &str) -> Result<Self, String> {
        let credential = format!("Authorization: Bearer {token}\r\n");
        Ok(Self { credential, ..Self::connect(address)? })
    }

    /// The session, as the value of a `Cookie` header.
    pub(super) fn cookie(&self) -> &str {
        self.credential.trim_start_matches("Cookie: ").trim_end()
    }

    /// Sends a request that must succeed, and returns its JSON.
    pub(super) fn call(&mut self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let Reply { status, body, .. } = self.send(method, path, body)?;
        if status < 400 { Ok(body) } else { Err(format!("{method} {path}: {status}: {body}")) }
    }

    /// Sends a request that may be refused; returns its JSON, or `None`.
    pub(super) fn try_call(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Option<Value>, String> {
        let Reply { status, body, .. } = self.send(method, path, body)?;
        Ok((status < 400).then_some(body))
    }

    fn send(&mut self, method: &str, path: &str, body: &Value) -> Result<Reply, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (address, credential, length) = (self.address, &self.credential, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{credential}\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let sent = self.stream.get_mut().write_all(request.as_bytes());
        sent.and_then(|()| self.receive()).map_err(|error| error.to_string())
    }

    fn receive(&mut self) -> std::io::Result<Reply> {
        let mut reply = Reply { status: 0, cookie: None, body: Value::Null };
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            self.stream.by_ref().take(DEMO_REPLY_BYTES_MAX).read_line(&mut line)?;
            let line = line.trim_end();
            if let Some(status) = line.strip_prefix("HTTP/1.1 ") {
                reply.status = status.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                // The second one tells this browser from others at its next login.
                "set-cookie" if reply.cookie.is_none() => {
                    reply.cookie = value.trim().split(';').next().map(str::to_owned);
                }
                _ => {}
            }
        }
        if reply.status == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let mut body = Vec::new();
        self.stream.by_ref().take(length.min(DEMO_REPLY_BYTES_MAX)).read_to_end(&mut body)?;
        if !body.is_empty() {
            reply.body = serde_json::from_slice(&body)?;
        }
        Ok(reply)
    }
}
