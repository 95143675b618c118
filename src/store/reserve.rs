//! The reserve: disk space that is released when there is no other, so that what is under way can be
//! finished.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::limits::RESERVE_BYTES;
use crate::store::file_mode;

pub(super) struct Reserve {
    folder: PathBuf,
    file: PathBuf,
}

impl Reserve {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.to_owned(), file: data_dir.join("tillcast.reserve") }
    }

    /// Takes the space, if the disk has it.
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
            self.release();
        })
    }

    /// Takes it again once there is so much space that it will not be needed at once.
    pub(super) fn reclaim(&self) -> bool {
        let free = statvfs(&self.folder).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
        free >= 2 * RESERVE_BYTES && self.take().is_ok()
    }

    /// Releases the space; false where it was released before.
    pub(super) fn release(&self) -> bool {
        fs::remove_file(&self.file).is_ok()
    }
}
