//! The environment of the process, which tests replace.

use std::ffi::{OsStr, OsString};

/// The variables that have a value; an empty one counts as unset.
pub(super) struct Env(Vec<(OsString, OsString)>);

impl Env {
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_os_str())
    }

    /// The names that are text; a setting's name always is.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(name, _)| name.to_str())
    }
}
