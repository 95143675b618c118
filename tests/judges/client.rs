//! Guards `client.js`, as the server serves it: its tests, in `client/`, run in Node.js against the real program.

use crate::common::program;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages that `tests/setup` has installed.
fn packages() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/node/node_modules")
}

#[track_caller]
fn pass(name: &str) {
    let file = format!("{}/tests/judges/client/{name}.test.mjs", env!("CARGO_MANIFEST_DIR"));
    let run = Command::new("node")
        .args(["--experimental-vm-modules", "--no-warnings", "--test", "--test-force-exit"])
        .args(["--test-reporter=spec", &file])
        .env("TILLCAST", program(&[], Path::new("/")).get_program())
        .env("NODE_MODULES", packages())
        .output()
        .expect("node is there; tests/setup installs it");
    let out = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{out}{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn its_amounts_are_those_of_the_server() {
    pass("amounts");
}

#[test]
fn its_outbox_loses_and_repeats_nothing() {
    pass("outbox");
}

#[test]
fn its_lists_stay_as_they_are_on_the_server() {
    pass("live");
}

#[test]
fn its_types_are_told_and_browsers_of_2020_understand_it() {
    pass("types");
}

#[test]
fn it_feeds_a_cache_of_queries() {
    pass("query");
}

#[test]
fn a_thousand_come_back_evenly() {
    pass("restart");
}
