//! `strace` on a server, to record its system calls or to make them fail. Needs root.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

/// A running `strace`; it ends when dropped.
pub(crate) struct Strace {
    child: Child,
    /// Kept open, because `strace` would die of a closed pipe when it reports a further thread.
    _said: BufReader<ChildStderr>,
}

impl Strace {
    /// Attaches to all threads of a process, including later ones.
    pub(crate) fn of(pid: u32, arguments: &[&str]) -> Self {
        Self::of_thread(pid, &[&["-f"], arguments].concat())
    }

    /// Attaches to one thread only.
    pub(crate) fn of_thread(pid: u32, arguments: &[&str]) -> Self {
        let mut child = Command::new("strace")
            .args(arguments)
            .args(["-p", &pid.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut said, mut line) = (BufReader::new(child.stderr.take().unwrap()), String::new());
        said.read_line(&mut line).unwrap();
        assert!(line.contains("attached"), "{line}");
        Self { child, _said: said }
    }

    pub(crate) fn end(mut self) {
        assert_eq!(self.child.try_wait().unwrap(), None, "it has ended before");
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // A failed test may have left it running.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}
