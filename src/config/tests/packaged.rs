//! The settings file of the packages, which must not drift from the table.

use crate::config::setting::{Fallback, Setting};
use crate::config::settings_table::SETTINGS;
use crate::config::tests::File;

const PACKAGED: &str = include_str!("../../../systemd/tillcast.toml");

const BEGINNING: &str = "\
# Settings of the shop's server, which tillcast.toml(5) explains. A # before a key shows its default. To
# change it, remove the #, write another value, and run: sudo systemctl restart tillcast
# Mistakes are named in: systemctl status tillcast. The unit must also allow another backup_dir and more
# connections: systemctl cat tillcast
";

const COLUMNS: usize = 100;

/// Set by the unit, which names this file and the data directory.
const OF_THE_UNIT: [&str; 2] = ["config", "data-dir"];

#[test]
fn the_file_of_packages_has_every_setting_with_its_default() {
    let settings = SETTINGS.iter().filter(|setting| !OF_THE_UNIT.contains(&setting.flag));
    let expected: String = settings.map(entry).collect();
    let expected = [BEGINNING, &expected].concat();
    assert!(PACKAGED == expected, "systemd/tillcast.toml should be\n{expected}");
}

#[test]
fn the_packages_changelog_begins_with_this_version() {
    let changelog = include_str!("../../../systemd/debian/changelog");
    let beginning = concat!("tillcast (", env!("CARGO_PKG_VERSION"), "-1) ");
    assert!(
        changelog.starts_with(beginning),
        "systemd/debian/changelog should begin with {beginning}"
    );
}

#[test]
fn every_setting_of_the_packaged_file_can_be_set() {
    assert!(File::new("packaged", PACKAGED).read().is_ok());
    let uncommented: String = PACKAGED
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .filter(|line| !line.contains('\u{2026}'))
        .flat_map(|line| [line, "\n"])
        .collect();
    let config = File::new("uncommented", &uncommented).read();
    assert_eq!(config.unwrap().1.session_max.as_secs(), 30 * 24 * 60 * 60);
}

/// The reason, then the key with its default, or with an ellipsis where there is none to show.
fn entry(setting: &Setting) -> String {
    let mut text = String::from("\n#");
    let mut columns = 1;
    let remark = match setting.default {
        Fallback::Computed(words, _) => format!(" By default: {words}."),
        Fallback::Nothing => " By default: none.".to_owned(),
        Fallback::Text(_) => String::new(),
    };
    for word in [setting.reason, &remark].concat().split(' ') {
        if columns + 1 + word.len() > COLUMNS {
            text += "\n#";
            columns = 1;
        }
        text += " ";
        text += word;
        columns += 1 + word.len();
    }
    let value = match setting.default {
        Fallback::Text(default) if setting.many => {
            let each: Vec<String> = default.split(", ").map(|one| format!("\"{one}\"")).collect();
            format!("[{}]", each.join(", "))
        }
        Fallback::Text(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            number.to_owned()
        }
        Fallback::Text(default) => format!("\"{default}\""),
        _ if setting.many => "[\"\u{2026}\"]".to_owned(),
        _ if setting.value == "N" => "\u{2026}".to_owned(),
        _ => "\"\u{2026}\"".to_owned(),
    };
    text + &format!("\n#{} = {value}\n", setting.key())
}
