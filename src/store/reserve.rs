//! The reserve: disk space that is released when the disk is full, so that transactions under way
//! can finish.

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

    /// Allocates the space if the disk has it.
    pub(super) fn take(&self) -> io::Result<()> {
        let take = || {
            let mut file = file_mode::create_file(&self.file)?;
            match fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
                // Some file systems cannot preallocate; there the file has to be written.
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

    /// Allocates the space again once the disk has twice as much, so that it is not needed again at
    /// once; returns whether it did.
    pub(super) fn reclaim(&self) -> bool {
        let free = statvfs(&self.folder).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
        free >= 2 * RESERVE_BYTES && self.take().is_ok()
    }

    /// Releases the space; returns false if it was released before.
    pub(super) fn release(&self) -> bool {
        fs::remove_file(&self.file).is_ok()
    }
}
