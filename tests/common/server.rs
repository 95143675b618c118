//! One running `tillcast serve`: started, watched through its log, stopped, killed, restarted.

use super::program::program;
use super::{Client, PATIENCE};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What tests are not about, unless they say otherwise.
const DEFAULTS: [[&str; 2]; 4] = [
    ["--listen", "127.0.0.1:0"],
    ["--connect-rate", "10000/s"],
    ["--max-connections-per-address", "20000"],
    ["--drain", "1s"],
];

/// A server, its data directory and all that it wrote to stderr.
///
/// Dropping it kills the process and fails the test if the server panicked.
pub(crate) struct Server {
    child: Child,
    log: Arc<Log>,
    address: SocketAddr,
    data: Arc<TempDir>,
    starter: Vec<String>,
    flags: Vec<String>,
    admin_password: String,
}

/// The lines of stderr so far, and whether the process has closed it.
#[derive(Default)]
struct Log {
    state: Mutex<(String, bool)>,
    grown: Condvar,
}

/// The password of a user that `Server::with_users` made.
pub(crate) fn password_of(name: &str) -> String {
    format!("{name}-password-1")
}

impl Server {
    /// An empty store with the user `admin` of the first start.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// The same with more flags; one that is given replaces the default of the tests.
    pub(crate) fn with(flags: &[&str]) -> Self {
        Self::under(&[], flags)
    }

    /// The same, started by another program: `["prlimit", "--nofile=300"]`.
    pub(crate) fn under(starter: &[&str], flags: &[&str]) -> Self {
        let data = Arc::new(tempfile::tempdir().unwrap());
        Self::started_by(starter, data, flags, None, Stdio::null())
    }

    /// A server that is passed a socket, as by a service manager which goes on holding it; on the data
    /// directory that another one left, if there is one.
    pub(crate) fn passed(socket: &TcpListener, flags: &[&str], left: Option<Self>) -> Self {
        // A socket is inherited as standard input only, unless one is unsafe about it.
        const PASS: &str = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 0</dev/null";
        let address = socket.local_addr().unwrap().to_string();
        let flags = [&["--listen", &address], flags].concat();
        let (data, password) = match left {
            Some(mut left) => {
                assert!(left.child.try_wait().unwrap().is_some(), "the other one is still there");
                (Arc::clone(&left.data), Some(std::mem::take(&mut left.admin_password)))
            }
            None => (Arc::new(tempfile::tempdir().unwrap()), None),
        };
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        Self::started_by(&["sh", "-c", PASS], data, &flags, password, socket.into())
    }

    /// A store with the user `admin` and these, each named like its role and made by the CLI
    /// before the start; `password_of(name)` is the password of each.
    pub(crate) fn with_users(names: &[&str], flags: &[&str]) -> Self {
        let data = Arc::new(tempfile::tempdir().unwrap());
        for name in ["admin"].iter().chain(names.iter().filter(|name| **name != "admin")) {
            let arguments = ["user", "add", name, "--role", name];
            let output = tillcast(data.path(), &arguments, &password_of(name));
            assert!(output.status.success(), "user add {name}: {output:?}");
        }
        Self::on(data, flags, Some(password_of("admin")))
    }

    pub(crate) fn on(data: Arc<TempDir>, flags: &[&str], admin_password: Option<String>) -> Self {
        Self::started_by(&[], data, flags, admin_password, Stdio::null())
    }

    fn started_by(
        starter: &[&str],
        data: Arc<TempDir>,
        flags: &[&str],
        admin_password: Option<String>,
        stdin: Stdio,
    ) -> Self {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let flags = owned(flags);
        let (child, log) = spawn(data.path(), starter, &flags, stdin);
        let listening = log.wait_for("listening on 127.0.0.1:", PATIENCE);
        let admin_password = admin_password.unwrap_or_else(|| {
            let line = log.wait_for("first start: user admin, password ", PATIENCE);
            word_after(&line, "first start: user admin, password ").to_owned()
        });
        let port = word_after(&listening, "listening on 127.0.0.1:");
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        let address = SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port number")));
        Self { child, log, address, data, starter: owned(starter), flags, admin_password }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The data directory; the database is `tillcast.db` in it.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data.path().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All of stderr so far.
    pub(crate) fn log(&self) -> String {
        self.log.state.lock().unwrap().0.clone()
    }

    /// The first line of stderr that contains `text`, waiting for it.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        self.log.wait_for(text, PATIENCE)
    }

    /// A client without a session.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.address, None)
    }

    /// A client with a new session of this user.
    pub(crate) fn login(&self, name: &str) -> Client {
        let password =
            if name == "admin" { self.admin_password.clone() } else { password_of(name) };
        self.anonymous().login(name, &password)
    }

    /// A client with a new session of the administrator.
    pub(crate) fn admin(&self) -> Client {
        self.login("admin")
    }

    pub(crate) fn admin_password(&self) -> &str {
        &self.admin_password
    }

    /// The session of a client from before a restart, on the address of now.
    pub(crate) fn adopt(&self, client: &Client) -> Client {
        client.at(self.address)
    }

    /// Another command of the program on this data directory, with `input` as its stdin.
    pub(crate) fn cli(&self, arguments: &[&str], input: &str) -> Output {
        tillcast(self.data.path(), arguments, input)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGTERM, and the exit code (`None` if it died of a signal).
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// The exit code of a server that was told to stop, or dies by itself.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.log.wait_until_closed(2 * PATIENCE);
        self.child.wait().unwrap().code()
    }

    /// SIGKILL: what a power cut leaves of the process.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same data directory, starter and flags once more, after `stop` or `kill`.
    pub(crate) fn again(self) -> Self {
        let flags = self.flags.clone();
        self.again_with(&flags.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The same data directory with other flags, after `stop` or `kill`.
    pub(crate) fn again_with(mut self, flags: &[&str]) -> Self {
        let exited = self.child.try_wait().unwrap();
        assert!(exited.is_some(), "stop or kill it before starting it again");
        let password = std::mem::take(&mut self.admin_password);
        let starter: Vec<&str> = self.starter.iter().map(String::as_str).collect();
        Self::started_by(&starter, Arc::clone(&self.data), flags, Some(password), Stdio::null())
    }

    /// Files and sockets that the process has open.
    pub(crate) fn open_files(&self) -> u64 {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count() as u64
    }

    /// Bytes of anonymous memory that the process has resident (`RssAnon`).
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kibibytes * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().expect("the server can be killed");
            self.child.wait().expect("the server can be waited for");
        }
        self.log.wait_until_closed(PATIENCE);
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("--- stderr of the server\n{log}---");
        } else {
            assert!(!log.contains("panicked"), "the server panicked:\n{log}");
        }
    }
}

impl Log {
    fn follow(&self, stderr: impl Read) {
        for line in BufReader::new(stderr).split(b'\n') {
            let line = line.expect("stderr of the server can be read");
            let mut state = self.state.lock().unwrap();
            writeln!(state.0, "{}", String::from_utf8_lossy(&line)).unwrap();
            self.grown.notify_all();
        }
        self.state.lock().unwrap().1 = true;
        self.grown.notify_all();
    }

    fn wait_for(&self, text: &str, patience: Duration) -> String {
        let deadline = Instant::now() + patience;
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(line) = state.0.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.1 || left.is_zero() {
                let log = state.0.clone();
                drop(state);
                panic!("no line with {text:?} on stderr of the server:\n{log}");
            }
            state = self.grown.wait_timeout(state, left).unwrap().0;
        }
    }

    fn wait_until_closed(&self, patience: Duration) {
        let state = self.state.lock().unwrap();
        let (state, timeout) =
            self.grown.wait_timeout_while(state, patience, |state| !state.1).unwrap();
        drop(state);
        let failing_already = std::thread::panicking();
        assert!(failing_already || !timeout.timed_out(), "it has not ended within {patience:?}");
    }
}

fn spawn(data: &Path, starter: &[&str], flags: &[String], stdin: Stdio) -> (Child, Arc<Log>) {
    let mut command = program(starter, data);
    command.env("RUST_BACKTRACE", "1").arg("serve");
    for [flag, value] in DEFAULTS {
        if !flags.iter().any(|given| given == flag) {
            command.args([flag, value]);
        }
    }
    command.args(flags).arg("--data-dir").arg(data);
    command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let log = Arc::new(Log::default());
    let (stderr, follower) = (child.stderr.take().unwrap(), Arc::clone(&log));
    std::thread::spawn(move || follower.follow(stderr));
    (child, log)
}

/// Runs a short command of the program to its end.
pub(crate) fn tillcast(data: &Path, arguments: &[&str], input: &str) -> Output {
    let folder = data.ancestors().find(|folder| folder.is_dir()).unwrap();
    let mut command = program(&[], folder);
    command.env("RUST_BACKTRACE", "1").args(arguments).arg("--data-dir").arg(data);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that reads nothing may have closed its end already.
    if let Err(error) = stdin.write_all(format!("{input}\n").as_bytes()) {
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn word_after<'line>(line: &'line str, text: &str) -> &'line str {
    let start = line.find(text).expect("the line contains the text") + text.len();
    line[start..].split_whitespace().next().unwrap_or_default()
}

/// Creates a shop in a data directory, without a server.
#[track_caller]
pub(crate) fn create_shop(data: &Path) {
    let output = tillcast(data, &["user", "add", "admin", "--role", "admin"], "a password 1");
    assert!(output.status.success(), "{output:?}");
}
