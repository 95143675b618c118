//! Only their owner has access to the shop's files, whatever the umask: they hold personal data and
//! payments.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Read and write access for the owner.
const OWNER: u32 = 0o600;
/// The permission bits of the group and of others.
const OTHERS: u32 = 0o077;

/// Creates a directory and its parents; an existing one stays as it is.
pub(super) fn create_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Opens a file for writing; creates it if it is missing.
pub(super) fn create_file(path: &Path) -> io::Result<File> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(OWNER).open(path)?;
    restrict_to_owner(path);
    Ok(file)
}

/// Takes the access of others to a database away. SQLite gives new files beside it the same permissions.
///
/// No file is opened: closing one would release the locks that SQLite holds on it in this process, and
/// another program would take the write-ahead log for one that nobody uses, and remove it
/// (<https://sqlite.org/howtocorrupt.html>, section 2.2).
pub(super) fn restrict_database(path: &Path) {
    restrict_to_owner(path);
    for beside in ["db-wal", "db-shm"] {
        restrict_to_owner(&path.with_extension(beside));
    }
}

fn restrict_to_owner(path: &Path) {
    let Ok(found) = fs::metadata(path) else { return };
    if found.permissions().mode() & OTHERS == 0 {
        return;
    }
    let file = path.display();
    match fs::set_permissions(path, Permissions::from_mode(OWNER)) {
        Ok(()) => tracing::warn!("{file}: others had access to it; now only its owner has"),
        Err(error) => {
            tracing::warn!("{file}: others have access to it, and that cannot be changed: {error}");
        }
    }
}
