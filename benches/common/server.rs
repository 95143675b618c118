//! The programs under measurement: started on their own core, observed, and stopped.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};
use tempfile::TempDir;

use crate::common::seed::{PASSWORD, Seed, USER};
use crate::common::{Outcome, PATIENCE};

const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;

/// The program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tillcast,
    /// `baseline.rs`: a tokio server that only sends the same frames.
    Bare,
    /// `bun.js`.
    Bun,
}

/// A running server. It ends when this is dropped.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// The session's cookie; empty for programs without sessions.
    pub(crate) cookie: String,
    /// The time from the start of the process to its first response.
    pub(crate) started_in: Duration,
    /// Its memory at that moment.
    pub(crate) started_with: Memory,
    child: Child,
    /// Kept open, so that the process can still write to standard error.
    _complaints: BufReader<ChildStderr>,
    /// Removed with the server.
    data: Option<TempDir>,
}

/// The memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) resident: f64,
    pub(crate) anonymous: f64,
    /// The most that was ever resident.
    pub(crate) peak: f64,
}

impl Server {
    /// Starts Tillcast with a fresh copy of a shop, and logs in.
    pub(crate) fn of_copy(command: Command, seed: &Seed) -> Outcome<Self> {
        let data = seed.copy()?;
        let mut server = Self::of_data(command, data.path())?;
        server.data = Some(data);
        Ok(server)
    }

    /// Starts Tillcast with this data directory, and logs in. The arguments are appended to
    /// `command`.
    pub(crate) fn of_data(mut command: Command, data_dir: &Path) -> Outcome<Self> {
        command.args(["--listen", "127.0.0.1:0", "--connect-rate", "100000/s"]);
        command.args(["--max-connections", "20000", "--max-connections-per-address", "20000"]);
        command.args(["--max-connections-per-user", "20000"]);
        command.args(["--event-retention-count", "100000000", "--data-dir"]).arg(data_dir);
        let mut server = Self::start(Kind::Tillcast, &mut command)?;
        server.cookie = server.log_in()?;
        Ok(server)
    }

    /// Starts a program and measures the start.
    pub(crate) fn start(kind: Kind, command: &mut Command) -> Outcome<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let begun = Instant::now();
        // A child inherits the cores of the thread that starts it.
        run_on(SERVER_CORE)?;
        let child = command.spawn();
        run_on(CLIENT_CORE)?;
        let mut child = child?;
        let complaints = child.stderr.take().ok_or("no standard error")?;
        let mut complaints = BufReader::new(complaints);
        let address = match address(&mut complaints) {
            Ok(address) => address,
            Err(error) => {
                child.kill()?;
                child.wait()?;
                return Err(error);
            }
        };
        let (cookie, data) = (String::new(), None);
        let (started_in, started_with) = (Duration::ZERO, Memory::default());
        let mut server = Self {
            kind,
            address,
            cookie,
            started_in,
            started_with,
            child,
            _complaints: complaints,
            data,
        };
        server.ask("GET /healthz", "")?;
        server.started_in = begun.elapsed();
        server.started_with = server.memory()?;
        Ok(server)
    }

    /// Sends one request on a connection of its own; returns the whole response.
    pub(crate) fn ask(&self, line: &str, body: &str) -> Outcome<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (address, cookie, length) = (self.address, &self.cookie, body.len());
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nCookie: {cookie}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            return Err(format!("{line}: {answer}").into());
        }
        Ok(answer)
    }

    fn log_in(&self) -> Outcome<String> {
        let body = format!(r#"{{"username":"{USER}","password":"{PASSWORD}"}}"#);
        let answer = self.ask("POST /api/auth/login", &body)?;
        let set = answer.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then_some(value)
        });
        let cookie = set.and_then(|set| set.split(';').next()).ok_or("no session")?;
        Ok(cookie.to_owned())
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> Outcome<f64> {
        let page = self.ask("GET /metrics", "")?;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.ok_or_else(|| format!("no {name}"))?.trim().parse()?)
    }

    /// The processor time of each thread so far.
    pub(crate) fn clock(&self) -> Outcome<Clock> {
        Clock::read(&self.child.id().to_string())
    }

    /// The bytes that it has written to disks.
    pub(crate) fn written(&self) -> Outcome<f64> {
        number_in(&format!("/proc/{}/io", self.child.id()), "write_bytes:")
    }

    /// The number of context switches of its threads.
    pub(crate) fn switches(&self) -> Outcome<f64> {
        let mut all = 0.0;
        for entry in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let status = entry?.path().join("status").display().to_string();
            all += number_in(&status, "voluntary_ctxt_switches:")?;
            all += number_in(&status, "nonvoluntary_ctxt_switches:")?;
        }
        Ok(all)
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its database file, a copy of a seed.
    pub(crate) fn database(&self) -> Outcome<PathBuf> {
        let data = self.data.as_ref().ok_or("no data of its own")?;
        Ok(data.path().join("tillcast.db"))
    }

    /// The bytes of its database, including pages that are only in the write-ahead log.
    pub(crate) fn stored(&self) -> Outcome<f64> {
        let conn = Connection::open(self.database()?)?;
        let pages: u32 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let page: u32 = conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        Ok(f64::from(pages) * f64::from(page))
    }

    /// Its memory now.
    pub(crate) fn memory(&self) -> Outcome<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = |name: &str| -> Outcome<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let value = line.and_then(|value| value.trim().strip_suffix(" kB")).ok_or("no size")?;
            Ok(value.parse()?)
        };
        Ok(Memory { resident: kib("VmRSS:")?, anonymous: kib("RssAnon:")?, peak: kib("VmHWM:")? })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let asked = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let begun = Instant::now();
        while asked.is_ok() && begun.elapsed() < PATIENCE {
            match self.child.try_wait() {
                Ok(Some(_)) => return,
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(_) => break,
            }
        }
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("{:?} cannot be ended: {error}", self.kind);
        }
    }
}

/// The number after a name in one of the kernel's files.
fn number_in(file: &str, name: &str) -> Outcome<f64> {
    let text = fs::read_to_string(file)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    Ok(value.ok_or_else(|| format!("{file} has no {name}"))?.trim().parse()?)
}

/// Processor time by thread, in nanoseconds.
pub(crate) struct Clock(HashMap<u32, f64>);

impl Clock {
    /// The clock of this process, the load generator.
    pub(crate) fn own() -> Outcome<Self> {
        Self::read("self")
    }

    fn read(process: &str) -> Outcome<Self> {
        let mut threads = HashMap::new();
        for entry in fs::read_dir(format!("/proc/{process}/task"))? {
            let path = entry?.path();
            let Ok(text) = fs::read_to_string(path.join("schedstat")) else {
                continue; // the thread has just ended
            };
            let spent: f64 = text.split(' ').next().unwrap_or_default().parse()?;
            let id = path.file_name().and_then(OsStr::to_str).unwrap_or_default().parse()?;
            threads.insert(id, spent);
        }
        Ok(Self(threads))
    }

    /// The seconds spent since an earlier clock.
    pub(crate) fn since(&self, before: &Self) -> f64 {
        let spent = |(id, now): (&u32, &f64)| now - before.0.get(id).unwrap_or(&0.0);
        self.0.iter().map(spent).sum::<f64>() / 1e9
    }
}

/// Pins this thread to a core, if the machine has it.
fn run_on(core: usize) -> Outcome<()> {
    let mut set = CpuSet::new();
    set.set(core);
    match sched_setaffinity(None, &set) {
        Err(Errno::INVAL) => Ok(()), // there is no such core
        done => Ok(done?),
    }
}

/// Runs `work` on the server's core.
pub(crate) fn on_server_core<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    run_on(SERVER_CORE)?;
    let done = work();
    run_on(CLIENT_CORE)?;
    done
}

/// Reads up to the line with the address on which the server listens.
fn address(complaints: &mut BufReader<ChildStderr>) -> Outcome<SocketAddr> {
    let mut said = String::new();
    loop {
        if complaints.buffer().is_empty() {
            let patience = Timespec::try_from(PATIENCE)?;
            let mut fds = [PollFd::new(complaints.get_ref(), PollFlags::IN)];
            if poll(&mut fds, Some(&patience))? == 0 {
                return Err(format!("it does not listen: {said}").into());
            }
        }
        let start = said.len();
        if complaints.read_line(&mut said)? == 0 {
            return Err(format!("it ended: {said}").into());
        }
        if let Some((_, rest)) = said[start..].split_once("listening on ") {
            let address = |c: char| c.is_ascii_digit() || c == '.' || c == ':';
            let end = rest.find(|c| !address(c)).unwrap_or(rest.len());
            return Ok(rest[..end].parse()?);
        }
    }
}
