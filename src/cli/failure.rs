//! The failure of a command, which decides the exit code.

use crate::config::ConfigErrors;

/// The reason why a command failed.
pub(super) enum Failure {
    /// Settings, or files that they name, are wrong, and nothing was tried.
    Usage(ConfigErrors),
    /// The command was tried and failed; a sentence for the person at the terminal.
    Failed(String),
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Usage(errors)
    }
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}
