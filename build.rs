//! Compresses the pages, and names their parts by their content, so that a browser may keep those for ever. It also packs
//! the program's relocations.
//!
//! The sources in `src/pages` are what is served, without their comments and indentation. A reference to another file
//! is relative to its own, such as `'./app.js'`, and becomes the name by content of that file.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure ends the build"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, iter};

use flate2::{Compression, Crc, write::GzEncoder};

const PAGES: &str = "src/pages";
/// Names that stay, beside a page's own or a part's name by content.
const PUBLIC: &[(&str, &str)] = &[
    ("client.js", "/client.js"),
    ("docs.html", "/docs/problems"),
    ("favicon.svg", "/favicon.svg"),
    ("query.js", "/query.js"),
];
/// The service worker; a browser asks for it by its one name, and compares.
const WORKER: &str = "worker.js";
/// The types of the client; no page needs them.
const TYPES: &str = "client.d.ts";
/// The descriptions of the API, which a test compares with the code.
const DESCRIPTIONS: [&str; 2] = ["openapi.json", "asyncapi.json"];

/// A file by its path below the folder of the pages, and its text.
type Files = BTreeMap<String, String>;
/// A file by its path: the name by its content, and the text as it is served.
type Parts = BTreeMap<String, (String, String)>;

/// The first glibc that reads packed relocations.
const PACKED_SINCE: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed={PAGES}");
    println!("cargo::rerun-if-changed=build.rs");
    let is_for_this_machine = env::var("TARGET") == env::var("HOST");
    if is_for_this_machine && glibc() >= Some(PACKED_SINCE) {
        // They are 4 % of the program, and as many bytes of memory, because its start reads them all.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    let mut files = Files::new();
    read(Path::new(PAGES), "", &mut files);
    let worker = files.remove(WORKER).expect("there is a worker");
    let types = files.remove(TYPES).expect("there are types");
    let mut parts = Parts::new();
    for path in files.keys() {
        name(path, &files, &mut parts, &mut Vec::new());
    }
    files.insert(WORKER.to_owned(), with_files(&worker, &parts));
    name(WORKER, &files, &mut parts, &mut Vec::new());
    parts.insert(TYPES.to_owned(), (format!("/{TYPES}"), types));
    for name in DESCRIPTIONS {
        let path = format!("docs/{name}");
        println!("cargo::rerun-if-changed={path}");
        let text = fs::read_to_string(path).unwrap();
        let packed = text.lines().map(str::trim_start).collect();
        parts.insert(name.to_owned(), (format!("/{name}"), packed));
    }
    let mut table = String::from("&[\n");
    for (path, (served, text)) in &parts {
        let kind = kind_of(path);
        let public = PUBLIC.iter().filter(|(of, _)| of == path).map(|(_, name)| (*name).to_owned());
        let paths: Vec<String> = iter::once(address(path, served)).chain(public).collect();
        let file = write(path, text);
        writeln!(
            table,
            "    Asset {{ paths: &{paths:?}, kind: {kind:?}, \
             gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{file}\")) }},"
        )
        .unwrap();
    }
    table.push(']');
    fs::write(out("pages.rs"), table).unwrap();
}

/// The version of this machine's glibc, if it has one.
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let (major, minor) = told.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The ending of a file's name.
fn kind_of(path: &str) -> &str {
    path.rsplit_once('.').expect("each file has an ending").1
}

/// The path at which a file is served.
fn address(path: &str, served: &str) -> String {
    match path.strip_suffix(".html") {
        Some("index") => "/".to_owned(),
        Some(page) => format!("/{page}"),
        None if path == WORKER => format!("/{path}"),
        None => served.to_owned(),
    }
}

/// The worker with the list of what it keeps, and a name of those that changes with each of them.
fn with_files(worker: &str, parts: &Parts) -> String {
    let mut crc = Crc::new();
    let mut list = String::new();
    for (path, (served, text)) in parts {
        crc.update(text.as_bytes());
        write!(list, "'{}',", address(path, served)).unwrap();
    }
    let fill = |text: &str, empty: &str, full: &str| {
        assert!(text.contains(empty), "{WORKER}: there is no {empty}");
        text.replacen(empty, full, 1)
    };
    let worker = fill(worker, "([])", &format!("([{list}])"));
    fill(&worker, "CACHE = 'tillcast'", &format!("CACHE = 'tillcast {:08x}'", crc.sum()))
}

fn read(folder: &Path, prefix: &str, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, fs::read_to_string(entry.path()).unwrap());
        }
    }
}

/// The name by content of a file, after those that it refers to.
fn name(path: &str, files: &Files, parts: &mut Parts, above: &mut Vec<String>) -> String {
    if let Some((served, _)) = parts.get(path) {
        return served.clone();
    }
    assert!(
        !above.iter().any(|one| one == path),
        "{PAGES}: a circle of imports at {path}: {above:?}"
    );
    above.push(path.to_owned());
    let text = files.get(path).unwrap_or_else(|| panic!("{PAGES}: {above:?}: there is no {path}"));
    let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let mut out = String::new();
    let text = code(path, text);
    let mut rest = text.as_str();
    while let Some((before, quote, after)) = next_reference(rest) {
        let (reference, behind) = after.split_once(quote).expect("a reference ends");
        out.push_str(before);
        out.push(quote);
        out.push_str(&name(&format!("{folder}{reference}"), files, parts, above));
        out.push(quote);
        rest = behind;
    }
    out.push_str(rest);
    if kind_of(path) == "html" {
        out = page(&out, path, files, parts);
    }
    above.pop();
    let mut crc = Crc::new();
    crc.update(out.as_bytes());
    let (stem, kind) = path.rsplit_once('.').unwrap();
    let served = format!("/assets/{}.{:08x}.{kind}", stem.replace('/', "-"), crc.sum());
    parts.insert(path.to_owned(), (served.clone(), out));
    served
}

/// A page that tells its version, and lets the browser load all of its scripts at once.
fn page(text: &str, path: &str, files: &Files, parts: &Parts) -> String {
    let mut scripts = Vec::new();
    imports(path, files, &mut scripts);
    let mut links = String::new();
    // The first is in the page already.
    for script in scripts.iter().skip(1) {
        writeln!(links, "<link rel=\"modulepreload\" href=\"{}\">", parts[script].0).unwrap();
    }
    let version = concat!("<html data-version=\"", env!("CARGO_PKG_VERSION"), "\"");
    text.replacen("<html", version, 1).replacen("</head>", &format!("{links}</head>"), 1)
}

/// The scripts that a file needs at its start, and those that they need, each once.
fn imports(path: &str, files: &Files, found: &mut Vec<String>) {
    let text = code(path, &files[path]);
    let mut rest = text.as_str();
    while let Some((before, quote, after)) = next_reference(rest) {
        let (reference, behind) = after.split_once(quote).expect("a reference ends");
        rest = behind;
        let is_later = before.ends_with("import(");
        if kind_of(reference) == "js" && !is_later && !found.iter().any(|one| one == reference) {
            found.push(reference.to_owned());
            imports(reference, files, found);
        }
    }
}

/// The text before the next reference, its quote, and the text from the name on.
fn next_reference(text: &str) -> Option<(&str, char, &str)> {
    let single = text.find("'./").map(|at| (at, '\''));
    let double = text.find("\"./").map(|at| (at, '"'));
    let (at, quote) = [single, double].into_iter().flatten().min()?;
    Some((&text[..at], quote, &text[at + 3..]))
}

/// A text without what only people read: comments, the types in them, indentation.
fn code(path: &str, text: &str) -> String {
    let kind = kind_of(path);
    if !["js", "css", "html"].contains(&kind) {
        return text.to_owned();
    }
    let mut in_comment = false;
    let mut out = String::new();
    for line in text.lines().map(str::trim_start) {
        if in_comment || (line.starts_with("/*") && (line.ends_with("*/") || !line.contains("*/")))
        {
            in_comment = !line.contains("*/");
        } else if !line.starts_with("//") && !line.is_empty() {
            assert!(
                kind != "js" || line.replace("'`'", "").matches('`').count() % 2 == 0,
                "{path}: a text over several lines would lose its indentation: {line}"
            );
            out.push_str(&untyped(line));
            out.push('\n');
        }
    }
    out
}

/// A line of code without the types in it.
fn untyped(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("/** @") {
        let (_, behind) = after.split_once("*/").expect("a comment ends in its line");
        out.push_str(before);
        rest = behind.strip_prefix(' ').unwrap_or(behind);
    }
    out.push_str(rest);
    out
}

/// Writes a text, compressed; returns the file's name.
fn write(path: &str, text: &str) -> String {
    let file = format!("{}.gz", path.replace('/', "-"));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    fs::write(out(&file), encoder.finish().unwrap()).unwrap();
    file
}

fn out(name: &str) -> PathBuf {
    Path::new(&env::var_os("OUT_DIR").unwrap()).join(name)
}
