//! The backups that a running server makes in its folder: one a day, and those that an admin asks for. One is under
//! way at a time.

use std::cmp::Reverse;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::UNIX_EPOCH;

use crate::limits::BACKUPS_LISTED_MAX;
use crate::store::backup::{self, BackupFailure, Source};
use crate::store::error::OpenError;
use crate::sync;

/// The folder of a server's backups. All calls wait for its disk.
#[derive(Debug)]
pub struct Backups {
    source: PathBuf,
    folder: PathBuf,
    keep: usize,
    turn: Mutex<()>,
    running: AtomicBool,
}

/// The turn to make a backup, which ends when it is dropped.
struct Turn<'b> {
    running: &'b AtomicBool,
    _lock: MutexGuard<'b, ()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.running.store(false, Ordering::Relaxed);
    }
}

/// A backup.
#[derive(Clone, Debug)]
pub struct BackupFile {
    /// The name of the file.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When it was complete, in milliseconds since 1970, UTC.
    pub created_at: i64,
}

/// Why no backup was made.
#[derive(Debug)]
pub enum BackupRefused {
    /// Another one is under way.
    Running,
    /// The disk has too little space; the text is for the operator.
    NoSpace(String),
    /// It failed; the text is for the operator.
    Failed(String),
}

impl Backups {
    /// The backups of a data directory in a folder, of which the newest `keep` of each kind are kept, and at least
    /// one.
    pub fn new(data_dir: PathBuf, folder: PathBuf, keep: usize) -> Self {
        let (turn, running) = (Mutex::new(()), AtomicBool::new(false));
        Self { source: data_dir, folder, keep, turn, running }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes today's backup, unless it exists. Waits for one that is under way.
    pub fn make_daily(&self) -> Result<Option<PathBuf>, OpenError> {
        let _turn = self.begin(sync::lock(&self.turn));
        backup::backup_today(&Source::DataDir(self.source.clone()), &self.folder, self.keep)
    }

    /// Makes one now.
    pub fn make_now(&self) -> Result<BackupFile, BackupRefused> {
        let _turn = self.turn().ok_or(BackupRefused::Running)?;
        let source = Source::DataDir(self.source.clone());
        let made = backup::backup_now(&source, &self.folder, self.keep);
        let made = made.map_err(|BackupFailure(error, is_full)| {
            let refused = if is_full { BackupRefused::NoSpace } else { BackupRefused::Failed };
            refused(error.to_string())
        })?;
        described(&made).map_err(|error| BackupRefused::Failed(error.to_string()))
    }

    /// Whether one is under way.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// The newest ones, newest first. None if there is no folder yet.
    pub fn list(&self) -> io::Result<Vec<BackupFile>> {
        let found = match backup::all_backups(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            found => found?,
        };
        // One may be removed meanwhile.
        let mut found: Vec<_> = found.iter().filter_map(|file| described(file).ok()).collect();
        found.sort_unstable_by_key(|file| Reverse((file.created_at, file.name.clone())));
        found.truncate(BACKUPS_LISTED_MAX);
        Ok(found)
    }

    /// The turn, if nobody has it.
    fn turn(&self) -> Option<Turn<'_>> {
        match self.turn.try_lock() {
            Ok(lock) => Some(self.begin(lock)),
            Err(TryLockError::Poisoned(lock)) => Some(self.begin(lock.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn begin<'b>(&'b self, lock: MutexGuard<'b, ()>) -> Turn<'b> {
        self.running.store(true, Ordering::Relaxed);
        Turn { running: &self.running, _lock: lock }
    }
}

fn described(file: &Path) -> io::Result<BackupFile> {
    let found = file.metadata()?;
    let since_1970 = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(BackupFile {
        name: file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        bytes: found.len(),
        created_at: i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Console;

    #[test]
    fn one_is_made_at_a_time() {
        let data = tempfile::tempdir().unwrap();
        drop(Console::open(data.path()).unwrap());
        let backups = Backups::new(data.path().to_owned(), data.path().join("b"), 0);
        let turn = backups.turn().unwrap();
        assert!(backups.is_running());
        assert!(matches!(backups.make_now(), Err(BackupRefused::Running)));
        drop(turn);
        let made = backups.make_now().unwrap();
        assert!(!backups.is_running());
        let list = backups.list().unwrap();
        assert_eq!((list.len(), &list[0].name, list[0].bytes), (1, &made.name, made.bytes));
    }

    /// A look that took the turn, if only for a moment, would refuse a backup or tell another look of one.
    #[test]
    fn a_look_takes_nobodys_turn() {
        let backups = Backups::new("data".into(), "backups".into(), 1);
        let lock = sync::lock(&backups.turn);
        assert!(!backups.is_running(), "it waits for nothing but what is begun");
        let turn = backups.begin(lock);
        assert!(backups.is_running());
        drop(turn);
        assert!(!backups.is_running() && backups.turn().is_some());
    }
}
