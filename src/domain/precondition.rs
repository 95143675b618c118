//! Preconditions: the versions of which something must be one, or none, for a change to be made.

use crate::domain::Reject;

/// A set of versions, as a condition names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Every version there is.
    Any,
    /// These; none of them where what was named is no version of this shop.
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

/// On which stored versions a change may be made (RFC 9110, section 13.1); by default on all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// It must be one of these: `If-Match`.
    pub if_match: Option<Versions>,
    /// It must be none of these: `If-None-Match`.
    pub if_none_match: Option<Versions>,
}

impl Precondition {
    /// Checks the stored version.
    ///
    /// # Errors
    /// `PreconditionFailed` if it is not one of those that were named, or one of those that were
    /// ruled out.
    pub fn check(&self, version: i64) -> Result<(), Reject> {
        let named = |versions: &Versions| versions.contains(version);
        if self.if_match.as_ref().is_none_or(named)
            && !self.if_none_match.as_ref().is_some_and(named)
        {
            return Ok(());
        }
        Err(Reject::PreconditionFailed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_to_be_named_and_not_ruled_out() {
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
