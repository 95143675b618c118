//! A shop that was stopped, to be damaged, lost or restored.

use crate::common::{Running, Server, log_after, order, product};
use rusqlite::Connection;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::{TempDir, tempdir};
use tillcast::limits::ROW_CHECK_BYTES_MAX;

/// A stopped shop, the path of a backup of it, and its event log.
pub(crate) struct Shop {
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
    pub(crate) log: Vec<String>,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let mut server = Server::start();
        let admin = server.admin();
        let tea = product(&admin, 2.5, 10_000);
        for _ in 0..150 {
            order(&admin, tea, 1);
        }
        let log = log_after(&admin, 0);
        assert_eq!(server.stop(), Some(0));
        let shop = Self { server, folder: tempdir().unwrap(), log };
        succeeds(&shop.server.cli(&["backup", shop.backup().to_str().unwrap()], ""));
        shop
    }

    pub(crate) fn backup(&self) -> PathBuf {
        self.folder.path().join("backup.db")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.server.data_dir().join("tillcast.db")
    }

    pub(crate) fn restore(&self) -> Output {
        self.server.cli(&["restore", self.backup().to_str().unwrap()], "")
    }

    /// A shop that is too large for a full check before it opens, and that was closed cleanly.
    pub(crate) fn large() -> Self {
        let shop = Self::new();
        let conn = Connection::open(shop.database()).unwrap();
        let fill = "
            WITH RECURSIVE n (n) AS (SELECT max(seq) + 1 FROM events
                                     UNION ALL SELECT n + 1 FROM n LIMIT 30000)
            INSERT INTO events (seq, at, kind, body)
                SELECT n, (SELECT max(at) FROM events), 0, hex(zeroblob(100)) FROM n";
        assert_eq!(conn.execute(fill, []).unwrap(), 30_000);
        conn.close().map_err(|(_, error)| error).unwrap();
        assert!(shop.database().metadata().unwrap().len() > ROW_CHECK_BYTES_MAX);
        shop
    }

    /// Inverts all bits of a page in the middle; returns the whole file.
    pub(crate) fn damage_page(&self) -> Vec<u8> {
        self.damage(0..4096, |byte| *byte ^= 0xff)
    }

    /// Erases the rows of a page in the middle, but not its form; returns the whole file.
    pub(crate) fn damage_rows(&self) -> Vec<u8> {
        self.damage(3072..4096, |byte| *byte = 0)
    }

    pub(crate) fn damage(&self, part: Range<usize>, how: impl Fn(&mut u8)) -> Vec<u8> {
        let mut bytes = fs::read(self.database()).unwrap();
        let middle = bytes.len() / 4096 / 2 * 4096;
        bytes[middle..][part].iter_mut().for_each(how);
        fs::write(self.database(), &bytes).unwrap();
        bytes
    }

    /// Checks that a start fails with the name of that file and the advice to restore, before it
    /// listens.
    #[track_caller]
    pub(crate) fn is_refused(&self, named: &Path) {
        let start = self.ends(named);
        assert!(!start.seen().contains("listening"), "{}", start.seen());
    }

    /// Checks that a server fails with the name of that file and the advice to restore.
    #[track_caller]
    pub(crate) fn ends(&self, named: &Path) -> Running {
        let data = self.server.data_dir();
        let data = data.to_str().unwrap();
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data];
        let mut start = Running::start(&arguments, &[], data.as_ref());
        let told = start.line_with(named.to_str().unwrap());
        assert!(told.contains("tillcast restore"), "{told}");
        assert_eq!(start.wait(), Some(1));
        start
    }
}

#[track_caller]
pub(crate) fn succeeds(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
pub(crate) fn fails(output: &Output, words: &[&str]) {
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaints}");
    for word in words {
        assert!(complaints.contains(word), "no {word} in {complaints}");
    }
}

/// The files of a folder: names and contents.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().path();
    let mut paths: Vec<PathBuf> = folder.read_dir().unwrap().map(read).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}
