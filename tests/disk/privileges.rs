//! Guards root's other files against the owner of a data directory, and the owner's against root: a link
//! under a known name must lead root's commands nowhere, and what root makes must stay the owner's. Needs
//! root, who alone has something to lose.

mod rights;

use crate::common::{create_shop, is_root, tillcast};
use rustix::fs::{CWD, Gid, Mode, OFlags, RenameFlags, Uid, openat, renameat_with};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use tempfile::TempDir;

/// Nobody's on this machine.
const OWNER: u32 = 64_711;
/// A user of the shop that only root may read.
const HIDDEN: &str = "hidden-from-the-owner";
/// Every name that the program gives to a file or a folder of a data directory.
const NAMES: [&str; 16] = [
    "tillcast.db",
    "tillcast.db-wal",
    "tillcast.db-shm",
    "tillcast.db-journal",
    "tillcast.db.old-1",
    "tillcast.db.old-1-wal",
    "tillcast.lock",
    "tillcast.reserve",
    "backups",
    "backups/mine.db",
    "backups/.tillcast-today",
    "tls",
    "tls/ca.pem",
    "tls/ca-key.pem",
    "tls/cert.pem",
    "tls/key.pem",
];
/// Every command that works on a data directory. `SHOP` is that, `OUT` a folder of root's.
const COMMANDS: [&[&str]; 16] = [
    &["user", "list"],
    &["user", "add", "eve", "--role", "staff", "--profile", "tiny"],
    &["user", "passwd", "admin", "--random", "--profile", "tiny"],
    &["user", "disable", "ana"],
    &["user", "enable", "ana"],
    &["events"],
    &["check"],
    &["doctor", "--listen", "127.0.0.1:1"],
    &["backup", "-"],
    &["backup", "OUT/copy.db"],
    &["backup", "OUT"],
    &["backup", "SHOP/backups/today.db"],
    &["backup", "SHOP/backups"],
    &["restore", "OUT/whole.db"],
    &["restore", "SHOP/backups/mine.db"],
    &["cert", "--ca", "OUT/ca"],
];

/// How often each command runs beside a swapping owner.
const SWAPS: usize = 8;

/// What a link under a known name leads to.
#[derive(Clone, Copy, Debug)]
enum Canary {
    SymlinkToFile,
    SymlinkToFolder,
    SymlinkToNothing,
    HardLink,
}

const CANARIES: [Canary; 4] =
    [Canary::SymlinkToFile, Canary::SymlinkToFolder, Canary::SymlinkToNothing, Canary::HardLink];

/// A folder of root's, with root's things in `vault`, a whole shop to copy, and root's backups. Only root
/// gets through it, as through `/var/lib/private`.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["vault", "vault/folder", "model", "model/backups", "model/tls"] {
            fs::create_dir(place.path(name)).unwrap();
        }
        fs::write(place.path("vault/folder/key"), "root's").unwrap();
        // What root must not give out is the most that a name of the shop can lead to: another shop.
        let hidden = ["user", "add", HIDDEN, "--role", "admin", "--profile", "tiny"];
        succeeds(&tillcast(&place.path("vault/shop"), &hidden, "a password 1"));
        fs::rename(place.path("vault/shop/tillcast.db"), place.path("vault/file")).unwrap();
        create_shop(&place.path("model"));
        let ana = ["user", "add", "ana", "--role", "staff", "--profile", "tiny"];
        succeeds(&tillcast(&place.path("model"), &ana, "a password 1"));
        let mine = place.path("model/backups/mine.db");
        succeeds(&tillcast(&place.path("model"), &["backup", mine.to_str().unwrap()], ""));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A shop of the owner's beside a folder of root's.
    fn shop(&self, number: usize) -> PathBuf {
        let shop = self.path(&format!("shop-{number}"));
        copy(&self.path("model"), &shop);
        let out = self.path(&format!("out-{number}"));
        fs::create_dir(&out).unwrap();
        fs::copy(self.path("model/backups/mine.db"), out.join("whole.db")).unwrap();
        shop
    }

    /// Runs a command on the shop with this number.
    fn does(&self, words: &[&str], number: usize) -> Output {
        let (shop, out) =
            (self.path(&format!("shop-{number}")), self.path(&format!("out-{number}")));
        let path = |word: &&str| {
            let word = word.replace("SHOP", shop.to_str().unwrap());
            word.replace("OUT", out.to_str().unwrap())
        };
        let words: Vec<String> = words.iter().map(path).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        tillcast(&shop, &words, "a password 1")
    }

    /// Each of root's things with its mode, its owner, and what is in it.
    fn vault(&self) -> BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        look(&self.path("vault"), &mut found);
        found
    }

    /// Neither what was printed nor a copy in root's folder tells of the hidden shop.
    #[track_caller]
    fn tells_nothing(&self, output: &Output, number: usize) {
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
        let mut copies = BTreeMap::new();
        look(&self.path(&format!("out-{number}")), &mut copies);
        look(&self.path(&format!("shop-{number}")), &mut copies);
        // The link itself is not what it leads to.
        copies.retain(|path, _| path.metadata().is_ok_and(|found| found.nlink() == 1));
        let texts = copies.values().map(|found| &found.3).chain([&output.stdout, &output.stderr]);
        for text in texts {
            let hidden = HIDDEN.as_bytes();
            assert!(!text.windows(hidden.len()).any(|part| part == hidden), "{output:?}");
        }
    }
}

fn look(path: &Path, found: &mut BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>)>) {
    let there = fs::symlink_metadata(path).unwrap();
    let mut content = Vec::new();
    if there.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            look(&entry.unwrap().path(), found);
        }
    } else if there.is_file() {
        content = fs::read(path).unwrap();
    }
    found.insert(path.to_owned(), (there.mode(), there.uid(), there.gid(), content));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    chown(to, Some(OWNER), Some(OWNER)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            chown(&target, Some(OWNER), Some(OWNER)).unwrap();
        }
    }
}

#[track_caller]
fn succeeds(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

/// Puts a link under a name of the shop.
fn plant(place: &Place, shop: &Path, name: &str, canary: Canary) {
    let at = shop.join(name);
    if at.is_dir() {
        fs::remove_dir_all(&at).unwrap();
    } else if at.exists() {
        fs::remove_file(&at).unwrap();
    }
    let target = match canary {
        Canary::SymlinkToFolder => "vault/folder",
        Canary::SymlinkToNothing => "vault/nothing",
        Canary::SymlinkToFile | Canary::HardLink => "vault/file",
    };
    match canary {
        Canary::HardLink => fs::hard_link(place.path(target), at).unwrap(),
        _ => symlink(place.path(target), at).unwrap(),
    }
}

#[test]
fn a_link_under_a_known_name_leads_root_nowhere() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let before = place.vault();
    let mut cases = Vec::new();
    for name in NAMES {
        for canary in CANARIES {
            cases.extend(COMMANDS.map(|words| (name, canary, words)));
        }
    }
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(&(name, canary, words)) = cases.get(number) else { return };
            let shop = place.shop(number);
            plant(&place, &shop, name, canary);
            let output = place.does(words, number);
            assert!(place.vault() == before, "{words:?}, {name} as {canary:?}: {output:?}");
            place.tells_nothing(&output, number);
            for gone in [shop, place.path(&format!("out-{number}"))] {
                fs::remove_dir_all(gone).unwrap();
            }
        }
    };
    thread::scope(|threads| [threads.spawn(work), threads.spawn(work)].map(drop));
}

/// As the owner of the shop, exchanges each known name with a link into root's vault, and back, as fast as
/// it can.
fn swap(place: &Place, shop: &Path, over: &AtomicBool) {
    let traps = NAMES.map(|name| {
        let target = if shop.join(name).is_dir() { "vault/folder" } else { "vault/file" };
        let trap = format!("{name}.trap");
        symlink(place.path(target), shop.join(&trap)).unwrap();
        (name, trap)
    });
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let folder = openat(CWD, shop, flags, Mode::empty()).unwrap();
    // The kernel changes the rights of this thread alone.
    let (uid, gid) = (Uid::from_raw(OWNER), Gid::from_raw(OWNER));
    set_thread_groups(&[]).unwrap();
    set_thread_res_gid(gid, gid, gid).unwrap();
    set_thread_res_uid(uid, uid, uid).unwrap();
    while !over.load(Ordering::Relaxed) {
        for (name, trap) in &traps {
            // One that is just not there is exchanged the next time.
            let _missing =
                renameat_with(&folder, *name, &folder, trap.as_str(), RenameFlags::EXCHANGE);
        }
    }
}

#[test]
fn an_owner_who_swaps_names_meanwhile_gains_nothing() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let before = place.vault();
    for (number, words) in COMMANDS.into_iter().enumerate() {
        let shop = place.shop(number);
        let over = AtomicBool::new(false);
        let outputs = thread::scope(|threads| {
            threads.spawn(|| swap(&place, &shop, &over));
            let outputs = [(); SWAPS].map(|()| {
                let output = place.does(words, number);
                // The next one is to be made, too.
                let _absent = fs::remove_file(place.path(&format!("out-{number}/copy.db")));
                output
            });
            over.store(true, Ordering::Relaxed);
            outputs
        });
        for output in outputs {
            place.tells_nothing(&output, number);
        }
        assert!(place.vault() == before, "{words:?}");
    }
}

/// Everything in a folder is its owner's; how much there is.
#[track_caller]
fn is_the_owners(folder: &Path) -> usize {
    let mut found = BTreeMap::new();
    look(folder, &mut found);
    for (path, (_, uid, gid, _)) in &found {
        assert_eq!((*uid, *gid), (OWNER, OWNER), "{}", path.display());
    }
    found.len() - 1
}

#[test]
fn each_command_works_for_root_and_leaves_the_shop_to_its_owner() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let shop = place.shop(0);
    let there = is_the_owners(&shop);
    for words in COMMANDS {
        let output = place.does(words, 0);
        // Nobody listens, no backup is a day old: neither is a fault.
        assert!(output.status.success(), "{words:?}: {output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!said.contains("/.."), "{words:?}: {said}");
        is_the_owners(&shop);
    }
    assert!(is_the_owners(&shop) > there + 4);
    for copy in fs::read_dir(place.path("out-0")).unwrap() {
        assert_eq!(copy.unwrap().metadata().unwrap().uid(), 0, "a backup elsewhere is root's");
    }
    // An error names the directory as the user does.
    fs::write(shop.join("tillcast.db"), "rubbish").unwrap();
    let output = place.does(&["check"], 0);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("{}/tillcast.db: ", shop.display())), "{said}");
}
