//! Guards the backups that a shop needs when its disk fails, against a backup that holds half an
//! order, a damaged file that is served or "repaired", and a foreign database that is overwritten.

use crate::common::{
    Client, Running, Server, customer, head, log_after, order, outside_order, pay, product, run,
};
use crate::stopped_shop::{files, succeeds};
use rusqlite::Connection;
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::{TempDir, tempdir};

const PAGE_BYTES: usize = 4096;

fn database(folder: &TempDir) -> PathBuf {
    folder.path().join("tillcast.db")
}

fn check(folder: &Path) -> Output {
    run(&["check", "--data-dir", folder.to_str().unwrap()], &[], folder)
}

/// Checks that the command failed with a text that names the file; returns the text.
#[track_caller]
fn is_refused(output: &Output, file: &Path) -> String {
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{complaints}");
    assert!(complaints.contains(file.to_str().unwrap()), "{complaints}");
    complaints
}

#[track_caller]
fn is_sound(folder: &Path) {
    let output = check(folder);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// A stopped shop with some hundred orders, in a folder of its own.
fn shop() -> TempDir {
    let mut server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10_000);
    customer(&admin);
    for _ in 0..150 {
        let sold = order(&admin, tea, 1);
        pay(&admin, sold["id"].as_i64().unwrap(), 2.5);
    }
    assert_eq!(server.stop(), Some(0));
    let folder = tempdir().unwrap();
    let copied = server.cli(&["backup", database(&folder).to_str().unwrap()], "");
    assert!(copied.status.success(), "{copied:?}");
    is_sound(folder.path());
    folder
}

/// Sells over several tills at once and has the database copied meanwhile. Returns the number of orders
/// that were acknowledged when the copy began, and the most that can have been when it ended.
fn backup_under_load(admin: &Client, product: i64, backup: impl FnOnce()) -> [usize; 2] {
    let sold = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let till = || {
            let (client, sold) = (admin.separate(), &sold);
            scope.spawn(move || {
                for _ in 0..150 {
                    order(&client, product, 1);
                    sold.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let tills: Vec<_> = (0..4).map(|_| till()).collect();
        while sold.load(Ordering::SeqCst) < 100 {
            assert!(tills.iter().any(|till| !till.is_finished()), "nobody sells");
            std::thread::yield_now();
        }
        let before = sold.load(Ordering::SeqCst);
        backup();
        [before, sold.load(Ordering::SeqCst) + tills.len()]
    })
}

#[test]
fn a_backup_under_load_is_the_shop_at_one_moment() {
    is_the_shop_at_one_moment(|server, _, file| {
        let backup = server.cli(&["backup", file.to_str().unwrap()], "");
        assert!(backup.status.success(), "{backup:?}");
    });
}

#[test]
fn a_backup_that_an_admin_asks_for_is_so_too() {
    is_the_shop_at_one_moment(|_, admin, file| {
        let made = admin.request("POST", "/api/backups", &[], None).expect(201).json();
        let folder = admin.get("/api/backups").expect(200).json()["folder"].clone();
        let made = Path::new(folder.as_str().unwrap()).join(made["name"].as_str().unwrap());
        fs::copy(made, file).unwrap();
    });
}

fn is_the_shop_at_one_moment(backup: impl FnOnce(&Server, &Client, &Path)) {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 1_000_000);
    let folder = tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let [before, after] = backup_under_load(&admin, tea, || backup(&server, &admin, &file));
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let restored =
        run(&["restore", file.to_str().unwrap(), "--data-dir", data], &[], folder.path());
    assert!(restored.status.success(), "{restored:?}");
    is_sound(data.as_ref());
    let log = log_after(&admin, 0);

    // The copy can be served, with the sessions of that moment.
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data];
    let mut copy = Running::start(&arguments, &[], folder.path());
    let line = copy.line_with("listening on ");
    let address = line.split_whitespace().last().unwrap().parse().unwrap();
    let client = admin.at(address);
    let stock = client.get(&format!("/api/products/{tea}")).expect(200).json();
    let sold = 1_000_000 - usize::try_from(stock["stock"].as_u64().unwrap()).unwrap();
    assert!((before..=after).contains(&sold), "{before} {sold} {after}");
    // The copy's log is the beginning of the shop's, and continues from there.
    let copied = log_after(&client, 0);
    assert_eq!(copied, log[..copied.len()]);
    assert_eq!(copied.len(), 1 + 2 * sold);
    order(&client, tea, 1);
    assert_eq!(head(&client), copied.len() as u64 + 2);
    assert_eq!(copy.end(Signal::TERM), Some(0));
    is_sound(data.as_ref());
}

#[test]
fn a_path_that_looks_like_a_uri_is_a_path() {
    let folder = tempdir().unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data-dir", "file:a?mode=memory"];
    let mut server = Running::start(&serve, &[], folder.path());
    server.line_with("listening on ");
    assert_eq!(server.end(Signal::TERM), Some(0));
    let backup = ["backup", "file:copy.db?mode=memory&x=.db", "--data-dir", "file:a?mode=memory"];
    let output = run(&backup, &[], folder.path());
    assert!(output.status.success(), "{output:?}");
    for file in ["file:a?mode=memory/tillcast.db", "file:copy.db?mode=memory&x=.db"] {
        assert!(folder.path().join(file).metadata().unwrap().len() > 0, "{file}");
    }
}

#[test]
fn a_server_that_was_stopped_leaves_all_in_one_file() {
    let mut server = Server::start();
    let admin = server.admin();
    for _ in 0..20 {
        outside_order(&admin, 5.25);
    }
    let log = log_after(&admin, 0);
    assert_eq!(server.stop(), Some(0));
    let folder = tempdir().unwrap();
    fs::copy(server.data_dir().join("tillcast.db"), database(&folder)).unwrap();
    is_sound(folder.path());
    let data = folder.path().to_str().unwrap();
    let output = run(&["events", "--data-dir", data], &[], folder.path());
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), log);
    // No file is left that would belong to another database in its place.
    assert!(!server.data_dir().join("tillcast.db-wal").exists());
}

#[test]
fn a_backup_never_overwrites() {
    let server = Server::start();
    let folder = tempdir().unwrap();
    let file = database(&folder);
    fs::write(&file, "precious").unwrap();
    is_refused(&server.cli(&["backup", file.to_str().unwrap()], ""), &file);
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    let nowhere = folder.path().join("missing/shop.db");
    is_refused(&server.cli(&["backup", nowhere.to_str().unwrap()], ""), &nowhere);
    // The mount point of a missing stick is not a file.
    for missing in ["stick", "stick/", "stick/shop"] {
        let missing = folder.path().join(missing);
        let told = is_refused(&server.cli(&["backup", missing.to_str().unwrap()], ""), &missing);
        assert!(told.contains("there is no"), "{told}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_folder_gets_one_backup_a_day_and_keeps_some() {
    let server = Server::start();
    let folder = tempdir().unwrap();
    for day in 1..6 {
        fs::write(folder.path().join(format!("tillcast-2020-01-0{day}.db")), "old").unwrap();
    }
    let backup = || {
        let path = folder.path().to_str().unwrap();
        let output = server.cli(&["backup", path, "--backup-keep", "3"], "");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let told = backup();
    let today = told.split(' ').next().unwrap();
    let kept = || folder.path().read_dir().unwrap().count();
    assert_eq!(kept(), 3);
    fs::rename(today, database(&folder)).unwrap();
    is_sound(folder.path());
    fs::rename(database(&folder), today).unwrap();
    assert!(backup().contains("today's backup already"));
    fs::metadata(today).unwrap();
}

#[test]
fn a_damaged_file_is_reported_and_not_touched() {
    let folder = shop();
    let file = database(&folder);
    let sound = fs::read(&file).unwrap();
    let head_of = |table: &str| {
        let conn = Connection::open(&file).unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?";
        let page: i64 = conn.query_row(sql, [table], |row| row.get(0)).unwrap();
        (usize::try_from(page).unwrap() - 1) * PAGE_BYTES
    };
    let is_full = |page: &usize| {
        let middle = &sound[page * PAGE_BYTES + PAGE_BYTES / 2..][..1024];
        middle.iter().filter(|byte| **byte != 0).count() > 512
    };
    let full = (0..sound.len() / PAGE_BYTES).rfind(is_full).unwrap();
    let places = [
        head_of("orders"),
        head_of("events"),
        head_of("transactions_of_order"),
        // The schema, after the file's header.
        100,
        // Rows, in the middle of one page.
        full * PAGE_BYTES + PAGE_BYTES / 2,
    ];
    for place in places {
        let mut damaged = sound.clone();
        for byte in &mut damaged[place..place + 1024] {
            *byte ^= 0xff;
        }
        fs::write(&file, &damaged).unwrap();
        let output = check(folder.path());
        assert_ne!(output.status.code(), Some(0), "damage at {place} was not found");
        is_refused(&output, &file);
        assert!(fs::read(&file).unwrap() == damaged, "check changed the file");
    }
    let cut = &sound[..sound.len() / 2];
    fs::write(&file, cut).unwrap();
    is_refused(&check(folder.path()), &file);
    fs::write(&file, &sound).unwrap();
    is_sound(folder.path());
}

/// Checks that every command refuses the file and leaves it unchanged; returns the error texts.
#[track_caller]
fn stays_as_it_is(folder: &TempDir) -> String {
    let file = database(folder);
    let bytes = fs::read(&file).unwrap();
    let data = folder.path().to_str().unwrap();
    let mut told = String::new();
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0", "--data-dir", data][..],
        &["check", "--data-dir", data],
        &["user", "list", "--data-dir", data],
        &["events", "--data-dir", data],
    ] {
        told += &is_refused(&run(arguments, &[], folder.path()), &file);
        assert!(fs::read(&file).unwrap() == bytes, "{arguments:?} changed the file");
    }
    told
}

#[test]
fn a_foreign_file_is_not_touched() {
    let folder = tempdir().unwrap();
    let foreign = Connection::open(database(&folder)).unwrap();
    foreign.execute_batch("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')").unwrap();
    foreign.close().map_err(|(_, error)| error).unwrap();
    stays_as_it_is(&folder);

    fs::write(database(&folder), "Dear diary, ".repeat(1_000)).unwrap();
    stays_as_it_is(&folder);
}

#[test]
fn a_newer_database_is_not_touched() {
    let folder = shop();
    let newer = Connection::open(database(&folder)).unwrap();
    newer.pragma_update(None, "user_version", 999).unwrap();
    newer.close().map_err(|(_, error)| error).unwrap();
    let told = stays_as_it_is(&folder);
    assert!(told.contains("999"), "{told}");
}

#[test]
fn check_fails_without_a_database() {
    let folder = tempdir().unwrap();
    is_refused(&check(folder.path()), &database(&folder));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_database_that_contradicts_itself_is_reported() {
    let folder = shop();
    let file = database(&folder);
    let sound = fs::read(&file).unwrap();
    for harm in [
        "DELETE FROM events WHERE seq = 7",
        "UPDATE orders SET seq = seq + 1000 WHERE id = 3",
        "PRAGMA foreign_keys = OFF; DELETE FROM orders WHERE id = 3",
        "DELETE FROM customers",
        "PRAGMA foreign_keys = OFF; INSERT INTO sessions VALUES (zeroblob(32), 99, 0, 0, NULL)",
    ] {
        fs::write(&file, &sound).unwrap();
        let conn = Connection::open(&file).unwrap();
        conn.execute_batch(harm).unwrap();
        conn.close().map_err(|(_, error)| error).unwrap();
        let said = is_refused(&check(folder.path()), &file);
        assert!(!said.contains("Invalid column"), "{said}");
    }
}

#[test]
fn a_running_shop_is_sound() {
    let server = Server::start();
    let admin: Client = server.admin();
    is_sound(&server.data_dir());
    outside_order(&admin, 5.25);
    is_sound(&server.data_dir());
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
