//! `tillcast backup`, `restore` and `check`: copies of the database, and whether it is sound.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::privileges::{self, within};
use crate::cli::terminal::{print, print_error, without_prefix};
use crate::store::{self, Backup, OpenError, Source};

/// Writes a consistent copy of the database; the server may run. In an existing folder it writes at most one
/// copy a day, and keeps the newest `keep`. `-` is standard output.
pub(super) fn backup(data_dir: &Path, target: &Path, keep: usize) -> Result<(), String> {
    if target == Path::new("-") {
        return stream(data_dir);
    }
    let text = match privileges::below(data_dir, target)? {
        Some(rest) => within(data_dir, |data_dir| {
            copy(&Source::DataDir(data_dir.to_owned()), &data_dir.join(rest), keep)
        }),
        None if privileges::is_foreign(data_dir)? => copy(&of_another(data_dir), target, keep),
        None => copy(&Source::DataDir(data_dir.to_owned()), target, keep),
    };
    print(&text?)
}

fn copy(source: &Source, target: &Path, keep: usize) -> Result<String, String> {
    let made = if target.is_dir() {
        store::backup_today(source, target, keep)
    } else {
        if !target.exists() {
            check_file_name(target)?;
        }
        store::backup(source, target).map(|()| Some(target.to_owned()))
    };
    let database = store::database_file(source.data_dir());
    Ok(match made.map_err(|error| error.to_string())? {
        Some(file) => {
            format!("{} is a complete copy of {}\n", file.display(), database.display())
        }
        None => format!("{} has today's backup already\n", target.display()),
    })
}

/// Writes a copy of the database to standard output.
fn stream(data_dir: &Path) -> Result<(), String> {
    let mut output = io::stdout().lock();
    if output.is_terminal() {
        return Err("a backup is not for a terminal; name a file, or send it to one".to_owned());
    }
    let written = within(data_dir, |data_dir| {
        let written = store::write_backup(data_dir, &mut output);
        written.map(|()| String::new()).map_err(|error| error.to_string())
    });
    written.map(drop)
}

/// The database of somebody else, of which only a process with that user's rights makes a copy. The copy
/// goes where root says, and only root can put it there: so there are two processes.
fn of_another(data_dir: &Path) -> Source {
    let from = data_dir.to_owned();
    let write = move |part: File| {
        let unknown = |error| format!("the path of this program is unknown: {error}");
        let mut command = Command::new(env::current_exe().map_err(unknown)?);
        command.args(["backup", "-", "--data-dir"]).arg(&from).stdin(Stdio::null()).stdout(part);
        let done = command.stderr(Stdio::piped()).output();
        let done = done.map_err(|error| format!("the copy cannot be started: {error}"))?;
        let said = String::from_utf8_lossy(&done.stderr);
        if done.status.success() { Ok(()) } else { Err(without_prefix(&said)) }
    };
    Source::Process(data_dir.to_owned(), Box::new(write))
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
pub(super) fn restore(data_dir: &Path, name: &Path) -> Result<(), String> {
    let said = |error: OpenError| error.to_string();
    let put = |data_dir: &Path, backup: Backup, name: &Path| {
        let old = store::restore(data_dir, backup).map_err(said)?;
        let kept = old.map(|old| format!("; the old one is {}", old.display())).unwrap_or_default();
        let file = store::database_file(data_dir);
        Ok(format!("{} is now a copy of {}{kept}\n", file.display(), name.display()))
    };
    let text = if let Some(rest) = privileges::below(data_dir, name)? {
        within(data_dir, |data_dir| {
            let name = data_dir.join(rest);
            put(data_dir, Backup::open(&name).map_err(said)?, &name)
        })
    } else {
        let backup = Backup::new(privileges::open_file(name)?, name).map_err(said)?;
        within(data_dir, |data_dir| put(data_dir, backup, name))
    };
    print(&text?)
}

/// Verifies the database of a data directory.
pub(super) fn check(data_dir: &Path) -> Result<(), String> {
    let text = within(data_dir, |data_dir| {
        let found = store::check(data_dir).map_err(|error| error.to_string())?;
        let file = store::database_file(data_dir);
        if found.is_empty() {
            return Ok(format!("{}: sound\n", file.display()));
        }
        found.iter().for_each(print_error);
        Err(format!(
            "{}: {} findings; `tillcast restore FILE` puts a backup in its place",
            file.display(),
            found.len()
        ))
    });
    print(&text?)
}
