//! A value as somebody wrote it, and where: what the sources hand over, before it is read.

use std::ffi::OsString;
use std::fmt;
use std::mem::discriminant;
use std::path::{Path, PathBuf};

use crate::config::env::Env;
use crate::config::table::{self, Fallback, SETTINGS, Setting};
use crate::limits::Limits;

/// One value of one setting.
pub(super) struct RawValue {
    pub(super) setting: &'static Setting,
    pub(super) value: OsString,
    pub(super) source: Source,
}

/// Where a value comes from, strongest first.
pub(super) enum Source {
    Arguments,
    Environment,
    File { path: PathBuf, line: usize },
    Default,
}

/// The first value of the strongest source; `raw` is in the order of precedence.
pub(super) fn effective<'a>(raw: &'a [RawValue], flag: &str) -> Option<&'a RawValue> {
    raw.iter().find(|one| one.is(flag))
}

/// All that `TILLCAST_…` variables say; commas separate the values of a repeatable one.
pub(super) fn from_environment(env: &Env) -> Vec<RawValue> {
    let values = |setting: &Setting| match env(&setting.variable()) {
        Some(value) => setting.split(&value),
        None => Vec::new(),
    };
    of_each_setting(|| Source::Environment, values)
}

/// The file of settings in the folder that systemd made for them, where there is one.
pub(super) fn from_service_manager(env: &Env) -> Option<RawValue> {
    let folders = env("CONFIGURATION_DIRECTORY")?;
    let file = Path::new(table::first_of(&folders)?).join("tillcast.toml");
    let setting = SETTINGS.iter().find(|setting| setting.flag == "config")?;
    file.exists().then(|| RawValue { setting, value: file.into(), source: Source::Default })
}

/// What holds where nobody says anything but the profile.
pub(super) fn defaults(env: &Env, limits: Limits) -> Vec<RawValue> {
    let values = |setting: &Setting| match setting.default {
        Fallback::Text(text) => setting.split(text.as_ref()),
        Fallback::Computed(_, find) => vec![find(env, limits)],
        Fallback::Nothing => Vec::new(),
    };
    of_each_setting(|| Source::Default, values)
}

fn of_each_setting(
    source: impl Fn() -> Source,
    values: impl Fn(&Setting) -> Vec<OsString>,
) -> Vec<RawValue> {
    let raw = |setting| {
        let one = |value| RawValue { setting, value, source: source() };
        values(setting).into_iter().map(one).collect::<Vec<_>>()
    };
    SETTINGS.iter().flat_map(raw).collect()
}

impl RawValue {
    pub(super) fn is(&self, flag: &str) -> bool {
        self.setting.flag == flag
    }

    pub(super) fn is_default(&self) -> bool {
        matches!(self.source, Source::Default)
    }

    pub(super) fn same_source(&self, other: &Self) -> bool {
        discriminant(&self.source) == discriminant(&other.source)
    }

    /// The line that reports this value as a mistake: the setting, what would be right, the source.
    pub(super) fn error(&self, why: &str) -> String {
        format!("--{}: {why}, not {self}", self.setting.flag)
    }
}

impl fmt::Display for RawValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ", self.value.to_string_lossy())?;
        match &self.source {
            Source::Arguments => f.write_str("(from the command line)"),
            Source::Environment => write!(f, "(from {})", self.setting.variable()),
            Source::File { path, line } => {
                write!(f, "(from {} in {}, line {line})", self.setting.key(), path.display())
            }
            Source::Default => f.write_str("(the default)"),
        }
    }
}
