//! Guards the program at a terminal: a mistyped setting that is ignored, mistakes that are named one at a
//! time, a start that harms another server's data.

use crate::common::{
    Running, Server, head, log_after, order, outside_order, product, program, run, tillcast,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::path::Path;
use std::process::{Output, Stdio};
use tempfile::tempdir;

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaints(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_help_names_every_command_and_setting() {
    let folder = tempdir().unwrap();
    let help = |arguments: &[&str]| {
        let output = run(arguments, &[], folder.path());
        assert_eq!(output.status.code(), Some(0));
        out(&output)
    };
    let settings = [
        "--config",
        "--listen",
        "--data-dir",
        "--session-idle",
        "--session-max",
        "--max-connections",
        "--max-connections-per-address",
        "--connect-rate",
        "--allow-origin",
        "--drain",
        "--event-retention",
        "--log-level",
        "--log-format",
        "--workers",
        "0.0.0.0:3000",
        "12h",
        "30d",
    ];
    for arguments in [&["--help"][..], &["-h"], &["help", "--nonsense"]] {
        let help = help(arguments);
        for word in [
            "serve",
            "demo",
            "user add",
            "user list",
            "user passwd",
            "user disable",
            "user enable",
            "backup",
            "check",
            "events",
            "--follow",
            "--since",
            "limits",
            "--version",
            "TILLCAST_",
        ] {
            assert!(help.contains(word), "no {word} in\n{help}");
        }
        for word in settings {
            assert!(help.contains(word), "no {word} in\n{help}");
        }
    }
    let of_serve = help(&["serve", "--help", "--nonsense"]);
    for word in settings {
        assert!(of_serve.contains(word), "no {word} in\n{of_serve}");
    }
    // A page about one command has only what that command reads.
    for arguments in [&["demo", "--help"][..], &["help", "demo"]] {
        let help = help(arguments);
        assert!(help.contains("--rate N") && help.contains("--listen"), "{help}");
        assert!(!help.contains("--data-dir") && !help.contains("passwd"), "{help}");
    }
    assert!(help(&["help", "user", "add"]).lines().count() < 25);
    assert!(help(&["man"]).starts_with(".ie") && help(&["man", "--settings"]).contains("data_dir"));
    assert_eq!(help(&["--version"]), format!("tillcast {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn all_mistakes_of_all_sources_are_named_at_once() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("shop.toml");
    std::fs::write(&file, "session_idle = \"soon\"\nlog_format = \"xml\"\ncolour = \"red\"\n")
        .unwrap();
    let arguments = [
        "serve",
        "--lisen",
        "127.0.0.1:0",
        "--workers",
        "many",
        "--listen",
        "nowhere",
        "--config",
        "shop.toml",
    ];
    let variables = [("TILLCAST_DRAIN", "never"), ("TILLCAST_CONNECT_RATE", "20/min")];
    let output = run(&arguments, &variables, folder.path());
    assert_eq!(output.status.code(), Some(2));
    let text = complaints(&output);
    for mistake in ["--lisen", "many", "nowhere", "never", "20/min", "soon", "xml", "colour"] {
        let lines = text.lines().filter(|line| line.contains(mistake)).count();
        assert_eq!(lines, 1, "{mistake} in\n{text}");
    }
    // Nothing was created.
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_command_that_does_not_exist_is_a_mistake() {
    let folder = tempdir().unwrap();
    for arguments in [
        &["srve"][..],
        &["user"],
        &["user", "add"],
        &["user", "add", "ana"],
        &["user", "add", "ana", "--role", "king"],
        &["backup"],
        &["check", "twice"],
        &["events", "--since", "yesterday"],
        &["serve", "--rate", "5"],
        &["demo", "--rate", "0"],
        &["--data-dir"],
        &["--config", "missing.toml"],
    ] {
        let output = run(arguments, &[], folder.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", complaints(&output));
        assert!(output.stdout.is_empty());
        assert!(!complaints(&output).is_empty());
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

/// The database that a command reports as missing, which shows the data directory that it uses.
fn looked_for(arguments: &[&str], variables: &[(&str, &str)], folder: &Path) -> String {
    let output = run(&[&["check"], arguments].concat(), variables, folder);
    assert_eq!(output.status.code(), Some(1), "{}", complaints(&output));
    let complaints = complaints(&output);
    let (file, _) = complaints.split_once(": does not exist").unwrap();
    file.strip_prefix("tillcast: ").unwrap().to_owned()
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("shop.toml"), "data_dir = \"of-file\"\n").unwrap();
    let file = ["--config", "shop.toml"];
    let all = [&file[..], &["--data-dir", "of-flag"]].concat();
    let variable = [("TILLCAST_DATA_DIR", "of-variable"), ("STATE_DIRECTORY", "of-systemd")];
    let in_folder = |arguments: &[&str], variables| looked_for(arguments, variables, folder.path());
    assert_eq!(in_folder(&all, &variable), "of-flag/tillcast.db");
    assert_eq!(in_folder(&file, &variable), "of-variable/tillcast.db");
    assert_eq!(in_folder(&file, &variable[1..]), "of-file/tillcast.db");
    assert_eq!(in_folder(&[], &variable[1..]), "of-systemd/tillcast.db");
    assert_eq!(in_folder(&[], &[]), "./tillcast-data/tillcast.db");
}

#[test]
fn a_variable_that_is_no_setting_stops_the_start() {
    let folder = tempdir().unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0"];
    let output = run(&arguments, &[("TILLCAST_DATADIR", "shop")], folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(complaints(&output).contains("did you mean TILLCAST_DATA_DIR?"));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_mistyped_data_directory_does_not_become_a_shop() {
    let folder = tempdir().unwrap();
    for arguments in [
        &["user", "list"][..],
        &["user", "passwd", "admin", "--random"],
        &["user", "disable", "admin"],
        &["user", "enable", "admin"],
        &["events"],
        &["events", "--follow"],
        &["backup", "copy.db"],
        &["check"],
    ] {
        for data_dir in ["missing", "file:missing"] {
            let arguments = [arguments, &["--data-dir", data_dir]].concat();
            let output = run(&arguments, &[], folder.path());
            assert_eq!(output.status.code(), Some(1), "{arguments:?}");
            let expected = format!("{data_dir}/tillcast.db: does not exist");
            assert!(complaints(&output).contains(&expected), "{}", complaints(&output));
        }
    }
    for arguments in [&["doctor", "--listen", "127.0.0.1:0"][..], &["limits"]] {
        run(&[arguments, &["--data-dir", "missing"]].concat(), &[], folder.path());
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);

    let shop = folder.path().join("file:shop");
    let add =
        |name: &str| tillcast(&shop, &["user", "add", name, "--role", "staff"], "a password 1");
    let told = format!("new shop created: {}/tillcast.db\n", shop.display());
    assert!(out(&add("ana")).starts_with(&told));
    assert!(out(&add("ben")).starts_with("user ben added"));
    assert!(out(&tillcast(&shop, &["user", "list"], "")).contains("ben"));
}

#[test]
fn the_first_start_prints_a_link_and_no_password() {
    let (mut server, code) = Server::first_start(&["--log-level", "debug"]);
    let link = format!("first start: http://{}/setup#{code}", server.address());
    assert_eq!(server.log().matches("first start").count(), 1);
    assert_eq!(server.wait_for_log("first start"), link);
    let letters = code.replace('-', "");
    for file in std::fs::read_dir(server.data_dir()).unwrap() {
        let stored = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [&code, &letters] {
            assert!(!stored.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()));
        }
    }
    for common in ["admin", "password", "tillcast", "changeme"] {
        server.anonymous().try_login("admin", common).expect(401);
    }
    let body = json!({"code": code, "username": "ana", "password": "a password 1"});
    server.anonymous().post("/api/setup", &body).expect(201);
    server.signal(Signal::INT);
    assert_eq!(server.wait(), Some(0));
    for (secret, times) in [(&*code, 1), (&letters, 0), ("a password 1", 0)] {
        assert_eq!(server.log().matches(secret).count(), times, "{}", server.log());
    }
    let server = server.again();
    server.anonymous().login("ana", "a password 1").get("/api/auth/me").expect(200);
    assert!(!server.log().contains("first start"), "{}", server.log());
}

#[test]
fn a_data_directory_has_one_server() {
    let server = Server::start();
    let admin = server.admin();
    let data = server.data_dir();
    let second = run(
        &["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()],
        &[],
        &data,
    );
    assert_eq!(second.status.code(), Some(1));
    let text = complaints(&second);
    assert!(text.contains(data.to_str().unwrap()), "{text}");
    outside_order(&admin, 5.25);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let server = Server::start();
    let folder = tempdir().unwrap();
    let address = server.address().to_string();
    let output = run(&["serve", "--listen", &address], &[], folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(complaints(&output).contains(&address), "{}", complaints(&output));
}

#[test]
fn the_events_are_printed_a_line_each() {
    let mut server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    for _ in 0..3 {
        order(&admin, tea, 1);
    }
    let log = log_after(&admin, 0);
    let printed = |arguments: &[&str]| {
        let output = server.cli(&[&["events"], arguments].concat(), "");
        assert_eq!(output.status.code(), Some(0), "{}", complaints(&output));
        out(&output).lines().map(ToOwned::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(printed(&[]), log);
    assert_eq!(printed(&["--since", "2"]), log[2..]);
    assert_eq!(printed(&["--since", &head(&admin).to_string()]), [""; 0]);
    assert_eq!(server.stop(), Some(0));
    let output = server.cli(&["events", "--since", "0"], "");
    assert_eq!(out(&output).lines().collect::<Vec<_>>(), log);
}

#[test]
fn a_follower_sees_the_next_events() {
    let server = Server::start();
    let admin = server.admin();
    outside_order(&admin, 5.25);
    let data = server.data_dir();
    let arguments = ["events", "--follow", "--since", "0", "--data-dir", data.to_str().unwrap()];
    let mut follower = Running::start(&arguments, &[], &data);
    assert_eq!(follower.line(), log_after(&admin, 0)[0]);
    for seq in 1..4 {
        outside_order(&admin, 5.25);
        assert_eq!(follower.line(), log_after(&admin, seq)[0]);
    }
    // SIGHUP, which makes servers reload their settings, must not end it.
    kill_process(Pid::from_raw(follower.pid().cast_signed()).unwrap(), Signal::HUP).unwrap();
    outside_order(&admin, 5.25);
    assert_eq!(follower.line(), log_after(&admin, 4)[0]);
    follower.end(Signal::TERM);
}

#[test]
fn a_follower_ends_when_its_reader_has_gone() {
    let server = Server::start();
    let data = server.data_dir();
    let mut command = program(&[], &data);
    command.args(["events", "--follow", "--data-dir"]).arg(&data);
    let mut follower = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    drop(follower.stdout.take());
    assert!(follower.wait().unwrap().success());
}

#[test]
fn a_hangup_names_the_settings_that_need_a_restart() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("shop.toml");
    let settings = |text: &str| std::fs::write(&file, text).unwrap();
    settings("event_retention = \"1d\"\n");
    let server = Server::with(&["--config", file.to_str().unwrap()]);
    settings(
        "event_retention = \"2d\"\nlog_level = \"debug\"\nsession_idle = \"1h\"\nsession_max = \"720h\"\n",
    );
    server.signal(Signal::HUP);
    let line = server.wait_for_log("need a restart");
    assert!(
        line.ends_with("changed settings need a restart: --session-idle, --event-retention"),
        "{line}"
    );
    settings("drain = \"soon\"\n");
    server.signal(Signal::HUP);
    let line = server.wait_for_log("the settings stay as they were");
    assert!(line.contains("soon"), "{line}");
}

#[test]
fn the_limits_have_a_sum() {
    let folder = tempdir().unwrap();
    let sum = |arguments: &[&str]| {
        let output = run(&[&["limits"], arguments].concat(), &[], folder.path());
        assert_eq!(output.status.code(), Some(0));
        let text = out(&output);
        let line = text.lines().find(|line| line.contains("all together")).unwrap();
        line.split_whitespace().rev().find_map(|word| word.parse::<u64>().ok()).unwrap()
    };
    let usual = sum(&[]);
    assert!(usual > 0);
    assert!(sum(&["--max-connections", "100"]) < usual);
}
