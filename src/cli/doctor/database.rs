//! Checks whether the database opens, belongs to this program, and is up to date.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::cli::doctor::finding::{Finding, bad, ok, unreadable, warn};
use crate::store;

/// Checks the database; also returns the time of its newest event.
pub(super) fn check(data_dir: &Path) -> (Finding, Option<i64>) {
    let file = store::database_file(data_dir);
    let name = file.display();
    match File::open(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !store::was_created(data_dir) => {
            let text = "there is no shop yet; `tillcast serve` creates one. If there is one elsewhere, \
                        give its folder with --data-dir";
            return (warn(format!("{name}: {text}")), None);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return (unreadable(&file, &error), None);
        }
        _ => {}
    }
    match store::last_recorded_time(data_dir) {
        Ok(newest) => {
            let text = "opens; `tillcast check` verifies all of it";
            (ok(format!("{name}: {text}")), Some(newest))
        }
        Err(error) => (bad(error.to_string()), None),
    }
}
