//! The reserve: room on the disk that is given up when there is no other, so that what is under way
//! can be finished.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_SHMSIZE};
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::limits::RESERVE_BYTES;
use crate::store::file_mode;

pub(super) struct Reserve {
    folder: PathBuf,
    file: PathBuf,
}

impl Reserve {
    pub(super) fn of(data_dir: &Path) -> Self {
        Self { folder: data_dir.to_owned(), file: data_dir.join("tillcast.reserve") }
    }

    /// Takes the room, if the disk has it.
    pub(super) fn take(&self) -> io::Result<()> {
        let take = || {
            let mut file = file_mode::create_file(&self.file)?;
            match fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
                // Some file systems reserve nothing; there it has to be written.
                Err(rustix::io::Errno::OPNOTSUPP) if file.metadata()?.len() < RESERVE_BYTES => {
                    io::copy(&mut io::repeat(0).take(RESERVE_BYTES), &mut file).map(drop)
                }
                Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
                done => Ok(done?),
            }
        };
        take().inspect_err(|_| {
            self.give_up();
        })
    }

    /// Takes it again once there is so much room that it will not be needed at once.
    pub(super) fn take_back(&self) -> bool {
        let free = statvfs(&self.folder).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
        free >= 2 * RESERVE_BYTES && self.take().is_ok()
    }

    /// Gives the room up; false where it was given up before.
    pub(super) fn give_up(&self) -> bool {
        fs::remove_file(&self.file).is_ok()
    }
}

/// There is no room for what was to be written.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code.is_some_and(|code| code == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE)
}
