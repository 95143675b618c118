//! The units: systemd finds no fault in them, their sandbox is tight, and their numbers are those of the
//! program.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use tillcast::limits::{
    BUSY_TIMEOUT, FILES_RESERVED, LISTEN_BACKLOG, Limits, STOP_TIME_AFTER_DRAIN,
};

use crate::common::run;

/// The greatest exposure that `systemd-analyze security` may report, in tenths. It counts against the backup
/// that it can give up root's rights, which it does before it opens the database.
const EXPOSURE_MAX: [(&str, &str); 2] =
    [("tillcast.service", "11"), ("tillcast-backup.service", "14")];
/// The kernel's own share of a connection, as `tillcast limits` says.
const KERNEL_BYTES: u64 = 4 * 1024;
/// The memory that has to remain for the pages of the database.
const PAGE_CACHE_BYTES: u64 = 64 << 20;

/// The last value of each key of a unit.
fn unit(name: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(Path::new("systemd").join(name)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn number(unit: &BTreeMap<String, String>, key: &str) -> u64 {
    let value = &unit[key];
    let digits = value.trim_end_matches('M');
    let number: u64 = digits.parse().unwrap_or_else(|_| panic!("{key}={value}"));
    if digits == value { number } else { number << 20 }
}

/// The sum of `tillcast limits`.
fn limits_bytes(flags: &[&str]) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&[&["limits"], flags].concat(), &[], folder.path());
    let table = String::from_utf8(output.stdout).unwrap();
    let sum = table.lines().find(|line| line.starts_with("all together")).unwrap();
    let kib: u64 = sum.split_whitespace().rev().nth(1).unwrap().parse().unwrap();
    kib << 10
}

#[test]
fn systemd_finds_no_fault_in_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=yes"]);
    let entries = fs::read_dir("systemd").unwrap().map(Result::unwrap);
    let is_unit = |path: &Path| {
        path.extension()
            .is_some_and(|kind| ["service", "socket", "timer"].map(OsStr::new).contains(&kind))
    };
    for unit in entries.filter(|entry| is_unit(&entry.path())) {
        // The program need not be installed here, but a file with its name must exist.
        let text = fs::read_to_string(unit.path()).unwrap();
        let copy = folder.path().join(unit.file_name());
        fs::write(&copy, text.replace("ExecStart=tillcast ", "ExecStart=/bin/true ")).unwrap();
        command.arg(copy);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_sandbox_is_as_tight_as_promised() {
    for (unit, exposure) in EXPOSURE_MAX {
        let path = Path::new("systemd").join(unit);
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold", exposure])
            .arg(path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn the_memory_limit_holds_the_bounds_and_the_pages() {
    let service = unit("tillcast.service");
    let memory = number(&service, "MemoryMax");
    let kernel = Limits::DEFAULT.connections as u64 * KERNEL_BYTES;
    let tls = ["--workers", "4", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let needed = limits_bytes(&tls) + kernel + PAGE_CACHE_BYTES;
    assert!((needed..needed * 3 / 2).contains(&memory), "{memory} for {needed}");

    // The comment's number for the smallest boards.
    let tiny = [&["--profile", "tiny"], &tls[2..]].concat();
    let kernel = Limits::TINY.connections as u64 * KERNEL_BYTES;
    assert!(limits_bytes(&tiny) + kernel + PAGE_CACHE_BYTES / 2 <= 96 << 20);
}

#[test]
fn their_numbers_are_those_of_the_program() {
    let (service, socket) = (unit("tillcast.service"), unit("tillcast.socket"));
    let files = (Limits::DEFAULT.connections + FILES_RESERVED) as u64;
    assert!(number(&service, "LimitNOFILE") >= files);
    assert_eq!(number(&socket, "Backlog"), u64::try_from(LISTEN_BACKLOG).unwrap());
    assert_eq!(number(&service, "RestartSec"), 5);
    assert_eq!(service["RestartPreventExitStatus"], "2 3");
    // A writer that waits for another program's lock is not stuck.
    assert!(number(&service, "WatchdogSec") > 4 * BUSY_TIMEOUT.as_secs());
    for (flag, default, _) in tillcast::config::settings() {
        if flag.starts_with("--listen ") {
            assert!(default.contains(&format!("0.0.0.0:{}", socket["ListenStream"])), "{default}");
        }
        if flag.starts_with("--drain ") {
            let drain: u64 = default.trim_end_matches('s').parse().unwrap();
            let stop = drain + STOP_TIME_AFTER_DRAIN.as_secs();
            assert!(number(&service, "TimeoutStopSec") > stop);
        }
    }
}
