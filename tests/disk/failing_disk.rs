//! Guards the promise of a `201` on a failing disk, against an order that is acknowledged although
//! its fsync failed, a server that reports ready and is not, and one that restarts for ever on a
//! read-only disk. Needs root, for small disks of its own and for `strace`.

use crate::common::{Disk, Running, Server, Strace, head, is_root, log_after, product, unique};
use serde_json::json;

/// Makes these system calls of a server fail with EIO, until `strace` is ended.
fn fail(server: &Server, calls: &str) -> Strace {
    Strace::of(server.pid(), &["-o", "/dev/null", "-e", &format!("inject={calls}:error=EIO")])
}

#[test]
fn nothing_is_acknowledged_while_the_disk_fails() {
    if !is_root() {
        return;
    }
    let mut server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 100);
    let mut socket = admin.ws();
    socket.subscribe("order_changes");
    let mut sold = 0;
    for calls in ["fsync,fdatasync", "pwrite64", "fsync,fdatasync,pwrite64,ftruncate"] {
        let body = json!({"items": [{"product_id": tea, "quantity": 1}]});
        let key = unique("till");
        let sell = || admin.post_with("/api/orders", &body, &[("idempotency-key", &key)]);
        let before = head(&admin);
        let failing = fail(&server, calls);
        for _ in 0..3 {
            sell().expect(503);
            admin.get("/readyz").expect(503);
        }
        // Opening the database again is not enough while no commit succeeds.
        server.wait_for_log("the database cannot be opened again");
        assert_eq!(head(&admin), before, "{calls}");
        admin.get("/api/products").expect(200);
        failing.end();
        admin.wait_until_ready();
        let made = sell().expect(201);
        assert_eq!(sell().expect(201).body, made.body);
        sold += 1;
        assert_eq!(head(&admin), before + 2, "{calls}");
        assert_eq!(socket.recv()["data"]["id"], made.json()["id"]);
    }
    let stock = admin.get(&format!("/api/products/{tea}")).expect(200).json();
    assert_eq!(stock["stock"], 100 - sold);
    assert_eq!(log_after(&admin, 0).len() as u64, head(&admin));
    assert_eq!(server.stop(), Some(0));
    assert!(server.cli(&["check"], "").status.success());
}

#[test]
fn a_read_only_disk_ends_the_server_for_good() {
    if !is_root() {
        return;
    }
    let disk = Disk::ext4(64);
    let mut server = disk.server();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 100);
    disk.remount("abort");
    admin.post("/api/orders", &json!({"items": [{"product_id": tea, "quantity": 1}]})).expect(503);
    server.wait_for_log("the file system is read-only");
    assert_eq!(server.wait(), Some(3));

    disk.unmount();
    disk.mount();
    disk.remount("ro");
    let data = disk.path();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let mut start = Running::start(&arguments, &[], &data);
    start.line_with("the file system is read-only");
    assert_eq!(start.wait(), Some(3));

    disk.remount("rw");
    let server = server.again();
    server.adopt(&admin).get(&format!("/api/products/{tea}")).expect(200);
}
