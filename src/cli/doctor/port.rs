//! Whether Tillcast answers where it shall, and not somebody else.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Finding, bad, ok, warn};
use crate::cli::demo::reachable;
use crate::config::Config;
use crate::limits::{DOCTOR_ANSWER_BYTES_MAX, DOCTOR_PATIENCE};

/// What is at an address.
enum There {
    Nobody,
    /// Something that is not Tillcast.
    Stranger,
    /// Tillcast, over TLS: what it would say there is not asked.
    Secure,
    /// Tillcast, which has too many connections.
    Crowded,
    Ready,
    /// Tillcast, which cannot take orders, and why.
    Unready(String),
}

/// Looks at each address where the server listens, or shall.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let asked = config.listen.iter().filter(|address| address.port() != 0);
    let found: Vec<_> = asked.map(|address| (*address, ask(reachable(*address)))).collect();
    if found.is_empty() {
        return vec![ok("each start takes another port, so nobody was asked")];
    }
    if found.iter().all(|(_, there)| matches!(there, There::Nobody)) {
        let addresses: Vec<_> = found.iter().map(|(address, _)| address.to_string()).collect();
        return vec![ok(format!("{}: free; no server is running", addresses.join(", ")))];
    }
    // Where nobody asked for an address, one that this machine does not have is left out.
    let matters = |there: &There| !(config.listen_is_default && matches!(there, There::Nobody));
    let found = found.into_iter().filter(|(_, there)| matters(there));
    found.map(|(address, there)| told(address, there)).collect()
}

fn told(address: SocketAddr, there: There) -> Finding {
    match there {
        There::Nobody => warn(format!(
            "{address}: nobody answers, but at another address somebody does; restart the server, if \
             this one is new"
        )),
        There::Stranger => bad(format!(
            "{address}: another program answers; stop that one (`ss -ltnp` names it), or give another \
             --listen"
        )),
        There::Secure => ok(format!("{address}: Tillcast answers, over TLS")),
        There::Crowded => warn(format!(
            "{address}: Tillcast answers, but has as many connections as it may; raise \
             --max-connections, or see who connects"
        )),
        There::Ready => ok(format!("{address}: Tillcast answers and takes orders")),
        There::Unready(why) => bad(format!(
            "{address}: Tillcast answers, but takes no orders: {why}; its log says more (`journalctl -u \
             tillcast`)"
        )),
    }
}

fn ask(address: SocketAddr) -> There {
    let get = |path| get(address, path, DOCTOR_PATIENCE);
    let health = match get("/healthz") {
        Ok(answer) => answer,
        Err(error) if is_nobody(&error) => return There::Nobody,
        Err(_) => return There::Stranger,
    };
    match (status(&health), get("/readyz").unwrap_or_default()) {
        (Some("308"), _) if health.contains("location: https://") => There::Secure,
        (Some("429"), _) if health.contains("application/problem+json") => There::Crowded,
        (Some("200"), _) if !health.ends_with("{\"status\":\"ok\"}") => There::Stranger,
        (Some("200"), ready) if status(&ready) == Some("200") => There::Ready,
        (Some("200"), ready) => There::Unready(detail(&ready)),
        _ => There::Stranger,
    }
}

/// Nothing listens there, or there is no such address here.
fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, NetworkUnreachable, Unsupported};
    let kinds = [AddrNotAvailable, ConnectionRefused, NetworkUnreachable, Unsupported];
    kinds.contains(&error.kind())
}

/// A whole answer, or the beginning of a long one.
fn get(address: SocketAddr, path: &str, patience: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    let asked = || {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(DOCTOR_ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    // Who takes a connection and then refuses is somebody.
    asked().map_err(|error: io::Error| io::Error::other(error))
}

/// `200`, of an answer over HTTP.
fn status(answer: &str) -> Option<&str> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)
}

/// What a problem says (RFC 9457).
fn detail(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let problem = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    problem["detail"].as_str().unwrap_or("it does not say why").to_owned()
}
