//! The listening sockets: those that the service manager opened and passed, and those that are opened
//! here. No other file uses listenfd.

use std::io;
use std::net::{SocketAddr, TcpListener as Passed};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpListener;

use crate::limits::LISTEN_BACKLOG;
use crate::server::settings::Settings;

/// The first descriptor that a service manager passes (`sd_listen_fds(3)`).
const FIRST: usize = 3;

/// Takes the sockets that were passed to this process (`LISTEN_FDS`). Call it once, before any thread starts
/// and before any file is opened, which could get one of their numbers.
///
/// # Errors
/// One sentence for each descriptor that is not a listening TCP socket.
pub fn passed() -> Result<Vec<Passed>, Vec<String>> {
    let mut given = ListenFd::from_env();
    let (mut sockets, mut mistakes) = (Vec::new(), Vec::new());
    for at in 0..given.len() {
        let taken = given.take_tcp_listener(at);
        match taken.and_then(|socket| socket.map(listening).transpose()) {
            Ok(socket) => sockets.extend(socket),
            Err(error) => mistakes.push(format!(
                "descriptor {}, passed by the service manager, is no TCP socket that listens: {error}; \
                 ListenStream=PORT makes one",
                at + FIRST
            )),
        }
    }
    if mistakes.is_empty() { Ok(sockets) } else { Err(mistakes) }
}

/// Checks that a passed socket listens: one that is connected, or only bound, accepts no connections.
fn listening(socket: Passed) -> io::Result<Passed> {
    if !SockRef::from(&socket).is_listener()? {
        return Err(io::Error::other("nothing listens at it"));
    }
    // The service manager shares the flag, but it only holds the socket.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Returns the passed sockets, which replace the default addresses. Addresses that were configured are opened
/// beside them, unless a passed socket already has them.
pub(super) fn listen(settings: &Settings, passed: Vec<Passed>) -> Result<Vec<TcpListener>, String> {
    let taken: Vec<_> = passed.iter().filter_map(Reach::of).collect();
    let unusable = |error| format!("a socket that was passed cannot be used: {error}");
    let mut listeners = passed
        .into_iter()
        .map(|socket| TcpListener::from_std(socket).map_err(unusable))
        .collect::<Result<Vec<_>, _>>()?;
    if settings.listen_is_default && !listeners.is_empty() {
        return Ok(listeners);
    }
    for address in &settings.listen {
        if taken.iter().any(|reach| reach.covers(*address)) {
            continue;
        }
        match bind(*address) {
            Ok(listener) => listeners.push(listener),
            Err(error)
                if settings.listen_is_default && address.is_ipv6() && !listeners.is_empty() =>
            {
                tracing::debug!(%error, "no IPv6 here");
            }
            Err(error) => {
                return Err(format!(
                    "cannot listen on {address}: {error}; give another --listen ADDR:PORT"
                ));
            }
        }
    }
    Ok(listeners)
}

/// The addresses at which a socket is reached.
struct Reach {
    address: SocketAddr,
    /// Whether it is an IPv6 socket that accepts IPv4 as well.
    both: bool,
}

impl Reach {
    fn of(socket: &Passed) -> Option<Self> {
        let address = socket.local_addr().ok()?;
        let both = address.is_ipv6() && !SockRef::from(socket).only_v6().ok()?;
        Some(Self { address, both })
    }

    fn covers(&self, other: SocketAddr) -> bool {
        let family = self.both || self.address.is_ipv4() == other.is_ipv4();
        let address = self.address.ip() == other.ip() || self.address.ip().is_unspecified();
        self.address.port() == other.port() && family && address
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_covers_every_address_that_it_receives() {
        for (address, both, other, covers) in [
            ("0.0.0.0:3000", false, "0.0.0.0:3000", true),
            ("0.0.0.0:3000", false, "192.168.1.2:3000", true),
            ("0.0.0.0:3000", false, "0.0.0.0:443", false),
            ("0.0.0.0:3000", false, "[::]:3000", false),
            ("192.168.1.2:3000", false, "0.0.0.0:3000", false),
            ("[::]:3000", true, "0.0.0.0:3000", true),
            ("[::]:3000", false, "0.0.0.0:3000", false),
            ("[::1]:3000", false, "[::1]:3000", true),
        ] {
            let reach = Reach { address: address.parse().unwrap(), both };
            assert_eq!(reach.covers(other.parse().unwrap()), covers, "{address} {both} {other}");
        }
    }
}
