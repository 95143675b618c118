//! Guards the shop's files against other users of the machine, who could read customers, sessions
//! and password hashes if the umask allowed it.

use crate::common::{Server, outside_order, program};
use rustix::process::Signal;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Starts the program with a umask that removes no permission.
const OPEN_UMASK: [&str; 3] = ["sh", "-c", "umask 0; exec \"$0\" \"$@\""];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Checks that only its owner may read each file of a data directory; returns the number of files.
#[track_caller]
fn is_private(data: &Path) -> usize {
    let files: Vec<_> = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    files.len()
}

#[test]
fn an_open_umask_opens_no_file() {
    let server = Server::under(&OPEN_UMASK, &[]);
    outside_order(&server.admin(), 5.25);
    for helper in ["tillcast.db", "tillcast.db-wal", "tillcast.db-shm"] {
        assert!(server.data_dir().join(helper).exists(), "{helper}");
    }
    assert!(is_private(&server.data_dir()) >= 3);
    // The file was never open, not even for a moment after its creation.
    assert!(!server.log().contains("others had access"), "{}", server.log());

    let backup = server.data_dir().join("copy.db");
    let mut command = program(&OPEN_UMASK, &server.data_dir());
    let output = command.arg("backup").arg(&backup).arg("--data-dir").arg(server.data_dir());
    let output = output.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(mode(&backup), 0o600);
}

#[test]
fn a_new_directory_is_private_and_an_existing_one_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let made = open.join("made").join("shop");
    let password = folder.path().join("password");
    fs::write(&password, "a password 1\n").unwrap();
    for data in [&made, &open] {
        let mut add = program(&OPEN_UMASK, folder.path());
        add.args(["user", "add", "admin", "--role", "admin", "--data-dir"]).arg(data);
        let password = File::open(&password).unwrap();
        let output = add.stdin(password).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(mode(&data.join("tillcast.db")), 0o600);
    }
    assert_eq!([&open, &open.join("made"), &made].map(|dir| mode(dir)), [0o777, 0o700, 0o700]);
}

#[test]
fn access_of_other_users_is_revoked() {
    let mut server = Server::under(&OPEN_UMASK, &[]);
    let admin = server.admin();
    server.kill(); // the write-ahead log and its index stay
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
