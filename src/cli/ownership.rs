//! Gives files that root has created in a data directory to the directory's owner: a server that cannot
//! open its own files does not start.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, openat, statat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Gives root's files in a data directory to its owner. Does nothing for other users, who cannot give files
/// away.
pub(super) fn restore(data_dir: &Path) -> Result<(), String> {
    let restore_all = || -> Result<(), Errno> {
        let folder = openat(CWD, data_dir, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let found = fstat(&folder)?;
        let owner = (Uid::from_raw(found.st_uid), Gid::from_raw(found.st_gid));
        if owner.0.is_root() { Ok(()) } else { restore_entries(&folder, owner) }
    };
    if !geteuid().is_root() {
        return Ok(());
    }
    match restore_all() {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(format!("{}: cannot be given to its owner: {error}", data_dir.display())),
    }
}

fn restore_entries(folder: &OwnedFd, owner: (Uid, Gid)) -> Result<(), Errno> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if ![c".", c".."].contains(&entry.file_name()) {
            match restore_entry(folder, entry.file_name(), owner) {
                // A running server may have removed it meanwhile.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Follows no link, and skips a file with several names: the owner of the folder chooses the names in it and
/// must not get root's other files that way.
fn restore_entry(folder: &OwnedFd, name: &CStr, owner: (Uid, Gid)) -> Result<(), Errno> {
    let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let is_dir = FileType::from_raw_mode(found.st_mode).is_dir();
    if is_dir {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        restore_entries(&openat(folder, name, flags, Mode::empty())?, owner)?;
    }
    if found.st_uid == 0 && (is_dir || found.st_nlink == 1) {
        chownat(folder, name, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}
