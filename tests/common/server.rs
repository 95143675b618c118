//! One running `tillcast serve`: started, watched through its log, stopped, killed, restarted.

use super::Client;
use super::program::{Running, program};
use rustix::process::Signal;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::thread;
use tempfile::TempDir;

/// Defaults for settings that a test does not set itself.
const DEFAULTS: [[&str; 2]; 5] = [
    ["--listen", "127.0.0.1:0"],
    ["--allow-host", "shop"],
    ["--connect-rate", "10000/s"],
    ["--max-connections-per-address", "20000"],
    ["--drain", "1s"],
];

/// A server, its data directory and all that it wrote to stderr.
///
/// Dropping it kills the process and fails the test if the server panicked.
pub(crate) struct Server {
    process: Running,
    address: SocketAddr,
    data: Arc<TempDir>,
    starter: Vec<String>,
    flags: Vec<String>,
    admin_password: String,
}

/// The password of a user that `Server::with_users` made.
pub(crate) fn password_of(name: &str) -> String {
    format!("{name}-password-1")
}

impl Server {
    /// An empty store with the user `admin`.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Like `start`, with more flags; a given one replaces the default of the tests.
    pub(crate) fn with(flags: &[&str]) -> Self {
        Self::under(&[], flags)
    }

    /// Like `with`, started by another program, such as `["prlimit", "--nofile=300"]`.
    pub(crate) fn under(starter: &[&str], flags: &[&str]) -> Self {
        let data = Arc::new(tempfile::tempdir().unwrap());
        Self::started_by(starter, data, flags, None, Stdio::null())
    }

    /// A server that inherits a listening socket, which a service manager keeps open; it continues
    /// the data directory of `left` if there is one.
    pub(crate) fn passed(socket: &TcpListener, flags: &[&str], left: Option<Self>) -> Self {
        // Without unsafe code a socket can only be inherited as standard input.
        const PASS: &str = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 0</dev/null";
        let address = socket.local_addr().unwrap().to_string();
        let flags = [&["--listen", &address], flags].concat();
        let (data, password) = match left {
            Some(mut left) => {
                assert!(left.process.has_ended(), "the other one is still there");
                (Arc::clone(&left.data), Some(std::mem::take(&mut left.admin_password)))
            }
            None => (Arc::new(tempfile::tempdir().unwrap()), None),
        };
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        Self::started_by(&["sh", "-c", PASS], data, &flags, password, socket.into())
    }

    /// An empty store without a user; also the code of the link that the first start has printed.
    pub(crate) fn first_start(flags: &[&str]) -> (Self, String) {
        let data = Arc::new(tempfile::tempdir().unwrap());
        let server = Self::on(data, flags, Some(password_of("admin")));
        let code = server.setup_code();
        (server, code)
    }

    /// The code of the link that this start has printed.
    pub(crate) fn setup_code(&self) -> String {
        let line = self.wait_for_log("first start: ");
        word_after(&line, "/setup#").to_owned()
    }

    /// A store with the user `admin` and these users, each named like its role and created by the
    /// CLI before the start; `password_of(name)` is the password of each.
    pub(crate) fn with_users(names: &[&str], flags: &[&str]) -> Self {
        let data = Arc::new(tempfile::tempdir().unwrap());
        for name in ["admin"].iter().chain(names.iter().filter(|name| **name != "admin")) {
            add_user(data.path(), name, &[]);
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
        let admin_password = admin_password.unwrap_or_else(|| {
            add_user(data.path(), "admin", &flags);
            password_of("admin")
        });
        let process = spawn(data.path(), starter, &flags, stdin);
        let listening = process.first_with("listening on 127.0.0.1:");
        let port = word_after(&listening, "listening on 127.0.0.1:");
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        let address = SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port number")));
        Self { process, address, data, starter: owned(starter), flags, admin_password }
    }

    /// The address on which it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The data directory; the database is `tillcast.db` in it.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data.path().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// All of stderr so far.
    pub(crate) fn log(&self) -> String {
        self.process.seen()
    }

    /// Waits for the first line of stderr that contains `text`.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        self.process.first_with(text)
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

    /// The session of a client from before a restart, at the present address.
    pub(crate) fn adopt(&self, client: &Client) -> Client {
        client.at(self.address)
    }

    /// Runs another command of the program on this data directory, with `input` as its stdin.
    pub(crate) fn cli(&self, arguments: &[&str], input: &str) -> Output {
        tillcast(self.data.path(), arguments, input)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Sends SIGTERM; returns the exit code, or `None` if a signal killed the server.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.process.end(Signal::TERM)
    }

    /// Waits for the end of the server; returns the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.process.wait()
    }

    /// Kills the process with SIGKILL, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts again with the same data directory, starter and flags, after `stop` or `kill`.
    pub(crate) fn again(self) -> Self {
        let flags = self.flags.clone();
        self.again_with(&flags.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Starts again with the same data directory and other flags, after `stop` or `kill`.
    pub(crate) fn again_with(mut self, flags: &[&str]) -> Self {
        assert!(self.process.has_ended(), "stop or kill it before starting it again");
        let password = std::mem::take(&mut self.admin_password);
        let starter: Vec<&str> = self.starter.iter().map(String::as_str).collect();
        Self::started_by(&starter, Arc::clone(&self.data), flags, Some(password), Stdio::null())
    }

    /// The number of files and sockets that the process has open.
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
        self.process.close();
        let log = self.log();
        assert!(thread::panicking() || !log.contains("panicked"), "the server panicked:\n{log}");
    }
}

fn spawn(data: &Path, starter: &[&str], flags: &[String], stdin: Stdio) -> Running {
    let mut command = program(starter, data);
    command.env("RUST_BACKTRACE", "1").arg("serve");
    for [flag, value] in DEFAULTS {
        if !flags.iter().any(|given| given == flag) {
            command.args([flag, value]);
        }
    }
    command.args(flags).arg("--data-dir").arg(data);
    Running::of(command.stdin(stdin))
}

/// Adds a user, named like its role, with a hash of the profile that these flags name.
fn add_user(data: &Path, name: &str, flags: &[String]) {
    let profile = flags.iter().position(|flag| flag == "--profile");
    let profile = profile.map_or(&[][..], |at| &flags[at..at + 2]);
    let profile = profile.iter().map(String::as_str);
    let arguments: Vec<&str> =
        ["user", "add", name, "--role", name].into_iter().chain(profile).collect();
    let output = tillcast(data, &arguments, &password_of(name));
    assert!(output.status.success(), "user add {name}: {output:?}");
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
