//! Guards the documents: an example that does not work, a setting that does not exist. The word after a code
//! block's language says what the block is:
//!
//! - `sh run`, `python run`: is run, in the document's own folder, with `tillcast` in the path;
//! - `sh serve`: starts a server that runs until the end of the document;
//! - `sh host`: changes the machine, so only its syntax is checked;
//! - `json reply`: is the output of the block before, with another time;
//! - `javascript node`: is run by Node.js, and by Deno;
//! - `javascript browser`: is typed into the console of the server's page, whose policy applies;
//! - `toml config`: is a file of settings.
//!
//! The examples use port 3000, so each document has a network of its own, which needs root.

use super::browser::Browser;
use crate::common::{Network, PATIENCE, Running, is_root, program, run};
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A code block: its place, its kind, and its text.
struct Block {
    place: String,
    info: String,
    text: String,
}

#[test]
fn the_readmes_examples_run() {
    run_examples("README.md");
}

#[test]
fn the_protocols_examples_run() {
    run_examples("docs/protocol.md");
}

#[test]
fn the_operators_examples_run() {
    run_examples("docs/operating.md");
}

#[test]
fn the_clients_examples_run() {
    run_examples("docs/client.md");
}

#[test]
fn every_block_has_a_known_kind_and_valid_syntax() {
    for document in documents() {
        for block in blocks(&document) {
            match block.info.as_str() {
                "sh run" | "sh serve" | "sh host" => {
                    let output =
                        Command::new("bash").args(["-n", "-c", &block.text]).output().unwrap();
                    assert!(output.status.success(), "{}: {output:?}", block.place);
                }
                "json" | "json reply" => drop(json_of(&block)),
                "toml config" => {
                    let folder = tempfile::tempdir().unwrap();
                    fs::write(folder.path().join("tillcast.toml"), &block.text).unwrap();
                    let output = run(&["limits", "--config", "tillcast.toml"], &[], folder.path());
                    assert!(output.status.success(), "{}: {output:?}", block.place);
                }
                "python run" | "javascript" | "javascript node" | "javascript browser" | "text"
                | "rust" => {}
                other => panic!("{}: {other:?} is no sort of block", block.place),
            }
        }
    }
}

/// Links between the documents, and to headings in them.
#[test]
fn every_link_has_a_target() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(file)
            };
            let text = fs::read(&target)
                .unwrap_or_else(|error| panic!("{}: {link}: {error}", document.display()));
            let text = String::from_utf8_lossy(&text);
            let mut headings = text.lines().filter(|line| line.starts_with('#')).map(anchor);
            let found = place.is_empty() || headings.any(|heading| heading == place);
            assert!(found, "{}: {link}", document.display());
        }
    }
}

/// Files and folders of the repository, such as `src/limits.rs`.
#[test]
fn every_named_file_exists() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let code = text.split('`').skip(1).step_by(2);
        let named = code.map(|code| code.split(' ').next().unwrap()).filter(|path| {
            let folder = path.split('/').next().unwrap();
            path.contains('/')
                && ["docs", "examples", "sql", "src", "systemd", "tests"].contains(&folder)
        });
        for path in named.filter(|path| !path.contains(['*', 'N'])) {
            assert!(Path::new(path).exists(), "{} names {path}", document.display());
        }
    }
}

/// Runs the examples of a document from its beginning to its end.
fn run_examples(document: &str) {
    if !is_root() {
        return;
    }
    let _network = Network::enter();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bin");
    install(&path);
    let (mut servers, mut printed) = (Vec::new(), String::new());
    for block in blocks(Path::new(document)) {
        let mut command = match block.info.as_str() {
            "sh serve" => {
                let mut server =
                    Running::of(&mut shell(&format!("exec {}", block.text), &path, folder.path()));
                server.line_with("listening on");
                servers.push(server);
                continue;
            }
            "sh run" => shell(&block.text, &path, folder.path()),
            "python run" => {
                let mut command = Command::new("python3");
                command.args(["-c", &block.text]).current_dir(folder.path());
                command
            }
            "json reply" => {
                let expected = json_of(&block);
                assert!(replies(&printed).contains(&expected), "{}: {printed}", block.place);
                continue;
            }
            "javascript node" => {
                run_in_node_and_deno(&block, folder.path());
                continue;
            }
            "javascript browser" => {
                type_into_console(&block);
                continue;
            }
            _ => continue,
        };
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", block.place);
        printed = String::from_utf8(output.stdout).unwrap();
    }
    assert!(servers.iter_mut().all(|server| server.end(Signal::TERM) == Some(0)));
}

/// The program as `tillcast` in a folder of its own.
fn install(folder: &Path) {
    let command = program(&[], folder);
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<&str> = words.map(|word| word.to_str().unwrap()).collect();
    fs::create_dir(folder).unwrap();
    let tillcast = folder.join("tillcast");
    fs::write(&tillcast, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "))).unwrap();
    fs::set_permissions(tillcast, Permissions::from_mode(0o755)).unwrap();
}

fn shell(text: &str, path: &Path, folder: &Path) -> Command {
    let mut command = Command::new("bash");
    let paths = format!("{}:/usr/local/bin:/usr/bin:/bin", path.display());
    command.args(["-euo", "pipefail", "-c", text]).env_clear().env("PATH", paths);
    command.current_dir(folder);
    command
}

/// The flag gives Node.js 20 the WebSocket that later ones have.
fn run_in_node_and_deno(block: &Block, folder: &Path) {
    fs::write(folder.join("example.mjs"), &block.text).unwrap();
    let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/node/node_modules");
    let deno = packages.join(".bin/deno");
    let programs = [
        ("node", &["--experimental-websocket"][..]),
        (deno.to_str().unwrap(), &["run", "--allow-net", "--allow-read"]),
    ];
    for (program, flags) in programs {
        // An example that waits for what does not come fails, too.
        let mut command = Command::new("timeout");
        command.arg((6 * PATIENCE).as_secs().to_string()).arg(program).args(flags);
        let output = command.arg("example.mjs").current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}: {program}: {output:?}", block.place);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.contains("sold ORD-"), "{}: {program}: {printed}", block.place);
    }
}

/// Runs a script in the server's page and waits until it has logged an event to the console.
fn type_into_console(block: &Block) {
    let browser = Browser::at_the_documents_address(3000);
    browser.open("/");
    let recorded = "window.logged = []; console.log = (...words) => window.logged.push(words);";
    browser.run(recorded, &[]);
    let script = format!("return (async () => {{ {} }})();", block.text);
    browser.run(&script, &[]);
    browser.wait_until("window.logged.some(([event]) => event === 'order:created')");
}

/// The JSON objects in a command's output, and those in their lists, without their times.
fn replies(printed: &str) -> Vec<Value> {
    let values = serde_json::Deserializer::from_str(printed).into_iter::<Value>();
    let mut replies: Vec<Value> = values.map(Result::unwrap).collect();
    let listed = replies.iter().filter_map(|reply| reply["data"].as_array()).flatten();
    let listed: Vec<Value> = listed.cloned().map(timeless).collect();
    replies.extend(listed);
    replies
}

fn timeless(mut value: Value) -> Value {
    value.as_object_mut().unwrap().remove("timestamp");
    value
}

fn json_of(block: &Block) -> Value {
    let value = serde_json::from_str(&block.text);
    timeless(value.unwrap_or_else(|error| panic!("{}: {error}", block.place)))
}

fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    ["README.md", "CONTRIBUTING.md"].map(PathBuf::from).into_iter().chain(docs).collect()
}

fn blocks(document: &Path) -> Vec<Block> {
    let text = fs::read_to_string(document).unwrap();
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let place = format!("{}:{}", document.display(), at + 1);
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            let text = inside.collect::<Vec<_>>().join("\n");
            blocks.push(Block { place, info: info.to_owned(), text });
        }
    }
    blocks
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
    kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect()
}
