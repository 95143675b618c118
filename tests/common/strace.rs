//! `strace` beside a server, to see its system calls or to let them fail. Needs root.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

/// At work until it is ended.
pub(crate) struct Strace {
    child: Child,
    /// It dies of a closed pipe when it has to tell of one more thread.
    _said: BufReader<ChildStderr>,
}

impl Strace {
    /// Attached to all threads of a process, those to come included.
    pub(crate) fn of(pid: u32, arguments: &[&str]) -> Self {
        Self::of_thread(pid, &[&["-f"], arguments].concat())
    }

    /// Attached to one thread alone.
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
        // A test that failed may have left it at work.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}
