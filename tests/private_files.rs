//! Guards the shop's files against others on the same machine: customers, sessions and hashes of
//! passwords that anybody may read, because somebody's umask said so.
//!
//! The umask belongs to the whole process, so these tests are alone in theirs, and all want it open.
#![expect(clippy::unwrap_used, reason = "a helper that panics is a failed test")]

mod common;

use common::{Server, outside_order, run};
use rustix::fs::Mode;
use rustix::process::{Signal, umask};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Every file of a data directory is the owner's alone; how many there are.
#[track_caller]
fn is_private(data: &Path) -> usize {
    let files: Vec<_> = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    files.len()
}

#[test]
fn an_open_umask_opens_nothing() {
    umask(Mode::empty());
    let server = Server::start();
    outside_order(&server.admin(), 5.25);
    for helper in ["tillcast.db", "tillcast.db-wal", "tillcast.db-shm"] {
        assert!(server.data_dir().join(helper).exists(), "{helper}");
    }
    assert!(is_private(&server.data_dir()) >= 3);
    // Not even for the moment between making one and taking it from them.
    assert!(!server.log().contains("others had access"), "{}", server.log());

    let backup = server.data_dir().join("copy.db");
    let output = server.cli(&["backup", backup.to_str().unwrap()], "");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(mode(&backup), 0o600);
}

#[test]
fn a_directory_that_it_makes_is_private_and_one_that_is_there_is_left() {
    umask(Mode::empty());
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    let made = open.join("made").join("shop");
    for data in [&made, &open] {
        let list = ["user", "list", "--data-dir", data.to_str().unwrap()];
        assert!(run(&list, &[], folder.path()).status.success());
        assert_eq!(mode(&data.join("tillcast.db")), 0o600);
    }
    assert_eq!([&open, &open.join("made"), &made].map(|dir| mode(dir)), [0o777, 0o700, 0o700]);
}

#[test]
fn what_others_could_read_is_taken_from_them() {
    umask(Mode::empty());
    let mut server = Server::start();
    let admin = server.admin();
    server.kill(); // the log and its index stay
    let files = ["db", "db-wal", "db-shm", "lock", "reserve"];
    let files = files.map(|end| server.data_dir().join(format!("tillcast.{end}")));
    for file in &files {
        fs::set_permissions(file, Permissions::from_mode(0o664)).unwrap();
    }
    let server = server.again();
    assert_eq!(is_private(&server.data_dir()), files.len());
    for file in &files {
        server.wait_for_log(&format!("{}: others had access", file.display()));
    }
    server.adopt(&admin).get("/api/auth/me").expect(200);
    server.signal(Signal::TERM);
}
