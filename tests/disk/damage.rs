//! Guards the recovery after a disk failure, against a damaged shop that is served or "repaired", and
//! one that is replaced by an empty one.

use crate::common::{head, log_after, outside_order};
use crate::stopped_shop::{Shop, fails, succeeds};
use rusqlite::Connection;
use std::fs;

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
