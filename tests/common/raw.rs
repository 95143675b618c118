//! HTTP/1.1 byte by byte (RFC 9112), for requests that no client library would send and for
//! connections that break.

use super::{Answer, PATIENCE};
use std::io::{BufRead as _, BufReader, Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

/// The longest response body that is read.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One connection; every wait on it has a limit.
pub(crate) struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        Self::over(TcpStream::connect_timeout(&address, PATIENCE)?)
    }

    /// Connects from an address of this machine, any of 127.0.0.0/8; to the server it is another
    /// client.
    pub(crate) fn connect_from(from: [u8; 4], address: SocketAddr) -> Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect_timeout(&address.into(), PATIENCE)?;
        Self::over(socket.into())
    }

    /// Uses a connection that the test made itself.
    pub(crate) fn over(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let stream = BufReader::new(stream);
        Ok(Self { stream })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sets how long a read may wait from now on.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.stream.get_ref().set_read_timeout(Some(patience)).unwrap();
    }

    /// Shuts down the sending side.
    pub(crate) fn end(&self) -> Result<()> {
        self.stream.get_ref().shutdown(Shutdown::Write)
    }

    /// The next response; `None` if the server has closed the connection. `head_only` is for
    /// `HEAD`.
    pub(crate) fn answer(&mut self, head_only: bool) -> Result<Option<Answer>> {
        let Some(first) = self.line()? else {
            return Ok(None);
        };
        let status = first.strip_prefix("HTTP/1.1 ").or_else(|| first.strip_prefix("HTTP/1.0 "));
        let status: u16 = status
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or_else(|| bad(&format!("no status line: {first:?}")))?;
        let headers = self.headers()?;
        let empty = head_only || matches!(status, 100 | 101 | 204 | 304);
        let body = match headers.get("content-length").map(HeaderValue::to_str) {
            _ if empty => Vec::new(),
            Some(length) => {
                let length = length.ok().and_then(|length| length.parse().ok());
                self.bytes(length.ok_or_else(|| bad("bad content-length"))?)?
            }
            None if headers.contains_key("transfer-encoding") => self.chunks()?,
            None => {
                let mut rest = Vec::new();
                self.stream.read_to_end(&mut rest)?;
                rest
            }
        };
        Ok(Some(Answer { status, headers, body }))
    }

    /// The bytes that the server still sends before it closes the connection.
    pub(crate) fn rest(&mut self) -> Result<Vec<u8>> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(rest),
            other => other.map(|_| rest),
        }
    }

    fn headers(&mut self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line()?.ok_or_else(|| bad("half a head"))?;
            if line.is_empty() {
                return Ok(headers);
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| bad(&format!("no header: {line:?}")))?;
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad(&line))?;
            let value = HeaderValue::from_str(value.trim()).map_err(|_| bad(&line))?;
            headers.append(name, value);
        }
    }

    /// One line without its line break; `None` at the end of the connection.
    fn line(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = line.strip_suffix(b"\r\n").ok_or_else(|| bad("half a line"))?;
        String::from_utf8(line.to_vec()).map(Some).map_err(|_| bad("a head that is not text"))
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line()?.unwrap_or_default();
            let size = usize::from_str_radix(&size, 16).map_err(|_| bad("bad chunk size"))?;
            body.extend(self.bytes(size)?);
            if !self.line()?.unwrap_or_default().is_empty() {
                return Err(bad("no line end after a chunk"));
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        if length > BODY_BYTES_MAX {
            return Err(bad("an answer too long for a test"));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }
}

/// A request with a JSON body and a session, ready to be sent.
pub(crate) fn json_request(
    method: &str,
    path: &str,
    cookie: Option<&str>,
    headers: &str,
    body: &str,
) -> Vec<u8> {
    let cookie = cookie.map_or(String::new(), |cookie| format!("Cookie: {cookie}\r\n"));
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: shop\r\n{cookie}{headers}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn bad(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what.to_owned())
}
