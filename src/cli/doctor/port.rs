//! Checks that Tillcast answers at its addresses, and that no other program does.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::cli::address::reachable;
use crate::cli::doctor::finding::{Finding, bad, ok, warn};
use crate::config::Config;
use crate::limits::{DOCTOR_ANSWER_BYTES_MAX, DOCTOR_TIMEOUT};

/// The program that answers at an address.
enum Probe {
    NotListening,
    /// Something that does not answer.
    Silent,
    /// Something that is not Tillcast.
    OtherProgram,
    /// Tillcast over TLS, which is not probed further.
    Tls,
    /// Tillcast whose connections are all in use.
    AtCapacity,
    Ready,
    /// Tillcast that takes no orders, with the reason.
    NotReady(String),
}

/// Checks each address at which the server is to listen.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let asked = config.listen.iter().filter(|address| address.port() != 0);
    let found: Vec<_> = asked.map(|address| (*address, probe(reachable(*address)))).collect();
    if found.is_empty() {
        return vec![ok("the system chooses a port at each start (port 0), so none was tried")];
    }
    if found.iter().all(|(_, there)| matches!(there, Probe::NotListening)) {
        let addresses: Vec<_> = found.iter().map(|(address, _)| address.to_string()).collect();
        return vec![ok(format!("{}: free; no server is running", addresses.join(", ")))];
    }
    // Of the default addresses, the one that this machine lacks is no finding.
    let matters =
        |there: &Probe| !(config.listen_is_default && matches!(there, Probe::NotListening));
    let found = found.into_iter().filter(|(_, there)| matters(there));
    found.map(|(address, there)| finding(address, there)).collect()
}

fn finding(address: SocketAddr, probed: Probe) -> Finding {
    match probed {
        Probe::NotListening => warn(format!(
            "{address}: nobody answers, but the server runs at another address; restart it, if this \
             one is new"
        )),
        Probe::Silent => bad(format!(
            "{address}: is taken, but nobody answers. If that is Tillcast (`systemctl status tillcast`), it \
             is starting or stuck: restart it. Otherwise stop that program (`ss -ltnp` names it)"
        )),
        Probe::OtherProgram => bad(format!(
            "{address}: another program answers; stop it (`ss -ltnp` names it), or choose another \
             --listen"
        )),
        Probe::Tls => ok(format!("{address}: Tillcast answers, over TLS")),
        Probe::AtCapacity => warn(format!(
            "{address}: Tillcast answers, but all of its connections are in use; raise \
             --max-connections, or find out what connects"
        )),
        Probe::Ready => ok(format!("{address}: Tillcast answers and takes orders")),
        Probe::NotReady(why) => bad(format!(
            "{address}: Tillcast answers, but takes no orders: {why}; its log says more (`journalctl -u \
             tillcast`)"
        )),
    }
}

fn probe(address: SocketAddr) -> Probe {
    let health = match get(address, "/healthz") {
        Ok(health) => health,
        Err(there) => return there,
    };
    match status(&health) {
        Some("308") if health.contains("location: https://") => Probe::Tls,
        Some("200") if health.ends_with("{\"status\":\"ok\"}") => match get(address, "/readyz") {
            Ok(ready) if status(&ready) == Some("200") => probe_capacity(address),
            Ok(ready) => Probe::NotReady(detail(&ready)),
            Err(there) => there,
        },
        _ => Probe::OtherProgram,
    }
}

/// Asks a server for a page, which unlike the probes needs one of its connections.
fn probe_capacity(address: SocketAddr) -> Probe {
    match get(address, "/") {
        Ok(page) if status(&page) == Some("429") => Probe::AtCapacity,
        _ => Probe::Ready,
    }
}

/// Returns a response, or the beginning of a long one.
///
/// # Errors
/// The state of the address, if the server does not answer there.
fn get(address: SocketAddr, path: &str) -> Result<String, Probe> {
    let stream = TcpStream::connect_timeout(&address, DOCTOR_TIMEOUT);
    let stream = stream.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Probe::Silent,
        // Nothing listens, or this machine does not have the address.
        _ => Probe::NotListening,
    })?;
    exchange(stream, address, path).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Probe::Silent,
        _ => Probe::OtherProgram,
    })
}

fn exchange(mut stream: TcpStream, address: SocketAddr, path: &str) -> io::Result<String> {
    stream.set_read_timeout(Some(DOCTOR_TIMEOUT))?;
    stream.set_write_timeout(Some(DOCTOR_TIMEOUT))?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(DOCTOR_ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The status code of a response, such as `200`.
fn status(answer: &str) -> Option<&str> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)
}

/// The detail of a problem (RFC 9457).
fn detail(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let problem = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    problem["detail"].as_str().unwrap_or("no reason is given").to_owned()
}
