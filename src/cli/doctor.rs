//! `tillcast doctor`: checks everything that a shop depends on, and says what to do.
//!
//! Invariant: it changes nothing, and the server may run meanwhile.

mod backup;
mod card;
mod certificate;
mod clock;
mod database;
mod disk;
mod finding;
mod mount;
mod open_files;
mod permissions;
mod port;

use std::path::Path;

use crate::cli::terminal::{print, with_program};
use crate::config::Config;
use crate::store;

use finding::{Finding, Verdict};

/// Checks everything and prints a line for each finding.
///
/// # Errors
/// Names the number of bad findings, if there are any.
pub(super) fn run(config: &Config) -> Result<(), String> {
    let (system, data_dir) = (Path::new("/"), config.data_dir.as_path());
    let mount = mount::of(data_dir, system);
    let (database, newest) = database::check(data_dir);
    let subjects = [
        ("clock", clock::check(store::clock(), newest, system)),
        ("disk", disk::check(data_dir, mount.as_ref())),
        ("card", card::check(mount.as_ref(), system)),
        ("permissions", permissions::check(data_dir)),
        ("database", vec![database]),
        ("port", port::check(config)),
        ("certificate", certificate::check(config)),
        ("backup", backup::check(config, store::clock())),
        ("files", vec![open_files::check(config.max_connections)]),
    ];
    let mut count = 0;
    for (subject, findings) in subjects {
        for Finding { verdict, text } in findings {
            print(&format!("{verdict:<5}{subject}: {}\n", with_program(&text)))?;
            count += usize::from(verdict == Verdict::Bad);
        }
    }
    match count {
        0 => Ok(()),
        1 => Err("one finding is bad; its line says what to do".to_owned()),
        _ => Err(format!("{count} findings are bad; their lines say what to do")),
    }
}
