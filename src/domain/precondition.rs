//! Preconditions: the stored versions for which a change is allowed.

use crate::domain::Reject;

/// The set of versions that a condition names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Every version.
    Any,
    /// These versions; empty if the condition names no version that this shop could have.
    Listed(Vec<i64>),
}

impl Versions {
    /// Whether the version is among them.
    pub fn contains(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(versions) => versions.contains(&version),
        }
    }
}

/// The stored versions for which a change is allowed (RFC 9110, section 13.1); by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// `If-Match`: the stored version must be one of these.
    pub if_match: Option<Versions>,
    /// `If-None-Match`: the stored version must not be one of these.
    pub if_none_match: Option<Versions>,
}

impl Precondition {
    /// Checks the stored version.
    ///
    /// # Errors
    /// `PreconditionFailed` if `if_match` does not contain the version, or `if_none_match` does.
    pub fn check(&self, version: i64) -> Result<(), Reject> {
        let contains = |versions: &Versions| versions.contains(version);
        let matches = self.if_match.as_ref().is_none_or(contains);
        let ruled_out = self.if_none_match.as_ref().is_some_and(contains);
        if matches && !ruled_out { Ok(()) } else { Err(Reject::PreconditionFailed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_must_be_named_and_not_ruled_out() {
        let listed = |versions: &[i64]| Some(Versions::Listed(versions.to_vec()));
        for (if_match, if_none_match, fits) in [
            (None, None, true),
            (listed(&[34]), None, true),
            (Some(Versions::Any), None, true),
            (listed(&[33, 35]), None, false),
            (listed(&[]), None, false),
            (None, listed(&[34]), false),
            (None, Some(Versions::Any), false),
            (None, listed(&[33]), true),
            (listed(&[34]), listed(&[34]), false),
        ] {
            let precondition = Precondition { if_match, if_none_match };
            assert_eq!(precondition.check(34).is_ok(), fits, "{precondition:?}");
        }
    }
}
