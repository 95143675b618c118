//! `tillcast backup`, `restore` and `check`: copies of the database, and whether it is sound.

use std::path::Path;

use crate::cli::terminal::{print, print_error};
use crate::store;

/// Writes a consistent copy of the database; the server may run. In a folder that is there, one a day is
/// made, and so many are kept.
pub(super) fn backup(data_dir: &Path, target: &Path, keep: usize) -> Result<(), String> {
    let made = if target.is_dir() {
        store::backup_today(data_dir, target, keep)
    } else {
        store::backup(data_dir, target).map(|()| Some(target.to_owned()))
    };
    let database = store::database_file(data_dir);
    match made.map_err(|error| error.to_string())? {
        Some(file) => {
            print(&format!("{} is a complete copy of {}\n", file.display(), database.display()))
        }
        None => print(&format!("{} has today's backup already\n", target.display())),
    }
}

/// Puts a backup in the place of the database.
pub(super) fn restore(data_dir: &Path, backup: &Path) -> Result<(), String> {
    let old = store::restore(data_dir, backup).map_err(|error| error.to_string())?;
    let kept = old.map(|old| format!("; the old one is {}", old.display())).unwrap_or_default();
    let file = store::database_file(data_dir);
    print(&format!("{} is a copy of {} now{kept}\n", file.display(), backup.display()))
}

/// Says whether a data directory is sound.
pub(super) fn check(data_dir: &Path) -> Result<(), String> {
    let found = store::check(data_dir).map_err(|error| error.to_string())?;
    let file = store::database_file(data_dir);
    if found.is_empty() {
        return print(&format!("{}: sound\n", file.display()));
    }
    found.iter().for_each(print_error);
    Err(format!(
        "{}: {} findings; `tillcast restore FILE` puts a backup in its place",
        file.display(),
        found.len()
    ))
}
