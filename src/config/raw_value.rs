//! A value as it was written, with its source, before it is parsed.

use std::ffi::OsString;
use std::fmt;
use std::mem::discriminant;
use std::path::{Path, PathBuf};

use crate::config::env::Env;
use crate::config::setting::{Fallback, PREFIX, Setting};
use crate::config::settings_table::{self, SETTINGS};
use crate::config::values::{misspelled, nearest};
use crate::limits::Limits;

/// One value of one setting.
pub(super) struct RawValue {
    pub(super) setting: &'static Setting,
    pub(super) value: OsString,
    pub(super) source: Source,
}

/// The source of a value, strongest first.
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

/// The values of the `TILLCAST_…` variables; commas separate those of a repeatable setting.
pub(super) fn from_environment(env: &Env) -> Vec<RawValue> {
    let values = |setting: &Setting| match env.get(&setting.variable()) {
        Some(value) => setting.split(value),
        None => Vec::new(),
    };
    of_each_setting(|| Source::Environment, values)
}

/// Reports the unknown variables that were meant as settings: they have the prefix, or misspell a known
/// name. Ignoring `TILLCAST_DATADIR` would open an empty shop elsewhere.
pub(super) fn unknown_variables(env: &Env) -> Vec<String> {
    let known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    let keys = || known.iter().filter_map(|name| name.strip_prefix(PREFIX));
    let report = |name: &str| {
        let upper = name.to_ascii_uppercase();
        let near = match upper.strip_prefix(PREFIX) {
            Some(key) => nearest(key, keys()).map(|near| format!("{PREFIX}{near}")),
            None => misspelled(&upper, known.iter().map(String::as_str)).map(str::to_owned),
        };
        let hint = near.as_ref().map(|near| format!(", did you mean {near}?")).unwrap_or_default();
        let reported = near.is_some() || name.starts_with(PREFIX);
        reported.then(|| format!("{}: unknown variable{hint}", name.escape_debug()))
    };
    let unknown = env.names().filter(|name| !known.iter().any(|known| known == name));
    unknown.filter_map(report).collect()
}

/// The settings file in the folder that systemd created for it, if there is one.
pub(super) fn from_service_manager(env: &Env) -> Option<RawValue> {
    let folders = env.get("CONFIGURATION_DIRECTORY")?;
    let file = Path::new(settings_table::first_of(folders)?).join("tillcast.toml");
    let setting = SETTINGS.iter().find(|setting| setting.flag == "config")?;
    file.exists().then(|| RawValue { setting, value: file.into(), source: Source::Default })
}

/// The defaults under a profile.
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

    /// Reports this value as a mistake: the setting, what it must be, the value and its source.
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
