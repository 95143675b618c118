//! The environment of the process, which tests replace.

use std::ffi::OsString;

/// The environment, as a lookup by name that never answers with an empty value.
pub(super) type Env<'a> = dyn Fn(&str) -> Option<OsString> + 'a;
