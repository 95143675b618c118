//! Guards the shop's files against other users of the machine, who could read customers, sessions
//! and password hashes if the umask allowed it.

use crate::common::{Server, outside_order, program};
use crate::stopped_shop::{files, succeeds};
use rustix::process::Signal;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

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

/// The files that other users may read or write.
fn open_to_others(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = files(folder).into_iter().map(|(path, _)| path).collect();
    paths.retain(|path| path.metadata().unwrap().permissions().mode() & 0o077 != 0);
    paths
}

#[test]
fn files_are_their_owners_alone() {
    let backups = tempdir().unwrap();
    let folder = backups.path().join("daily");
    let mut server = Server::with(&["--backup-dir", folder.to_str().unwrap()]);
    server.wait_for_log("today's backup is ");
    outside_order(&server.admin(), 5.25);
    let backup = folder.join("shop.db");
    succeeds(&server.cli(&["backup", backup.to_str().unwrap()], ""));
    let data = server.data_dir();
    for name in ["", "-wal", "-shm"] {
        assert!(data.join(format!("tillcast.db{name}")).exists());
    }
    assert!(data.join("tillcast.lock").exists() && data.join("tillcast.reserve").exists());
    assert_eq!(files(&folder).len(), 2);
    assert_eq!(open_to_others(&data), Vec::<PathBuf>::new());
    assert_eq!(open_to_others(&folder), Vec::<PathBuf>::new());
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o077, 0);
    assert_eq!(server.stop(), Some(0));

    // The backup's mode does not carry over to the shop.
    fs::set_permissions(&backup, Permissions::from_mode(0o644)).unwrap();
    succeeds(&server.cli(&["restore", backup.to_str().unwrap()], ""));
    assert_eq!(open_to_others(&data), Vec::<PathBuf>::new());
}
