//! A small disk for one server, which can be full, read-only or cut off without harm to any other.
//! Mounting it needs root.
//!
//! Only the test and its children see the mount. Another program that starts a container would copy
//! all mounts, and hold the disk when it is unmounted: mounted again, it would still be the file
//! system that was cut off. The mount also ends with the test's thread, however that ends.

use super::{PATIENCE, Server};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use tempfile::{NamedTempFile, TempDir};

/// A mounted disk; dropping it unmounts it. Drop its server first.
pub(crate) struct Disk {
    folder: Arc<TempDir>,
    image: Option<NamedTempFile>,
}

impl Disk {
    /// A disk in memory, of `mib` MiB.
    pub(crate) fn in_memory(mib: u64) -> Self {
        hide_mounts();
        let folder = Arc::new(tempfile::tempdir().unwrap());
        root(
            "mount",
            &["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs", text(folder.path())],
        );
        Self { folder, image: None }
    }

    /// A file system with a journal, like that of an SD card.
    pub(crate) fn ext4(mib: u64) -> Self {
        hide_mounts();
        let image = NamedTempFile::new().unwrap();
        image.as_file().set_len(mib * 1024 * 1024).unwrap();
        root("mkfs.ext4", &["-q", "-e", "remount-ro", text(image.path())]);
        let disk = Self { folder: Arc::new(tempfile::tempdir().unwrap()), image: Some(image) };
        disk.mount();
        disk
    }

    /// Mounts the image, also again after `unmount`.
    pub(crate) fn mount(&self) {
        let image = self.image.as_ref().unwrap();
        root("mount", &["-o", "loop", text(image.path()), text(self.folder.path())]);
    }

    pub(crate) fn unmount(&self) {
        let begun = Instant::now();
        // A program that another test starts holds this process's open files until it runs.
        loop {
            let output = Command::new("umount").arg(self.folder.path()).output().unwrap();
            if output.status.success() {
                return;
            }
            let is_busy = String::from_utf8_lossy(&output.stderr).contains("busy");
            assert!(is_busy && begun.elapsed() < PATIENCE, "{output:?}");
        }
    }

    /// Remounts it with other options: `ro`, or `abort`, as the kernel does with a file system that
    /// has errors.
    pub(crate) fn remount(&self, options: &str) {
        root("mount", &["-o", &format!("remount,{options}"), text(self.folder.path())]);
    }

    /// Cuts the power: nothing that the kernel still holds reaches the disk, not even the file
    /// system's journal. From now on every access fails, until the disk is mounted again.
    #[expect(unsafe_code, reason = "this has no safe interface")]
    pub(crate) fn cut_power(&self) {
        const EXT4_IOC_SHUTDOWN: libc::c_ulong = 0x8004_587d;
        const NO_LOG_FLUSH: &u32 = &2;
        let root = File::open(self.folder.path()).unwrap();
        // SAFETY: the call reads one number through a valid pointer.
        let done = unsafe {
            libc::ioctl(root.as_raw_fd(), EXT4_IOC_SHUTDOWN as _, std::ptr::from_ref(NO_LOG_FLUSH))
        };
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// A server whose data directory is this disk.
    pub(crate) fn server(&self) -> Server {
        self.server_with(&[])
    }

    /// Like `server`, with flags.
    pub(crate) fn server_with(&self, flags: &[&str]) -> Server {
        Server::on(Arc::clone(&self.folder), flags, None)
    }

    /// Fills it to the last byte; dropping the file frees the space.
    pub(crate) fn fill(&self) -> NamedTempFile {
        let mut ballast = NamedTempFile::new_in(self.folder.path()).unwrap();
        let full = io::copy(&mut io::repeat(b'x').take(1 << 30), &mut ballast).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A failed test may have left it unmounted, or a file of it open.
        drop(Command::new("umount").arg("-l").arg(self.folder.path()).output());
    }
}

/// Gives this thread, and the threads that it starts, a mount namespace of their own.
#[expect(unsafe_code, reason = "this has no safe interface")]
fn hide_mounts() {
    // SAFETY: open files stay shared; mounts, root and working directory are copied.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("mounts need root");
    root("mount", &["--make-rprivate", "/"]);
}

fn root(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?} needs root: {output:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
