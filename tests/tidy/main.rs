//! Guards the structure: modules import only downwards, external crates stay in their modules, files
//! and lines keep to their size. A failure names the file and the fault.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a file that cannot be read fails the test")]

mod descriptions;
mod imports;

use std::fs;
use std::path::Path;

use tillcast::domain::order::{OrderStatus, PaymentStatus};
use tillcast::domain::product::ProductStatus;
use tillcast::domain::shipment::ShipmentStatus;
use tillcast::domain::transaction::{TransactionStatus, TransactionType};

/// A module, its layer, and the crates that it may use. It imports only from layers below its own.
type Module = (&'static str, u8, &'static [&'static str]);

const MODULES: &[Module] = &[
    ("limits", 0, &[]),
    ("sync", 0, &[]),
    ("domain", 1, &["icu_normalizer", "iso_currency", "itoa", "serde", "time"]),
    ("frame", 1, &[]),
    ("metrics", 1, &["prometheus_client"]),
    ("qr", 1, &["qrcodegen"]),
    ("lifecycle", 1, &[]),
    ("throttle", 1, &["heapless"]),
    ("tls", 1, &["rcgen", "rustls", "tempfile", "time"]),
    ("memory", 1, &["libc"]),
    ("pages", 1, &["miniz_oxide"]),
    ("announce", 1, &["if_addrs", "landlock", "mdns_sd", "tempfile"]),
    ("shop", 2, &[]),
    ("store", 3, &["rusqlite", "rustix", "tempfile"]),
    ("feed", 3, &["heapless"]),
    ("auth", 4, &["argon2", "getrandom", "if_addrs", "rustix", "sha2"]),
    (
        "http",
        5,
        &["bytes", "form_urlencoded", "http_body_util", "hyper", "percent_encoding", "serde"],
    ),
    ("ws", 5, &["bytes", "mio", "serde", "slab", "socket2", "tungstenite"]),
    (
        "server",
        6,
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
    ("config", 6, &["humantime", "ipnet", "lexopt", "roff", "toml"]),
    ("cli", 7, &["fastrand", "if_addrs", "rpassword", "rustix", "tempfile", "tracing_subscriber"]),
];

/// Crates that every module may use.
const EVERYWHERE: &[&str] = &["serde_json", "tokio", "tracing"];

const LINES_MAX: usize = 400;
const COLUMNS_MAX: usize = 120;

#[test]
fn modules_import_only_downwards() {
    for (path, used) in imports::used_files(&sources()) {
        let (module, layer, _) = module_of(&path);
        for other in used {
            let (used, below, _) = module_of(&other);
            assert!(
                used == module || below < layer,
                "{path} imports {other}, which is not below it"
            );
        }
    }
}

#[test]
fn files_form_no_cycle() {
    let cycle = imports::cycle(&imports::used_files(&sources()));
    assert_eq!(cycle, None, "each of these files uses the next");
}

/// The cycle goes through an alias, a path in the code, and a re-export by a folder's parent file.
#[test]
fn a_cycle_is_found() {
    let sources = [
        ("src/store.rs", "mod row;\npub use row::Row;\nuse crate::feed;\nfn a() { feed::wake() }"),
        ("src/store/row.rs", "pub struct Row;\nfn b() { super::open() } // crate::ws::Hub"),
        ("src/feed.rs", "use crate::{limits, store::{self as log}};\nfn c(_: log::Row) {}"),
        (
            "src/limits.rs",
            "/// As `crate::store::Row` says.\nconst A: &str = \"crate::store::open\";",
        ),
    ];
    let sources = sources.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let cycle = imports::cycle(&imports::used_files(&sources)).unwrap();
    assert_eq!(cycle, ["src/feed.rs", "src/store/row.rs", "src/store.rs", "src/feed.rs"]);
    assert_eq!(imports::cycle(&imports::used_files(&sources[1..])), None);
}

#[test]
fn each_crate_stays_in_its_modules() {
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let dependencies =
        manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let crates = dependencies.lines().filter_map(|line| line.split_once(" = "));
    let crates: Vec<String> = crates
        .map(|(name, _)| name.trim().replace('-', "_"))
        .filter(|name| !name.starts_with('#') && !EVERYWHERE.contains(&name.as_str()))
        .collect();
    for (path, text) in sources() {
        let (module, _, home) = module_of(&path);
        for name in &crates {
            let used =
                text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
                    line.match_indices(&format!("{name}::")).any(|(at, _)| {
                        let before = line[..at].chars().next_back();
                        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
                    })
                });
            assert!(!used || home.contains(&name.as_str()), "{path} ({module}) uses {name}");
        }
    }
}

#[test]
fn files_have_one_subject() {
    let mut tests = Vec::new();
    gather(Path::new("tests"), &mut tests);
    for (path, text) in sources().iter().chain(&tests) {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{path} has {lines} lines");
    }
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{path} does not begin with its purpose");
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

/// A rule that compares texts would still compile after the word is gone.
#[test]
fn each_status_is_written_in_its_enum_only() {
    let all = [
        OrderStatus::WORDS,
        PaymentStatus::WORDS,
        ProductStatus::WORDS,
        ShipmentStatus::WORDS,
        TransactionStatus::WORDS,
        TransactionType::WORDS,
    ];
    let homes = ["order", "product", "shipment", "transaction"];
    for (path, text) in sources() {
        // `/readyz` says that the server is ready, which is another word with the same spelling.
        let is_home = homes.iter().any(|home| path == format!("src/domain/{home}.rs"))
            || path == "src/http/openapi/components.rs";
        if is_home || path.contains("/tests/") {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for (at, line) in code.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            let literal = |word: &&&str| {
                code.contains(&format!("\"{word}\"")) || code.contains(&format!("'{word}'"))
            };
            let found = all.iter().copied().flatten().find(literal);
            assert_eq!(found, None, "{path}:{}: use the enum", at + 1);
        }
    }
}

#[test]
fn the_map_names_every_module() {
    let map = fs::read_to_string("src/lib.rs").unwrap();
    for (module, layer, _) in MODULES {
        assert!(
            map.contains(&format!("| {layer} | [`{module}`] |")),
            "src/lib.rs does not describe {module}"
        );
    }
    for entry in fs::read_dir("src").unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        let known = MODULES.iter().any(|(module, ..)| *module == name)
            || ["lib", "main"].contains(&name.as_str());
        assert!(known, "src/{name} is not a known module");
    }
}

/// Otherwise a test would start this machine's program where `tests/arm` means a board's.
#[test]
fn one_file_starts_the_program_under_test() {
    let (mut tests, mut places) = (Vec::new(), Vec::new());
    gather(Path::new("tests"), &mut tests);
    for (path, text) in tests {
        places.extend(text.contains(concat!("CARGO_BIN", "_EXE")).then_some(path));
    }
    assert_eq!(places, ["tests/common/program.rs"]);
}

/// `tests/arm` skips tests by parts of their names; a renamed test would run, and fail on an emulator.
#[test]
fn each_test_that_an_emulator_skips_exists() {
    let script = fs::read_to_string("tests/arm").unwrap();
    let (_, list) = script.split_once("skipped=(").unwrap();
    let skipped = list.split(')').next().unwrap().split_whitespace();
    let mut tests = Vec::new();
    gather(Path::new("tests"), &mut tests);
    for name in skipped {
        let exists = |(path, text): &(String, String)| match name.strip_suffix("::") {
            Some(module) => path.ends_with(&format!("/{module}.rs")),
            None => text.lines().any(|line| line.starts_with("fn ") && line.contains(name)),
        };
        assert!(tests.iter().any(exists), "tests/arm skips {name}, which does not exist");
    }
}

#[test]
fn the_documents_name_every_setting_with_its_default() {
    let text = fs::read_to_string("docs/operating.md").unwrap();
    for (flag, default, _) in tillcast::config::settings() {
        let name = flag.split_whitespace().next().unwrap();
        let line =
            text.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{name} ")));
        let line = line.unwrap_or_else(|| panic!("docs/operating.md has no {name}"));
        let first = default.split([',', ' ']).next().unwrap();
        assert!(
            line.contains(first),
            "docs/operating.md has another default for {name} than {default}"
        );
    }
    let rows = text.lines().filter(|line| line.starts_with("| `--")).count();
    assert_eq!(
        rows,
        tillcast::config::settings().count(),
        "docs/operating.md has one setting too many"
    );
}

/// The files of the program with their texts.
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

fn module_of(path: &str) -> &'static Module {
    let name = path.split('/').nth(1).unwrap().trim_end_matches(".rs");
    MODULES
        .iter()
        .find(|(module, ..)| *module == name)
        .unwrap_or_else(|| panic!("{path} is in no module"))
}
