//! The form of a setting: one row of the table, and the names that follow from it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::config::env::Env;
use crate::config::settings::Config;
use crate::limits::Limits;

/// One row of the table, from which flag, variable, file key, help, manual and documents are made.
pub(super) struct Setting {
    pub(super) flag: &'static str,
    /// The placeholder of the value.
    pub(super) value: &'static str,
    pub(super) default: Fallback,
    pub(super) reason: &'static str,
    /// Whether it may be given several times.
    pub(super) many: bool,
    /// Reads one value into its field. The error says what it must be.
    pub(super) set: fn(&mut Config, &OsStr) -> Result<(), String>,
    /// Whether its field is the same in two configurations.
    pub(super) same: fn(&Config, &Config) -> bool,
}

/// The value when no source gives one.
pub(super) enum Fallback {
    /// This text, parsed like any other value.
    Text(&'static str),
    /// Computed from the machine, its service manager or the profile; described in words.
    Computed(&'static str, fn(&Env, Limits) -> OsString),
    /// No value.
    Nothing,
}

/// The beginning of every setting's variable.
pub(super) const PREFIX: &str = "TILLCAST_";

impl Setting {
    /// `TILLCAST_SESSION_IDLE` for `session-idle`.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key().to_uppercase())
    }

    /// `session_idle` for `session-idle`.
    pub(super) fn key(&self) -> String {
        self.flag.replace('-', "_")
    }

    /// The values in one text: separated by commas for a repeatable setting, else the text itself.
    pub(super) fn split(&self, text: &OsStr) -> Vec<OsString> {
        if !self.many {
            return vec![text.to_owned()];
        }
        let pieces = text.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        pieces
            .filter(|piece| !piece.is_empty())
            .map(|piece| OsStr::from_bytes(piece).into())
            .collect()
    }
}
