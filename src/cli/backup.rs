//! `tillcast backup`, `restore` and `check`: copies of the database, and whether it is sound.

use std::path::Path;

use crate::cli::terminal::{print, print_error};
use crate::store;

/// Writes a consistent copy of the database; the server may run. In an existing folder it writes at most one
/// copy a day, and keeps the newest `keep`.
pub(super) fn backup(data_dir: &Path, target: &Path, keep: usize) -> Result<(), String> {
    let made = if target.is_dir() {
        store::backup_today(data_dir, target, keep)
    } else {
        if !target.exists() {
            check_file_name(target)?;
        }
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

/// Refuses a path that was probably meant as a folder and does not exist: a stick that is not mounted must
/// not become a file on the card.
fn check_file_name(target: &Path) -> Result<(), String> {
    let is_folder = |folder: &Path| folder.as_os_str().is_empty() || folder.is_dir();
    if let Some(folder) = target.parent().filter(|folder| !is_folder(folder)) {
        return Err(format!("{}: there is no folder {}", target.display(), folder.display()));
    }
    if target.extension().is_none() || target.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(format!(
            "{}: there is no such folder; create it, or name a file with an ending, such as shop.db",
            target.display()
        ));
    }
    Ok(())
}

/// Replaces the database with a backup.
pub(super) fn restore(data_dir: &Path, backup: &Path) -> Result<(), String> {
    let old = store::restore(data_dir, backup).map_err(|error| error.to_string())?;
    let kept = old.map(|old| format!("; the old one is {}", old.display())).unwrap_or_default();
    let file = store::database_file(data_dir);
    print(&format!("{} is now a copy of {}{kept}\n", file.display(), backup.display()))
}

/// Verifies the database of a data directory.
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
