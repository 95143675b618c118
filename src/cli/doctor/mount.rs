//! The file system of a folder, according to the kernel (proc(5), `/proc/PID/mountinfo`).

use std::fs;
use std::path::{Path, PathBuf};

/// A mounted file system.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Its type, such as `ext4` or `vfat`.
    pub(super) kind: String,
    /// The number of its device in `/sys/dev/block`, such as `179:2`.
    pub(super) device: String,
}

/// The file system of a folder, or of the nearest parent that exists; `None` if the system does not tell.
pub(super) fn of(folder: &Path, system: &Path) -> Option<Mount> {
    let table = fs::read_to_string(system.join("proc/self/mountinfo")).ok()?;
    let folder = std::path::absolute(folder).ok()?;
    let folder = folder.ancestors().find_map(|folder| folder.canonicalize().ok())?;
    let mounts = table.lines().filter_map(read).filter(|(place, _)| folder.starts_with(place));
    // Of two on the same mount point, the later one covers the other.
    mounts.max_by_key(|(place, _)| place.components().count()).map(|(_, mount)| mount)
}

/// `36 35 98:0 / /mnt rw,noatime shared:1 - ext4 /dev/sda1 rw`: its mount point and the rest.
fn read(line: &str) -> Option<(PathBuf, Mount)> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(2);
    let (device, place) = (place.next()?.to_owned(), place.nth(1)?);
    let kind = kind.split(' ').next()?.to_owned();
    // Of the four characters that the kernel escapes, only the blank is used in names.
    Some((place.replace("\\040", " ").into(), Mount { kind, device }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_and_latest_mount_is_taken() {
        let system = tempfile::tempdir().unwrap();
        let folder = system.path().join("my shop/data");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(system.path().join("proc/self")).unwrap();
        let place = folder.parent().unwrap().canonicalize().unwrap();
        let place = place.to_str().unwrap().replace(' ', "\\040");
        let table = format!(
            "1 0 8:1 / / rw - ext4 /dev/root rw\n\
             2 1 8:2 / {place} rw - vfat /dev/sda2 rw\n\
             3 1 8:3 / {place} rw,noatime shared:1 master:2 - exfat /dev/sda3 rw\n\
             4 1 8:4 / {place}-2 rw - nfs a:/b rw\n"
        );
        fs::write(system.path().join("proc/self/mountinfo"), table).unwrap();
        let found = of(&folder.join("not/yet"), system.path()).unwrap();
        assert_eq!((found.kind.as_str(), found.device.as_str()), ("exfat", "8:3"));
        assert_eq!(of(Path::new("/"), system.path()).unwrap().kind, "ext4");
    }
}
