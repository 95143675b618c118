//! Every setting and every command of the program. Settings come from four sources, and all mistakes are
//! reported at once.
//!
//! A flag wins over the environment, the environment over the file, the file over the default. A value that
//! loses is checked as well, because it may win after the next edit.

mod args;
mod command;
mod command_flags;
mod command_parser;
mod command_table;
mod env;
mod errors;
mod file;
mod help;
mod man;
mod raw_value;
mod setting;
mod settings;
mod settings_table;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;

use crate::limits::Limits;

pub use command::Command;
pub use errors::ConfigErrors;
pub use help::{help, settings};
pub use man::{program_page, settings_page};
pub use settings::{Config, LogFormat, Rate};

use env::Env;
use raw_value::RawValue;
use settings_table::SETTINGS;

/// Reads the command and the settings; `args` come without the program's own name.
///
/// An empty environment variable counts as unset. A request for help or the version wins over every
/// mistake, and then the settings are the defaults.
pub fn read(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Command, Config), ConfigErrors> {
    let env = Env::new(env);
    let (command, mut raw, mut errors) = args::read(args);
    if matches!(command, Some(Command::Help { .. } | Command::Version)) {
        raw.clear();
        errors.clear();
    } else {
        errors.extend(raw_value::unknown_variables(&env));
        raw.extend(raw_value::from_environment(&env));
        if raw_value::effective(&raw, "config").is_none() {
            raw.extend(raw_value::from_service_manager(&env));
        }
        let file = raw_value::effective(&raw, "config").map(file::read);
        let (by_file, wrong) = file.unwrap_or_default();
        raw.extend(by_file);
        errors.extend(wrong);
    }
    let profile = raw_value::effective(&raw, "profile");
    let limits = profile.and_then(|profile| values::profile(&profile.value).ok());
    raw.extend(raw_value::defaults(&env, limits.unwrap_or(Limits::DEFAULT)));
    let config = resolve(&raw, &mut errors);
    match command {
        Some(command) if errors.is_empty() => Ok((command, config)),
        _ => Err(ConfigErrors(errors)),
    }
}

/// The flags of the settings in which two configurations differ.
pub fn changed(old: &Config, new: &Config) -> impl Iterator<Item = &'static str> {
    let changed = SETTINGS.iter().filter(|setting| !(setting.same)(old, new));
    changed.map(|setting| setting.flag)
}

/// Sets each field from the first source that gives it; `raw` is in the order of precedence.
fn resolve(raw: &[RawValue], errors: &mut Vec<String>) -> Config {
    let mut config = Config::empty();
    for setting in SETTINGS {
        let of_setting: Vec<&RawValue> = raw.iter().filter(|one| one.is(setting.flag)).collect();
        for (nth, of_source) in of_setting.chunk_by(|a, b| a.same_source(b)).enumerate() {
            let mut overridden = Config::empty();
            let target = if nth == 0 { &mut config } else { &mut overridden };
            for (mth, one) in of_source.iter().enumerate() {
                if mth == 1 && !setting.many {
                    errors.push(one.error("must be given only once"));
                }
                let set = (setting.set)(target, &one.value);
                errors.extend(set.err().map(|why| one.error(&why)));
            }
        }
    }
    config.listen_is_default =
        raw_value::effective(raw, "listen").is_some_and(RawValue::is_default);
    errors.extend(idle_exceeds_max(&config, raw));
    errors.extend(incomplete_tls_pair(raw));
    config
}

/// A certificate without its key, or a key without its certificate.
fn incomplete_tls_pair(raw: &[RawValue]) -> Option<String> {
    let [cert, key] = ["tls-cert", "tls-key"].map(|flag| raw_value::effective(raw, flag));
    match (cert, key) {
        (Some(cert), None) => Some(cert.error("must come with --tls-key")),
        (None, Some(key)) => Some(key.error("must come with --tls-cert")),
        _ => None,
    }
}

/// An idle time that somebody set and that can never be reached; the default gives way silently.
fn idle_exceeds_max(config: &Config, raw: &[RawValue]) -> Option<String> {
    let idle = raw_value::effective(raw, "session-idle").filter(|idle| !idle.is_default())?;
    let max = raw_value::effective(raw, "session-max")?;
    (config.session_idle > config.session_max)
        .then(|| idle.error(&format!("must not be longer than --session-max, which is {max}")))
}
