//! The work of `tillcast restore`: a backup replaces the database, begins a new event log, and
//! continues above all numbers that were given out.

use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::OpenFlags;

use crate::limits::COMMAND_CACHE_KIB;
use crate::store::backup::sync;
use crate::store::check::check;
use crate::store::clock::clock;
use crate::store::data_dir::{self, file_beside};
use crate::store::database::{self, APPLICATION_ID};
use crate::store::error::{OpenError, WAY_BACK, unusable};
use crate::store::numbers::Numbers;
use crate::store::{file_mode, integrity, marks};

/// A backup that can be restored: it was opened, and looks like one.
pub struct Backup {
    file: File,
    name: PathBuf,
}

impl Backup {
    /// Opens a backup.
    pub fn open(name: &Path) -> Result<Self, OpenError> {
        let file = File::open(name);
        Self::new(file.map_err(|error| OpenError(format!("{}: {error}", name.display())))?, name)
    }

    /// Takes a file that was opened under this name, and refuses what is no backup of a shop. The header is
    /// that of <https://sqlite.org/fileformat2.html#the_database_header>.
    pub fn new(file: File, name: &Path) -> Result<Self, OpenError> {
        const MAGIC: &[u8] = b"SQLite format 3\0";
        const APPLICATION_ID_AT: usize = 68;
        let fail = |why: &str| OpenError(format!("{}: {why}", name.display()));
        if file.metadata().is_ok_and(|found| found.is_dir()) {
            return Err(fail("is a folder; name the backup in it"));
        }
        let mut header = [0; APPLICATION_ID_AT + size_of::<u32>()];
        if file.read_exact_at(&mut header, 0).is_err() || !header.starts_with(MAGIC) {
            return Err(fail("is not a backup of a shop; `tillcast backup` makes one"));
        }
        if header[APPLICATION_ID_AT..] != APPLICATION_ID.to_be_bytes() {
            return Err(fail("is a database of another program, not a backup of a shop"));
        }
        let rest = file_beside(name, "-wal");
        if rest.metadata().is_ok_and(|rest| rest.len() > 0) {
            let text = "a part of the database; make a whole one with `tillcast backup`";
            return Err(OpenError(format!("{}: holds {text}", rest.display())));
        }
        Ok(Self { file, name: name.to_owned() })
    }

    fn copy_to(&mut self, target: &Path) -> io::Result<()> {
        let mut copy = file_mode::create_file(target)?;
        io::copy(&mut self.file, &mut copy)?;
        copy.sync_all()
    }
}

/// Replaces the database by a backup. Returns the new name of the old one, which is kept with its
/// write-ahead log; `None` if there was none. A server that is started meanwhile is refused or
/// finds one of the two complete.
pub fn restore(data_dir: &Path, mut backup: Backup) -> Result<Option<PathBuf>, OpenError> {
    let name = backup.name.display().to_string();
    let fail = |error: io::Error| OpenError(format!("{name}: {error}"));
    let _lock = data_dir::lock(data_dir)?;
    // A copy on the same file system is checked and migrated, because the copy is what will be
    // served.
    let folder = tempfile::Builder::new().prefix(".tillcast-restore-").tempdir_in(data_dir);
    let folder = folder.map_err(fail)?;
    let copy = data_dir::database_file(folder.path());
    backup.copy_to(&copy).map_err(fail)?;
    prepare_copy(folder.path()).and_then(|()| continue_numbers(data_dir, folder.path())).map_err(
        |OpenError(text)| {
            // The usual advice is what has just failed.
            let text = text.replace(&*copy.to_string_lossy(), &name);
            OpenError(text.replace(WAY_BACK, "restore another backup"))
        },
    )?;
    sync(&copy).map_err(fail)?;
    data_dir::mark_created(data_dir)?;
    swap_in(data_dir, &copy).map_err(fail)
}

/// Migrates the copy, and refuses it if it has a fault.
fn prepare_copy(folder: &Path) -> Result<(), OpenError> {
    data_dir::mark_created(folder)?;
    integrity::quick_check(folder)?;
    drop(database::open_writer(folder, COMMAND_CACHE_KIB)?);
    match check(folder)?.first() {
        Some(found) => {
            Err(OpenError(format!("{}: {found}", data_dir::database_file(folder).display())))
        }
        None => Ok(()),
    }
}

/// Makes the copy continue above all numbers that the shop gave out.
fn continue_numbers(data_dir: &Path, folder: &Path) -> Result<(), OpenError> {
    let fail = |error: &dyn Display| unusable(&data_dir::database_file(folder), error);
    let mut conn = database::open_writer(folder, COMMAND_CACHE_KIB)?;
    let in_backup = Numbers::read(&conn).map_err(|error| fail(&error))?;
    let marks = marks::read(data_dir).map_err(|error| fail(&error))?;
    let given_out = match (numbers_of_sound(data_dir), marks) {
        (Some(replaced), _) => replaced.max(&in_backup),
        (None, Some(marks)) => marks.max(&in_backup),
        // In a new data directory it is unknown how far the shop went on after the backup.
        (None, None) => in_backup,
    };
    given_out.continue_in(&mut conn, clock()).map_err(|error| fail(&error))
}

/// The newest numbers in the present database; `None` if it is missing or damaged.
fn numbers_of_sound(data_dir: &Path) -> Option<Numbers> {
    let file = data_dir::database_file(data_dir);
    if !file.exists() || integrity::quick_check(data_dir).is_err() {
        return None;
    }
    let conn = database::connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    Numbers::read(&conn).ok()
}

fn swap_in(data_dir: &Path, new: &Path) -> io::Result<Option<PathBuf>> {
    let file = data_dir::database_file(data_dir);
    let old = |number: u32| file_beside(&file, &format!(".old-{number}"));
    let free = |old: &PathBuf| !old.exists() && !file_beside(old, "-wal").exists();
    let old = (1..=u32::MAX).map(old).find(free).unwrap_or_else(|| old(0));
    let had_one = ignore_missing(fs::rename(&file, &old))?;
    // The write-ahead log must stay beside its database until the rename is on disk.
    sync(data_dir)?;
    ignore_missing(fs::rename(file_beside(&file, "-wal"), file_beside(&old, "-wal")))?;
    ignore_missing(fs::remove_file(file_beside(&file, "-shm")))?;
    sync(data_dir)?;
    fs::rename(new, &file)?;
    sync(data_dir)?;
    Ok(had_one.then_some(old))
}

fn ignore_missing(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        done => done.map(|()| true),
    }
}
