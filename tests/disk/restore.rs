//! Guards the recovery after a disk failure, against a damaged shop that is served or "repaired",
//! one that is replaced by an empty one, and a restore that destroys what was left.

use crate::common::{Running, Server, head, log_after, order, outside_order, product, run};
use rusqlite::Connection;
use serde_json::json;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::{TempDir, tempdir};
use tillcast::limits::ROW_CHECK_BYTES_MAX;

/// A stopped shop, the path of a backup of it, and its event log.
struct Shop {
    server: Server,
    folder: TempDir,
    log: Vec<String>,
}

impl Shop {
    fn new() -> Self {
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

    fn backup(&self) -> PathBuf {
        self.folder.path().join("backup.db")
    }

    fn database(&self) -> PathBuf {
        self.server.data_dir().join("tillcast.db")
    }

    fn restore(&self) -> Output {
        self.server.cli(&["restore", self.backup().to_str().unwrap()], "")
    }

    /// A shop that is too large for a full check before it opens, and that was closed cleanly.
    fn large() -> Self {
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
    fn damage_page(&self) -> Vec<u8> {
        self.damage(0..4096, |byte| *byte ^= 0xff)
    }

    /// Erases the rows of a page in the middle, but not its form; returns the whole file.
    fn damage_rows(&self) -> Vec<u8> {
        self.damage(3072..4096, |byte| *byte = 0)
    }

    fn damage(&self, part: Range<usize>, how: impl Fn(&mut u8)) -> Vec<u8> {
        let mut bytes = fs::read(self.database()).unwrap();
        let middle = bytes.len() / 4096 / 2 * 4096;
        bytes[middle..][part].iter_mut().for_each(how);
        fs::write(self.database(), &bytes).unwrap();
        bytes
    }

    /// Checks that a start fails with the name of that file and the advice to restore, before it
    /// listens.
    #[track_caller]
    fn is_refused(&self, named: &Path) {
        let start = self.ends(named);
        assert!(!start.seen().contains("listening"), "{}", start.seen());
    }

    /// Checks that a server fails with the name of that file and the advice to restore.
    #[track_caller]
    fn ends(&self, named: &Path) -> Running {
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
fn succeeds(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn fails(output: &Output, words: &[&str]) {
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaints}");
    for word in words {
        assert!(complaints.contains(word), "no {word} in {complaints}");
    }
}

/// The files of a folder: names and contents.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().path();
    let mut paths: Vec<PathBuf> = folder.read_dir().unwrap().map(read).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_damaged_database_is_refused_as_it_is_and_restored() {
    let shop = Shop::new();
    let sound = fs::read(shop.database()).unwrap();
    let with_damage_at = |from: usize, to: usize| {
        let mut bytes = sound.clone();
        bytes[from..to].iter_mut().for_each(|byte| *byte ^= 0xff);
        bytes
    };
    let middle = sound.len() / 4096 / 2 * 4096;
    for (what, bytes) in [
        ("header", with_damage_at(0, 100)),
        ("schema", with_damage_at(100, 1_000)),
        ("middle page", with_damage_at(middle, middle + 4096)),
        ("cut", sound[..middle].to_vec()),
        ("no header", vec![0; sound.len()]),
        ("0 bytes", Vec::new()),
    ] {
        fs::write(shop.database(), &bytes).unwrap();
        shop.is_refused(&shop.database());
        assert!(fs::read(shop.database()).unwrap() == bytes, "{what}: the start changed the file");
        let told = succeeds(&shop.restore());
        let old = told.trim_end().rsplit(' ').next().unwrap();
        assert!(fs::read(old).unwrap() == bytes, "{what}: {old} is not the old file");
        succeeds(&shop.server.cli(&["check"], ""));
    }
    let mut server = shop.server.again();
    let admin = server.admin();
    assert_eq!(log_after(&admin, 0), shop.log);
    outside_order(&admin, 5.25);
    // The new numbers are above all that the damaged database may have given out.
    assert!(head(&admin) > shop.log.len() as u64 + 1);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_large_database_is_checked_while_it_is_served() {
    let shop = Shop::large();
    let sound = fs::read(shop.database()).unwrap();
    let mut server = shop.server.again();
    server.wait_for_log("all pages of the database are sound");
    let admin = server.admin();
    outside_order(&admin, 5.25);
    assert_eq!(server.stop(), Some(0));
    let shop = Shop { server, ..shop };
    assert!(fs::read(shop.database()).unwrap() != sound);

    let damaged = shop.damage_rows();
    let start = shop.ends(&shop.database());
    assert!(start.seen().contains("listening"), "{}", start.seen());
    assert!(fs::read(shop.database()).unwrap() == damaged);
    succeeds(&shop.restore());
    assert_eq!(log_after(&shop.server.again().admin(), 0), shop.log);
}

#[test]
fn a_damaged_page_of_a_large_database_is_found_first() {
    let shop = Shop::large();
    let damaged = shop.damage_page();
    shop.is_refused(&shop.database());
    assert!(fs::read(shop.database()).unwrap() == damaged);
}

#[test]
fn a_large_database_is_checked_first_after_a_crash() {
    let mut shop = Shop::large();
    shop.server = shop.server.again();
    shop.server.wait_for_log("all pages of the database are sound");
    outside_order(&shop.server.admin(), 5.25);
    shop.server.kill();
    let damaged = shop.damage_rows();
    let wal = shop.server.data_dir().join("tillcast.db-wal");
    let log = fs::read(&wal).unwrap();
    shop.is_refused(&shop.database());
    assert!(fs::read(shop.database()).unwrap() == damaged);
    assert!(fs::read(&wal).unwrap() == log);
}

/// The files that other users may read or write.
fn open_to_others(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = files(folder).into_iter().map(|(path, _)| path).collect();
    paths.retain(|path| path.metadata().unwrap().permissions().mode() & 0o077 != 0);
    paths
}

#[test]
fn files_are_their_owners_alone() {
    let backups = tempdir().unwrap();
    let folder = backups.path().join("daily");
    let mut server = Server::with(&["--backup-dir", folder.to_str().unwrap()]);
    server.wait_for_log("today's backup is ");
    outside_order(&server.admin(), 5.25);
    let backup = folder.join("shop.db");
    succeeds(&server.cli(&["backup", backup.to_str().unwrap()], ""));
    let data = server.data_dir();
    for name in ["", "-wal", "-shm"] {
        assert!(data.join(format!("tillcast.db{name}")).exists());
    }
    assert!(data.join("tillcast.lock").exists() && data.join("tillcast.reserve").exists());
    assert_eq!(files(&folder).len(), 2);
    assert_eq!(open_to_others(&data), Vec::<PathBuf>::new());
    assert_eq!(open_to_others(&folder), Vec::<PathBuf>::new());
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o077, 0);
    assert_eq!(server.stop(), Some(0));

    // The backup's mode does not carry over to the shop.
    fs::set_permissions(&backup, fs::Permissions::from_mode(0o644)).unwrap();
    succeeds(&server.cli(&["restore", backup.to_str().unwrap()], ""));
    assert_eq!(open_to_others(&data), Vec::<PathBuf>::new());
}

#[test]
fn a_lost_database_is_not_created_again() {
    let shop = Shop::new();
    fs::remove_file(shop.database()).unwrap();
    shop.is_refused(&shop.database());
    fails(&shop.server.cli(&["user", "list"], ""), &["tillcast restore"]);
    assert!(!shop.database().exists());
    // This also holds for a file that SQLite has created and nothing more.
    let conn = Connection::open(shop.database()).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.close().map_err(|(_, error)| error).unwrap();
    shop.is_refused(&shop.database());
    succeeds(&shop.restore());
    let server = shop.server.again();
    assert_eq!(log_after(&server.admin(), 0), shop.log);
}

#[test]
fn an_unreadable_write_ahead_log_is_not_removed() {
    let shop = Shop::new();
    let wal = shop.server.data_dir().join("tillcast.db-wal");
    let garbage = "not a log ".repeat(2_000);
    fs::write(&wal, &garbage).unwrap();
    let database = fs::read(shop.database()).unwrap();
    shop.is_refused(&wal);
    fails(&shop.server.cli(&["check"], ""), &[wal.to_str().unwrap()]);
    assert!(fs::read(&wal).unwrap() == garbage.as_bytes());
    assert!(fs::read(shop.database()).unwrap() == database);
    succeeds(&shop.restore());
    assert!(!wal.exists());
    let old = shop.server.data_dir().join("tillcast.db.old-1-wal");
    assert!(fs::read(old).unwrap() == garbage.as_bytes());
    // A log that a power cut left at its very beginning is not damage.
    fs::write(&wal, vec![0; 4096]).unwrap();
    let server = shop.server.again();
    assert_eq!(log_after(&server.admin(), 0), shop.log);
}

#[test]
fn the_write_ahead_log_is_kept_with_the_old_database() {
    let mut shop = Shop::new();
    shop.server = shop.server.again();
    let admin = shop.server.admin();
    outside_order(&admin, 5.25);
    let log = log_after(&admin, 0);
    fails(&shop.restore(), &["another tillcast", shop.server.data_dir().to_str().unwrap()]);
    shop.server.kill();
    succeeds(&shop.restore());
    let old = tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let kept = shop.server.data_dir().join(format!("tillcast.db.old-1{suffix}"));
        fs::copy(kept, old.path().join(format!("tillcast.db{suffix}"))).unwrap();
    }
    let output = run(&["events", "--data-dir", old.path().to_str().unwrap()], &[], old.path());
    assert_eq!(succeeds(&output).lines().collect::<Vec<_>>(), log);
    let server = shop.server.again();
    assert_eq!(log_after(&server.admin(), 0), shop.log);
}

/// The shop continues after the backup, and a restore takes it back. No number that it gave out
/// since is given out again, and clients that know such a number get a reset.
fn reuses_no_number(lose: impl Fn(&Shop)) {
    let mut shop = Shop::new();
    let backed_up = shop.log.len() as u64;
    let mut server = shop.server.again();
    let admin = server.admin();
    for _ in 0..3 {
        outside_order(&admin, 5.25);
    }
    let body = json!({"username": "ana", "role": "staff", "password": "correct horse"});
    let ana = admin.post("/api/users", &body).expect(201).id();
    for role in ["kiosk", "staff"] {
        admin.patch(&format!("/api/users/{ana}"), &json!({ "role": role })).expect(200);
    }
    let last = outside_order(&admin, 5.25);
    let order_number =
        admin.get(&format!("/api/orders/{last}")).expect(200).json()["order_number"].clone();
    let audit =
        admin.get("/api/audit?limit=1").expect(200).json()["data"][0]["id"].as_i64().unwrap();
    let seen = head(&admin);
    assert_eq!(server.stop(), Some(0));
    shop.server = server;
    lose(&shop);
    succeeds(&shop.restore());
    succeeds(&shop.server.cli(&["check"], ""));

    let mut server = shop.server.again();
    let admin = server.admin();
    assert_eq!(log_after(&admin, 0), shop.log, "what the backup has is there");
    let subscribe = |since| admin.ws().subscribe_since("order_changes", since)["type"].clone();
    let states = |ended: &[u64]| {
        for since in [backed_up - 1, backed_up] {
            assert_eq!(subscribe(since), "subscribed", "{since}");
        }
        for since in ended {
            assert_eq!(subscribe(*since), "reset", "{since}");
        }
    };
    let ended = [backed_up + 1, seen - 1, seen];
    states(&ended);
    let made = outside_order(&admin, 5.25);
    assert!(made > last, "{made} {last}");
    let made = admin.get(&format!("/api/orders/{made}")).expect(200).json();
    assert!(made["order_number"].as_str() > order_number.as_str(), "{made} {order_number}");
    assert!(head(&admin) > seen);
    states(&ended);
    let trail = admin.get("/api/audit").expect(200).json();
    let entries = trail["data"].as_array().unwrap();
    let restore = entries.iter().find(|entry| entry["action"] == "restore").unwrap();
    assert!(restore["id"].as_i64().unwrap() > audit, "{trail}");
    let user = admin.post("/api/users", &body).expect(201).id();
    assert!(user > ana, "{user} {ana}");
    assert_eq!(server.stop(), Some(0));
    // The same holds after another restore.
    let shop = Shop { server, ..shop };
    fs::remove_file(shop.backup()).unwrap();
    succeeds(&shop.server.cli(&["backup", shop.backup().to_str().unwrap()], ""));
    succeeds(&shop.restore());
    succeeds(&shop.restore());
    let mut server = shop.server.again();
    let again = outside_order(&server.admin(), 5.25);
    assert!(again > made["id"].as_i64().unwrap(), "{again} {made}");
    assert_eq!(server.stop(), Some(0));
    succeeds(&server.cli(&["check"], ""));
}

#[test]
fn a_restored_shop_continues_above_the_database_that_it_replaces() {
    reuses_no_number(|_| ());
}

#[test]
fn a_shop_whose_database_is_lost_continues_above_its_marks() {
    reuses_no_number(|shop| fs::remove_file(shop.database()).unwrap());
    reuses_no_number(|shop| drop(shop.damage(0..4096, |byte| *byte ^= 0xff)));
}

#[test]
fn a_damaged_backup_replaces_nothing() {
    let shop = Shop::new();
    let sound = fs::read(shop.backup()).unwrap();
    let before = files(&shop.server.data_dir());
    let sql = |sql: &str| {
        fs::write(shop.backup(), &sound).unwrap();
        let conn = Connection::open(shop.backup()).unwrap();
        conn.execute_batch(sql).unwrap();
        conn.close().map_err(|(_, error)| error).unwrap();
        fs::read(shop.backup()).unwrap()
    };
    let middle = sound.len() / 4096 / 2 * 4096;
    let mut damaged = sound.clone();
    let own_advice = "`tillcast restore FILE`";
    damaged[middle..middle + 4096].fill(0xff);
    let contradicts_itself = sql("DELETE FROM events WHERE seq = 7");
    let newer = sql("PRAGMA user_version = 999");
    let foreign = sql("PRAGMA application_id = 1");
    let cut = sound[..middle].to_vec();
    for bytes in
        [damaged, contradicts_itself, newer, foreign, cut, Vec::new(), b"Dear diary".to_vec()]
    {
        fs::write(shop.backup(), &bytes).unwrap();
        let output = shop.restore();
        fails(&output, &[shop.backup().to_str().unwrap()]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains(own_advice), "{told}");
        assert!(files(&shop.server.data_dir()) == before);
        assert!(fs::read(shop.backup()).unwrap() == bytes);
    }
    // A file that was copied from a running shop lacks the part in its write-ahead log.
    fs::write(shop.backup(), &sound).unwrap();
    let rest = shop.folder.path().join("backup.db-wal");
    fs::write(&rest, "the newest orders").unwrap();
    fails(&shop.restore(), &[rest.to_str().unwrap()]);
    fs::remove_file(&rest).unwrap();
    fs::remove_file(shop.backup()).unwrap();
    fails(&shop.restore(), &[shop.backup().to_str().unwrap()]);
    assert!(files(&shop.server.data_dir()) == before);
}

#[test]
fn a_file_that_is_not_a_backup_is_refused_before_a_shop_is_created() {
    let folder = tempdir().unwrap();
    let foreign = Connection::open(folder.path().join("foreign.db")).unwrap();
    foreign.execute_batch("CREATE TABLE t (a)").unwrap();
    foreign.close().map_err(|(_, error)| error).unwrap();
    fs::write(folder.path().join("empty.db"), "").unwrap();
    let before = files(folder.path());
    for (backup, why) in [
        ("/etc/passwd", "is not a backup of a shop"),
        ("empty.db", "is not a backup of a shop"),
        ("foreign.db", "is a database of another program"),
        (".", "is a folder"),
        ("missing.db", "No such file"),
    ] {
        let output = run(&["restore", backup, "--data-dir", "shop"], &[], folder.path());
        fails(&output, &[&format!("{backup}: {why}")]);
        assert!(files(folder.path()) == before, "{backup}");
    }
}

#[test]
fn a_backup_is_made_every_day_and_old_ones_are_removed() {
    let backups = tempdir().unwrap();
    let old: Vec<String> = (1..6).map(|day| format!("tillcast-2020-01-0{day}.db")).collect();
    for name in old.iter().map(String::as_str).chain(["tillcast-mine.db", "notes.txt"]) {
        fs::write(backups.path().join(name), name).unwrap();
    }
    let folder = backups.path().to_str().unwrap();
    let flags = ["--backup-dir", folder, "--backup-keep", "3"];
    let mut server = Server::with(&flags);
    let made = server.wait_for_log("today's backup is ");
    let made = PathBuf::from(made.rsplit(' ').next().unwrap());
    let names = || -> Vec<String> {
        let files = files(backups.path());
        files
            .iter()
            .map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    let today = made.file_name().unwrap().to_str().unwrap().to_owned();
    let expected = ["notes.txt", &old[3], &old[4], &today, "tillcast-mine.db"];
    assert_eq!(names(), expected);
    assert_eq!(server.stop(), Some(0));
    // The backup is a whole shop, and the next start on the same day makes no other.
    let bytes = fs::read(&made).unwrap();
    succeeds(&server.cli(&["restore", made.to_str().unwrap()], ""));
    let mut server = server.again();
    server.admin();
    assert_eq!(server.stop(), Some(0));
    assert_eq!(names(), expected);
    assert!(fs::read(&made).unwrap() == bytes);
}
