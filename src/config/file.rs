//! The TOML file: one key per setting, each mistake with its line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use toml::de::{DeTable, DeValue, Error};

use crate::config::raw_value::{RawValue, Source};
use crate::config::setting::Setting;
use crate::config::settings_table::SETTINGS;
use crate::config::values::nearest;

/// The settings of the file that `config` names, and the mistakes in the file itself.
pub(super) fn read(config: &RawValue) -> (Vec<RawValue>, Vec<String>) {
    let path = Path::new(&config.value);
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            return (Vec::new(), vec![format!("--config: cannot read {config}: {error}")]);
        }
    };
    let (table, errors) = DeTable::parse_recoverable(&text);
    let line_of = |at: usize| text.as_bytes()[..at].split(|byte| *byte == b'\n').count();
    let error_line = |error: &Error| line_of(error.span().map_or(0, |span| span.start));
    let report = |error: &Error| (error_line(error), error.message().replace('\n', ", "));
    // A parser's further messages about the same line mostly follow from the first one.
    let mut wrong = BTreeMap::new();
    for (line, why) in errors.iter().map(report) {
        wrong.entry(line).or_insert(why);
    }

    let mut raw = Vec::new();
    for (key, value) in table.get_ref() {
        let line = line_of(key.span().start);
        match values(key.get_ref(), value.get_ref()) {
            _ if wrong.contains_key(&line) => {}
            Ok((setting, values)) => raw.extend(values.into_iter().map(|value| {
                let source = Source::File { path: path.into(), line };
                RawValue { setting, value: value.into(), source }
            })),
            Err(why) => drop(wrong.insert(line, why)),
        }
    }
    let named = |(line, why)| format!("{}, line {line}: {why}", path.display());
    (raw, wrong.into_iter().map(named).collect())
}

/// The setting that a key names, and its values.
fn values(key: &str, value: &DeValue) -> Result<(&'static Setting, Vec<String>), String> {
    let key = key.replace('-', "_");
    let Some(setting) = SETTINGS.iter().find(|setting| setting.key() == key) else {
        let keys: Vec<String> = SETTINGS.iter().map(Setting::key).collect();
        let hint = nearest(&key, keys.iter().map(String::as_str));
        let hint = hint.map(|near| format!(", did you mean {near}?")).unwrap_or_default();
        return Err(format!("unknown setting {key:?}{hint}"));
    };
    let values = match value {
        _ if setting.flag == "config" => Err("a file cannot name another file"),
        DeValue::Array(items) if setting.many => {
            items.iter().map(|item| scalar(item.get_ref())).collect()
        }
        value => scalar(value).map(|value| vec![value]),
    };
    values.map(|values| (setting, values)).map_err(|why| format!("{key}: {why}"))
}

fn scalar(value: &DeValue) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        DeValue::Array(_) => Err("must be a single value, not a list"),
        _ => Err("must be a text between quotes or a whole decimal number"),
    }
}
