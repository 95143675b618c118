//! Compresses the pages, and names their parts by their content, so that a browser may keep those for ever.
//!
//! The sources in `src/pages` are what is served, without the lines that are only comments. A reference to another
//! file is relative to its own, such as `'./app.js'`, and becomes the name by content of that file.

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
use std::{env, fs};

use flate2::{Compression, Crc, write::GzEncoder};

const PAGES: &str = "src/pages";
/// Parts that others import by a name that stays.
const PUBLIC: &[&str] = &["client.js", "query.js"];

/// A file by its path below the folder of the pages, and its text.
type Files = BTreeMap<String, String>;

fn main() {
    println!("cargo::rerun-if-changed={PAGES}");
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Files::new();
    read(Path::new(PAGES), "", &mut files);
    let mut parts = BTreeMap::new();
    for path in files.keys() {
        name(path, &files, &mut parts, &mut Vec::new());
    }
    let mut table = String::from("&[\n");
    for (path, (served, text)) in &parts {
        let (stem, kind) = path.rsplit_once('.').expect("each file has an ending");
        let paths = match (kind, stem) {
            ("html", "index") => vec!["/".to_owned()],
            ("html", stem) => vec![format!("/{stem}")],
            _ if PUBLIC.contains(&path.as_str()) => vec![served.clone(), format!("/{path}")],
            _ => vec![served.clone()],
        };
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
fn name(
    path: &str,
    files: &Files,
    parts: &mut BTreeMap<String, (String, String)>,
    above: &mut Vec<String>,
) -> String {
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
    above.pop();
    let mut crc = Crc::new();
    crc.update(out.as_bytes());
    let (stem, kind) = path.rsplit_once('.').unwrap();
    let served = format!("/assets/{}.{:08x}.{kind}", stem.replace('/', "-"), crc.sum());
    parts.insert(path.to_owned(), (served.clone(), out));
    served
}

/// The text before the next reference, its quote, and the text from the name on.
fn next_reference(text: &str) -> Option<(&str, char, &str)> {
    let single = text.find("'./").map(|at| (at, '\''));
    let double = text.find("\"./").map(|at| (at, '"'));
    let (at, quote) = [single, double].into_iter().flatten().min()?;
    Some((&text[..at], quote, &text[at + 3..]))
}

/// A text without the lines that are only comments.
fn code(path: &str, text: &str) -> String {
    if path.rsplit_once('.').is_none_or(|(_, kind)| kind != "js") {
        return text.to_owned();
    }
    let mut in_comment = false;
    let mut out = String::new();
    for line in text.lines() {
        let bare = line.trim_start();
        if in_comment || (bare.starts_with("/**") && (bare.ends_with("*/") || !bare.contains("*/")))
        {
            in_comment = !bare.contains("*/");
        } else if !bare.starts_with("//") && !bare.is_empty() {
            out.push_str(line);
            out.push('\n');
        }
    }
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
