//! The report of everything that is wrong with the settings.

use std::fmt;

/// The mistakes in the arguments, the environment and the file, one line each; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        f.write_str("see `tillcast --help`")
    }
}

impl std::error::Error for ConfigErrors {}
