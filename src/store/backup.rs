//! The copy of a database that `tillcast backup` makes, and the daily backup.

use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use tempfile::NamedTempFile;

use crate::domain::timestamp;
use crate::limits::{BACKUP_PART_AGE_MAX, COMMAND_CACHE_KIB, LONG_READ_TRIES, RESERVE_BYTES};
use crate::store::clock::clock;
use crate::store::data_dir;
use crate::store::database;
use crate::store::error::{OpenError, TOO_BUSY, is_interrupted};
use crate::store::file_mode;
use crate::store::long_read;

/// Copies the database, as it is at one moment, into a new file. A server may keep running
/// meanwhile.
pub fn backup(source: &Source, target: &Path) -> Result<(), OpenError> {
    let fail = |error: &dyn Display| OpenError(format!("{}: {error}", target.display()));
    if target.exists() {
        return Err(fail(&"the file exists already; a backup never overwrites one"));
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let part = source.copy_into(folder)?;
    part.persist_noclobber(target).map_err(|error| fail(&error.error))?;
    sync(folder).map_err(|error| fail(&error))
}

/// Makes a backup with today's date in its name and removes all but the newest `keep`. Returns the
/// new file, or `None` if today's backup exists already.
pub fn backup_today(
    source: &Source,
    folder: &Path,
    keep: usize,
) -> Result<Option<PathBuf>, OpenError> {
    let today = timestamp::text(clock())[..DATE.len()].to_owned();
    if named(folder, &today).exists() {
        return Ok(None);
    }
    make(source, folder, &today, keep).map(Some).map_err(|failure| failure.0)
}

/// Makes a backup with the present time in its name and removes all such but the newest `keep`.
pub(super) fn backup_now(
    source: &Source,
    folder: &Path,
    keep: usize,
) -> Result<PathBuf, BackupFailure> {
    let digits: String = timestamp::text(clock()).chars().filter(char::is_ascii_digit).collect();
    let (date, time) = digits.split_at(8);
    make(source, folder, &format!("{date}T{time}"), keep)
}

/// Why a backup was not made, and whether only for want of space.
#[derive(Debug)]
pub(super) struct BackupFailure(pub(super) OpenError, pub(super) bool);

/// Makes a backup with this stamp in its name and removes all with stamps of that shape but the newest `keep`.
fn make(
    source: &Source,
    folder: &Path,
    stamp: &str,
    keep: usize,
) -> Result<PathBuf, BackupFailure> {
    let fail = |error: io::Error| {
        let is_full = error.kind() == io::ErrorKind::StorageFull;
        BackupFailure(OpenError(format!("{}: {error}", folder.display())), is_full)
    };
    let target = named(folder, stamp);
    file_mode::create_dir(folder).map_err(fail)?;
    remove_parts(folder).map_err(fail)?;
    check_space(source.data_dir(), folder).map_err(fail)?;
    let part = source.copy_into(folder).map_err(|error| BackupFailure(error, false))?;
    part.persist(&target).map_err(|error| fail(error.error))?;
    sync(folder).map_err(fail)?;
    let mut others = backups_like(folder, stamp).map_err(fail)?;
    others.retain(|other| *other != target);
    for old in others.iter().rev().skip(keep.saturating_sub(1)) {
        fs::remove_file(old).map_err(fail)?;
    }
    Ok(target)
}

/// Writes a copy of the database to a stream: to one that is no file, whose space nobody checks.
pub fn write_backup(data_dir: &Path, output: &mut impl io::Write) -> Result<(), OpenError> {
    let fail = |error: io::Error| OpenError(format!("the copy cannot be written: {error}"));
    check_space(data_dir, data_dir)
        .map_err(|error| OpenError(format!("{}: {error}", data_dir.display())))?;
    let part = Source::DataDir(data_dir.to_owned()).copy_into(data_dir)?;
    let mut copy = part.reopen().map_err(fail)?;
    io::copy(&mut copy, output).and_then(|_| output.flush()).map_err(fail)
}

/// The way in which a copy of a database comes about.
pub enum Source {
    /// This process reads the database of a data directory.
    DataDir(PathBuf),
    /// The database of the data directory, which another process reads: it writes the copy into the file.
    Process(PathBuf, Box<dyn Fn(File) -> Result<(), String>>),
}

impl Source {
    /// The data directory whose database is copied.
    pub fn data_dir(&self) -> &Path {
        match self {
            Self::DataDir(data_dir) | Self::Process(data_dir, _) => data_dir,
        }
    }

    /// Copies the database into a new file beside the place of the backup. The copy gets its final name only
    /// when it is complete, so no partial file has the name of a backup.
    fn copy_into(&self, folder: &Path) -> Result<NamedTempFile, OpenError> {
        let fail = |error: &dyn Display| OpenError(format!("{}: {error}", folder.display()));
        let part = tempfile::Builder::new().prefix(PART).tempfile_in(folder);
        let part = part.map_err(|error| fail(&error))?;
        match self {
            Self::DataDir(data_dir) => copy(data_dir, part.path())?,
            Self::Process(_, write) => {
                part.as_file()
                    .try_clone()
                    .map_err(|error| error.to_string())
                    .and_then(write)
                    .map_err(OpenError)?;
            }
        }
        part.as_file().sync_all().map_err(|error| fail(&error))?;
        Ok(part)
    }
}

/// Removes what a power cut has left of earlier tries. One of today may be under way.
fn remove_parts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_part = entry.file_name().as_encoded_bytes().starts_with(PART.as_bytes());
        // The server or a command may just have removed or moved it.
        let Ok(found) = entry.metadata() else { continue };
        let age = found.modified()?.elapsed().unwrap_or_default();
        if is_part && found.is_file() && age > BACKUP_PART_AGE_MAX {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
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

/// Begins the name of a copy that is being written; the rest is random.
const PART: &str = ".tillcast-backup-";
const BEFORE_STAMP: &str = "tillcast-";
/// The stamp of a daily backup, and that of one that an admin asked for, with zeros for all digits.
const DATE: &str = "0000-00-00";
const TIME: &str = "00000000T000000000";
const AFTER_STAMP: &str = ".db";

fn named(folder: &Path, stamp: &str) -> PathBuf {
    folder.join(format!("{BEFORE_STAMP}{stamp}{AFTER_STAMP}"))
}

/// The newest of the daily backups in a folder.
pub fn newest_backup(folder: &Path) -> io::Result<Option<PathBuf>> {
    Ok(backups_like(folder, DATE)?.pop())
}

/// All backups in a folder that the server made.
pub(super) fn all_backups(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok([backups_like(folder, DATE)?, backups_like(folder, TIME)?].concat())
}

/// The backups in a folder with a stamp of the same shape, oldest first.
fn backups_like(folder: &Path, stamp: &str) -> io::Result<Vec<PathBuf>> {
    let shape = |text: &str| {
        let zero = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
        text.bytes().map(zero).collect::<Vec<u8>>()
    };
    let wanted = shape(stamp);
    let is_ours = |file: &PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.strip_prefix(BEFORE_STAMP)?.strip_suffix(AFTER_STAMP))
            .is_some_and(|stamp| shape(stamp) == wanted)
    };
    let files = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut found = files.collect::<io::Result<Vec<_>>>()?;
    found.retain(is_ours);
    found.sort_unstable();
    Ok(found)
}

fn copy(data_dir: &Path, target: &Path) -> Result<(), OpenError> {
    let fail = |error: &dyn Display| OpenError(format!("{}: {error}", target.display()));
    let file = data_dir::database_file(data_dir);
    let mut conn = database::open_reader(data_dir, COMMAND_CACHE_KIB)?;
    let path = database::plain_path(target)?;
    let name = path.to_str().ok_or_else(|| fail(&"the path is not UTF-8"))?;
    let copied = long_read::run(&mut conn, &file, LONG_READ_TRIES, |conn| {
        // The target must be empty, and an earlier try may have left something in it.
        if let Ok(part) = File::options().write(true).open(target) {
            drop(part.set_len(0));
        }
        conn.execute("VACUUM INTO ?", [name])
    });
    copied.map_err(|error| if is_interrupted(&error) { fail(&TOO_BUSY) } else { fail(&error) })?;
    Ok(())
}

/// Waits until a file, or the entries of a folder, are on disk.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
