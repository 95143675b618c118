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

use std::path::{Path, PathBuf};

use crate::cli::privileges::{DataDir, below};
use crate::cli::serve::backup_folder;
use crate::cli::terminal::{print, with_program};
use crate::config::Config;
use crate::store;

use finding::{Finding, Verdict};

/// Checks everything and prints a line for each finding.
///
/// # Errors
/// Names the number of bad findings, if there are any.
pub(super) fn run(config: &Config) -> Result<(), String> {
    let system = Path::new("/");
    let mount = mount::of(&config.data_dir, system);
    let card = card::check(mount.as_ref(), system);
    let port = port::check(config);
    let clock_source = clock::source(system);
    let places = Places::of(config)?;
    let certificate = (!places.has_certificate()).then(|| certificate::check_outside(config));
    let backup = (!places.has_backups()).then(|| backup::check(config, store::clock()));
    let data_dir = DataDir::enter(&config.data_dir)?;
    let config = &places.seen_from(&data_dir, config);
    let (database, newest) = database::check(&config.data_dir);
    let subjects = [
        ("clock", clock::check(store::clock(), newest, clock_source)),
        ("disk", disk::check(&config.data_dir, mount.as_ref())),
        ("card", card),
        ("permissions", permissions::check(&config.data_dir)),
        ("database", vec![database]),
        ("port", port),
        ("certificate", certificate.unwrap_or_else(|| certificate::check(config))),
        ("backup", backup.unwrap_or_else(|| backup::check(config, store::clock()))),
        ("files", vec![open_files::check(config.max_connections)]),
    ];
    let mut count = 0;
    for (subject, findings) in subjects {
        for Finding { verdict, text } in findings {
            let text = data_dir.named(&with_program(&text));
            print(&format!("{verdict:<5}{subject}: {text}\n"))?;
            count += usize::from(verdict == Verdict::Bad);
        }
    }
    match count {
        0 => Ok(()),
        1 => Err("one finding is bad; its line says what to do".to_owned()),
        _ => Err(format!("{count} findings are bad; their lines say what to do")),
    }
}

/// The paths of the settings that lead into a data directory whose owner root has to become: they are looked
/// at from inside.
struct Places {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    backups: Option<PathBuf>,
}

impl Places {
    fn of(config: &Config) -> Result<Self, String> {
        let inside = |path: Option<&PathBuf>| match path {
            Some(path) => below(&config.data_dir, path),
            None => Ok(None),
        };
        Ok(Self {
            cert: inside(config.tls_cert.as_ref())?,
            key: inside(config.tls_key.as_ref())?,
            backups: inside((config.backup_keep > 0).then(|| backup_folder(config)).as_ref())?,
        })
    }

    fn has_certificate(&self) -> bool {
        self.cert.is_some() || self.key.is_some()
    }

    fn has_backups(&self) -> bool {
        self.backups.is_some()
    }

    /// The settings with the paths from inside.
    fn seen_from(self, data_dir: &DataDir, config: &Config) -> Config {
        let path = |rest: Option<PathBuf>, other: &Option<PathBuf>| {
            rest.map(|rest| data_dir.path.join(rest)).or_else(|| other.clone())
        };
        Config {
            data_dir: data_dir.path.clone(),
            tls_cert: path(self.cert, &config.tls_cert),
            tls_key: path(self.key, &config.tls_key),
            backup_dir: path(self.backups, &config.backup_dir),
            ..config.clone()
        }
    }
}
