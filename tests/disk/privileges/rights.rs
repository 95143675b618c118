//! The rights that root's commands give up, and the paths that they refuse to follow.

use super::{OWNER, Place, is_the_owners, succeeds};
use crate::common::{PATIENCE, Running, is_root, program, tillcast};
use rustix::process::Signal;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::process::{Command, Stdio};
use std::time::Instant;

const NO_GROUP: &str = "Gid: 65534 65534 65534 65534";

/// The ids, groups and capabilities of each thread of a process.
fn rights(pid: u32) -> Vec<String> {
    const LINES: [&str; 5] = ["Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:"];
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let rights = tasks.map(|task| {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let lines = status.lines().filter(|line| LINES.iter().any(|name| line.starts_with(name)));
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
    });
    rights.collect()
}

#[test]
fn no_thread_keeps_a_right_of_roots() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    fs::set_permissions(place.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let shop = place.shop(0);
    let given_up = format!(
        "Uid: {OWNER} {OWNER} {OWNER} {OWNER}\nGid: {OWNER} {OWNER} {OWNER} {OWNER}\nGroups: {OWNER}\n\
         CapPrm: 0000000000000000\nCapEff: 0000000000000000\n"
    );
    let start = |words: &[&str]| {
        let mut command: Command = program(&[], place.folder.path());
        Running::of(command.args(words).arg("--data-dir").arg(&shop).stdin(Stdio::null()))
    };
    let mut server = start(&["serve", "--listen", "127.0.0.1:0"]);
    server.first_with("listening on");
    assert!(rights(server.pid()).iter().all(|rights| *rights == given_up), "{:?}", server.pid());
    assert_eq!(server.end(Signal::TERM), Some(0));
    is_the_owners(&shop);

    let mut follower = start(&["events", "--follow"]);
    let begun = Instant::now();
    while rights(follower.pid()) != [given_up.clone()] {
        assert!(begun.elapsed() < PATIENCE, "{:?}", rights(follower.pid()));
    }
    assert_eq!(fs::read_link(format!("/proc/{}/root", follower.pid())).unwrap(), shop);
    follower.kill();

    // The group root is no owner's.
    chown(&shop, Some(OWNER), Some(0)).unwrap();
    let in_no_group = given_up.replace(&format!("Gid: {OWNER} {OWNER} {OWNER} {OWNER}"), NO_GROUP);
    let in_no_group = in_no_group.replace(&format!("Groups: {OWNER}"), "Groups: 65534");
    let mut follower = start(&["events", "--follow"]);
    let begun = Instant::now();
    while rights(follower.pid()) != [in_no_group.clone()] {
        assert!(begun.elapsed() < PATIENCE, "{:?}", rights(follower.pid()));
    }
    follower.kill();
}

#[test]
fn a_link_of_a_strangers_on_the_way_is_refused() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    place.shop(0);
    let link = |name: &str, target: &str, owner: u32| {
        symlink(place.path(target), place.path(name)).unwrap();
        std::os::unix::fs::lchown(place.path(name), Some(owner), Some(owner)).unwrap();
    };
    link("roots", "shop-0", 0);
    link("owners", "shop-0", OWNER);
    link("strangers", "shop-0", OWNER + 1);
    link("strangers.db", "vault/file", OWNER + 1);
    for name in ["roots", "owners"] {
        succeeds(&tillcast(&place.path(name), &["user", "list"], ""));
    }
    let strangers = place.path("strangers.db");
    for (shop, words) in
        [("strangers", &["user", "list"][..]), ("roots", &["restore", strangers.to_str().unwrap()])]
    {
        let output = tillcast(&place.path(shop), words, "");
        let said = String::from_utf8_lossy(&output.stderr);
        let why = format!("a link on the way belongs to user {}", OWNER + 1);
        assert!(!output.status.success() && said.contains(&why), "{said}");
    }
    // Whoever cannot read root's file can still give it a second name.
    let strangers = place.path("strangers");
    fs::remove_file(&strangers).unwrap();
    fs::create_dir(&strangers).unwrap();
    let name = strangers.join("copy.db");
    fs::hard_link(place.path("vault/file"), &name).unwrap();
    chown(&strangers, Some(OWNER + 1), Some(OWNER + 1)).unwrap();
    let output = tillcast(&place.path("roots"), &["restore", name.to_str().unwrap()], "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("has several names"), "{said}");
}
