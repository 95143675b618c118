//! The data directory: its files, its lock, and the record that a database was created in it.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::store::error::OpenError;
use crate::store::file_mode;

/// The content of the lock file once a database was created beside it.
const CREATED: &[u8] = b"A database was made here. If it is missing, it was lost.\n";

/// The database file of a data directory.
pub fn database_file(data_dir: &Path) -> PathBuf {
    data_dir.join("tillcast.db")
}

/// A file that SQLite keeps beside a database, such as `tillcast.db-wal`.
pub(super) fn file_beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    name.into()
}

/// The most bytes that an integrity check has to read: the database and its write-ahead log.
pub fn database_bytes(data_dir: &Path) -> u64 {
    let file = database_file(data_dir);
    let bytes = |file: &Path| file.metadata().map_or(0, |file| file.len());
    bytes(&file) + bytes(&file_beside(&file, "-wal"))
}

/// The lock file of a data directory.
pub(super) fn lock_file(data_dir: &Path) -> PathBuf {
    data_dir.join("tillcast.lock")
}

/// The lock of a data directory, for one process.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    /// A process that another thread starts at this moment has the open file, too, until it runs its own program.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "cannot release the data directory");
        }
    }
}

/// Creates the directory if it is missing and locks it for this process, until the lock is dropped.
pub(super) fn lock(data_dir: &Path) -> Result<Lock, OpenError> {
    let fail = |what: &str, error: &dyn fmt::Display| {
        OpenError(format!("{}: {what}: {error}", data_dir.display()))
    };
    file_mode::create_dir(data_dir)
        .map_err(|error| fail("cannot create the data directory", &error))?;
    let file = file_mode::create_file(&lock_file(data_dir))
        .map_err(|error| fail("cannot write into the data directory", &error))?;
    file.try_lock().map_err(|_| {
        let text = "another tillcast serves it; stop that one, or give --data-dir";
        OpenError(format!("{}: {text}", data_dir.display()))
    })?;
    Ok(Lock(file))
}

/// Whether a database was created here before. If so, a missing database was lost, and none may be
/// created.
pub fn was_created(data_dir: &Path) -> bool {
    lock_file(data_dir).metadata().is_ok_and(|lock| lock.len() > 0)
}

/// Records in the lock file that a database was created here.
pub(super) fn mark_created(data_dir: &Path) -> Result<(), OpenError> {
    let note = || {
        let mut file = file_mode::create_file(&lock_file(data_dir))?;
        file.write_all(CREATED)?;
        file.sync_all()?;
        File::open(data_dir)?.sync_all()
    };
    if was_created(data_dir) {
        return Ok(());
    }
    note().map_err(|error| OpenError(format!("{}: {error}", lock_file(data_dir).display())))
}

/// Whether the file system of a data directory is read-only. This tries to create a file, because a
/// file system that became read-only after an error does not report it.
pub fn is_read_only(data_dir: &Path) -> bool {
    let folder = data_dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let tried = tempfile::tempfile_in(folder);
    tried.is_err_and(|error| error.kind() == io::ErrorKind::ReadOnlyFilesystem)
}
