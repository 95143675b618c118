//! Guards the five entities over REST: a field too few or too many in a reply, a patch that loses another
//! client's change, a wrong version for a cache.

use crate::common::{
    Answer, Client, Server, customer, events_after, head, outside_order, pay, unique,
};
use serde_json::{Value, json};

/// The keys of each entity as a client sees it, `id` first and the two times last.
const KEYS: [(&str, &[&str]); 5] = [
    (
        "orders",
        &[
            "order_number",
            "status",
            "payment_status",
            "total",
            "customer_id",
            "currency",
            "items",
            "discount",
            "tax_total",
            "rounding",
            "taxes",
            "client_id",
            "sold_at",
            "oversold",
            "done",
            "notes",
        ],
    ),
    (
        "products",
        &[
            "name", "sku", "status", "price", "stock", "currency", "unit", "tax_rate", "barcode",
            "category", "location",
        ],
    ),
    ("customers", &["email", "first_name", "last_name", "phone"]),
    ("shipments", &["order_id", "tracking_number", "status", "carrier"]),
    (
        "transactions",
        &["order_id", "type", "status", "amount", "gateway", "currency", "restock", "tendered"],
    ),
];

/// A body that creates an entity, and a patch that changes it.
fn sample(admin: &Client, plural: &str) -> (Value, Value) {
    match plural {
        "orders" => (
            json!({"total": 99.99, "currency": "USD", "customer_id": customer(admin), "notes": "gift"}),
            json!({"notes": null}),
        ),
        "products" => (
            json!({"name": "Tea", "sku": unique("TEA"), "status": "draft", "price": 4.25, "stock": 3, "currency": "EUR"}),
            json!({"price": 4.75}),
        ),
        "customers" => (
            json!({"email": format!("{}@example.com", unique("bo")), "first_name": "Bo", "last_name": "Ek", "phone": "1"}),
            json!({"phone": null}),
        ),
        "shipments" => (
            json!({"order_id": outside_order(admin, 5.25), "tracking_number": "T1", "carrier": "UPS"}),
            json!({"carrier": null, "tracking_number": "T2"}),
        ),
        "transactions" => (
            json!({"order_id": outside_order(admin, 5.25), "type": "payment", "status": "pending", "amount": 5.25, "gateway": "card"}),
            json!({"gateway": "cash"}),
        ),
        other => panic!("no sample of {other}"),
    }
}

/// Creates one of each kind; returns its kind, its path and the reply to its creation.
fn one_of_each(admin: &Client) -> Vec<(&'static str, String, Answer)> {
    let plurals = KEYS.iter().map(|(plural, _)| *plural);
    let made = plurals.map(|plural| {
        let (body, _) = sample(admin, plural);
        let answer = admin.post(&format!("/api/{plural}"), &body).expect(201);
        (plural, answer.header("location").to_owned(), answer)
    });
    made.collect()
}

#[track_caller]
fn is_entity_tag(answer: &Answer) -> String {
    let tag = answer.header("etag").to_owned();
    let inner = tag.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
    assert!(inner.is_some_and(|inner| !inner.is_empty() && !inner.contains('"')), "ETag {tag:?}");
    tag
}

#[track_caller]
fn is_time(value: &Value) {
    let text = value.as_str().unwrap_or_default();
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999-99-99T99:99:99.999Z", "{value}");
}

#[test]
fn a_creation_returns_the_whole_entity() {
    let server = Server::start();
    let admin = server.admin();
    for (plural, fields) in KEYS {
        let (body, _) = sample(&admin, plural);
        let answer = admin.post(&format!("/api/{plural}"), &body).expect(201);
        is_entity_tag(&answer);
        assert_eq!(answer.header("content-type"), "application/json");
        let entity = answer.json();
        let path = format!("/api/{plural}/{}", answer.id());
        assert_eq!(answer.header("location"), path);

        let mut expected = [&["id", "created_at", "updated_at"], fields].concat();
        expected.sort_unstable();
        let mut keys: Vec<&String> = entity.as_object().unwrap().keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, expected, "{plural}");
        for (field, value) in body.as_object().unwrap() {
            assert_eq!(&entity[field], value, "{field} of {plural}");
        }
        is_time(&entity["created_at"]);
        assert_eq!(entity["updated_at"], entity["created_at"]);

        let got = admin.get(&path).expect(200);
        assert_eq!(got.body, answer.body);
        assert_eq!(got.header("etag"), answer.header("etag"));
    }
}

#[test]
fn a_missing_field_has_its_default() {
    let server = Server::start();
    let admin = server.admin();
    let order = admin.post("/api/orders", &json!({"total": 1.25})).expect(201).json();
    assert_eq!(order["status"], "pending");
    assert_eq!(order["payment_status"], "pending");
    for field in ["customer_id", "notes"] {
        assert_eq!(order[field], Value::Null, "{field}");
    }
    assert_eq!(order["items"], json!([]));
    let number = order["order_number"].as_str().unwrap();
    let digits = number.strip_prefix("ORD-").unwrap();
    assert!(digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit()));

    let body = json!({"name": "Tea", "sku": unique("TEA"), "price": 4.25});
    let product = admin.post("/api/products", &body).expect(201).json();
    assert_eq!(product["stock"], 0);
    assert_eq!(product["currency"], order["currency"]);

    let body = json!({"email": "bo@example.com", "first_name": "Bo", "last_name": "Ek"});
    let customer = admin.post("/api/customers", &body).expect(201).json();
    assert_eq!(customer["phone"], Value::Null);

    let body = json!({"order_id": order["id"]});
    let shipment = admin.post("/api/shipments", &body).expect(201).json();
    assert_eq!(shipment["status"], "pending");
    assert_eq!(shipment["tracking_number"], Value::Null);
    assert_eq!(shipment["carrier"], Value::Null);
}

#[test]
fn a_patch_changes_what_it_names_and_null_clears() {
    let server = Server::start();
    let admin = server.admin();
    for (plural, _) in KEYS {
        let (body, change) = sample(&admin, plural);
        let made = admin.post(&format!("/api/{plural}"), &body).expect(201);
        let path = made.header("location").to_owned();
        let seq = head(&admin);
        let content_type = [("content-type", "application/merge-patch+json")];
        let text = change.to_string();
        let patched =
            admin.request("PATCH", &path, &content_type, Some(text.as_bytes())).expect(200);
        assert_ne!(is_entity_tag(&patched), is_entity_tag(&made), "{plural}");
        let (before, after) = (made.json(), patched.json());
        for (field, value) in before.as_object().unwrap() {
            let expected = change.get(field).unwrap_or(value);
            if field != "updated_at" {
                assert_eq!(&after[field], expected, "{field} of {plural}");
            }
        }
        assert_eq!(admin.get(&path).expect(200).body, patched.body);
        let events = events_after(&admin, seq);
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0]["data"]["changed_fields"], change);
    }
}

#[test]
fn a_patch_that_changes_nothing_leaves_the_version() {
    let server = Server::start();
    let admin = server.admin();
    for (plural, path, made) in one_of_each(&admin) {
        let seq = head(&admin);
        let before = made.json();
        let field = KEYS.iter().find(|(name, _)| *name == plural).unwrap().1[1];
        for same in [json!({}), json!({field: before[field]})] {
            if plural == "transactions" && same != json!({}) {
                continue; // its second field cannot be patched at all
            }
            let answer = admin.patch(&path, &same).expect(200);
            assert_eq!(answer.body, made.body, "{plural} after {same}");
            assert_eq!(answer.header("etag"), made.header("etag"));
        }
        assert_eq!(head(&admin), seq);
    }
}

#[test]
fn a_deleted_entity_is_gone_and_its_id_is_never_used_again() {
    let server = Server::start();
    let admin = server.admin();
    for (plural, path, made) in one_of_each(&admin) {
        let seq = head(&admin);
        let answer = admin.delete(&path).expect(204);
        assert!(answer.body.is_empty());
        admin.get(&path).problem(404);
        admin.patch(&path, &json!({})).problem(404);
        admin.delete(&path).problem(404);
        let events = events_after(&admin, seq);
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0]["data"]["id"], made.json()["id"]);
        let listed = admin.get(&format!("/api/{plural}")).expect(200).json();
        let ids = listed["data"].as_array().unwrap();
        assert!(ids.iter().all(|entity| entity["id"] != made.json()["id"]));

        let (body, _) = sample(&admin, plural);
        let next = admin.post(&format!("/api/{plural}"), &body).expect(201);
        assert!(next.id() > made.id(), "{plural}");
    }
}

#[test]
fn head_answers_like_get_without_the_body() {
    let server = Server::start();
    let admin = server.admin();
    for (plural, path, _) in one_of_each(&admin) {
        for path in [path, format!("/api/{plural}")] {
            let got = admin.get(&path).expect(200);
            let head = admin.request("HEAD", &path, &[], None).expect(200);
            assert!(head.body.is_empty(), "{path}");
            for header in ["etag", "content-type"] {
                assert_eq!(head.header(header), got.header(header), "{header} of {path}");
            }
        }
    }
    admin.request("HEAD", "/api/orders/999999", &[], None).expect(404);
}

#[test]
fn an_unchanged_entity_is_not_sent_again() {
    let server = Server::start();
    let admin = server.admin();
    for (plural, path, made) in one_of_each(&admin) {
        let tag = is_entity_tag(&made);
        let several = format!("\"other\", W/{tag}");
        for if_none_match in [tag.as_str(), &several, "*"] {
            let answer = admin.get_with(&path, &[("if-none-match", if_none_match)]).expect(304);
            assert!(answer.body.is_empty(), "{path}");
            assert_eq!(answer.header("etag"), tag);
        }
        let answer = admin.get_with(&path, &[("if-none-match", "\"other\"")]);
        assert_eq!(answer.expect(200).body, made.body);
        let (_, patch) = sample(&admin, plural);
        admin.patch(&path, &patch).expect(200);
        admin.get_with(&path, &[("if-none-match", &tag)]).expect(200);
    }
}

#[test]
fn a_change_of_an_old_version_is_refused() {
    let server = Server::start();
    let admin = server.admin();
    for (plural, path, made) in one_of_each(&admin) {
        let old = is_entity_tag(&made);
        let (_, patch) = sample(&admin, plural);
        let changed = admin.patch_with(&path, &patch, &[("if-match", &old)]).expect(200);
        let new = is_entity_tag(&changed);
        let seq = head(&admin);
        // A weak tag never matches here (RFC 9110, section 13.1.1).
        for if_match in [old.clone(), format!("W/{new}"), "\"other\"".to_owned()] {
            let headers = [("if-match", if_match.as_str())];
            admin.patch_with(&path, &json!({}), &headers).problem(412);
            admin.delete_with(&path, &headers).problem(412);
        }
        assert_eq!(head(&admin), seq);
        let several = format!("{old}, {new}");
        for if_match in [new.as_str(), &several, "*"] {
            admin.patch_with(&path, &json!({}), &[("if-match", if_match)]).expect(200);
        }
        admin.delete_with(&path, &[("if-match", &new)]).expect(204);
    }
}

#[test]
fn of_two_changes_of_one_version_one_wins() {
    let server = Server::start();
    let admin = server.admin();
    let path = format!("/api/orders/{}", outside_order(&admin, 5.25));
    let tag = is_entity_tag(&admin.get(&path).expect(200));
    let change = |writer: usize| {
        let client = admin.separate();
        let body = json!({"notes": format!("of writer {writer}")});
        client.patch_with(&path, &body, &[("if-match", &tag)])
    };
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8).map(|writer| scope.spawn(move || change(writer))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    for answer in lost {
        answer.problem(412);
    }
    assert_eq!(admin.get(&path).expect(200).body, won[0].body);
}

#[test]
fn a_change_that_follows_from_another_makes_a_new_version() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    let path = format!("/api/orders/{order}");
    let tag = is_entity_tag(&admin.get(&path).expect(200));
    pay(&admin, order, 5.25);
    let paid = admin.get_with(&path, &[("if-none-match", &tag)]).expect(200);
    assert_ne!(is_entity_tag(&paid), tag);
    assert_eq!(paid.json()["payment_status"], "paid");
}

#[test]
fn a_customer_is_erased_and_the_orders_stay() {
    let server = Server::with_users(&["kiosk"], &[]);
    let admin = server.admin();
    let id = customer(&admin);
    let path = format!("/api/customers/{id}");
    let order = json!({"total": 5.25, "customer_id": id});
    let order = admin.post("/api/orders", &order).expect(201).id();
    let refused = admin.delete(&path);
    let problem = refused.problem(409);
    assert_eq!(problem["code"], "in_use");
    let advice = problem["detail"].as_str().unwrap();
    let erase = format!("{path}/erase");
    assert!(advice.contains(&format!("POST {erase}")), "{advice}");
    server.login("kiosk").post(&erase, &json!({})).problem(403);
    let erased = admin.request("POST", &erase, &[], None).expect(200);
    assert_eq!(erased.json()["email"], json!(null));
    assert_eq!(admin.get(&path).expect(200).header("etag"), erased.header("etag"));
    let order = admin.get(&format!("/api/orders/{order}")).expect(200).json();
    assert_eq!(order["customer_id"], id);
    admin.request("POST", "/api/customers/9999/erase", &[], None).problem(404);
    admin.request("POST", "/api/orders/1/erase", &[], None).problem(404);
}
