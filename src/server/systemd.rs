//! Notifies the service manager, if one started this process, of the start, the status and the stop
//! (`sd_notify(3)`). The watchdog is fed only while every part of the server makes progress.
//!
//! The protocol is one datagram. The crates for it cannot address abstract sockets, which managers use.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::limits::{
    NOTIFY_RETRY_DELAY, NOTIFY_TIMEOUT, START_TIME_MIN, START_TIME_PER_MIB, STATUS_INTERVAL,
    STOP_TIME_AFTER_DRAIN,
};

/// The notification socket, and the watchdog's interval.
pub(super) struct ServiceNotifier {
    address: Option<SocketAddr>,
    /// The manager kills the process after this time without a notification.
    watchdog: Option<Duration>,
}

/// The progress of one part of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heartbeat {
    /// The part, as the log calls it.
    pub(super) part: &'static str,
    /// How many rounds it has made since the start.
    pub(super) rounds: u64,
}

impl ServiceNotifier {
    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_PID` and `WATCHDOG_USEC`.
    fn from_env() -> Self {
        let address = env::var_os("NOTIFY_SOCKET").and_then(|name| match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
            _ => SocketAddr::from_pathname(&name).ok(),
        });
        let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0);
        Self { address, watchdog: watchdog.map(Duration::from_micros) }
    }

    /// Announces the start, and asks for time to check a database of `database_bytes`, which may take longer
    /// than the manager waits by default.
    pub(super) fn starting(database_bytes: u64) -> Self {
        let notifier = Self::from_env();
        let mib = u32::try_from(database_bytes >> 20).unwrap_or(u32::MAX);
        let time = START_TIME_MIN.saturating_add(START_TIME_PER_MIB.saturating_mul(mib));
        notifier.notify_best_effort(&format!(
            "STATUS=opening a database of {mib} MiB\nEXTEND_TIMEOUT_USEC={}",
            time.as_micros()
        ));
        notifier
    }

    /// Announces that all addresses are open.
    pub(super) async fn ready(&self, status: &str) {
        self.notify(&format!("READY=1\nSTATUS={status}")).await;
    }

    /// Announces a stop whose drain takes at most this time.
    pub(super) fn stopping(&self, drain: Duration) {
        let time = drain.saturating_add(STOP_TIME_AFTER_DRAIN).as_micros();
        self.notify_best_effort(&format!(
            "STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC={time}"
        ));
    }

    /// Sends the status whenever it has changed, and feeds the watchdog once all parts have made progress
    /// since the last time. `probe` wakes them, so that idle parts can show that they live. Never returns.
    pub(super) async fn report(
        &self,
        status: impl Fn() -> String,
        heartbeats: impl Fn() -> Vec<Heartbeat>,
        probe: impl Fn(),
    ) {
        if self.address.is_none() {
            return std::future::pending().await;
        }
        let every = self.watchdog.map_or(STATUS_INTERVAL, |time| time / 2);
        let mut sent = status();
        loop {
            let before = heartbeats();
            probe();
            sleep(every).await;
            let mut reported = false;
            // A part that waits for a slow disk gets the whole watchdog interval, not half of it.
            while let Some(part) = stalled(&before, &heartbeats()) {
                if !reported {
                    tracing::error!("{part} has made no progress for {every:?}");
                    reported = true;
                    sent = format!("{part} makes no progress");
                    self.notify(&format!("STATUS={sent}")).await;
                }
                probe();
                sleep(every / 10).await;
            }
            let now = status();
            let news = if now == sent { String::new() } else { format!("STATUS={now}\n") };
            sent = now;
            let watchdog = if self.watchdog.is_some() { "WATCHDOG=1\n" } else { "" };
            self.notify(&(news + watchdog)).await;
        }
    }

    /// Sends a notification; waits for a busy manager, at most `NOTIFY_TIMEOUT`.
    async fn notify(&self, text: &str) {
        let sending = async {
            while self.send(text).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                sleep(NOTIFY_RETRY_DELAY).await;
            }
        };
        if timeout(NOTIFY_TIMEOUT, sending).await.is_err() {
            tracing::warn!("the service manager does not take notifications");
        }
    }

    /// Sends a notification without waiting; a busy manager misses it.
    fn notify_best_effort(&self, text: &str) {
        if let Err(error) = self.send(text) {
            tracing::debug!(%error, "the service manager did not take a notification");
        }
    }

    fn send(&self, text: &str) -> io::Result<()> {
        let Some(address) = self.address.as_ref().filter(|_| !text.is_empty()) else {
            return Ok(());
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(text.as_bytes(), address).map(drop)
    }
}

/// The first part that has made no progress.
fn stalled(before: &[Heartbeat], now: &[Heartbeat]) -> Option<&'static str> {
    before.iter().zip(now).find(|(before, now)| before == now).map(|(before, _)| before.part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// On a paused clock, so that only the parts' progress decides.
    #[tokio::test(start_paused = true)]
    async fn a_stalled_part_starves_the_watchdog_until_it_moves() {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("manager")).unwrap();
        socket.set_nonblocking(true).unwrap();
        let notifier = ServiceNotifier {
            address: socket.local_addr().ok(),
            watchdog: Some(Duration::from_secs(60)),
        };
        let receive = || {
            let mut bytes = [0; 256];
            let length = socket.recv(&mut bytes).ok()?;
            Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
        };
        let [moving, standing, free] = [(); 3].map(|()| AtomicU64::new(0));
        let heartbeats = || {
            let rounds = [("the writer", &moving), ("an accept loop", &standing)];
            rounds
                .map(|(part, rounds)| Heartbeat { part, rounds: rounds.load(Ordering::Relaxed) })
                .to_vec()
        };
        let probe = || {
            moving.fetch_add(1, Ordering::Relaxed);
            standing.fetch_add(free.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        let serve = |time| timeout(time, notifier.report(String::new, heartbeats, probe));
        assert!(serve(Duration::from_secs(3600)).await.is_err());
        assert_eq!(receive().unwrap(), "STATUS=an accept loop makes no progress");
        assert_eq!(receive(), None);
        free.store(1, Ordering::Relaxed);
        assert!(serve(Duration::from_secs(100)).await.is_err());
        for _ in 0..3 {
            assert_eq!(receive().unwrap(), "WATCHDOG=1\n");
        }
        assert_eq!(receive(), None);
    }
}
