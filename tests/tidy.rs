//! Guards the house's order: rooms import only downwards, each outside crate has its home, files
//! and lines keep to their size. Fails with the file and what is wrong with it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a file that cannot be read fails the test")]

use std::fs;
use std::path::Path;

/// A room, the rooms from which it may import, and the crates whose home it is.
type Room = (&'static str, &'static [&'static str], &'static [&'static str]);

const ROOMS: &[Room] = &[
    ("limits", &[], &[]),
    ("domain", &["limits"], &["iso_currency", "serde", "time"]),
    ("frame", &[], &[]),
    ("metrics", &[], &["prometheus_client"]),
    ("lifecycle", &[], &[]),
    ("throttle", &["limits"], &["heapless"]),
    ("tls", &["limits"], &["rcgen", "rustls", "tempfile", "time"]),
    ("memory", &[], &["libc"]),
    ("announce", &["limits"], &["if_addrs", "mdns_sd"]),
    ("store", &["domain", "limits", "metrics"], &["rusqlite", "rustix", "tempfile"]),
    ("feed", &["domain", "frame", "limits"], &["heapless"]),
    (
        "auth",
        &["domain", "limits", "metrics", "store", "throttle"],
        &["argon2", "getrandom", "sha2"],
    ),
    (
        "http",
        &["auth", "domain", "feed", "lifecycle", "limits", "metrics", "store"],
        &["bytes", "form_urlencoded", "http_body_util", "hyper", "serde"],
    ),
    (
        "ws",
        &["auth", "domain", "feed", "frame", "limits", "metrics", "store", "tls"],
        &["bytes", "heapless", "mio", "serde", "slab", "socket2", "tungstenite"],
    ),
    (
        "server",
        &[
            "auth",
            "domain",
            "feed",
            "http",
            "lifecycle",
            "limits",
            "memory",
            "metrics",
            "store",
            "throttle",
            "tls",
            "ws",
        ],
        &[
            "bytes",
            "http_body_util",
            "hyper",
            "hyper_util",
            "ipnet",
            "listenfd",
            "rustix",
            "socket2",
            "tempfile",
        ],
    ),
    ("config", &["limits"], &["humantime", "ipnet", "lexopt", "toml"]),
    (
        "cli",
        &["announce", "auth", "config", "domain", "limits", "server", "store", "tls"],
        // The demo is a client of the API, so it speaks HTTP too.
        &[
            "bytes",
            "fastrand",
            "http_body_util",
            "hyper",
            "hyper_util",
            "if_addrs",
            "rpassword",
            "rustix",
            "tempfile",
            "tracing_subscriber",
        ],
    ),
];

/// Crates that are the common language of all rooms.
const EVERYWHERE: &[&str] = &["serde_json", "tokio", "tracing"];

const LINES_MAX: usize = 400;
const COLUMNS_MAX: usize = 120;

#[test]
fn rooms_import_only_downwards() {
    for (path, text) in sources() {
        let (room, allowed, _) = room_of(&path);
        for used in paths_after(&text, "crate::") {
            let is_room = ROOMS.iter().any(|(name, ..)| *name == used);
            let allowed = used == *room || allowed.contains(&used.as_str()) || !is_room;
            assert!(allowed, "{path} ({room}) imports {used}");
        }
    }
}

#[test]
fn the_rooms_form_layers() {
    for (at, (room, allowed, _)) in ROOMS.iter().enumerate() {
        for below in *allowed {
            let place = ROOMS.iter().position(|(name, ..)| name == below);
            assert!(
                place.is_some_and(|place| place < at),
                "{room} may import {below}, which is not below it"
            );
        }
    }
}

#[test]
fn each_crate_stays_at_home() {
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let dependencies =
        manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let crates = dependencies.lines().filter_map(|line| line.split_once(" = "));
    let crates: Vec<String> = crates
        .map(|(name, _)| name.trim().replace('-', "_"))
        .filter(|name| !name.starts_with('#') && !EVERYWHERE.contains(&name.as_str()))
        .collect();
    for (path, text) in sources() {
        let (room, _, home) = room_of(&path);
        for name in &crates {
            let used =
                text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
                    line.match_indices(&format!("{name}::")).any(|(at, _)| {
                        let before = line[..at].chars().next_back();
                        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
                    })
                });
            assert!(!used || home.contains(&name.as_str()), "{path} ({room}) uses {name}");
        }
    }
}

#[test]
fn files_have_one_subject() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{path} has {lines} lines");
        assert!(text.starts_with("//! "), "{path} does not begin with what it is for");
        for (at, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            assert!(columns <= COLUMNS_MAX, "{path}:{} has {columns} columns", at + 1);
        }
    }
}

/// A `Secret` cannot get into a log or an error by mistake; a `String` can.
#[test]
fn secrets_have_their_own_type() {
    for (path, text) in sources() {
        for (at, line) in text.lines().enumerate() {
            let declared = line.split_once(": ").filter(|(_, ty)| {
                ["String", "Option<String>", "&str"].iter().any(|text| ty.starts_with(text))
            });
            let name = declared.map_or("", |(before, _)| before.rsplit([' ', '(']).next().unwrap());
            let secret = ["password", "password_hash", "token"].contains(&name);
            assert!(!secret, "{path}:{}: {name} is not a Secret", at + 1);
        }
    }
}

#[test]
fn the_map_names_every_room() {
    let map = fs::read_to_string("src/lib.rs").unwrap();
    for (room, ..) in ROOMS {
        assert!(map.contains(&format!("[`{room}`]")), "src/lib.rs does not describe {room}");
    }
    for entry in fs::read_dir("src").unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        let known = ROOMS.iter().any(|(room, ..)| *room == name)
            || ["lib", "main"].contains(&name.as_str());
        assert!(known, "src/{name} is no room");
    }
}

/// Else a test would start this machine's program where `tests/arm` means a board's.
#[test]
fn one_place_starts_the_program_of_the_tests() {
    let (mut tests, mut places) = (Vec::new(), Vec::new());
    gather(Path::new("tests"), &mut tests);
    for (path, text) in tests {
        places.extend(text.contains(concat!("CARGO_BIN", "_EXE")).then_some(path));
    }
    assert_eq!(places, ["tests/common/program.rs"]);
}

#[test]
fn the_readme_names_every_setting_with_its_default() {
    let readme = fs::read_to_string("README.md").unwrap();
    for (flag, default, _) in tillcast::config::settings() {
        let name = flag.split_whitespace().next().unwrap();
        let line = readme
            .lines()
            .find(|line| line.starts_with('|') && line.contains(&format!("`{name} ")));
        let line = line.unwrap_or_else(|| panic!("README.md has no {name}"));
        let first = default.split([',', ' ']).next().unwrap();
        assert!(line.contains(first), "README.md has another default for {name} than {default}");
    }
}

/// Every file of the program with its text.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    gather(Path::new("src"), &mut found);
    found.retain(|(path, _)| !["src/lib.rs", "src/main.rs"].contains(&path.as_str()));
    assert!(found.len() > 30, "the sources were not found");
    found
}

fn gather(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()));
        }
    }
}

fn room_of(path: &str) -> &'static Room {
    let name = path.split('/').nth(1).unwrap().trim_end_matches(".rs");
    ROOMS.iter().find(|(room, ..)| *room == name).unwrap_or_else(|| panic!("{path} is in no room"))
}

fn paths_after(text: &str, prefix: &str) -> Vec<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    text.split(prefix).skip(1).map(word).collect()
}
