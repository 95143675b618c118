//! Guards a shop whose disk is full, against a sale under way that is lost, screens that go dark,
//! and a server that has to be restarted when there is space again. Needs root, for a small disk of
//! its own.

use crate::common::{Client, Disk, head, is_root, log_after, order, product, unique};
use serde_json::json;

/// More orders than fit into what the disk and the reserve leave to the write-ahead log.
const ORDERS_MAX: usize = 100_000;

/// Sells until the server refuses because the disk is full; returns the number of sales.
fn sell(client: &Client, product: i64) -> usize {
    let body = json!({"items": [{"product_id": product, "quantity": 1}]});
    let refused = |_: &usize| {
        let key = unique("till");
        let answer = client.post_with("/api/orders", &body, &[("idempotency-key", &key)]);
        answer.status_is_one_of(&[201, 507]);
        answer.status == 507
    };
    (0..ORDERS_MAX).find(refused).unwrap()
}

#[test]
fn a_full_disk_stops_new_sales_and_nothing_else() {
    if !is_root() {
        return;
    }
    let disk = Disk::in_memory(48);
    let mut server = disk.server();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10_000_000);
    let mut socket = admin.ws();
    let since = socket.subscribe("order_changes");
    let reserve = disk.path().join("tillcast.reserve");
    assert_eq!(reserve.metadata().unwrap().len(), 8 * 1024 * 1024);

    let ballast = disk.fill();
    let sold = std::thread::scope(|scope| {
        let till = || {
            let client = admin.separate();
            scope.spawn(move || sell(&client, tea))
        };
        let tills: Vec<_> = (0..8).map(|_| till()).collect();
        tills.into_iter().map(|till| till.join().unwrap()).sum::<usize>()
    });
    // Sales that found no space were finished with the reserve.
    assert!(sold >= 1);
    assert!(!reserve.exists());
    server.wait_for_log("the disk is full");
    for _ in 0..sold {
        assert_eq!(socket.recv()["event"], "order:created");
    }

    // Stored data can be read, and logins still work.
    assert!(admin.get("/readyz").expect(503).text().contains("disk is full"));
    let refused = admin.post("/api/orders", &json!({"total": 1, "currency": "USD"})).expect(507);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    admin.patch("/api/orders/1", &json!({"notes": "x"})).expect(507);
    admin.get("/api/orders?limit=200").expect(200);
    assert_eq!(server.admin().ws().subscribe("order_changes"), since + 2 * sold as u64);
    admin.get("/healthz").expect(200);

    // Without the reserve, only writes are refused.
    let more = disk.fill();
    let head_before = head(&admin);
    server.anonymous().try_login("admin", server.admin_password()).status_is_one_of(&[200, 507]);
    admin.get("/api/orders/1").expect(200);

    drop((ballast, more));
    server.anonymous().wait_until_ready();
    assert_eq!(reserve.metadata().unwrap().len(), 8 * 1024 * 1024);
    assert_eq!(head(&admin), head_before);
    order(&admin, tea, 1);
    assert_eq!(socket.recv()["event"], "order:created");
    assert_eq!(head(&admin), head_before + 2);
    let stock = admin.get(&format!("/api/products/{tea}")).expect(200).json();
    assert_eq!(stock["stock"], 10_000_000 - sold - 1);
    let log = log_after(&admin, 0);
    assert_eq!(log.len() as u64, head(&admin));
    assert!(server.cli(&["check"], "").status.success());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_shop_opens_on_a_full_disk() {
    if !is_root() {
        return;
    }
    let disk = Disk::in_memory(48);
    let mut server = disk.server();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 100);
    order(&admin, tea, 1);
    server.kill();
    std::fs::remove_file(disk.path().join("tillcast.reserve")).unwrap();
    let ballast = disk.fill();
    let server = server.again();
    let admin = server.adopt(&admin);
    admin.get("/api/orders/1").expect(200);
    admin.post("/api/orders", &json!({"total": 1, "currency": "USD"})).expect(507);
    drop(ballast);
    server.anonymous().wait_until_ready();
    order(&admin, tea, 1);
}

#[test]
fn a_backup_does_not_fill_the_disk() {
    if !is_root() {
        return;
    }
    let disk = Disk::in_memory(24);
    let backups = disk.path().join("backups");
    let mut server = disk.server_with(&["--backup-dir", backups.to_str().unwrap()]);
    server.wait_for_log("a backup needs ");
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    order(&admin, tea, 1);
    assert_eq!(backups.read_dir().unwrap().count(), 0);
    assert_eq!(server.stop(), Some(0));
}

/// The shop needs the space more.
#[test]
fn a_backup_does_not_take_the_last_space() {
    if !is_root() {
        return;
    }
    let disk = Disk::in_memory(20);
    let server = disk.server();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 100);
    let problem = admin.request("POST", "/api/backups", &[], None).problem(507);
    assert_eq!(problem["code"], "disk_full");
    assert!(problem["detail"].as_str().unwrap().contains("a backup needs 16 MiB"), "{problem}");
    assert_eq!(admin.get("/api/backups").expect(200).json()["data"], json!([]));
    order(&admin, tea, 1);
    assert_eq!(admin.get("/api/status").expect(200).json()["disk_full"], false);
}
