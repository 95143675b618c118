//! The service manager that started this process, if one did: it is told when the shop is open and how
//! it goes (`sd_notify(3)`), and its watchdog is fed only while everything that serves moves.
//!
//! The crates for this know no abstract sockets, which managers use as well; it is a datagram.

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

/// Whom to tell, and how often.
pub(super) struct Manager {
    address: Option<SocketAddr>,
    /// The process is killed where it says nothing for so long.
    watchdog: Option<Duration>,
}

/// A part of the server that has to move, by name, and how often it has.
pub(super) type Beat = (&'static str, u64);

impl Manager {
    /// What the environment says.
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

    /// The shop is about to open, and so much has to be looked through before that. It may take longer
    /// than the manager would wait.
    pub(super) fn starting(bytes: u64) -> Self {
        let manager = Self::from_env();
        let mib = u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
        let time = START_TIME_MIN.saturating_add(START_TIME_PER_MIB.saturating_mul(mib));
        manager.drop_word(&format!(
            "STATUS=opening a database of {mib} MiB\nEXTEND_TIMEOUT_USEC={}",
            time.as_micros()
        ));
        manager
    }

    /// Everything listens.
    pub(super) async fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}")).await;
    }

    /// Everybody is sent home, which takes at most so long.
    pub(super) fn stopping(&self, drain: Duration) {
        let time = drain.saturating_add(STOP_TIME_AFTER_DRAIN).as_micros();
        self.drop_word(&format!("STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC={time}"));
    }

    /// Tells how it goes, where that has changed, and feeds the watchdog once all parts have moved since
    /// the last time. `nudge` lets them, so that nobody has to move for this alone. Never returns.
    pub(super) async fn report(
        &self,
        status: impl Fn() -> String,
        beats: impl Fn() -> Vec<Beat>,
        nudge: impl Fn(),
    ) {
        if self.address.is_none() {
            return std::future::pending().await;
        }
        let every = self.watchdog.map_or(STATUS_INTERVAL, |time| time / 2);
        let mut told = status();
        loop {
            let before = beats();
            nudge();
            sleep(every).await;
            let mut complained = false;
            // Who waits for a slow disk has all of the manager's time, not half of it.
            while let Some(stuck) = stuck(&before, &beats()) {
                if !complained {
                    tracing::error!("{stuck} has not moved for {every:?}");
                    complained = true;
                    told = format!("{stuck} does not move");
                    self.say(&format!("STATUS={told}")).await;
                }
                nudge();
                sleep(every / 10).await;
            }
            let now = status();
            let news = if now == told { String::new() } else { format!("STATUS={now}\n") };
            told = now;
            let food = if self.watchdog.is_some() { "WATCHDOG=1\n" } else { "" };
            self.say(&(news + food)).await;
        }
    }

    /// Sends what there is to say; where the manager is busy, waits for it, but not for long.
    async fn say(&self, text: &str) {
        let said = async {
            while self.send(text).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                sleep(NOTIFY_RETRY_DELAY).await;
            }
        };
        if timeout(NOTIFY_TIMEOUT, said).await.is_err() {
            tracing::warn!("the service manager hears nothing");
        }
    }

    /// The same where nobody waits.
    fn drop_word(&self, text: &str) {
        if let Err(error) = self.send(text) {
            tracing::debug!(%error, "the service manager hears nothing");
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

/// The first part that is where it was.
fn stuck(before: &[Beat], now: &[Beat]) -> Option<&'static str> {
    before.iter().zip(now).find(|(before, now)| before == now).map(|(before, _)| before.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// The time does not pass by itself here, so only what the parts do decides.
    #[tokio::test(start_paused = true)]
    async fn one_part_that_stands_still_ends_the_feeding_until_it_moves() {
        let folder = tempfile::tempdir().unwrap();
        let heard = UnixDatagram::bind(folder.path().join("manager")).unwrap();
        heard.set_nonblocking(true).unwrap();
        let manager =
            Manager { address: heard.local_addr().ok(), watchdog: Some(Duration::from_secs(60)) };
        let hear = || {
            let mut bytes = [0; 256];
            let length = heard.recv(&mut bytes).ok()?;
            Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
        };
        let [moving, standing, free] = [(); 3].map(|()| AtomicU64::new(0));
        let beats = || {
            let rounds = [("the writer", &moving), ("an accept loop", &standing)];
            rounds.map(|(name, rounds)| (name, rounds.load(Ordering::Relaxed))).to_vec()
        };
        let nudge = || {
            moving.fetch_add(1, Ordering::Relaxed);
            standing.fetch_add(free.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        let serve = |time| timeout(time, manager.report(String::new, beats, nudge));
        assert!(serve(Duration::from_secs(3600)).await.is_err());
        assert_eq!(hear().unwrap(), "STATUS=an accept loop does not move");
        assert_eq!(hear(), None);
        free.store(1, Ordering::Relaxed);
        assert!(serve(Duration::from_secs(100)).await.is_err());
        for _ in 0..3 {
            assert_eq!(hear().unwrap(), "WATCHDOG=1\n");
        }
        assert_eq!(hear(), None);
    }
}
