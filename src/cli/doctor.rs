//! `tillcast doctor`: looks at all that a shop stands on, and says in plain words what to do.
//!
//! Invariant: it changes nothing, and it may look while the server runs.

mod backup;
mod card;
mod certificate;
mod clock;
mod database;
mod disk;
mod files;
mod mount;
mod permissions;
mod port;

use std::fmt::{self, Display};
use std::io;
use std::path::Path;

use crate::cli::say;
use crate::config::Config;
use crate::store;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// The shop goes on, but somebody should see to it, or it could not be looked at.
    Warn,
    /// The shop is closed, will be soon, or is open to others.
    Bad,
}

/// What one look has found.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    verdict: Verdict,
    text: String,
}

fn ok(text: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Ok, text: text.into() }
}

fn warn(text: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Warn, text: text.into() }
}

fn bad(text: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Bad, text: text.into() }
}

/// Something cannot be looked at. That this user may not is no fault of the shop.
fn unseen(path: &Path, error: &io::Error) -> Finding {
    let path = path.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        let how = "run this with sudo, or as the user of the server";
        warn(format!("{path}: this user may not look there; {how}"))
    } else {
        bad(format!("{path}: cannot be read: {error}"))
    }
}

impl Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        })
    }
}

/// Looks at everything, and tells each finding in a line; an error where one is bad.
pub(super) fn examine(config: &Config) -> Result<(), String> {
    let (system, data_dir) = (Path::new("/"), config.data_dir.as_path());
    let mount = mount::of(data_dir, system);
    let (database, newest) = database::look(data_dir);
    let subjects = [
        ("clock", clock::look(store::clock(), newest, system)),
        ("disk", disk::look(data_dir, mount.as_ref())),
        ("card", card::look(mount.as_ref(), system)),
        ("permissions", permissions::look(data_dir)),
        ("database", vec![database]),
        ("port", port::look(config)),
        ("certificate", certificate::look(config)),
        ("backup", backup::look(config, store::clock())),
        ("files", vec![files::look(config.max_connections)]),
    ];
    let mut count = 0;
    for (subject, findings) in subjects {
        for Finding { verdict, text } in findings {
            say(&format!("{verdict:<5}{subject}: {text}\n"))?;
            count += usize::from(verdict == Verdict::Bad);
        }
    }
    match count {
        0 => Ok(()),
        1 => Err("one finding is bad; its line says what to do".to_owned()),
        _ => Err(format!("{count} findings are bad; their lines say what to do")),
    }
}
