//! Guards `Tillcast-Seq`: a client that reads over REST and subscribes at that position misses nothing. Also
//! guards that reading by ids returns only entities that the client may see.

use crate::common::{Answer, Server, head, order, outside_order, product};
use serde_json::{Value, json};

fn seq(answer: &Answer) -> u64 {
    answer
        .header("tillcast-seq")
        .parse()
        .unwrap_or_else(|_| panic!("no position: {}", answer.text()))
}

#[test]
fn every_answer_that_reads_or_changes_the_shop_has_its_position() {
    let server = Server::start();
    let admin = server.admin();
    assert_eq!(seq(&admin.get("/api/orders").expect(200)), 0);
    let created = admin.post("/api/orders", &json!({"total": 5.25})).expect(201);
    assert_eq!(seq(&created), 1);
    let path = format!("/api/orders/{}", created.id());
    let etag = created.header("etag").to_owned();
    for read in [
        admin.get("/api/orders").expect(200),
        admin.get(&path).expect(200),
        admin.get_with(&path, &[("if-none-match", &etag)]).expect(304),
        admin.get(&format!("/api/orders?ids={}", created.id())).expect(200),
        admin.get("/api/customers").expect(200),
        admin.get("/api/events").expect(200),
        admin.get("/api/audit").expect(200),
    ] {
        assert_eq!(seq(&read), 1, "{}", read.text());
    }
    assert_eq!(seq(&admin.patch(&path, &json!({"notes": "x"})).expect(200)), 2);
    assert_eq!(seq(&admin.patch(&path, &json!({"notes": "x"})).expect(200)), 2, "nothing changed");
    let tea = product(&admin, 2.5, 10);
    let sold = json!({"items": [{"product_id": tea, "quantity": 2}]});
    let sale = admin.post("/api/orders", &sold).expect(201);
    assert_eq!(seq(&sale), head(&admin), "the last of the change's events");
    assert_eq!(seq(&admin.delete(&path).expect(204)), head(&admin));
}

#[test]
fn several_are_read_by_their_ids() {
    let server = Server::start();
    let admin = server.admin();
    let ids: Vec<i64> = (0..3).map(|_| outside_order(&admin, 5.25)).collect();
    let (first, second, third) = (ids[0], ids[1], ids[2]);
    let read = |query: &str| {
        let page = admin.get(&format!("/api/orders?ids={query}")).expect(200).json();
        assert_eq!(page["next"], Value::Null);
        let found = page["data"].as_array().unwrap().iter();
        found.map(|order| order["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(read(&format!("{third},{first}")), [third, first]);
    assert_eq!(read(&format!("{first},987654,{second}")), [first, second]);
    assert_eq!(read("987654"), [0; 0]);
    assert_eq!(read(&format!("199090268130994891417374,{second}")), [second]);
    admin.patch(&format!("/api/orders/{second}"), &json!({"status": "ready"})).expect(200);
    assert_eq!(read(&format!("{first},{second}&status=ready")), [second]);
    admin.get(&format!("/api/orders?ids={first}&customer_id=0")).expect_wrong(&["customer_id"]);
    admin.get(&format!("/api/events?after={}", i64::MAX)).expect(200);
    let many = vec!["1"; 101].join(",");
    for wrong in ["", "1,", "x", "0", "1,-2", "1;2", &many] {
        admin.get(&format!("/api/orders?ids={wrong}")).expect_wrong(&["ids"]);
    }
    admin.get(&format!("/api/orders?ids={}", vec!["1"; 100].join(","))).expect(200);
}

#[test]
fn a_kiosk_reads_its_own_orders_by_their_ids() {
    let server = Server::with_users(&["kiosk"], &[]);
    let (admin, kiosk) = (server.admin(), server.login("kiosk"));
    let tea = product(&admin, 2.5, 10);
    let foreign = outside_order(&admin, 5.25);
    let own = order(&kiosk, tea, 1)["id"].as_i64().unwrap();
    let page = kiosk.get(&format!("/api/orders?ids={foreign},{own}")).expect(200).json();
    let ids: Vec<_> = page["data"].as_array().unwrap().iter().map(|order| &order["id"]).collect();
    assert_eq!(ids, [&json!(own)]);
}
