//! The program's commands beside `serve`: run to their end, or followed line by line.

use super::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

/// More lines than any test lets a program write.
const LINES_MAX: usize = 100_000;
/// Names another build of the program to be tested, or what runs it there with its arguments first:
/// `qemu-arm -cpu cortex-a7 PATH`, a word each. The tests themselves stay as they are, so that a
/// program for a board is tested as it will be installed. `tests/arm` sets it.
const PROGRAM_VARIABLE: &str = "TILLCAST_TEST_PROGRAM";

/// The program, started by another one where there is a starter, in a folder, with nothing of this
/// shell's environment, so that no setting of it can leak in.
pub(crate) fn program(starter: &[&str], folder: &Path) -> Command {
    let beside = || env!("CARGO_BIN_EXE_tillcast").to_owned();
    let program = std::env::var(PROGRAM_VARIABLE).unwrap_or_else(|_| beside());
    let mut words = starter.iter().copied().chain(program.split_whitespace());
    let mut command = Command::new(words.next().unwrap());
    command.args(words).env_clear().current_dir(folder);
    command
}

/// What a command printed and how it ended, in a folder of its own and with this environment only.
#[track_caller]
pub(crate) fn run(arguments: &[&str], variables: &[(&str, &str)], folder: &Path) -> Output {
    let mut command = command(arguments, variables, folder);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(!complaints.contains("panicked"), "{arguments:?}: {complaints}");
    output
}

/// A command that goes on until it is told to end.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: String,
}

impl Running {
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)], folder: &Path) -> Self {
        Self::of(command(arguments, variables, folder).stdin(Stdio::null()))
    }

    /// The same with a command of the test's own, which may start the program.
    pub(crate) fn of(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = sync_channel(LINES_MAX);
        follow(child.stdout.take().unwrap(), sender.clone());
        follow(child.stderr.take().unwrap(), sender);
        Self { child, lines, seen: String::new() }
    }

    /// The next line of either stream, waiting for it.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen += &line;
                self.seen += "\n";
                line
            }
            Err(error) => panic!("{error}; the lines so far:\n{}", self.seen),
        }
    }

    /// The next line that contains this text.
    #[track_caller]
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// All lines so far; after its end, all that it wrote.
    pub(crate) fn seen(&self) -> &str {
        &self.seen
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits for that.
    #[track_caller]
    pub(crate) fn end(&mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.wait()
    }

    /// Waits until it has ended; its exit code, none if it died of a signal.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    assert!(!line.contains("panicked"), "{line}");
                    self.seen += &line;
                    self.seen += "\n";
                }
                // Both streams are closed: it has ended, or is about to.
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap().code(),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().expect("it can be killed");
            self.child.wait().expect("it can be waited for");
        }
    }
}

fn follow(stream: impl Read + Send + 'static, lines: SyncSender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            // Nobody listens once the test is over.
            let Ok(()) = lines.send(line.expect("the program writes text")) else { return };
        }
    });
}

fn command(arguments: &[&str], variables: &[(&str, &str)], folder: &Path) -> Command {
    let mut command = program(&[], folder);
    command.args(arguments).envs(variables.iter().copied());
    command
}
