//! The forms of each value: what is refused, and what is kept of what is not.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::config::settings_table::SETTINGS;
use crate::config::tests::{config, errors, line, run};
use crate::config::{Command, read};

const NOT_UTF_8: &[u8] = b"/srv/\xff";

/// Each setting, and between commas forms that it refuses.
const BAD_FORMS: &str = "
listen => 3000, :3000, localhost:3000, 1.2.3.4, ::1:80x, 1.2.3.4:65536
data-dir =>
session-idle => 12, h, -1s, 1 fortnight, 18446744073709551615s1000ms, 101years, 0s, 999ms
session-max => 12, h, -1s, 1 fortnight, 18446744073709551615s1000ms, 101years, 0s, 999ms
device-max => 12, h, -1s, 101years, 0s, 999ms
profile => small, tiny2
max-connections => 0, -1, 1.5, ten, 99999999999999999999, 0x10, 1000001
max-connections-per-address => 0, -1, 1.5, ten, 1000001
max-connections-per-user => 0, -1, 1.5, ten, 1000001
connect-rate => 0, 0/s, /s, 20/m, 100001, 1.5/s, 20/s/s
allow-origin => *, null, shop.example, ftp://a, http://, http://a/
allow-host => *, *.shop.example, http://shop.example, shop.example:80, [::1], a b
metrics => none, local admin, 127.0.0.1
tls-cert =>
tls-key =>
hsts => 12, -1s, 101years
trusted-proxy => localhost, 1.2.3.4:5, 10.0.0.1/8, 10.0.0.0/33, ::1/129, /8, 10/8
mdns => two words, -shop, shop-, shop.example, käse
drain => 12, -1s, 10m 1ms
event-retention => 12, 0s, 999ms, 101years
event-retention-count => 0, -1, 1.5, 1000000000001
audit-retention => 12, 0s, 999ms, 101years
backup-dir =>
backup-keep => -1, 1.5, ten, 10001
kiosk-order-expiry => 2, 0s, 101years
tax => 7, none
log-level => trace, off, 3, warning
log-format => xml, jsonl
workers => 0, -1, 1.5, 65
config => /nowhere/tillcast.toml, /";

#[test]
fn each_bad_form_is_one_mistake_that_names_its_setting() {
    let rows = BAD_FORMS.trim().lines().filter_map(|row| row.split_once(" =>"));
    let rows: Vec<(&str, &str)> = rows.collect();
    let flags = SETTINGS.iter().map(|setting| setting.flag);
    assert!(rows.iter().map(|(flag, _)| *flag).eq(flags));
    for (flag, forms) in rows {
        for form in forms.split(',').map(str::trim).filter(|form| !form.is_empty()) {
            let lines = errors(run(&[&format!("--{flag}={form}")], &[]));
            let end = format!("{form:?} (from the command line)");
            assert_eq!(lines.len(), 1, "{flag} {form}: {lines:?}");
            assert!(lines[0].starts_with(&format!("--{flag}: ")), "{lines:?}");
            assert!(lines[0].contains(&end), "{lines:?}");
        }
    }
}

#[test]
fn a_flag_without_its_value_says_what_would_be_right() {
    for setting in SETTINGS {
        let flag = format!("--{}", setting.flag);
        for args in [&[&*flag][..], &[&*flag, "--log-format", "json"], &[&*flag, "--", "serve"]] {
            let lines = errors(run(args, &[]));
            assert_eq!(lines.len(), 1, "{args:?}: {lines:?}");
            assert!(lines[0].starts_with(&format!("{flag}: needs a value, must ")), "{lines:?}");
        }
        let empty = errors(run(&[&format!("{flag}=")], &[]));
        assert!(empty[0].starts_with(&format!("{flag}: ")), "{empty:?}");
    }
}

#[test]
fn a_setting_with_one_value_is_given_once() {
    let lines =
        errors(line("--drain 1s --drain 2s --workers 1 --workers 2 demo --rate 1 --rate 2"));
    assert_eq!(
        lines,
        [
            "--rate: must be given only once",
            "--drain: must be given only once, not \"2s\" (from the command line)",
            "--workers: must be given only once, not \"2\" (from the command line)",
        ]
    );
    let lines = errors(line("--listen [::1]:1 --listen 1.1.1.1:1 --listen [0::1]:1"));
    assert_eq!(
        lines,
        ["--listen: must name each address once, not \"[0::1]:1\" (from the command line)"]
    );
}

#[test]
fn an_origin_is_kept_as_a_browser_sends_it() {
    for (given, kept) in [
        ("https://Shop.Example", "https://shop.example"),
        ("HTTPS://shop.example:443", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("http://192.168.1.5:08080", "http://192.168.1.5:8080"),
        ("http://[0:0::1]:3000", "http://[::1]:3000"),
        ("https://[::1]", "https://[::1]"),
    ] {
        assert_eq!(config(&format!("--allow-origin {given}")).allow_origin, [kept]);
    }
    for (given, why) in [
        ("*", "would let every page of the web in"),
        ("NULL", "would let every page of the web in"),
        ("shop.example", "must begin with http:// or https://"),
        ("https://shop.example/till", "without a path or a slash"),
        ("https://shop.example?q", "without a path or a slash"),
        ("https://ana@shop.example", "must be scheme://host"),
        ("https://", "must be scheme://host"),
        ("https://:80", "must be scheme://host"),
        ("https://a:", "must be scheme://host"),
        ("https://a:0", "must be scheme://host"),
        ("https://a:+1", "must be scheme://host"),
        ("https://a:65536", "must be scheme://host"),
        ("https://[::1", "must be scheme://host"),
        ("https://[::g]", "must be scheme://host"),
        ("https://::1", "must be scheme://host"),
        ("https://caf\u{e9}", "must be scheme://host"),
    ] {
        let lines = errors(line(&format!("--allow-origin {given}")));
        assert!(lines.len() == 1 && lines[0].contains(why), "{given}: {lines:?}");
    }
}

#[test]
fn a_certificate_and_its_key_come_together() {
    for (given, other) in [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert")] {
        let expected =
            format!("{given}: must come with {other}, not \"/a.pem\" (from the command line)");
        assert_eq!(errors(line(&format!("{given} /a.pem"))), [expected]);
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_paths_or_mistakes() {
    let set = |variable: &'static str| {
        let value = OsString::from_vec(NOT_UTF_8.into());
        read([], [(variable.into(), value)])
    };
    for path in ["TILLCAST_DATA_DIR", "STATE_DIRECTORY"] {
        let config = set(path).unwrap().1;
        assert_eq!(config.data_dir.as_os_str(), OsStr::from_bytes(NOT_UTF_8));
    }
    let is_path = |flag| flag == "data-dir" || flag == "backup-dir";
    for setting in SETTINGS.iter().filter(|setting| !is_path(setting.flag)) {
        let lines = errors(set(setting.variable().leak()));
        assert!(lines.len() == 1 && lines[0].contains(&setting.variable()), "{lines:?}");
    }
    let args = ["--data-dir", "\u{e9}", "--", "backup"].map(OsString::from);
    let args = args.into_iter().chain([OsString::from_vec(NOT_UTF_8.into())]);
    let Command::Backup { file } = read(args, []).unwrap().0 else { panic!("no backup") };
    assert_eq!(file.as_os_str(), OsStr::from_bytes(NOT_UTF_8));
}
