//! Guards lists: a row that comes twice or never while a client reads the pages of a busy shop, and a
//! misspelt filter that silently shows everything.

use crate::common::{
    Client, Server, customer, order, outside_order, pay, product, shipment, transaction, unique,
};
use serde_json::{Value, json};

/// The ids of one page, and where the next one begins.
#[track_caller]
fn page(client: &Client, path: &str) -> (Vec<i64>, Option<i64>) {
    let page = client.get(path).expect(200).json();
    let keys: Vec<&String> = page.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["data", "next"]);
    let rows = page["data"].as_array().unwrap();
    let ids = rows.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    let next = &page["next"];
    assert!(next.is_null() || next.is_i64(), "{next}");
    (ids, next.as_i64())
}

/// Reads all pages of a list; `path` already has a query.
#[track_caller]
fn walk(client: &Client, path: &str, limit: usize) -> Vec<i64> {
    let (mut ids, mut next) = page(client, path);
    while let Some(after) = next {
        let more;
        (more, next) = page(client, &format!("{path}&after={after}"));
        assert!(more.len() <= limit);
        ids.extend(more);
    }
    ids
}

/// The ids of a list that has to fit on one page, oldest first.
#[track_caller]
fn filtered(client: &Client, path: &str) -> Vec<i64> {
    let (mut ids, next) = page(client, path);
    assert_eq!(next, None, "{path}");
    ids.reverse();
    ids
}

#[test]
fn lists_begin_with_the_newest_and_end_with_null() {
    let server = Server::start();
    let admin = server.admin();
    assert_eq!(page(&admin, "/api/orders"), (vec![], None));
    let ids: Vec<i64> = (0..7).map(|_| outside_order(&admin, 5.25)).collect();
    let newest_first: Vec<i64> = ids.iter().rev().copied().collect();

    assert_eq!(page(&admin, "/api/orders"), (newest_first.clone(), None));
    let (first, next) = page(&admin, "/api/orders?limit=3");
    assert_eq!((first, next), (newest_first[..3].to_vec(), Some(ids[4])));
    assert_eq!(walk(&admin, "/api/orders?limit=3", 3), newest_first);
    assert_eq!(walk(&admin, "/api/orders?limit=3&order=asc", 3), ids);
    assert_eq!(walk(&admin, "/api/orders?limit=7&order=desc", 7), newest_first);
    assert_eq!(walk(&admin, "/api/orders?limit=1", 1), newest_first);
    assert_eq!(page(&admin, &format!("/api/orders?after={}", ids[0])), (vec![], None));
    let asc = format!("/api/orders?order=asc&after={}", ids[4]);
    assert_eq!(page(&admin, &asc), (ids[5..].to_vec(), None));
}

#[test]
fn a_list_has_whole_entities() {
    let server = Server::start();
    let admin = server.admin();
    let product = product(&admin, 2.5, 10);
    let sold = order(&admin, product, 2);
    let listed = admin.get("/api/orders").expect(200).json();
    assert_eq!(listed["data"], json!([sold]));
    let listed = admin.get("/api/users").expect(200).json();
    let users = listed["data"].as_array().unwrap();
    assert_eq!(users.len(), 1);
    assert_eq!(users[0]["username"], "admin");
    assert!(users[0].as_object().unwrap().keys().all(|key| !key.contains("password")));
}

#[test]
fn a_page_has_fifty_rows_or_as_many_as_asked_for() {
    let server = Server::start();
    let admin = server.admin();
    for _ in 0..201 {
        outside_order(&admin, 5.25);
    }
    for (query, count) in [("", 50), ("?limit=1", 1), ("?limit=200", 200)] {
        let (ids, next) = page(&admin, &format!("/api/orders{query}"));
        assert_eq!(ids.len(), count);
        assert_eq!(next, ids.last().copied());
    }
}

#[test]
fn a_wrong_query_is_refused_and_not_ignored() {
    let server = Server::start();
    let admin = server.admin();
    outside_order(&admin, 5.25);
    let wrong = [
        ("/api/orders", "limit=0", "limit"),
        ("/api/orders", "limit=201", "limit"),
        ("/api/orders", "limit=-1", "limit"),
        ("/api/orders", "limit=many", "limit"),
        ("/api/orders", "limit=", "limit"),
        ("/api/orders", "limit=1e1", "limit"),
        ("/api/orders", "after=abc", "after"),
        ("/api/orders", "after=99999999999999999999", "after"),
        ("/api/orders", "order=up", "order"),
        ("/api/orders", "status=lost", "status"),
        ("/api/orders", "customer_id=ana", "customer_id"),
        ("/api/orders", "updated_since=yesterday", "updated_since"),
        ("/api/orders", "updated_since=2026-01-25", "updated_since"),
        ("/api/orders", "sku=TEA", "sku"),
        ("/api/orders", "colour=red", "colour"),
        ("/api/orders", "Status=pending", "Status"),
        ("/api/orders", "notes=x", "notes"),
        ("/api/products", "customer_id=1", "customer_id"),
        ("/api/products", "status=pending", "status"),
        ("/api/shipments", "order_id=x", "order_id"),
        ("/api/transactions", "order_id=1.5", "order_id"),
        ("/api/customers", "status=pending", "status"),
        ("/api/users", "limit=0", "limit"),
        ("/api/users", "colour=red", "colour"),
    ];
    for (path, query, field) in wrong {
        let answer = admin.get(&format!("{path}?{query}"));
        assert_eq!(answer.wrong_fields(), [field], "{path}?{query}");
    }
    let answer = admin.get("/api/orders?limit=0&status=lost&colour=red");
    answer.expect_wrong(&["limit", "status", "colour"]);
}

#[test]
fn filters_narrow_each_list_by_its_fields() {
    let server = Server::start();
    let admin = server.admin();
    let (ana, ben) = (customer(&admin), customer(&admin));
    let of = |customer: i64, status: &str| {
        let body = json!({"total": 5.25, "customer_id": customer, "status": status});
        admin.post("/api/orders", &body).expect(201).id()
    };
    let orders =
        [of(ana, "pending"), of(ana, "ready"), of(ben, "ready"), outside_order(&admin, 1.25)];
    let [ana_pending, ana_ready, ben_ready, nobodys] = orders;
    let list = |query: &str| filtered(&admin, &format!("/api/orders?{query}"));
    assert_eq!(list("status=ready"), [ana_ready, ben_ready]);
    assert_eq!(list("status=pending"), [ana_pending, nobodys]);
    assert_eq!(list("status=cancelled"), [0_i64; 0]);
    assert_eq!(list(&format!("customer_id={ana}")), [ana_pending, ana_ready]);
    assert_eq!(list(&format!("customer_id={ana}&status=ready")), [ana_ready]);
    assert_eq!(list("customer_id=999999"), [0_i64; 0]);
    let first = format!("/api/orders?status=ready&limit=1&customer_id={ana}");
    assert_eq!(walk(&admin, &first, 1), [ana_ready]);

    let parcels = [shipment(&admin, ana_ready), shipment(&admin, ben_ready)];
    let path = format!("/api/shipments?order_id={ana_ready}");
    assert_eq!(filtered(&admin, &path), parcels[..1]);
    assert_eq!(filtered(&admin, "/api/shipments?status=pending"), parcels);
    let payments =
        [ana_ready, ben_ready].map(|order| transaction(&admin, order, "payment", "pending", 5.25));
    let path = format!("/api/transactions?order_id={ben_ready}&status=pending");
    assert_eq!(filtered(&admin, &path), payments[1..]);

    let sku = format!("{} & more=50%", unique("SKU"));
    let body = json!({"name": "Tea", "sku": sku, "price": 1, "status": "draft"});
    let tea = admin.post("/api/products", &body).expect(201).id();
    product(&admin, 2.5, 10);
    let encoded: String = form_urlencoded::byte_serialize(sku.as_bytes()).collect();
    assert_eq!(filtered(&admin, &format!("/api/products?sku={encoded}")), [tea]);
    assert_eq!(filtered(&admin, "/api/products?status=draft"), [tea]);
}

#[test]
fn updated_since_shows_what_changed_at_that_time_or_later() {
    let server = Server::start();
    let admin = server.admin();
    let read = |id: i64| admin.get(&format!("/api/orders/{id}")).expect(200).json();
    let old = outside_order(&admin, 5.25);
    let changed = outside_order(&admin, 5.25);
    // The times have milliseconds: make orders until one is of a later one.
    let mut newest = changed;
    while read(newest)["created_at"] == read(changed)["created_at"] {
        newest = outside_order(&admin, 5.25);
    }
    let since = read(newest)["created_at"].as_str().unwrap().to_owned();
    let path = format!("/api/orders?updated_since={since}");
    assert_eq!(filtered(&admin, &path), [newest]);
    admin.patch(&format!("/api/orders/{changed}"), &json!({"notes": "later"})).expect(200);
    assert_eq!(filtered(&admin, &path), [changed, newest]);
    let path = format!("{path}&order=asc&limit=1");
    assert_eq!(walk(&admin, &path, 1), [changed, newest]);
    let zone = since.replace('Z', "%2B00:00");
    let path = format!("/api/orders?updated_since={zone}");
    assert_eq!(filtered(&admin, &path), [changed, newest]);
    assert!(read(old)["updated_at"].as_str().unwrap() < since.as_str());
}

#[test]
fn no_row_comes_twice_or_never_while_others_are_added() {
    let server = Server::start();
    let admin = server.admin();
    let known: Vec<i64> = (0..60).map(|_| outside_order(&admin, 5.25)).collect();
    std::thread::scope(|scope| {
        let others = admin.separate();
        let writer = scope.spawn(move || {
            for _ in 0..60 {
                let new = outside_order(&others, 5.25);
                others.delete(&format!("/api/orders/{new}")).expect(204);
                outside_order(&others, 5.25);
            }
        });
        while !writer.is_finished() {
            let mut ids = walk(&admin, "/api/orders?limit=7", 7);
            assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
            ids.reverse();
            let (of_the_known, _) = ids.split_at(known.len());
            assert_eq!(of_the_known, known);
        }
    });
}

#[test]
fn a_list_of_users_has_pages_too() {
    let server = Server::start();
    let admin = server.admin();
    let me = admin.get("/api/auth/me").expect(200).json();
    let mut ids = vec![me["user"]["id"].as_i64().unwrap()];
    for name in ["ana", "ben"] {
        let body = json!({"username": name, "password": "long enough 1", "role": "staff"});
        ids.push(admin.post("/api/users", &body).expect(201).id());
    }
    ids.reverse();
    assert_eq!(walk(&admin, "/api/users?limit=2", 2), ids);
    let names: Vec<Value> = admin.get("/api/users").expect(200).json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["username"].clone())
        .collect();
    assert_eq!(names, ["ben", "ana", "admin"]);
}

#[test]
fn a_filter_takes_several_values() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 3);
    let ana = customer(&admin);
    let ids: Vec<i64> = (0..6).map(|_| outside_order(&admin, 5.25)).collect();
    for (id, status) in ids.iter().zip(["pending", "processing", "ready", "pending", "ready"]) {
        let body = json!({"status": status, "notes": "x"});
        admin.patch(&format!("/api/orders/{id}"), &body).expect(200);
    }
    let path = format!("/api/orders/{}", ids[0]);
    admin.patch(&path, &json!({"customer_id": ana})).expect(200);
    pay(&admin, ids[5], 5.25);
    let sale = json!({
        "client_id": "a", "items": [{"product_id": tea, "quantity": 4}],
        "sold_at": "2026-01-25T10:30:00Z",
    });
    let oversold =
        admin.post("/api/sales", &sale).expect(201).json()["order"]["id"].as_i64().unwrap();
    let mut all = ids.clone();
    all.push(oversold);
    let found = |query: &str| -> Vec<i64> {
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/api/orders?order=asc&limit=2&{query}{after}");
            let page = admin.get(&path).expect(200).json();
            let rows = page["data"].as_array().unwrap();
            found.extend(rows.iter().map(|row| row["id"].as_i64().unwrap()));
            match page["next"].as_i64() {
                Some(next) => after = format!("&after={next}"),
                None => return found,
            }
        }
    };
    let some = |at: &[usize]| at.iter().map(|at| all[*at]).collect::<Vec<_>>();
    for (query, at) in [
        ("status=ready,pending", &[0, 2, 3, 4, 6][..]),
        ("status=ready", &[2, 4]),
        ("status=ready,ready,cancelled", &[2, 4]),
        ("status=pending,processing,ready&customer_id=none", &[1, 2, 3, 4, 5, 6]),
        ("payment_status=paid", &[5]),
        ("payment_status=pending,failed&status=processing", &[1]),
        ("oversold=true", &[6]),
        ("oversold=false", &[0, 1, 2, 3, 4, 5]),
        ("order_number=ORD-0000000003", &[2]),
        ("order_number=ORD-0000000003&status=pending", &[]),
        ("order_number=3", &[]),
    ] {
        assert_eq!(found(query), some(at), "{query}");
    }
    assert_eq!(found(&format!("customer_id={ana},999")), some(&[0]));
    let listed = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let both =
        admin.get(&format!("/api/orders?ids={listed}&status=ready,processing")).expect(200).json();
    assert_eq!(both["data"].as_array().unwrap().len(), 4);
    for (query, field) in [
        ("status=ready,lost", "status"),
        ("status=", "status"),
        ("customer_id=none,1", "customer_id"),
        ("customer_id=0", "customer_id"),
        ("oversold=yes", "oversold"),
        ("customer_id=1,2,3,4,5,6,7,8,9,10,11", "customer_id"),
    ] {
        admin.get(&format!("/api/orders?{query}")).expect_wrong(&[field]);
    }
}
