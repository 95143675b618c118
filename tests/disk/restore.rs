//! Guards `tillcast restore`, against one that destroys what was left of a shop, or gives a number out
//! twice.

use crate::common::{head, log_after, outside_order, run};
use crate::stopped_shop::{Shop, fails, files, succeeds};
use rusqlite::Connection;
use serde_json::json;
use std::fs;
use tempfile::tempdir;

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
        ("missing.db", "there is no such file"),
    ] {
        let output = run(&["restore", backup, "--data-dir", "shop"], &[], folder.path());
        fails(&output, &[&format!("{backup}: {why}")]);
        assert!(files(folder.path()) == before, "{backup}");
    }
}
