//! Root works on somebody else's data directory with the rights of its owner alone: whoever owns a folder
//! chooses the names in it, and a link there must not lead root to its other files.
//!
//! Invariant: before root opens anything below such a directory, its process is shut into it (chroot) and
//! has become its owner for good. What lies elsewhere is opened before.

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Stat, Uid, fstat, openat, readlinkat, stat};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, chdir, chroot, fchdir, geteuid, set_dumpable_behavior};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// The path of the data directory for a process that is shut into it: `/`, spelled as no other path is, so
/// that texts can show the real one in its place.
const INSIDE: &str = "/../../../..";
/// The group of a process whose folder is the group root's, of which its owner need not be a member.
const NO_GROUP: u32 = 65_534;
/// As many as the kernel follows on one path.
const LINKS_MAX: usize = 40;

/// A data directory in which this process has no more rights than its owner.
pub(super) struct DataDir<'a> {
    name: &'a Path,
    /// The path by which it is reached from now on.
    pub(super) path: PathBuf,
}

impl<'a> DataDir<'a> {
    /// Gives up root's rights, unless the directory and the way to it are root's. A directory that does not
    /// exist yet is the business of whoever owns the folder above it.
    ///
    /// # Errors
    /// A sentence for the operator; the command must not go on.
    pub(super) fn enter(name: &'a Path) -> Result<Self, String> {
        let outside = Self { name, path: name.to_owned() };
        let Some(place) = foreign_place(name)? else { return Ok(outside) };
        if place.is_missing {
            if place.found.st_uid == 0 {
                return Err(format!(
                    "{}: does not exist, and the way to the folder above it is not root's; create it first",
                    name.display()
                ));
            }
            place.become_owner(name)?;
            return Ok(outside);
        }
        // The descriptor is the one whose owner is known: no name is looked up a second time.
        fchdir(&place.entry)
            .and_then(|()| chroot("."))
            .and_then(|()| chdir("/"))
            .map_err(|error| place.not_given_up(name, error))?;
        place.become_owner(name)?;
        Ok(Self { name, path: INSIDE.into() })
    }

    /// A text in which the directory has the name by which the user knows it.
    pub(super) fn named(&self, text: &str) -> String {
        text.replace(INSIDE, &self.name.to_string_lossy())
    }
}

/// Does the work in a data directory, whose path it gets, with its owner's rights. Both texts are for the
/// user.
pub(super) fn within(
    data_dir: &Path,
    work: impl FnOnce(&Path) -> Result<String, String>,
) -> Result<String, String> {
    let data_dir = DataDir::enter(data_dir)?;
    let done = work(&data_dir.path);
    done.map(|text| data_dir.named(&text)).map_err(|why| data_dir.named(&why))
}

/// Becomes the owner of a data directory, and goes on seeing the whole system.
pub(super) fn become_owner(data_dir: &Path) -> Result<(), String> {
    foreign_place(data_dir)?.map_or(Ok(()), |place| place.become_owner(data_dir))
}

/// Whether root's rights are to be given up for this data directory.
pub(super) fn is_foreign(data_dir: &Path) -> Result<bool, String> {
    Ok(foreign_place(data_dir)?.is_some())
}

/// The rest of a path that leads through somebody else's data directory, to be joined with its path from
/// inside; `None` if it leads elsewhere, or if there are no rights to give up.
pub(super) fn below(data_dir: &Path, path: &Path) -> Result<Option<PathBuf>, String> {
    let Some(place) = foreign_place(data_dir)? else { return Ok(None) };
    let identity = (place.found.st_dev, place.found.st_ino);
    let is_it =
        |folder: &&Path| stat(*folder).is_ok_and(|found| (found.st_dev, found.st_ino) == identity);
    let path = absolute(path)?;
    let within = path.ancestors().find(is_it);
    Ok(within.and_then(|within| path.strip_prefix(within).ok()).map(Path::to_owned))
}

/// Opens a file that root's command line names outside of the data directory, for reading. Of several
/// names and links it accepts only those of root and of the file's owner: another user's would make root
/// read what that user may not.
pub(super) fn open_file(path: &Path) -> Result<File, String> {
    let fail = |error: Errno| format!("{}: {error}", path.display());
    let missing = || format!("{}: there is no such file", path.display());
    if !geteuid().is_root() {
        return File::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(),
            _ => format!("{}: {error}", path.display()),
        });
    }
    let place = walk(path)?;
    if place.is_missing {
        return Err(missing());
    }
    let owners = [0, place.found.st_uid];
    let above = fstat(&place.folder).map_err(fail)?.st_uid;
    if place.found.st_nlink > 1 && !place.is_dir() && !owners.contains(&above) {
        return Err(format!(
            "{}: has several names, and this one is in the folder of user {above}, to whom it does not \
             belong; name it elsewhere",
            path.display()
        ));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(&place.folder, &place.last, flags, Mode::empty()).map_err(fail)?;
    let opened = fstat(&file).map_err(fail)?;
    if (opened.st_dev, opened.st_ino) != (place.found.st_dev, place.found.st_ino) {
        return Err(format!("{}: was exchanged meanwhile; try again", path.display()));
    }
    Ok(File::from(file))
}

/// The end of a path, reached without following anybody's link unseen.
struct Place {
    /// The folder that has the entry, and its name there.
    folder: OwnedFd,
    last: OsString,
    /// The entry itself, or the last folder on the way that exists.
    entry: OwnedFd,
    found: Stat,
    is_missing: bool,
    /// Whether anything on the way belongs to another user than root.
    is_foreign: bool,
}

impl Place {
    fn is_dir(&self) -> bool {
        FileType::from_raw_mode(self.found.st_mode).is_dir()
    }

    /// Gives up root's rights for good. To be called while the process has one thread: the kernel changes
    /// the rights of that one only.
    fn become_owner(&self, name: &Path) -> Result<(), String> {
        let uid = Uid::from_raw(self.found.st_uid);
        if uid.is_root() {
            return Ok(());
        }
        let gid = if self.found.st_gid == 0 { NO_GROUP } else { self.found.st_gid };
        let gid = Gid::from_raw(gid);
        set_thread_groups(&[gid])
            .and_then(|()| set_thread_res_gid(gid, gid, gid))
            .and_then(|()| set_thread_res_uid(uid, uid, uid))
            // What root has opened stays out of reach of the owner's other processes.
            .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
            .map_err(|error| self.not_given_up(name, error))?;
        match set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT) {
            Err(Errno::PERM) => Ok(()),
            _ => Err(self.not_given_up(name, Errno::PERM)),
        }
    }

    fn not_given_up(&self, name: &Path, error: Errno) -> String {
        let (name, owner) = (name.display(), self.found.st_uid);
        format!(
            "{name}: belongs to user {owner}, whose rights root cannot take here ({error}); run this as that \
             user (`setpriv --reuid {owner} --regid {owner} --clear-groups tillcast ...`)"
        )
    }
}

/// The place of a data directory for which root has to give up its rights; `None` if there is nothing to
/// give up.
fn foreign_place(data_dir: &Path) -> Result<Option<Place>, String> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let place = walk(data_dir)?;
    if !place.is_missing && !place.is_dir() {
        return Err(format!("{}: is no folder", data_dir.display()));
    }
    Ok(Some(place).filter(|place| place.is_foreign))
}

/// Goes along a path, a name at a time. Links of root's are followed, and those of the owner of the place
/// to which they lead.
fn walk(path: &Path) -> Result<Place, String> {
    let fail = |error: Errno| format!("{}: {error}", path.display());
    let seen = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |folder: &OwnedFd, name: &OsString| openat(folder, name, seen, Mode::empty());
    let root = || openat(CWD, "/", seen, Mode::empty()).map_err(fail);
    let mut place = Place {
        folder: root()?,
        last: OsString::from("."),
        entry: root()?,
        found: fstat(root()?).map_err(fail)?,
        is_missing: false,
        is_foreign: false,
    };
    let mut left = parts(&absolute(path)?);
    let mut links = Vec::new();
    while let Some(part) = left.pop() {
        if part == "/" {
            place.entry = root()?;
            continue;
        }
        let next = match open(&place.entry, &part) {
            Err(Errno::NOENT) => {
                place.is_missing = true;
                break;
            }
            next => next.map_err(fail)?,
        };
        let found = fstat(&next).map_err(fail)?;
        place.is_foreign |= found.st_uid != 0;
        if FileType::from_raw_mode(found.st_mode).is_symlink() {
            links.push(found.st_uid);
            let target = readlinkat(&next, "", Vec::new()).map_err(fail)?;
            left.extend(parts(Path::new(&*target.to_string_lossy())));
        } else {
            place.folder = std::mem::replace(&mut place.entry, next);
            (place.last, place.found) = (part, found);
        }
        if links.len() > LINKS_MAX {
            return Err(fail(Errno::LOOP));
        }
    }
    place.found = fstat(&place.entry).map_err(fail)?;
    match links.into_iter().find(|owner| ![0, place.found.st_uid].contains(owner)) {
        Some(stranger) => Err(format!(
            "{}: a link on the way belongs to user {stranger}, and what it leads to does not; name it \
             without that link",
            path.display()
        )),
        None => Ok(place),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The names of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.components().filter(|part| *part != Component::CurDir);
    names.rev().map(|part| part.as_os_str().to_owned()).collect()
}
