//! The copy of a database that `tillcast backup` makes, and the daily backup.

use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use crate::domain::timestamp;
use crate::limits::{COMMAND_CACHE_KIB, RESERVE_BYTES};
use crate::store::clock::clock;
use crate::store::data_dir;
use crate::store::database;
use crate::store::error::OpenError;
use crate::store::file_mode;

/// Copies the database, as it is at one moment, into a new file. A server may keep running
/// meanwhile.
pub fn backup(data_dir: &Path, target: &Path) -> Result<(), OpenError> {
    let fail = |error: &dyn Display| OpenError(format!("{}: {error}", target.display()));
    if target.exists() {
        return Err(fail(&"the file exists already; a backup never overwrites one"));
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // The copy gets its final name only when it is complete, so no partial file has the name of a
    // backup.
    let part = tempfile::Builder::new()
        .prefix(".tillcast-backup-")
        .tempfile_in(folder)
        .map_err(|error| fail(&error))?;
    copy(data_dir, part.path())?;
    part.persist_noclobber(target).map_err(|error| fail(&error.error))?;
    sync(folder).map_err(|error| fail(&error))
}

/// Makes a backup with today's date in its name and removes all but the newest `keep`. Returns the
/// new file, or `None` if today's backup exists already.
pub fn backup_today(
    data_dir: &Path,
    folder: &Path,
    keep: usize,
) -> Result<Option<PathBuf>, OpenError> {
    let fail = |error: io::Error| OpenError(format!("{}: {error}", folder.display()));
    let today = timestamp::text(clock())[..DATE.len()].to_owned();
    let target = folder.join(format!("{BEFORE_DATE}{today}{AFTER_DATE}"));
    if target.exists() {
        return Ok(None);
    }
    file_mode::create_dir(folder).map_err(fail)?;
    // The name is always the same, so that a partial copy left by a power cut is overwritten.
    let part = folder.join(".tillcast-today");
    file_mode::create_file(&part).and_then(|part| part.set_len(0)).map_err(fail)?;
    let copied = check_space(data_dir, folder).map_err(fail).and_then(|()| copy(data_dir, &part));
    if let Err(error) = copied {
        // A partial copy would only fill the disk.
        fs::remove_file(&part).map_err(fail)?;
        return Err(error);
    }
    fs::rename(&part, &target).and_then(|()| sync(folder)).map_err(fail)?;
    let mut others = daily_backups(folder).map_err(fail)?;
    others.retain(|other| *other != target);
    for old in others.iter().rev().skip(keep.saturating_sub(1)) {
        fs::remove_file(old).map_err(fail)?;
    }
    Ok(Some(target))
}

/// Refuses a backup that would fill the disk, because the shop needs the space more.
fn check_space(data_dir: &Path, folder: &Path) -> io::Result<()> {
    let disk = statvfs(folder)?;
    let needed = data_dir::database_file(data_dir).metadata()?.len() + 2 * RESERVE_BYTES;
    if disk.f_bavail.saturating_mul(disk.f_frsize) < needed {
        let text = format!("a backup needs {} MiB of space, with some to spare", needed >> 20);
        return Err(io::Error::new(io::ErrorKind::StorageFull, text));
    }
    Ok(())
}

const BEFORE_DATE: &str = "tillcast-";
const DATE: &str = "0000-00-00";
const AFTER_DATE: &str = ".db";

/// The newest of the daily backups in a folder.
pub fn newest_backup(folder: &Path) -> io::Result<Option<PathBuf>> {
    Ok(daily_backups(folder)?.pop())
}

/// The daily backups in a folder, oldest first.
fn daily_backups(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_date = |text: &str| {
        let shape = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
        shape.eq(DATE.bytes())
    };
    let is_ours = |file: &PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.strip_prefix(BEFORE_DATE)?.strip_suffix(AFTER_DATE))
            .is_some_and(is_date)
    };
    let files = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut found = files.collect::<io::Result<Vec<_>>>()?;
    found.retain(is_ours);
    found.sort_unstable();
    Ok(found)
}

fn copy(data_dir: &Path, target: &Path) -> Result<(), OpenError> {
    let fail = |error: &dyn Display| OpenError(format!("{}: {error}", target.display()));
    let conn = database::open_reader(data_dir, COMMAND_CACHE_KIB)?;
    let path = database::plain_path(target)?;
    let name = path.to_str().ok_or_else(|| fail(&"the path is not UTF-8"))?;
    conn.execute("VACUUM INTO ?", [name]).map_err(|error| fail(&error))?;
    sync(target).map_err(|error| fail(&error))
}

/// Waits until a file, or the entries of a folder, are on disk.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
