//! The failure of a command, which decides the exit code.

use crate::config::ConfigErrors;

/// The reason why a command is not done.
pub(super) enum Failure {
    /// Nothing was tried: settings, or what they name, are wrong.
    Usage(ConfigErrors),
    /// It was tried in vain; a sentence for the person at the terminal.
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
