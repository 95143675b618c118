//! Guards the audit trail: a change without its maker, an entry that comes twice or whose change never
//! happened, an entry that others than admins can read, a secret in an entry.

use crate::common::{
    Client, PATIENCE, Server, customer, head, order, outside_order, product, unique,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::time::Instant;

/// The newest entries, at most 200.
#[track_caller]
fn trail(admin: &Client, query: &str) -> Vec<Value> {
    let page = admin.get(&format!("/api/audit?limit=200{query}")).expect(200).json();
    assert_eq!(page["next"], Value::Null);
    let mut entries = page["data"].as_array().unwrap().clone();
    // Each client of these tests logs in.
    entries.retain(|entry| entry["entity"] != "session" || query.contains("entity=session"));
    entries
}

/// The newest entry, without its id and its time.
#[track_caller]
fn newest(admin: &Client) -> Value {
    let mut entry = trail(admin, "").swap_remove(0);
    assert!(entry["id"].take().as_i64() > Some(0));
    assert!(entry["at"].take().as_str().unwrap().ends_with('Z'));
    entry
}

/// An entry of a user at this machine, as `newest` returns it.
fn entry(who: (i64, &str), what: (&str, &str, i64), fields: &[&str], seqs: [Value; 2]) -> Value {
    let [first, last] = seqs;
    json!({
        "id": null, "at": null, "user_id": who.0, "username": who.1,
        "device_id": null, "device_name": null, "address": "127.0.0.1",
        "action": what.0, "entity": what.1, "row_id": what.2, "fields": fields,
        "reason": null, "note": null, "first_seq": first, "last_seq": last,
    })
}

fn seqs(first: u64, last: u64) -> [Value; 2] {
    [first.into(), last.into()]
}

#[test]
fn every_change_has_one_entry_with_its_maker_and_its_events() {
    let server = Server::with_users(&["staff"], &[]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    let ana = (2, "staff");
    let products = [product(&staff, 2.5, 10), product(&staff, 2.5, 10), product(&staff, 2.5, 10)];
    assert_eq!(newest(&admin), entry(ana, ("create", "product", products[2]), &[], seqs(3, 3)));

    let items = products.map(|id| json!({"product_id": id, "quantity": 1}));
    let sold = staff.post("/api/orders", &json!({"items": items})).expect(201).id();
    assert_eq!(newest(&admin), entry(ana, ("create", "order", sold), &[], seqs(4, 7)));

    let path = format!("/api/orders/{sold}");
    staff.patch(&path, &json!({"notes": "by the door", "status": "ready"})).expect(200);
    let fields = ["status", "notes"];
    assert_eq!(newest(&admin), entry(ana, ("update", "order", sold), &fields, seqs(8, 8)));

    let payment = json!({
        "order_id": sold, "type": "payment", "status": "completed", "amount": 7.5, "gateway": "cash",
    });
    let paid = admin.post("/api/transactions", &payment).expect(201).id();
    let boss = (1, "admin");
    assert_eq!(newest(&admin), entry(boss, ("create", "transaction", paid), &[], seqs(9, 10)));

    let gone = customer(&staff);
    staff.delete(&format!("/api/customers/{gone}")).expect(204);
    assert_eq!(newest(&admin), entry(ana, ("delete", "customer", gone), &[], seqs(12, 12)));

    let entries = trail(&admin, "");
    assert_eq!(entries.len(), 10, "8 requests and 2 users from the console: {entries:?}");
    let checked = server.cli(&["check"], "");
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn changes_of_users_and_passwords_have_entries_without_secrets() {
    let server = Server::with_users(&["staff"], &[]);
    let (admin, none) = (server.admin(), || [Value::Null, Value::Null]);
    let (boss, secret) = ((1, "admin"), "a secret of eva 1");
    let eva = json!({"username": "eva", "password": secret, "role": "staff"});
    let path = format!("/api/users/{}", admin.post("/api/users", &eva).expect(201).id());
    assert_eq!(newest(&admin), entry(boss, ("create", "user", 3), &[], none()));

    for (patch, fields) in [
        (json!({"role": "kiosk"}), &["role"][..]),
        (json!({"disabled": true, "password": "another secret 2"}), &["disabled", "password"]),
        (json!({"disabled": false, "username": "ewa"}), &["username", "disabled"]),
    ] {
        admin.patch(&path, &patch).expect(200);
        assert_eq!(newest(&admin), entry(boss, ("update", "user", 3), fields, none()));
    }
    admin.patch(&path, &json!({"role": "kiosk"})).expect(200); // changes nothing

    let ewa = server.anonymous().login("ewa", "another secret 2");
    let own = json!({"current_password": "another secret 2", "new_password": "a third secret 3"});
    ewa.post("/api/auth/password", &own).expect(204);
    assert_eq!(newest(&admin), entry((3, "ewa"), ("update", "user", 3), &["password"], none()));
    admin.delete(&path).expect(204);
    assert_eq!(newest(&admin), entry(boss, ("delete", "user", 3), &[], none()));
    assert_eq!(trail(&admin, "").len(), 2 + 1 + 3 + 1 + 1);

    let text = admin.get("/api/audit?limit=200").expect(200).text();
    for secret in [secret, "another secret 2", "a third secret 3", "argon2"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[test]
fn the_console_has_neither_user_nor_address() {
    let server = Server::with_users(&["staff"], &[]);
    let admin = server.admin();
    let at_the_console = |action: &str, fields: &[&str]| {
        let mut entry = newest(&admin);
        for nobody in ["user_id", "username", "address"] {
            assert_eq!(entry[nobody].take(), Value::Null, "{nobody}");
        }
        assert_eq!((&entry["action"], &entry["row_id"]), (&json!(action), &json!(2)));
        assert_eq!(entry["fields"], json!(fields));
    };
    at_the_console("create", &[]);
    let output = server.cli(&["user", "passwd", "staff"], "another one 1");
    assert!(output.status.success(), "{output:?}");
    at_the_console("update", &["password"]);
    let output = server.cli(&["user", "disable", "staff"], "");
    assert!(output.status.success(), "{output:?}");
    at_the_console("update", &["disabled"]);
}

#[test]
fn rejections_and_repeats_have_no_entry() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 3);
    let order_id = outside_order(&admin, 5.25);
    let path = format!("/api/orders/{order_id}");
    let key = unique("key");
    let body = json!({"total": 5.25, "currency": "USD"});
    let create =
        || admin.post_with("/api/orders", &body, &[("idempotency-key", &key)]).expect(201).text();
    let first = create();
    let (entries, seq) = (trail(&admin, "").len(), head(&admin));

    assert_eq!(create(), first);
    admin.patch(&path, &json!({"notes": null})).expect(200); // as it is already
    admin.patch_with(&path, &json!({"notes": "x"}), &[("if-match", "\"0\"")]).expect(412);
    admin.patch(&path, &json!({"status": "nonsense"})).expect(422);
    admin.delete("/api/orders/999").expect(404);
    let too_many = json!({"items": [{"product_id": tea, "quantity": 4}]});
    admin.post("/api/orders", &too_many).expect(409);
    admin.delete("/api/users/1").expect(409);
    admin.post_with("/api/orders", &body, &[("origin", "https://evil.example")]).expect(403);
    assert_eq!((trail(&admin, "").len(), head(&admin)), (entries, seq));
}

/// A late refusal rolls back the whole batch, and its other commands run again.
#[test]
fn a_batch_that_runs_again_leaves_each_entry_once() {
    let server = Server::start();
    let admin = server.admin();
    let scarce = product(&admin, 2.5, 40);
    let unpaid = outside_order(&admin, 5.25);
    let before = trail(&admin, "").len();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let buyer = admin.separate();
            scope.spawn(move || {
                let sale = json!({"items": [{"product_id": scarce, "quantity": 1}]});
                // Its row is already written when the sums are checked.
                let refund = json!({
                    "order_id": unpaid, "type": "refund", "status": "completed", "amount": 1,
                    "gateway": "cash",
                });
                for _ in 0..10 {
                    buyer.post("/api/orders", &sale).status_is_one_of(&[201, 409]);
                    buyer.post("/api/transactions", &refund).expect(409);
                }
            });
        }
    });
    let entries = trail(&admin, "");
    assert_eq!(entries.len() - before, 40);
    let mut expected = head(&admin);
    for entry in &entries[..40] {
        assert_eq!(entry["last_seq"], expected, "{entry}");
        expected = entry["first_seq"].as_u64().unwrap() - 1;
    }
    let checked = server.cli(&["check"], "");
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn it_is_for_admins_only_and_can_be_searched() {
    let server = Server::with_users(&["staff", "kiosk", "display"], &[]);
    let admin = server.admin();
    for role in ["staff", "kiosk", "display"] {
        server.login(role).get("/api/audit").problem(403);
    }
    server.anonymous().get("/api/audit").problem(401);
    admin.post("/api/audit", &json!({})).problem(405);

    let (staff, tea) = (server.login("staff"), product(&admin, 2.5, 10));
    let sold = order(&staff, tea, 1)["id"].as_i64().unwrap();
    outside_order(&staff, 5.25);
    let about = |query: &str| -> Vec<String> {
        let name =
            |entry: &Value| format!("{} {}", entry["entity"].as_str().unwrap(), entry["row_id"]);
        trail(&admin, query).iter().map(name).collect()
    };
    let users = ["user 4", "user 3", "user 2", "user 1"];
    assert_eq!(about("&entity=user"), users);
    assert_eq!(about("&user_id=2"), ["order 2", "order 1"]);
    assert_eq!(about(&format!("&entity=order&row_id={sold}")), ["order 1"]);
    assert_eq!(about("&user_id=2&entity=product"), [""; 0]);
    assert_eq!(about("&row_id=1"), ["order 1", "product 1", "user 1"]);

    let mut walked = Vec::new();
    let mut path = "/api/audit?limit=3".to_owned();
    loop {
        let page = admin.get(&path).expect(200).json();
        let data = page["data"].as_array().unwrap();
        assert!((1..=3).contains(&data.len()));
        walked.extend(data.iter().map(|entry| entry["id"].as_i64().unwrap()));
        match page["next"].as_i64() {
            Some(next) => path = format!("/api/audit?limit=3&after={next}"),
            None => break,
        }
    }
    let logins = trail(&admin, "&entity=session").len();
    let all = i64::try_from(7 + logins).unwrap();
    assert_eq!(walked, (1..=all).rev().collect::<Vec<_>>());
    admin
        .get("/api/audit?limit=201&after=x&user_id=x&row_id=-1&entity=boss&colour=red")
        .expect_wrong(&["limit", "after", "user_id", "row_id", "entity", "colour"]);
}

/// The trail is longer than one page scans: the page ends early and says where to continue.
#[test]
fn a_page_of_a_long_trail_with_few_matches_ends_early() {
    let server = Server::start();
    let admin = server.admin();
    let mut database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let all = database.transaction().unwrap();
    for _ in 0..40_000 {
        let sql = "INSERT INTO audit (at, user_id, action, kind, row_id, events) VALUES (9e15, 7, 1, 5, 7, 0)";
        all.prepare_cached(sql).unwrap().execute([]).unwrap();
    }
    all.commit().unwrap();
    let page = admin.get("/api/audit?entity=user&row_id=1").expect(200).json();
    assert_eq!(page["data"], json!([]));
    let next = page["next"].as_i64().unwrap();
    assert!((1..40_000).contains(&next), "{next}");
    let rest = trail(&admin, &format!("&entity=user&row_id=1&after={next}"));
    assert_eq!(rest.len(), 1);
}

#[test]
fn old_entries_go_and_the_newest_stays() {
    let server = Server::with(&["--audit-retention", "1s"]);
    let admin = server.admin();
    let ids = || -> Vec<i64> {
        trail(&admin, "").iter().map(|entry| entry["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(trail(&admin, "&entity=session").len(), 1, "the login of `admin`");
    for _ in 0..5 {
        outside_order(&admin, 5.25);
    }
    let deadline = Instant::now() + PATIENCE;
    while ids() != [7] {
        assert!(Instant::now() < deadline, "{:?}", ids());
    }
    outside_order(&admin, 5.25);
    assert_eq!(ids()[0], 8);
    let checked = server.cli(&["check"], "");
    assert!(checked.status.success(), "{checked:?}");
}

/// Else whoever changes things all day fills the disk, whatever the age of the entries.
#[test]
fn the_trail_keeps_a_million_entries() {
    let mut server = Server::start();
    let admin = server.admin();
    for _ in 0..5 {
        outside_order(&admin, 5.25);
    }
    assert_eq!(server.stop(), Some(0));
    let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let oldest = |database: &Connection| -> i64 {
        database.query_row("SELECT min(id) FROM audit", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(oldest(&database), 1);
    let sql = "
        INSERT INTO audit (id, at, action, kind, row_id, events)
        SELECT 1000003, max(at), 5, 254, 1, 0 FROM audit";
    assert_eq!(database.execute(sql, []), Ok(1));
    let server = server.again();
    outside_order(&server.adopt(&admin), 5.25);
    assert!((4..7).contains(&oldest(&database)), "{}", oldest(&database));
}

#[test]
fn it_survives_a_crash_with_its_changes() {
    let mut server = Server::with_users(&["staff"], &[]);
    let staff = server.login("staff");
    let made = outside_order(&staff, 5.25);
    server.kill();
    let server = server.again();
    let admin = server.admin();
    let told = entry((2, "staff"), ("create", "order", made), &[], seqs(1, 1));
    assert_eq!(newest(&admin), told);
}

#[test]
fn a_trail_that_does_not_fit_the_log_is_found() {
    let mut server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    order(&admin, tea, 1);
    admin.patch(&format!("/api/products/{tea}"), &json!({"price": 3})).expect(200);
    server.stop();
    let sound = server.cli(&["check"], "");
    assert!(sound.status.success(), "{sound:?}");
    let file = server.data_dir().join("tillcast.db");
    let whole = std::fs::read(&file).unwrap();
    // The admin's login has an entry too, anywhere between these.
    let id_of = |seq: i64| {
        let database = Connection::open(&file).unwrap();
        let id = database.query_row("SELECT id FROM audit WHERE seq = ?", [seq], |row| row.get(0));
        id.map(|id: i64| format!("entry {id}")).unwrap()
    };
    let [tea, order, price] = [1, 2, 4].map(id_of);
    for (wrong, told) in [
        ("DELETE FROM audit WHERE seq = 2", "seq"),
        ("DELETE FROM audit WHERE seq = 4", "nothing tells who made seq 4"),
        ("UPDATE audit SET row_id = 99 WHERE seq = 2", order.as_str()),
        ("UPDATE audit SET action = 2 WHERE seq = 4", price.as_str()),
        ("UPDATE audit SET kind = 3 WHERE seq = 1", tea.as_str()),
    ] {
        Connection::open(&file).unwrap().execute(wrong, []).unwrap();
        let checked = server.cli(&["check"], "");
        let complaints = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert_eq!(checked.status.code(), Some(1), "{wrong}: {complaints}");
        assert!(
            complaints.contains("the audit trail") && complaints.contains(told),
            "{complaints}"
        );
        std::fs::write(&file, &whole).unwrap();
    }
}
