//! Checks the age of the newest backup.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::cli::doctor::finding::{Finding, bad, ok, unreadable, warn};
use crate::cli::serve::backup_folder;
use crate::config::Config;
use crate::limits::{BACKUP_AGE_BAD_DAYS, BACKUP_AGE_WARNING_DAYS};
use crate::store;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// The advice for a server that makes no backups.
const MAKE: &str =
    "the server's log says why (`journalctl -u tillcast`); `tillcast backup FOLDER` makes one now";

/// Checks the newest of the daily backups.
pub(super) fn check(config: &Config, now: i64) -> Vec<Finding> {
    if config.backup_keep == 0 {
        return vec![ok("daily backups are off (--backup-keep 0)")];
    }
    let folder = backup_folder(config);
    let name = folder.display();
    let newest = match store::newest_backup(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return vec![unreadable(&folder, &error)];
        }
        newest => newest.ok().flatten(),
    };
    let Some(newest) = newest else {
        let text = "there is no backup yet; if the server has been running for hours";
        return vec![warn(format!("{name}: {text}, {MAKE}"))];
    };
    match fs::metadata(&newest) {
        Ok(found) => vec![aged(&newest, (now - found.mtime() * 1000) / DAY_MS)],
        Err(error) => vec![unreadable(&newest, &error)],
    }
}

fn aged(newest: &Path, days: i64) -> Finding {
    let name = newest.display();
    let text = format!("{name}: the newest backup is {days} days old");
    if days >= BACKUP_AGE_BAD_DAYS {
        bad(format!("{text}; {MAKE}"))
    } else if days >= BACKUP_AGE_WARNING_DAYS {
        warn(format!("{text}; {MAKE}"))
    } else {
        ok(text)
    }
}
