//! Guards the backup that an admin asks for: one that is not whole, one that fills the disk, one that nobody notes.

use crate::common::{Client, Server, order, product};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tillcast::domain::timestamp;

fn list(admin: &Client) -> Value {
    admin.get("/api/backups").expect(200).json()
}

fn make(admin: &Client) -> Value {
    let answer = admin.request("POST", "/api/backups", &[], None).expect(201);
    assert_eq!(answer.header("location"), "/api/backups");
    answer.json()
}

fn orders_in(file: &Path) -> i64 {
    let copy = Connection::open(file).unwrap();
    copy.query_row("SELECT count(*) FROM orders", [], |row| row.get(0)).unwrap()
}

fn folder(list: &Value) -> PathBuf {
    list["folder"].as_str().unwrap().into()
}

#[test]
fn it_has_all_orders_and_is_in_the_trail() {
    let server = Server::start();
    let admin = server.admin();
    let before = list(&admin);
    assert_eq!((&before["data"], &before["running"]), (&json!([]), &json!(false)));
    assert_eq!(folder(&before), server.data_dir().join("backups"));
    let tea = product(&admin, 2.5, 100);
    for _ in 0..3 {
        order(&admin, tea, 1);
    }
    let made = make(&admin);
    let file = folder(&before).join(made["name"].as_str().unwrap());
    assert_eq!(file.metadata().unwrap().len(), made["bytes"].as_u64().unwrap());
    assert!(timestamp::parse(made["created_at"].as_str().unwrap()).is_some(), "{made}");
    assert_eq!(orders_in(&file), 3);
    assert_eq!(list(&admin)["data"], json!([made]));
    let entry = admin.get("/api/audit?limit=1&entity=shop").expect(200).json()["data"][0].clone();
    assert_eq!((&entry["action"], &entry["entity"]), (&json!("backup"), &json!("shop")));
    assert_eq!((&entry["user_id"], &entry["address"]), (&json!(1), &json!("127.0.0.1")));
}

#[test]
fn the_newest_are_kept_beside_the_daily_ones() {
    for (keep, kept) in [("2", 2), ("0", 1)] {
        let server = Server::with(&["--backup-keep", keep]);
        let admin = server.admin();
        let folder = folder(&list(&admin));
        fs::create_dir(&folder).unwrap();
        let others = ["tillcast-2026-01-01.db", "tillcast-20260101T1.db", "notes.txt"];
        for name in others {
            fs::write(folder.join(name), "x").unwrap();
        }
        let made: Vec<Value> = (0..4).map(|_| make(&admin)["name"].clone()).collect();
        let all = list(&admin)["data"].clone();
        let names: Vec<&Value> = all.as_array().unwrap().iter().map(|one| &one["name"]).collect();
        let daily = json!(others[0]);
        let newest = made.iter().rev().take(kept).chain([&daily]);
        assert_eq!(names, newest.collect::<Vec<_>>());
        assert!(others.iter().all(|name| folder.join(name).exists()));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), kept + others.len());
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    fs::write(&file, "x").unwrap();
    let server = Server::with(&["--backup-keep", "0", "--backup-dir", file.to_str().unwrap()]);
    let admin = server.admin();
    for method in ["POST", "GET", "POST"] {
        let problem = admin.request(method, "/api/backups", &[], None).problem(500);
        assert_eq!(problem["code"], "backup_failed");
        assert!(problem["detail"].as_str().unwrap().contains(file.to_str().unwrap()), "{problem}");
    }
    let logged = admin.get("/api/errors").expect(200).json();
    let newest = &logged["data"][0];
    assert_eq!((&newest["level"], &newest["count"]), (&json!("warning"), &json!(2)), "{logged}");
    assert!(newest["message"].as_str().unwrap().contains("no backup was made"), "{logged}");
    assert!(timestamp::parse(newest["at"].as_str().unwrap()).is_some(), "{logged}");
    // Each one that came has a number.
    let counts =
        logged["data"].as_array().unwrap().iter().map(|one| one["count"].as_i64().unwrap());
    assert_eq!(newest["id"], counts.sum::<i64>(), "{logged}");
    let entries = admin.get("/api/audit?entity=shop").expect(200).json();
    let made = entries["data"].as_array().unwrap().iter().any(|one| one["action"] == "backup");
    assert!(!made, "{entries}");
}

/// Another admin, or the same on two screens.
#[test]
fn of_many_at_once_each_is_whole_or_refused() {
    let server = Server::with(&["--backup-keep", "20"]);
    let admin = server.admin();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = || admin.request("POST", "/api/backups", &[], None).status;
        let asked: Vec<_> = (0..6).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    let made = statuses.iter().filter(|status| **status == 201).count();
    assert!(made > 0);
    let list = list(&admin);
    let data = list["data"].as_array().unwrap();
    assert_eq!(data.len(), made);
    for one in data {
        assert_eq!(orders_in(&folder(&list).join(one["name"].as_str().unwrap())), 0);
    }
}
