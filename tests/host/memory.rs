//! Guards the passwords and tokens in the server's memory against other programs of its user.

use crate::common::{Running, curl, is_root, program};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

/// Of no user with a password.
const NOBODY: u32 = 65534;

/// The kernel itself hides a process that root has handed to another user.
#[test]
fn other_programs_of_the_same_user_cannot_read_the_servers_memory() {
    if !is_root() {
        return;
    }
    for starter in [&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"][..], &[]] {
        let data = tempfile::tempdir().unwrap();
        chown(data.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        let mut command = program(starter, Path::new("/"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
        let mut server = Running::of(&mut command);
        let line = server.first_with("listening on 127.0.0.1:");
        let address = line.rsplit(' ').next().unwrap();
        let metrics = curl(&[&format!("http://{address}/metrics")]).expect(200).text();
        let process = format!("/proc/{}", server.pid());
        let status = fs::read_to_string(format!("{process}/status")).unwrap();
        assert!(status.contains("\nUid:\t65534\t65534\t65534\t"), "{status}");
        // Otherwise these belong to the process's own user.
        for file in ["environ", "maps", "mem", "io"] {
            assert_eq!(fs::metadata(format!("{process}/{file}")).unwrap().uid(), 0, "{file}");
        }
        // The server itself still knows what it has written.
        let name = "tillcast_disk_written_bytes_total ";
        let written = metrics.lines().find_map(|line| line.strip_prefix(name));
        let counted = fs::read_to_string(format!("{process}/io")).unwrap();
        let counted = counted.lines().find_map(|line| line.strip_prefix("write_bytes: ")).unwrap();
        assert_eq!(written == Some("0"), counted == "0", "{written:?} of {counted}, {starter:?}");
        assert_eq!(server.end(rustix::process::Signal::TERM), Some(0));
    }
}
