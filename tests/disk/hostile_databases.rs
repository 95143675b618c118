//! Guards the shop against a database that brings more than data: a trigger that makes an admin, a view, a
//! changed default. Such files come as backups, and from whoever may write to the data directory. No
//! command, restore or start runs anything of theirs, and none of them hangs or crashes on a broken one.

use crate::common::{
    PATIENCE, Server, create_shop, outside_order, password_of, run, seed, tillcast,
};
use fastrand::Rng;
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;
use tempfile::{TempDir, tempdir};

/// Each hostile addition or change: its SQL, and what the refusal names.
const FOREIGN: [(&str, &str); 16] = [
    (
        "CREATE TRIGGER elevate AFTER INSERT ON audit BEGIN
             UPDATE users SET role = 'admin' WHERE username = 'mallory'; END",
        "it has the trigger elevate",
    ),
    (
        "CREATE TRIGGER back AFTER DELETE ON users WHEN old.username = 'mallory' BEGIN
             INSERT INTO users (username, role, password_hash, created_at, updated_at)
             VALUES ('mallory', 'admin', old.password_hash, 0, 0); END",
        "it has the trigger back",
    ),
    ("CREATE VIEW seen AS SELECT * FROM users", "it has the view seen"),
    ("CREATE TABLE extra (x)", "it has the table extra"),
    ("CREATE INDEX of_notes ON orders (notes)", "it has the index of_notes"),
    ("ALTER TABLE users ADD COLUMN shadow TEXT", "its table users is not the one of a shop"),
    ("ALTER TABLE users RENAME COLUMN version TO versions", "its table users is not"),
    ("DROP INDEX orders_by_status", "it lacks the index orders_by_status"),
    ("DROP TABLE clock", "it lacks the table clock"),
    (
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'DEFAULT 0', 'DEFAULT 1') WHERE name = 'users'",
        "its table users is not",
    ),
    (
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (price >= 0)', '') WHERE name = 'products'",
        "its table products is not",
    ),
    (
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'ORD-', 'BILL-') WHERE name = 'orders'",
        "its table orders is not",
    ),
    (
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'NOCASE', 'BINARY') WHERE name = 'users'",
        "its table users is not",
    ),
    (
        "PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql)
         VALUES ('table', 'evil', 'evil', 0, 'CREATE VIRTUAL TABLE evil USING fts5(x)')",
        "evil",
    ),
    (
        "PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('trigger',
         char(27) || '[2J', 'users', 0,
         'CREATE TRIGGER ' || char(34, 27) || '[2J' || char(34) || ' DELETE ON users BEGIN SELECT 1; END')",
        "\\u{1b}[2J",
    ),
    ("PRAGMA user_version = 1", "its table users is not"),
];

/// Numbers with which the server would overflow, at the start or at the next sale: the SQL that plants them, and
/// what the refusal names.
const NUMBERS: [(&str, &str); 9] = [
    ("UPDATE users SET version = 9223372036854775807", "users has the version 9223372036854775807"),
    ("UPDATE users SET id = -1 WHERE username = 'mallory'", "users has the id -1"),
    ("UPDATE log SET first_seq = 9223372036854775807", "log has the first_seq 9223372036854775807"),
    ("UPDATE audit SET id = 9007199254740992 WHERE id = 1", "audit has the id 9007199254740992"),
    ("UPDATE sqlite_sequence SET seq = 'many'", "sqlite_sequence has a seq of the type Text"),
    (
        "INSERT INTO events (seq, at, kind, body) VALUES (9223372036854775807, 0, 0, '{}')",
        "events has the seq 9223372036854775807",
    ),
    (
        "INSERT INTO events (seq, at, kind, body) VALUES (1, 9223372036854775807, 0, '{}')",
        "events has the at 9223372036854775807",
    ),
    (
        "INSERT INTO sessions (token_hash, user_id, created_at, used_at)
         VALUES (zeroblob(32), 1, 0, -9223372036854775808)",
        "sessions has the used_at -9223372036854775808",
    ),
    (
        "INSERT OR REPLACE INTO clock (id, boot, began) VALUES (1, '', -9223372036854775808)",
        "clock has the began -9223372036854775808",
    ),
];

/// A shop with a user, which a folder and its data directory hold.
struct Shop {
    folder: TempDir,
}

impl Shop {
    fn new() -> Self {
        let shop = Self { folder: tempdir().unwrap() };
        create_shop(&shop.path("model"));
        let mallory = ["user", "add", "mallory", "--role", "staff", "--profile", "tiny"];
        assert!(tillcast(&shop.path("model"), &mallory, &password_of("staff")).status.success());
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy of the model's database that was made hostile.
    fn hostile(&self, sql: &str) -> PathBuf {
        let file = self.path("hostile.db");
        fs::copy(self.path("model/tillcast.db"), &file).unwrap();
        let conn = Connection::open(&file).unwrap();
        conn.pragma_update(None, "journal_mode", "DELETE").unwrap();
        conn.execute_batch(sql).unwrap();
        file
    }

    /// Runs each command on a data directory with this database, and `restore` with it as the backup.
    fn outputs(&self, file: &Path) -> Vec<Output> {
        let data = self.path("data");
        let data_dir = data.to_str().unwrap();
        let commands: [&[&str]; 6] = [
            &["user", "list"],
            &["user", "enable", "mallory"],
            &["check"],
            &["events"],
            &["backup", "copy.db"],
            &["serve", "--listen", "127.0.0.1:0"],
        ];
        let mut outputs = Vec::new();
        for command in commands {
            drop(fs::remove_dir_all(&data));
            fs::create_dir(&data).unwrap();
            fs::copy(self.path("model/tillcast.lock"), data.join("tillcast.lock")).unwrap();
            fs::copy(file, data.join("tillcast.db")).unwrap();
            let arguments = [command, &["--data-dir", data_dir]].concat();
            outputs.push(run(&arguments, &[], self.folder.path()));
            let kept = fs::read(data.join("tillcast.db")).unwrap() == fs::read(file).unwrap();
            assert!(kept, "{command:?} changed a database that is not a shop's");
        }
        fs::remove_dir_all(&data).unwrap();
        let restore = ["restore", file.to_str().unwrap(), "--data-dir", data_dir];
        outputs.push(run(&restore, &[], self.folder.path()));
        assert!(!data.join("tillcast.db").exists());
        outputs
    }
}

/// Checks that each command refuses each of these databases, and says the words.
fn are_refused(databases: &[(&str, &str)], words: &str) {
    let shop = Shop::new();
    for (sql, named) in databases {
        let file = shop.hostile(sql);
        for output in shop.outputs(&file) {
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{sql}: {output:?}");
            assert!(said.contains(named) && said.contains(words), "{sql}: {said}");
            assert!(!said.contains('\u{1b}'), "{sql}: {said}");
        }
    }
}

#[test]
fn a_database_with_more_than_data_is_refused_by_name() {
    are_refused(&FOREIGN, "");
}

#[test]
fn numbers_that_no_shop_reaches_are_refused() {
    are_refused(&NUMBERS, "no shop reaches");
}

/// Rows that the start does not look at: each counts for itself alone.
#[test]
fn strange_rows_stop_no_sale() {
    let mut server = Server::start();
    let admin = server.admin();
    assert_eq!(server.stop(), Some(0));
    let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let plant = "
        INSERT INTO responses (user_id, key, request_hash, kind, row_id, version, body, at)
            VALUES (1, 'far', x'', 0, 1, 1, '', 9223372036854775807);
        INSERT INTO sqlite_sequence (name, seq) VALUES (hex(zeroblob(2000)), 1), ('a b=c', 1), (NULL, 1);
        UPDATE sqlite_sequence SET seq = NULL WHERE name = 'orders'";
    database.execute_batch(plant).unwrap();
    drop(database);
    let server = server.again();
    outside_order(&server.adopt(&admin), 1.0);
}

/// What SQLite makes for its planner is no code: a shop that somebody has analysed opens.
#[test]
fn statistics_are_data() {
    let shop = Shop::new();
    let conn = Connection::open(shop.path("model/tillcast.db")).unwrap();
    conn.execute_batch("ANALYZE").unwrap();
    drop(conn);
    let output = tillcast(&shop.path("model"), &["check"], "");
    assert!(output.status.success(), "{output:?}");
}

/// Numbers of the header and of the pages that lead a reader astray: offset, bytes.
const HEADERS: [(usize, &[u8]); 14] = [
    (16, &[0, 0]),                    // page size
    (16, &[0, 1]),                    // 65,536
    (16, &[2, 0]),                    // 512
    (18, &[3, 3]),                    // versions of the format
    (20, &[255]),                     // reserved bytes of a page
    (28, &[255, 255, 255, 255]),      // pages
    (28, &[0, 0, 0, 1]),              // pages
    (32, &[0, 0, 0, 2]),              // first free page: a table
    (36, &[255, 255, 255, 255]),      // free pages
    (44, &[0, 0, 0, 9]),              // format of the schema
    (52, &[0, 0, 0, 3, 0, 0, 0, 1]),  // incremental vacuum
    (56, &[0, 0, 0, 3]),              // UTF-16
    (100, &[13, 255, 255, 255, 255]), // the schema's own page
    (108, &[255, 255, 255, 255]),
];

#[test]
fn a_broken_file_ends_each_command_with_a_sentence() {
    let shop = Shop::new();
    let sound = fs::read(shop.hostile("")).unwrap();
    let file = shop.path("broken.db");
    let seed = seed();
    eprintln!("the same files again: {}={seed}", crate::common::SEED_VARIABLE);
    let mut rng = Rng::with_seed(seed);
    let mut broken: Vec<Vec<u8>> = Vec::new();
    for (at, bytes) in HEADERS {
        let mut copy = sound.clone();
        copy[at..at + bytes.len()].copy_from_slice(bytes);
        broken.push(copy);
    }
    broken.extend([0, 1, 99, 100, 512, 4096, sound.len() - 1].map(|end| sound[..end].to_vec()));
    for _ in 0..20 {
        let mut copy = sound.clone();
        // Each page begins with the places of its cells.
        for _ in 0..8 {
            let page = rng.usize(..copy.len() / 4096) * 4096;
            copy[page + rng.usize(..128)] = rng.u8(..);
        }
        broken.push(copy);
    }
    for bytes in broken {
        fs::write(&file, &bytes).unwrap();
        let data = shop.path("data");
        for command in [&["check"][..], &["user", "list"], &["restore", file.to_str().unwrap()]] {
            drop(fs::remove_dir_all(&data));
            fs::create_dir(&data).unwrap();
            fs::write(data.join("tillcast.db"), &bytes).unwrap();
            let begun = Instant::now();
            let arguments = [command, &["--data-dir", data.to_str().unwrap()]].concat();
            let output = run(&arguments, &[], shop.folder.path());
            // Some damage is harmless; a signal or a panic never is.
            assert!(matches!(output.status.code(), Some(0 | 1)), "{command:?}: {output:?}");
            let said = output.stderr.starts_with(b"tillcast: ");
            assert!(output.status.success() || said, "{command:?}: {output:?}");
            assert!(begun.elapsed() < PATIENCE, "{command:?}");
        }
    }
}
