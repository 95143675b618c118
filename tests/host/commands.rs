//! Guards the program at a terminal: a mistyped setting that is ignored, a mistake that is told
//! only after the one before was mended, a start that harms what another server is using.

use crate::common::{Running, Server, head, log_after, order, outside_order, product, run};
use rustix::process::Signal;
use std::process::Output;
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
    for arguments in [&["--help"][..], &["-h"], &["serve", "--help", "--nonsense"]] {
        let output = run(arguments, &[], folder.path());
        assert_eq!(output.status.code(), Some(0));
        let help = out(&output);
        for word in [
            "serve",
            "demo",
            "user add",
            "user list",
            "user passwd",
            "user disable",
            "backup",
            "check",
            "events",
            "--follow",
            "--since",
            "limits",
            "--version",
            "TILLCAST_",
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
        ] {
            assert!(help.contains(word), "no {word} in\n{help}");
        }
    }
    let version = run(&["--version"], &[], folder.path());
    assert_eq!(out(&version), format!("tillcast {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn all_mistakes_are_told_at_once_wherever_they_are() {
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
    // Nothing was begun.
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

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("shop.toml"), "data_dir = \"of-file\"\n").unwrap();
    let in_folder = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = run(
            &[&["user", "list", "--config", "shop.toml"], arguments].concat(),
            variables,
            folder.path(),
        );
        assert_eq!(output.status.code(), Some(0), "{}", complaints(&output));
    };
    let variable = [("TILLCAST_DATA_DIR", "of-variable")];
    in_folder(&["--data-dir", "of-flag"], &variable);
    assert!(std::fs::exists(path("of-flag")).unwrap());
    assert!(!std::fs::exists(path("of-variable")).unwrap());
    in_folder(&[], &variable);
    assert!(std::fs::exists(path("of-variable")).unwrap());
    assert!(!std::fs::exists(path("of-file")).unwrap());
    in_folder(&[], &[]);
    assert!(std::fs::exists(path("of-file")).unwrap());
}

#[test]
fn systemd_says_where_the_data_is() {
    let folder = tempdir().unwrap();
    let state = folder.path().join("state");
    let variables = [("STATE_DIRECTORY", state.to_str().unwrap())];
    let output = run(&["user", "list"], &variables, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", complaints(&output));
    assert!(state.join("tillcast.db").exists());
}

#[test]
fn the_first_start_tells_a_password_once() {
    let mut server = Server::start();
    let line = server.wait_for_log("first start: user admin, password ");
    assert_eq!(line.matches(server.admin_password()).count(), 1);
    assert!(server.admin_password().len() >= 16);
    let me = server.admin().get("/api/auth/me").expect(200).json();
    assert_eq!((&me["user"]["username"], &me["user"]["role"]), (&"admin".into(), &"admin".into()));
    server.signal(Signal::INT);
    assert_eq!(server.wait(), Some(0));
    let server = server.again();
    server.admin().get("/api/auth/me").expect(200);
    assert!(!server.log().contains("password"), "{}", server.log());
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
fn who_follows_sees_what_happens_next() {
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
    follower.end(Signal::TERM);
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
