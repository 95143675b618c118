//! Guards the server of an installed package against root's commands on its data: it does not start
//! again if one of its files belongs to root. Needs root, because only root can do that.

use crate::common::{create_shop, is_root, run};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::Path;

/// A user id that no account on this machine has.
const OWNER: u32 = 64_711;

/// Checks that everything in a folder belongs to its owner; returns the number of entries.
#[track_caller]
fn is_the_owners(folder: &Path) -> usize {
    let mut number = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid()), (OWNER, OWNER), "{}", path.display());
        number += if found.is_dir() { 1 + is_the_owners(&path) } else { 1 };
    }
    number
}

#[test]
fn files_that_root_makes_belong_to_the_shops_owner() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(path("shop")).unwrap();
    chown(path("shop"), Some(OWNER), Some(OWNER)).unwrap();
    let does = |arguments: &[&str]| {
        let shop = path("shop");
        let output = run(&[arguments, &["--data-dir", &shop]].concat(), &[], folder.path());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        is_the_owners(Path::new(&shop))
    };
    create_shop(Path::new(&path("shop")));
    // These are the lock file and the database.
    assert_eq!(does(&["user", "list"]), 2);
    does(&["backup", &path("copy.db")]);
    assert_eq!(fs::metadata(path("copy.db")).unwrap().uid(), 0, "a backup elsewhere is root's");
    assert!(does(&["restore", &path("copy.db")]) >= 3);
    assert!(does(&["cert"]) > 6);
}

#[test]
fn an_owner_gets_no_file_of_root_through_a_link() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("shop")).unwrap();
    fs::create_dir(path("secrets")).unwrap();
    for name in ["key", "secrets/key"] {
        fs::write(path(name), "root's").unwrap();
    }
    fs::hard_link(path("key"), path("shop/hard")).unwrap();
    symlink(path("key"), path("shop/soft")).unwrap();
    symlink(path("secrets"), path("shop/folder")).unwrap();
    chown(path("shop"), Some(OWNER), Some(OWNER)).unwrap();
    let shop = path("shop");
    create_shop(&shop);
    for name in ["key", "secrets", "secrets/key"] {
        assert_eq!(fs::metadata(path(name)).unwrap().uid(), 0, "{name}");
    }
}
