//! `tillcast announce`, and its supervision by `serve`. The announcement runs in a process of its own with
//! bounded memory, so that packets from the network cannot harm the shop. If it runs out of memory, it ends
//! and is started again.

use std::env;
use std::io::{self, BufRead as _, BufReader, PipeReader, PipeWriter};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};

use crate::announce::{Report, announce};
use crate::cli::terminal::print;
use crate::config::Config;
use crate::limits::{
    MDNS_BYTES_MAX, MDNS_GOODBYE_WAIT, MDNS_NICENESS, MDNS_RESTART_DELAY_MAX,
    MDNS_RESTART_DELAY_MIN,
};

/// The beginning of a line that the server logs as a warning.
const WARNING: &str = "warning: ";

/// Announces the server that the settings describe, until standard input ends.
pub(super) fn run(config: &Config, secure: bool) -> Result<(), String> {
    let name = config.mdns.as_deref().ok_or("announce needs a name: --mdns NAME")?;
    let most = Rlimit { current: Some(MDNS_BYTES_MAX), maximum: Some(MDNS_BYTES_MAX) };
    setrlimit(Resource::Data, most)
        .map_err(|error| format!("the memory of the announcement cannot be limited: {error}"))?;
    // It may fail. Then a flood of announcements takes more of the server's CPU time.
    let _behind = setpriority_process(None, MDNS_NICENESS);
    let report = |report| {
        // A server that has ended reads nothing; then standard input ends, too.
        drop(match report {
            Report::Info(text) => print(&format!("{text}\n")),
            Report::Warning(text) => print(&format!("{WARNING}{text}\n")),
        });
    };
    let end = || drop(io::copy(&mut io::stdin(), &mut io::sink()));
    announce(name, &config.listen, secure, report, end)
}

/// A running announcement.
pub(super) struct Announcement {
    /// The process's standard input. The process ends when this is dropped.
    stdin: PipeWriter,
    running: SyncSender<()>,
    ended: Receiver<()>,
}

impl Announcement {
    /// Starts the announcement.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn start(
        name: &str,
        addresses: &[SocketAddr],
        secure: bool,
    ) -> Result<Self, String> {
        let reached = addresses.iter().filter(|address| !address.ip().is_loopback());
        let listen: Vec<_> = reached.map(|address| format!("--listen={address}")).collect();
        if listen.is_empty() {
            return Err("only this machine can reach it".to_owned());
        }
        let unknown = |error| format!("the path of this program is unknown: {error}");
        let mut command = Command::new(env::current_exe().map_err(unknown)?);
        let (input, stdin) = io::pipe().map_err(|error| format!("no pipe can be made: {error}"))?;
        command.args(["announce", "--mdns", name]).args(listen).stdout(Stdio::piped());
        command.args(secure.then_some("--secure")).env_clear();
        // A Ctrl-C that ends the server must not end this before its goodbye.
        command.process_group(0);
        let (running, stopped) = sync_channel(0);
        let (ends, ended) = sync_channel(0);
        let supervisor = thread::Builder::new().name("announcement".to_owned());
        let supervisor = supervisor.spawn(move || {
            supervise(command, &input, &stopped);
            drop(ends);
        });
        supervisor.map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Self { stdin, running, ended })
    }

    /// Says goodbye, so that clients do not look for a server that has gone.
    pub(super) fn stop(self) {
        drop(self.running);
        drop(self.stdin);
        if self.ended.recv_timeout(MDNS_GOODBYE_WAIT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the network was not told that the server has gone");
        }
    }
}

/// Starts the process, and restarts it whenever it ends, until it is stopped.
fn supervise(mut command: Command, input: &PipeReader, stopped: &Receiver<()>) {
    let mut pause = MDNS_RESTART_DELAY_MIN;
    loop {
        let started = Instant::now();
        let child = input.try_clone().and_then(|input| command.stdin(input).spawn());
        let ended = child.and_then(forward_log);
        if stops_within(Duration::ZERO, stopped) {
            return;
        }
        if started.elapsed() > MDNS_RESTART_DELAY_MAX {
            pause = MDNS_RESTART_DELAY_MIN;
        }
        let why = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
        tracing::warn!("the announcement has ended ({why}) and starts again in {pause:?}");
        if stops_within(pause, stopped) {
            return;
        }
        pause = MDNS_RESTART_DELAY_MAX.min(2 * pause);
    }
}

/// Waits for at most this time; returns whether the announcement was stopped.
fn stops_within(time: Duration, stopped: &Receiver<()>) -> bool {
    stopped.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
}

/// Logs the lines of the process until it ends.
fn forward_log(mut child: Child) -> io::Result<ExitStatus> {
    let lines = child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines());
    for line in lines.map_while(Result::ok) {
        if let Some(text) = line.strip_prefix(WARNING) {
            tracing::warn!("{text}");
        } else {
            tracing::info!("{line}");
        }
    }
    child.wait()
}
