//! A service manager's end of the notification socket.

use crate::common::{PATIENCE, Server};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;
use tempfile::TempDir;

/// The socket at which a server's messages arrive.
pub(crate) struct Manager {
    socket: UnixDatagram,
    name: String,
    _folder: TempDir,
}

impl Manager {
    /// Listens at a path.
    pub(crate) fn at_path() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self { socket, name: path.to_str().unwrap().to_owned(), _folder: folder }
    }

    /// Listens at an abstract name.
    pub(crate) fn abstract_one() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap();
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Self { socket, name: format!("@{name}"), _folder: folder }
    }

    /// Starts a server that notifies this manager, and feeds its watchdog if that has a time.
    pub(crate) fn start(&self, watchdog: Option<Duration>, flags: &[&str]) -> Server {
        let socket = format!("NOTIFY_SOCKET={}", self.name);
        let time = watchdog.map(|time| format!("WATCHDOG_USEC={}", time.as_micros()));
        let starter: Vec<&str> = ["env", &socket].into_iter().chain(time.as_deref()).collect();
        Server::under(&starter, flags)
    }

    /// Waits for the next message.
    #[track_caller]
    pub(crate) fn hears(&self) -> String {
        self.hears_within(PATIENCE).expect("a message in time")
    }

    /// Waits for the next message, at most this long.
    pub(crate) fn hears_within(&self, time: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8(message[..length].to_vec()).unwrap())
    }

    /// Waits for the next message that contains this text.
    #[track_caller]
    pub(crate) fn hears_of(&self, text: &str) -> String {
        loop {
            let message = self.hears();
            if message.contains(text) {
                return message;
            }
        }
    }
}
