//! Checks whether the disk has enough space, can be written, and has a suitable file system.

use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::cli::doctor::finding::{Finding, bad, ok, unreadable, warn};
use crate::cli::doctor::mount::Mount;
use crate::limits::{FREE_FILES_MIN, RESERVE_BYTES};
use crate::store;

/// File systems without permissions, or without a journal.
const SIMPLE: &[&str] = &["exfat", "fuseblk", "msdos", "ntfs", "ntfs3", "vfat"];
/// File systems whose locks and syncs depend on another machine.
const DISTANT: &[&str] =
    &["9p", "afs", "ceph", "cifs", "fuse.sshfs", "nfs", "nfs4", "smb3", "virtiofs"];
/// File systems that a power cut empties.
const FLEETING: &[&str] = &["ramfs", "tmpfs"];

/// Checks the disk of a data directory.
pub(super) fn check(data_dir: &Path, mount: Option<&Mount>) -> Vec<Finding> {
    let folder = data_dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let disk = match statvfs(folder) {
        Ok(disk) => disk,
        Err(error) => return vec![unreadable(folder, &error.into())],
    };
    let name = folder.display();
    // A file system that an error made read-only says so only when it is written to.
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) || store::is_read_only(folder) {
        return vec![bad(format!(
            "{name}: takes no writes; `dmesg` says why, often that the card is worn out: put in a new \
             one and `tillcast restore` a backup"
        ))];
    }
    let kind = mount.map_or("", |mount| mount.kind.as_str());
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let room = room(&format!("{name} ({kind})"), free, store::database_bytes(data_dir));
    let files = (disk.f_files > 0 && disk.f_favail < FREE_FILES_MIN).then(|| {
        let left = disk.f_favail;
        bad(format!("{name}: only {left} more files are possible; remove some that are not needed"))
    });
    [Some(room), files, wrong_kind(&name.to_string(), kind)].into_iter().flatten().collect()
}

/// Too little space for orders is bad, too little for the next backup is a warning.
fn room(name: &str, free: u64, database: u64) -> Finding {
    let mib = free >> 20;
    let needed = database.saturating_add(2 * RESERVE_BYTES);
    if free < RESERVE_BYTES {
        bad(format!(
            "{name}: only {mib} MiB are free, and orders will soon be refused; remove what is not needed"
        ))
    } else if free < needed {
        let needed = needed >> 20;
        warn(format!(
            "{name}: only {mib} MiB are free, and a backup beside the shop needs {needed}; remove what \
             is not needed, or take a larger card"
        ))
    } else {
        ok(format!("{name}: {mib} MiB are free"))
    }
}

fn wrong_kind(name: &str, kind: &str) -> Option<Finding> {
    let why = if SIMPLE.contains(&kind) {
        "has no permissions, and a power cut may damage it"
    } else if DISTANT.contains(&kind) {
        "is on another machine, and a database there may be damaged"
    } else if FLEETING.contains(&kind) {
        "is in memory: a power cut empties it"
    } else {
        return None;
    };
    Some(warn(format!("{name}: {kind} {why}; move the data directory to a disk with ext4")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    #[test]
    fn orders_need_the_reserve_and_backups_the_size_of_the_shop() {
        let verdict = |free| room("shop", free, 1 << 30).verdict;
        assert_eq!(verdict((1 << 30) + 2 * RESERVE_BYTES), Verdict::Ok);
        assert_eq!(verdict(1 << 30), Verdict::Warn);
        assert_eq!(verdict(RESERVE_BYTES), Verdict::Warn);
        assert_eq!(verdict(RESERVE_BYTES - 1), Verdict::Bad);
    }

    #[test]
    fn an_unsuitable_file_system_is_reported() {
        for kind in ["ext4", "btrfs", "xfs", "f2fs", "overlay", ""] {
            assert_eq!(wrong_kind("shop", kind), None);
        }
        for (kind, said) in
            [("vfat", "power cut"), ("nfs4", "another machine"), ("tmpfs", "memory")]
        {
            assert!(wrong_kind("shop", kind).unwrap().text.contains(said), "{kind}");
        }
    }
}
