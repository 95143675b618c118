//! The server's writes to its disk and to its clients, as `strace` recorded them.

use crate::common::Strace;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use tempfile::NamedTempFile;

/// The files that have to survive. SQLite's shared memory is not one of them, because each start
/// makes it again.
pub(crate) const FILES: [&str; 2] = ["tillcast.db", "tillcast.db-wal"];

/// A step of the server; `file` is an index in `FILES`.
pub(crate) enum Step {
    Write {
        file: usize,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: usize,
        length: usize,
    },
    /// All earlier writes to this file are on the disk.
    Synced {
        file: usize,
    },
    /// The response to a creation was sent: the entity.
    Made(Value),
    /// An event was sent: its `seq` and its text.
    Event(u64, String),
}

/// A trace of a running server, while it is recorded.
pub(crate) struct Trace {
    strace: Strace,
    lines: NamedTempFile,
}

impl Trace {
    pub(crate) fn of(pid: u32) -> Self {
        let lines = NamedTempFile::new().unwrap();
        let calls = "trace=pwrite64,ftruncate,fsync,fdatasync,sendto,writev";
        let file = lines.path().to_str().unwrap();
        let arguments =
            ["-y", "-xx", "-s", "1000000", "-e", calls, "-e", "signal=none", "-o", file];
        Self { strace: Strace::of(pid, &arguments), lines }
    }

    /// All steps until now.
    pub(crate) fn end(self) -> Vec<Step> {
        self.strace.end();
        let (mut steps, mut unfinished) = (Vec::new(), HashMap::new());
        for line in BufReader::new(self.lines.reopen().unwrap()).lines() {
            read(&line.unwrap(), &mut unfinished, &mut steps);
        }
        steps
    }
}

/// Reads `PID call(arguments) = result`, which is split into two lines if another thread's call
/// came between. A write may be on the disk from its first line on; a sync has succeeded with its
/// last line.
fn read(line: &str, unfinished: &mut HashMap<String, usize>, steps: &mut Vec<Step>) {
    let (pid, call) = line.split_once(' ').unwrap();
    let call = call.trim_start();
    if call.starts_with("<...") {
        let Some(file) = unfinished.remove(pid) else { return };
        assert!(call.ends_with("= 0"), "{call}");
        return steps.push(Step::Synced { file });
    }
    let Some((name, arguments)) = call.split_once('(') else { return };
    let texts = texts(arguments);
    let path = texts.first().map(|path| String::from_utf8_lossy(path).into_owned());
    let is_of = |name: &&str| path.as_ref().is_some_and(|path| path.ends_with(&format!("/{name}")));
    let file = FILES.iter().position(is_of);
    // The numbers follow the last text.
    let end = arguments.rfind(['"', '>']).unwrap_or(0);
    let is_open = call.ends_with("<unfinished ...>");
    let end = if is_open { arguments[..end - 16].rfind(['"', '>']).unwrap() } else { end };
    let numbers = arguments[end..].split(|digit: char| !digit.is_ascii_digit());
    let numbers: Vec<usize> = numbers.filter_map(|digits| digits.parse().ok()).collect();
    match (name, file) {
        ("pwrite64", Some(file)) => {
            let bytes = texts[1].clone();
            assert_eq!(bytes.len(), numbers[0]);
            steps.push(Step::Write { file, at: numbers[1], bytes });
        }
        ("ftruncate", Some(file)) => steps.push(Step::Truncate { file, length: numbers[0] }),
        ("fsync" | "fdatasync", Some(file)) if is_open => {
            unfinished.insert(pid.to_owned(), file);
        }
        ("fsync" | "fdatasync", Some(file)) => {
            assert!(call.ends_with("= 0"), "{call}");
            steps.push(Step::Synced { file });
        }
        ("sendto" | "writev", None) => told(&texts[1..].concat(), steps),
        _ => {}
    }
}

/// The hexadecimal texts of a line: the path of the file, then the written bytes.
fn texts(arguments: &str) -> Vec<Vec<u8>> {
    let hex = |text: &str| {
        let digits = text.split("\\x").skip(1);
        digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
    };
    let parts = arguments.split(['"', '<', '>']);
    parts.filter(|part| part.starts_with("\\x")).map(hex).collect()
}

/// Reads a response, or the events in a row of WebSocket frames.
fn told(bytes: &[u8], steps: &mut Vec<Step>) {
    if bytes.starts_with(b"HTTP/1.1 201") {
        let body = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        return steps.push(Step::Made(serde_json::from_slice(&bytes[body..]).unwrap()));
    }
    let text = String::from_utf8_lossy(bytes);
    for part in text.split(r#"{"event":"#).skip(1) {
        let (event, seq) = part.split_once(r#","seq":"#).unwrap();
        let (seq, _) = seq.split_once('}').unwrap();
        let event = format!(r#"{{"event":{event},"seq":{seq}}}"#);
        steps.push(Step::Event(seq.parse().unwrap(), event));
    }
}
