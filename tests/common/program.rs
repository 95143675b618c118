//! The program as a process: run to its end, or followed line by line.

use super::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

/// The environment variable with another build of the program to test, or with its emulator and the
/// arguments first: `qemu-arm -cpu cortex-a7 PATH`, separated by blanks. The tests themselves stay
/// as they are, so that a program for a board is tested as it will be installed. `tests/arm` sets
/// it.
const PROGRAM_VARIABLE: &str = "TILLCAST_TEST_PROGRAM";

/// The program in a folder, started by another one if `starter` is given. The environment is empty,
/// so that no setting of this shell leaks in.
pub(crate) fn program(starter: &[&str], folder: &Path) -> Command {
    let beside = || env!("CARGO_BIN_EXE_tillcast").to_owned();
    let program = std::env::var(PROGRAM_VARIABLE).unwrap_or_else(|_| beside());
    let mut words = starter.iter().copied().chain(program.split_whitespace());
    let mut command = Command::new(words.next().unwrap());
    command.args(words).env_clear().current_dir(folder);
    command
}

/// Runs a command in this folder and with this environment only; returns its output and exit
/// status.
#[track_caller]
pub(crate) fn run(arguments: &[&str], variables: &[(&str, &str)], folder: &Path) -> Output {
    let mut command = command(arguments, variables, folder);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(!complaints.contains("panicked"), "{arguments:?}: {complaints}");
    output
}

/// A process that runs until it is told to end, with all that it has written so far. Dropping it
/// ends it.
pub(crate) struct Running {
    child: Child,
    written: Arc<Written>,
    /// The bytes that `line` has returned so far.
    read: usize,
}

/// The lines of both streams, and the number of streams that are still open.
struct Written {
    state: Mutex<(String, u8)>,
    grown: Condvar,
}

impl Running {
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)], folder: &Path) -> Self {
        Self::of(command(arguments, variables, folder).stdin(Stdio::null()))
    }

    /// Like `start`, with the test's own command, which may start the program.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let state = Mutex::new((String::new(), 2));
        let written = Arc::new(Written { state, grown: Condvar::new() });
        written.follow(child.stdout.take().unwrap());
        written.follow(child.stderr.take().unwrap());
        Self { child, written, read: 0 }
    }

    /// Waits for the next line of either stream.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let (read, line) = self.written.wait_for(self.read, |_| true);
        self.read = read;
        line
    }

    /// Waits for the next line that contains this text.
    #[track_caller]
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        let (read, line) = self.written.wait_for(self.read, |line| line.contains(text));
        self.read = read;
        line
    }

    /// Waits for the first of all lines that contains this text.
    #[track_caller]
    pub(crate) fn first_with(&self, text: &str) -> String {
        self.written.wait_for(0, |line| line.contains(text)).1
    }

    /// All lines so far.
    pub(crate) fn seen(&self) -> String {
        self.written.state.lock().unwrap().0.clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends a signal and waits for the end; returns the exit code.
    #[track_caller]
    pub(crate) fn end(&mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.wait()
    }

    /// Waits until it has ended; returns the exit code, or `None` if a signal killed it.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.written.wait_until_closed();
        let seen = self.seen();
        assert!(!seen.contains("panicked"), "{seen}");
        self.child.wait().unwrap().code()
    }

    /// Kills the process with SIGKILL, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }

    /// Ends it if it still runs, and waits for the last of its output.
    pub(crate) fn close(&mut self) {
        if !self.has_ended() {
            self.kill();
        }
        self.written.wait_until_closed();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.kill();
        }
        if thread::panicking() {
            eprintln!("--- what the process wrote\n{}---", self.seen());
        }
    }
}

impl Written {
    fn follow(self: &Arc<Self>, stream: impl Read + Send + 'static) {
        let written = Arc::clone(self);
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let line = line.expect("the process's output can be read");
                let mut state = written.state.lock().unwrap();
                writeln!(state.0, "{}", String::from_utf8_lossy(&line)).unwrap();
                written.grown.notify_all();
            }
            written.state.lock().unwrap().1 -= 1;
            written.grown.notify_all();
        });
    }

    /// Waits for the first such line from this byte on; returns it with the position after it.
    #[track_caller]
    fn wait_for(&self, mut from: usize, wanted: impl Fn(&str) -> bool) -> (usize, String) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state.lock().unwrap();
        loop {
            while let Some((line, _)) = state.0[from..].split_once('\n') {
                from += line.len() + 1;
                if wanted(line) {
                    return (from, line.to_owned());
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.1 == 0 || left.is_zero() {
                let text = state.0.clone();
                drop(state);
                panic!("the line does not arrive:\n{text}");
            }
            state = self.grown.wait_timeout(state, left).unwrap().0;
        }
    }

    #[track_caller]
    fn wait_until_closed(&self) {
        let state = self.state.lock().unwrap();
        let open = |state: &mut (String, u8)| state.1 > 0;
        let (state, timeout) = self.grown.wait_timeout_while(state, 2 * PATIENCE, open).unwrap();
        drop(state);
        assert!(thread::panicking() || !timeout.timed_out(), "it does not end");
    }
}

fn command(arguments: &[&str], variables: &[(&str, &str)], folder: &Path) -> Command {
    let mut command = program(&[], folder);
    command.args(arguments).envs(variables.iter().copied());
    command
}
