//! The TOML file: its forms, and its mistakes with their lines.

use std::time::Duration;

use crate::config::tests::{File, errors, run};

#[test]
fn a_file_has_underscores_or_dashes_lists_and_plain_numbers() {
    let file = File::new(
        "forms",
        "# the shop\nsession_idle = \"1h\"\nsession-max = '2h'\nmax_connections = 2_000\n\
         connect_rate = 7\nworkers = \"3\"\nlisten = [\"127.0.0.1:1\", \"[::1]:1\"]\n\
         allow-origin = \"http://a\"\n",
    );
    let config = file.read().unwrap().1;
    assert_eq!(config.session_idle, Duration::from_secs(3600));
    assert_eq!(config.session_max, Duration::from_secs(7200));
    assert_eq!((config.max_connections, config.workers), (2000, 3));
    assert_eq!(config.connect_rate.per_second, 7);
    assert_eq!((config.listen.len(), config.listen_is_default), (2, false));
    assert_eq!(config.allow_origin, ["http://a"]);
}

#[test]
fn each_mistake_in_a_file_has_its_line() {
    let file = File::new(
        "lines",
        "drain = [\"1s\"]\n\nworkers = true\nmax_connections = 0x10\nconfig = \"other.toml\"\n\
         colour = 1\nsession_idle = \"1h\"\nsession-idle = \"2h\"\nlisten = [\"[::1]:1\", 1.5]\n\
         [server]\nport = 3000\n",
    );
    let kind = "must be a text between quotes or a whole decimal number";
    let expected = [
        "FILE, line 1: drain: must be a single value, not a list",
        &format!("FILE, line 3: workers: {kind}"),
        &format!("FILE, line 4: max_connections: {kind}"),
        "FILE, line 5: config: a file cannot name another file",
        "FILE, line 6: unknown setting \"colour\"",
        &format!("FILE, line 9: listen: {kind}"),
        "FILE, line 10: unknown setting \"server\"",
    ];
    let lines = file.errors();
    assert_eq!(lines[..7], expected);
    assert!(lines[7].starts_with("--session-idle: must be given only once"), "{lines:?}");
    assert_eq!(lines.len(), 8);
}

#[test]
fn broken_lines_of_a_file_are_each_reported_and_not_read() {
    let file =
        File::new("broken", "drain =\nworkers = \nlog_level = \"loud\"\n= 5\nlisten = [a b c");
    let lines = file.errors();
    let starts = [
        "FILE, line 1: ",
        "FILE, line 2: ",
        "FILE, line 4: ",
        "FILE, line 5: ",
        "--log-level: must be ",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:?}");
    assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{lines:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_whoever_named_it() {
    let lines = errors(run(&[], &[("TILLCAST_CONFIG", "/nowhere/t.toml")]));
    let start = "--config: cannot read \"/nowhere/t.toml\" (from TILLCAST_CONFIG): No such file";
    assert!(lines.len() == 1 && lines[0].starts_with(start), "{lines:?}");
}
