//! Tests of the sources: their forms, which one wins, and that all mistakes are reported at once.

mod commands;
mod file;
mod packaged;
mod values;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use crate::config::{Command, Config, ConfigErrors, LogFormat, Rate, read};
use crate::domain::tax::TaxMode;
use crate::http::MetricsReaders;
use crate::limits::Limits;

type Outcome = Result<(Command, Config), ConfigErrors>;

fn run(args: &[&str], env: &[(&str, &str)]) -> Outcome {
    let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    read(args.iter().map(OsString::from), env)
}

/// Arguments between spaces.
fn line(args: &str) -> Outcome {
    run(&args.split_whitespace().collect::<Vec<_>>(), &[])
}

fn config(args: &str) -> Config {
    line(args).unwrap().1
}

fn errors(outcome: Outcome) -> Vec<String> {
    outcome.unwrap_err().0
}

/// A settings file that goes away with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tillcast-{}-{name}.toml", process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn read(&self) -> Outcome {
        run(&["--config", self.path()], &[])
    }

    /// The mistakes without the file's path, which differs from run to run.
    fn errors(&self) -> Vec<String> {
        errors(self.read()).iter().map(|line| line.replace(self.path(), "FILE")).collect()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn without_any_word_it_serves_with_the_defaults() {
    let (command, config) = line("").unwrap();
    assert_eq!(command, Command::Serve);
    assert!((1..=4).contains(&config.workers));
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let expected = Config {
        listen: vec!["0.0.0.0:3000".parse().unwrap(), "[::]:3000".parse().unwrap()],
        listen_is_default: true,
        data_dir: "./tillcast-data".into(),
        session_idle: hours(12),
        session_max: hours(30 * 24),
        device_max: hours(400 * 24),
        limits: Limits::DEFAULT,
        max_connections: 10_000,
        max_connections_per_address: 256,
        max_connections_per_user: 10_000,
        connect_rate: Rate { per_second: 20 },
        allow_origin: vec![],
        allow_host: vec![],
        metrics: MetricsReaders::Local,
        tls_cert: None,
        tls_key: None,
        hsts: None,
        trusted_proxy: vec![],
        mdns: None,
        drain: Duration::from_secs(10),
        event_retention: hours(30 * 24),
        event_retention_count: 1_000_000,
        audit_retention: hours(365 * 24),
        backup_dir: None,
        backup_keep: 7,
        kiosk_order_expiry: hours(2),
        tax: None,
        log_level: LevelFilter::INFO,
        log_format: LogFormat::Text,
        workers: config.workers,
        config: None,
    };
    assert_eq!(config, expected);
}

#[test]
fn each_flag_sets_its_own_field() {
    let config = config(
        "--listen 127.0.0.1:0 --listen=[::1]:80 --data-dir /d --session-idle 2h --session-max=3d --device-max \
         4d --profile tiny --max-connections 7 --max-connections-per-address 8 --max-connections-per-user 9 \
         --connect-rate 5 --mdns Shop.local --allow-origin http://a --allow-origin=http://b --drain 0s \
         --allow-host Shop.example --metrics ADMIN --tls-cert /c.pem --tls-key /k.pem --hsts 1h \
         --trusted-proxy 127.0.0.1 --trusted-proxy fd00::/8 --event-retention 1s --event-retention-count 1 \
         --audit-retention 2s --backup-dir /b --backup-keep 3 --kiosk-order-expiry 3s --tax added --log-level \
         WARN --log-format json --workers 64",
    );
    let expected = Config {
        listen: vec!["127.0.0.1:0".parse().unwrap(), "[::1]:80".parse().unwrap()],
        listen_is_default: false,
        data_dir: "/d".into(),
        session_idle: Duration::from_secs(2 * 3600),
        session_max: Duration::from_secs(3 * 24 * 3600),
        device_max: Duration::from_secs(4 * 24 * 3600),
        limits: Limits::TINY,
        max_connections: 7,
        max_connections_per_address: 8,
        max_connections_per_user: 9,
        connect_rate: Rate { per_second: 5 },
        allow_origin: vec!["http://a".into(), "http://b".into()],
        allow_host: vec!["shop.example".into()],
        metrics: MetricsReaders::Admin,
        tls_cert: Some("/c.pem".into()),
        tls_key: Some("/k.pem".into()),
        hsts: Some(Duration::from_secs(3600)),
        trusted_proxy: vec!["127.0.0.1/32".parse().unwrap(), "fd00::/8".parse().unwrap()],
        mdns: Some("shop".to_owned()),
        drain: Duration::ZERO,
        event_retention: Duration::from_secs(1),
        event_retention_count: 1,
        audit_retention: Duration::from_secs(2),
        backup_dir: Some("/b".into()),
        backup_keep: 3,
        kiosk_order_expiry: Duration::from_secs(3),
        tax: Some(TaxMode::Added),
        log_level: LevelFilter::WARN,
        log_format: LogFormat::Json,
        workers: 64,
        config: None,
    };
    assert_eq!(config, expected);
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let file =
        File::new("precedence", "drain = \"3s\"\nallow_origin = [\"http://f\", \"http://g\"]");
    let in_force = |args: &[&str], env: &[(&str, &str)]| {
        let config = run(args, env).unwrap().1;
        (config.drain.as_secs(), config.allow_origin.join(" "))
    };
    let env = [
        ("TILLCAST_DRAIN", "2s"),
        ("TILLCAST_ALLOW_ORIGIN", "http://e"),
        ("TILLCAST_CONFIG", file.path()),
    ];
    let args = ["--drain", "1s", "--allow-origin", "http://a"];
    assert_eq!(in_force(&args, &env), (1, "http://a".into()));
    assert_eq!(in_force(&[], &env), (2, "http://e".into()));
    assert_eq!(in_force(&[], &env[2..]), (3, "http://f http://g".into()));
    assert_eq!(in_force(&[], &[]), (10, String::new()));
    assert_eq!(run(&[], &env).unwrap().1.config.as_deref(), Some(Path::new(file.path())));
}

#[test]
fn the_profile_sets_defaults_and_nothing_that_somebody_said() {
    let of = |config: &Config| (config.limits, config.max_connections, config.workers);
    let tiny = (Limits::TINY, 500, 1);
    assert_eq!(of(&config("--profile tiny")), tiny);
    assert_eq!(of(&run(&[], &[("TILLCAST_PROFILE", "Tiny")]).unwrap().1), tiny);
    assert_eq!(of(&File::new("profile", "profile = \"tiny\"").read().unwrap().1), tiny);
    let said = config("--max-connections 600 --profile tiny --workers 2");
    assert_eq!(of(&said), (Limits::TINY, 600, 2));
    let env = [("TILLCAST_PROFILE", "tiny")];
    assert_eq!(run(&["--profile", "default"], &env).unwrap().1.max_connections, 10_000);
    let wrong = "--profile: must be default or tiny, not \"small\" (from the command line)";
    assert_eq!(errors(line("--profile small")), [wrong]);
}

#[test]
fn only_addresses_that_nobody_asked_for_are_the_default_ones() {
    assert!(!config("--listen 0.0.0.0:3000 --listen [::]:3000").listen_is_default);
    let env = [("TILLCAST_LISTEN", "0.0.0.0:3000,[::]:3000")];
    assert!(!run(&[], &env).unwrap().1.listen_is_default);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let empty = ["LISTEN", "DRAIN", "CONFIG", "DATA_DIR"].map(|name| format!("TILLCAST_{name}"));
    let empty: Vec<(&str, &str)> = empty.iter().map(|name| (&**name, "")).collect();
    assert_eq!(run(&[], &empty), line(""));
}

#[test]
fn a_variable_that_is_no_setting_is_a_mistake() {
    for (name, hint) in [
        ("TILLCAST_DATADIR", ", did you mean TILLCAST_DATA_DIR?"),
        ("TILLCAST_DATA-DIR", ", did you mean TILLCAST_DATA_DIR?"),
        ("TILLCAST_data_dir", ", did you mean TILLCAST_DATA_DIR?"),
        ("tillcast_data_dir", ", did you mean TILLCAST_DATA_DIR?"),
        ("TILCAST_DATA_DIR", ", did you mean TILLCAST_DATA_DIR?"),
        ("TILLCAST_DATA", ", did you mean TILLCAST_DATA_DIR?"),
        ("TILLCAST_PORT", ""),
        ("TILLCAST_", ""),
    ] {
        let lines = errors(run(&["check"], &[(name, "/srv/shop")]));
        assert_eq!(lines, [format!("{name}: unknown variable{hint}")]);
    }
    for innocent in ["DATA_DIR", "CONFIG", "TILL_PRINTER", "tillcast_shop", "BOOT_ID"] {
        assert_eq!(run(&[], &[(innocent, "/srv/shop")]), line(""), "{innocent}");
    }
    assert_eq!(run(&[], &[("TILLCAST_DATADIR", "")]), line(""), "an empty one counts as unset");
}

#[test]
fn all_mistakes_are_reported_at_once_with_their_sources() {
    let file = File::new("at-once", "workers = 0\ndrain = 10\nsesion_max = \"1d\"\nlog_level =\n");
    let env = [
        ("TILLCAST_CONFIG", file.path()),
        ("TILLCAST_DRAIN", "soon"),
        ("TILLCAST_LISTEN", "localhost:3000, 1.2.3.4:5, [::1]"),
        ("TILLCAST_WORKER", "2"),
    ];
    let args = ["--drain", "1s", "--session-idle", "31d", "--max-conections", "5", "--workers=x"];
    let lines = errors(run(&args, &env)).join("\n").replace(file.path(), "FILE");
    let address = "must be an IP address and a port, such as 127.0.0.1:3000 or [::1]:3000";
    let drain = "must be a duration from 0s to 10m, such as 90s, 12h or 30d";
    let expected = [
        "--max-conections: unknown flag, did you mean --max-connections?",
        "TILLCAST_WORKER: unknown variable, did you mean TILLCAST_WORKERS?",
        "FILE, line 3: unknown setting \"sesion_max\", did you mean session_max?",
        "FILE, line 4: string values must be quoted, expected literal string",
        &format!("--listen: {address}, not \"localhost:3000\" (from TILLCAST_LISTEN)"),
        &format!("--listen: {address}, not \"[::1]\" (from TILLCAST_LISTEN)"),
        &format!("--drain: {drain}, not \"soon\" (from TILLCAST_DRAIN)"),
        &format!("--drain: {drain}, not \"10\" (from drain in FILE, line 2)"),
        "--workers: must be a whole number from 1 to 64, not \"x\" (from the command line)",
        "--workers: must be a whole number from 1 to 64, not \"0\" (from workers in FILE, line 1)",
        "--session-idle: must not be longer than --session-max, which is \"30d\" (the default), \
         not \"31d\" (from the command line)",
    ];
    assert_eq!(lines, expected.join("\n"));
}

#[test]
fn mistakes_are_printed_a_line_each_and_end_with_the_way_out() {
    let text = ConfigErrors(vec!["one".into(), "two".into()]).to_string();
    assert_eq!(text, "one\ntwo\nsee `tillcast --help`");
}

#[test]
fn the_service_manager_names_the_data_directory() {
    let dir = |env: &[(&str, &str)]| run(&[], env).unwrap().1.data_dir;
    assert_eq!(dir(&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")]), Path::new("/var/lib/a"));
    assert_eq!(dir(&[("STATE_DIRECTORY", "")]), Path::new("./tillcast-data"));
    let both = [("STATE_DIRECTORY", "/var/lib/a"), ("TILLCAST_DATA_DIR", "/srv")];
    assert_eq!(dir(&both), Path::new("/srv"));
}
