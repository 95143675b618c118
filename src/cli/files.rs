//! `tillcast backup`, `restore`, `check` and `events`: what looks at a data directory from outside.

use std::path::Path;
use std::time::Duration;

use crate::cli::{complain, say, told};
use crate::limits::PAGE_MAX;
use crate::store::{self, Console, EventRange};

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
            say(&format!("{} is a complete copy of {}\n", file.display(), database.display()))
        }
        None => say(&format!("{} has today's backup already\n", target.display())),
    }
}

/// Puts a backup in the place of the database.
pub(super) fn restore(data_dir: &Path, backup: &Path) -> Result<(), String> {
    let old = store::restore(data_dir, backup).map_err(|error| error.to_string())?;
    let kept = old.map(|old| format!("; the old one is {}", old.display())).unwrap_or_default();
    let file = store::database_file(data_dir);
    say(&format!("{} is a copy of {} now{kept}\n", file.display(), backup.display()))
}

/// Says whether a data directory is sound.
pub(super) fn check(data_dir: &Path) -> Result<(), String> {
    let found = store::check(data_dir).map_err(|error| error.to_string())?;
    let file = store::database_file(data_dir);
    if found.is_empty() {
        return say(&format!("{}: sound\n", file.display()));
    }
    found.iter().for_each(complain);
    Err(format!(
        "{}: {} findings; `tillcast restore FILE` puts a backup in its place",
        file.display(),
        found.len()
    ))
}

/// Prints the event log, an envelope a line; then, if asked to, waits for more.
pub(super) fn events(data_dir: &Path, follow: bool, since: u64) -> Result<(), String> {
    const PAUSE: Duration = Duration::from_millis(200);
    let store = Console::open_to_read(data_dir).map_err(|error| error.to_string())?;
    let mut after = i64::try_from(since).unwrap_or(i64::MAX);
    loop {
        let range = EventRange { after, kinds: u8::MAX, limit: PAGE_MAX, bytes: usize::MAX };
        let page = store.events(range).map_err(told)?;
        let lines = page.events.iter().flat_map(|event| [event.body.as_str(), "\n"]);
        say(&lines.collect::<String>())?;
        after = page.scanned;
        match (page.scanned < page.head, follow) {
            (true, _) => {}
            (false, true) => std::thread::sleep(PAUSE),
            (false, false) => return Ok(()),
        }
    }
}
