//! Guards the replies to bad requests: wrong fields that are named one at a time, a mistake that is stored, a
//! `500` or an internal text instead of advice.

use crate::common::{
    Client, Raw, Server, customer, head, json_request, order, outside_order, product, shipment,
    transaction, unique,
};
use serde_json::{Value, json};

const PLURALS: [&str; 5] = ["orders", "products", "customers", "shipments", "transactions"];

/// The path of a new entity of each kind.
fn paths(admin: &Client) -> [String; 5] {
    let order_id = outside_order(admin, 5.25);
    let ids = [
        outside_order(admin, 5.25),
        product(admin, 2.5, 10),
        customer(admin),
        shipment(admin, order_id),
        transaction(admin, order_id, "payment", "pending", 5.25),
    ];
    std::array::from_fn(|at| format!("/api/{}/{}", PLURALS[at], ids[at]))
}

#[test]
fn a_missing_entity_is_not_found() {
    let server = Server::start();
    let admin = server.admin();
    let ids = ["999999", "0", "-1", "abc", "1.5", "99999999999999999999", "%00", "1%20"];
    for plural in PLURALS.into_iter().chain(["users"]) {
        for id in ids {
            let path = format!("/api/{plural}/{id}");
            admin.get(&path).problem(404);
            admin.patch(&path, &json!({})).problem(404);
            admin.delete(&path).problem(404);
        }
        admin.get(&format!("/api/{plural}/1/more")).problem(404);
    }
    for path in ["/nothing", "/api", "/api/nothing", "/api/orderss", "/api/auth/nothing"] {
        admin.get(path).problem(404);
        admin.post(path, &json!({})).problem(404);
    }
}

#[test]
fn a_wrong_method_is_refused_with_the_allowed_ones() {
    let server = Server::start();
    let admin = server.admin();
    let mut wrong: Vec<(&str, String, &[&str])> = vec![
        ("DELETE", "/api/events".to_owned(), &["GET"]),
        ("GET", "/api/auth/login".to_owned(), &["POST"]),
        ("POST", "/api/auth/me".to_owned(), &["GET"]),
        ("POST", "/healthz".to_owned(), &["GET"]),
        ("PUT", "/openapi.json".to_owned(), &["GET"]),
        ("BREW", "/api/orders".to_owned(), &["GET", "POST"]),
    ];
    for plural in PLURALS.into_iter().chain(["users"]) {
        let (list, entity) = (format!("/api/{plural}"), format!("/api/{plural}/1"));
        for method in ["PUT", "PATCH", "DELETE"] {
            wrong.push((method, list.clone(), &["GET", "POST"]));
        }
        for method in ["PUT", "POST"] {
            wrong.push((method, entity.clone(), &["GET", "PATCH", "DELETE"]));
        }
    }
    for (method, path, methods) in wrong {
        let answer = admin.request(method, &path, &[], None);
        answer.problem(405);
        let allow = answer.header("allow");
        let allowed: Vec<&str> = allow.split(',').map(str::trim).collect();
        for expected in methods {
            assert!(allowed.contains(expected), "{path} allows {allow}");
        }
        assert!(!allowed.contains(&method), "{method} {path} allows {allow}");
    }
}

#[test]
fn only_json_is_read() {
    let server = Server::start();
    let admin = server.admin();
    let body = br#"{"total":5.25}"#;
    let id = outside_order(&admin, 5.25);
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json"] {
        let headers = [("content-type", wrong)];
        let post = |path: &str| admin.request("POST", path, &headers, Some(body));
        post("/api/orders").problem(415);
        post("/api/auth/password").problem(415);
        let path = format!("/api/orders/{id}");
        admin.request("PATCH", &path, &headers, Some(body)).problem(415);
    }
    for right in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        let headers = [("content-type", right)];
        admin.request("POST", "/api/orders", &headers, Some(body)).expect(201);
    }
}

#[test]
fn a_body_that_is_not_json_is_named_as_such() {
    let server = Server::start();
    let admin = server.admin();
    let id = outside_order(&admin, 5.25);
    let json = [("content-type", "application/json")];
    let seq = head(&admin);
    let deep = "[".repeat(20_000);
    let wrong: [&[u8]; 10] = [
        b"",
        b"   ",
        b"not json",
        b"{\"total\": 5",
        b"{\"total\": 5}}",
        b"{\"total\": 5} {}",
        b"{'total': 5}",
        b"{\"notes\":\"\xff\xfe\",\"total\":5}",
        b"\xff\xfe{\x00}\x00",
        deep.as_bytes(),
    ];
    for body in wrong {
        for (method, path) in [("POST", "/api/orders"), ("PATCH", &format!("/api/orders/{id}"))] {
            admin.request(method, path, &json, Some(body)).problem(400);
        }
    }
    let many = format!("{{\"items\":[{}0]}}", "0,".repeat(5_000));
    for no_object in [many.as_str(), "[]", "5", "null", "\"text\"", "[{\"total\":5}]"] {
        let answer = admin.request("POST", "/api/orders", &json, Some(no_object.as_bytes()));
        answer.status_is_one_of(&[400, 422]);
        answer.problem(answer.status);
    }
    assert_eq!(head(&admin), seq);
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_read() {
    let server = Server::start();
    let admin = server.admin();
    let cookie = admin.cookie();
    let declared = json_request("POST", "/api/orders", cookie, "", "");
    let declared = String::from_utf8(declared).unwrap();
    let declared = declared.replace("Content-Length: 0", "Content-Length: 1000000000000");
    let mut raw = Raw::connect(server.address()).unwrap();
    raw.send(declared.as_bytes()).unwrap();
    raw.answer(false).unwrap().unwrap().problem(413);

    let chunked = declared.replace("Content-Length: 1000000000000", "Transfer-Encoding: chunked");
    let mut raw = Raw::connect(server.address()).unwrap();
    raw.send(chunked.as_bytes()).unwrap();
    let one_byte_more = format!("10000\r\n{}\r\n1\r\n \r\n", " ".repeat(0x10000));
    raw.send(one_byte_more.as_bytes()).unwrap();
    raw.answer(false).unwrap().unwrap().problem(413);

    let long = json!({"total": 5.25, "notes": "n".repeat(2_000), "customer_id": null});
    admin.post("/api/orders", &long).expect(201);
}

/// Bodies with several mistakes each, and all the fields that are wrong.
const WRONG_BODIES: [(&str, &str, &[&str]); 12] = [
    (
        "orders",
        r#"{"customer_id":"x","items":[{"product_id":1,"quantity":0},{"product_id":"a","quantity":1.5,"price":3}],
            "notes":5,"status":"lost","payment_status":"paid","id":7,"order_number":"ORD-1","colour":"red"}"#,
        &[
            "customer_id",
            "items[0].quantity",
            "items[1].product_id",
            "items[1].price",
            "notes",
            "status",
            "payment_status",
            "id",
            "order_number",
            "colour",
        ],
    ),
    ("orders", "{}", &["total"]),
    ("orders", r#"{"items":[],"customer_id":0}"#, &["items", "customer_id"]),
    (
        "orders",
        r#"{"items":[{},5],"currency":"usd"}"#,
        &["items[0].product_id", "items[0].quantity", "items[1]", "currency"],
    ),
    (
        "orders",
        r#"{"items":{"product_id":1},"notes":["a"],"currency":null}"#,
        &["items", "notes", "currency"],
    ),
    (
        "orders",
        r#"{"customer_id":999,"items":[{"product_id":998,"quantity":1},{"product_id":999,"quantity":1}]}"#,
        &["customer_id", "items[0].product_id", "items[1].product_id"],
    ),
    (
        "products",
        r#"{"name":"","status":"sold","price":-1,"currency":"EURO","stock":-5,"created_at":"now"}"#,
        &["name", "sku", "status", "price", "currency", "stock", "created_at"],
    ),
    (
        "products",
        r#"{"name":null,"sku":7,"price":"9.99","stock":1.5005,"updated_at":null}"#,
        &["name", "sku", "price", "stock", "updated_at"],
    ),
    (
        "customers",
        r#"{"email":"no","first_name":5,"phone":{},"last_name":true}"#,
        &["email", "first_name", "phone", "last_name"],
    ),
    (
        "shipments",
        r#"{"tracking_number":{},"status":"flying","carrier":true}"#,
        &["order_id", "tracking_number", "status", "carrier"],
    ),
    (
        "transactions",
        r#"{"order_id":0,"type":"gift","status":1,"amount":0,"gateway":null}"#,
        &["order_id", "type", "status", "amount", "gateway"],
    ),
    (
        "users",
        r#"{"username":"","password":"short","role":"king","id":1}"#,
        &["username", "password", "role", "id"],
    ),
];

#[test]
fn all_wrong_fields_are_named_at_once() {
    let server = Server::start();
    let admin = server.admin();
    for (plural, body, fields) in WRONG_BODIES {
        let body: Value = serde_json::from_str(body).unwrap();
        let answer = admin.post(&format!("/api/{plural}"), &body);
        answer.expect_wrong(fields);
    }
    let too_long = json!({
        "name": "n".repeat(201), "sku": "s".repeat(65), "price": 1e30, "stock": 9e30, "status": "x",
    });
    let answer = admin.post("/api/products", &too_long);
    answer.expect_wrong(&["name", "sku", "price", "stock", "status"]);
    let controls = json!({"name": "a\u{0}b", "sku": "a\nb", "price": 1});
    admin.post("/api/products", &controls).expect_wrong(&["name", "sku"]);
    let answer =
        server.anonymous().post("/api/auth/login", &json!({"username": 5, "colour": "red"}));
    answer.expect_wrong(&["username", "password", "colour"]);
    assert_eq!(head(&admin), 0);
    assert_eq!(admin.get("/api/users").expect(200).json()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_message_says_what_would_be_right() {
    let server = Server::start();
    let admin = server.admin();
    let body = json!({"items": [{"product_id": 1, "quantity": 0}]});
    let problem = admin.post("/api/orders", &body).problem(422);
    let message = "must be at least 1, or 0.001 of goods that are not sold by the piece";
    let expected = json!([{"field": "items[0].quantity", "code": "too_small", "message": message}]);
    assert_eq!(problem["errors"], expected);
}

#[test]
fn a_rule_of_the_shop_has_its_code() {
    let server = Server::start();
    let admin = server.admin();
    let scarce = product(&admin, 2.5, 1);
    let two = json!({"items": [{"product_id": scarce, "quantity": 2}]});
    assert_eq!(admin.post("/api/orders", &two).problem(409)["code"], "out_of_stock");
    let path = format!("/api/products/{scarce}");
    admin.patch(&path, &json!({"status": "draft"})).expect(200);
    assert_eq!(admin.post("/api/orders", &two).problem(409)["code"], "not_for_sale");
    let same = admin.get(&path).expect(200).json()["sku"].clone();
    let double = json!({"name": "Tea", "sku": same, "price": 1});
    assert_eq!(admin.post("/api/products", &double).problem(409)["code"], "duplicate");
    let user = admin.get("/api/auth/me").expect(200).json()["user"]["id"].clone();
    let disable = admin.patch(&format!("/api/users/{user}"), &json!({"disabled": true}));
    assert_eq!(disable.problem(409)["code"], "last_admin");
}

#[test]
fn a_whole_number_is_whole_however_it_is_written() {
    let server = Server::start();
    let admin = server.admin();
    let send = |body: &str| {
        let headers = [("content-type", "application/json")];
        admin.request("POST", "/api/products", &headers, Some(body.as_bytes()))
    };
    for (number, stock) in [("5.0", 5), ("5e0", 5), ("50e-1", 5), ("-0.0", 0), ("1E+2", 100)] {
        let body = format!(r#"{{"name":"Tea","sku":"T-{number}","price":1,"stock":{number}}}"#);
        assert_eq!(send(&body).expect(201).json()["stock"], stock, "{number}");
    }
    for number in ["5.5", "5e-1", "1e400", "-1e400", "-1.0"] {
        let body = format!(r#"{{"name":"Tea","sku":"X","price":1,"stock":{number}}}"#);
        send(&body).expect_wrong(&["stock"]);
    }
}

#[test]
fn a_patch_is_checked_like_a_creation() {
    let server = Server::start();
    let admin = server.admin();
    let [order, product, customer, shipment, transaction] = paths(&admin);
    let seq = head(&admin);
    let cases: [(&str, Value, &[&str]); 8] = [
        (
            &order,
            json!({"id": 1, "order_number": "ORD-1", "payment_status": "paid", "items": [], "currency": "EUR"}),
            &["id", "order_number", "payment_status", "items", "currency"],
        ),
        (
            &order,
            json!({"status": null, "total": null, "notes": 1, "colour": "red"}),
            &["status", "total", "notes", "colour"],
        ),
        (&order, json!({"customer_id": 999_999}), &["customer_id"]),
        (
            &product,
            json!({"name": null, "sku": null, "price": null, "unit": null, "status": null}),
            &["name", "sku", "price", "unit", "status"],
        ),
        (
            &product,
            json!({"stock": -1, "price": "1", "created_at": 5}),
            &["stock", "price", "created_at"],
        ),
        (
            &customer,
            json!({"email": 7, "first_name": "", "name": "Bo"}),
            &["email", "first_name", "name"],
        ),
        (
            &shipment,
            json!({"order_id": 1, "status": "lost", "carrier": 5}),
            &["order_id", "status", "carrier"],
        ),
        (
            &transaction,
            json!({"order_id": 1, "type": "refund", "amount": 1, "status": null}),
            &["order_id", "type", "amount", "status"],
        ),
    ];
    for (path, patch, fields) in cases {
        admin.patch(path, &patch).expect_wrong(fields);
    }
    assert_eq!(head(&admin), seq);
}

#[test]
fn a_unique_value_cannot_be_taken_twice() {
    let server = Server::start();
    let admin = server.admin();
    let sku = unique("SKU");
    let tea = |sku: &str| json!({"name": "Tea", "sku": sku, "price": 1});
    admin.post("/api/products", &tea(&sku)).expect(201);
    let other = admin.post("/api/products", &tea(&unique("SKU"))).expect(201);
    let ana = |email: &str| json!({"email": email, "first_name": "Ana", "last_name": "Ng"});
    admin.post("/api/customers", &ana("ana@example.com")).expect(201);
    let ben = admin.post("/api/customers", &ana("ben@example.com")).expect(201);
    let seq = head(&admin);

    admin.post("/api/products", &tea(&sku)).problem(409);
    admin.patch(other.header("location"), &json!({"sku": sku})).problem(409);
    for email in ["ana@example.com", "ANA@example.com", "Ana@Example.COM"] {
        admin.post("/api/customers", &ana(email)).problem(409);
        admin.patch(ben.header("location"), &json!({"email": email})).problem(409);
    }
    let user = json!({"username": "Admin", "password": "long enough 1", "role": "staff"});
    admin.post("/api/users", &user).problem(409);
    assert_eq!(head(&admin), seq);
    // Its own address in upper case is no conflict.
    let patched = admin.patch(ben.header("location"), &json!({"email": "Ben@example.com"}));
    assert_eq!(patched.expect(200).json()["email"], "Ben@example.com");
}

#[test]
fn text_of_a_client_stays_text() {
    let server = Server::start();
    let admin = server.admin();
    let hostile = [
        "'; DROP TABLE orders; --",
        "\" OR 1=1 --",
        "<script>alert(1)</script>",
        "%s%n${7*7}{{7*7}}",
        "a\u{202e}b \u{1f600} e\u{301}",
        "line\nbreak \\ \"quoted\"",
    ];
    for text in hostile {
        let made = admin.post("/api/orders", &json!({"total": 5.25, "notes": text})).expect(201);
        let got = admin.get(made.header("location")).expect(200);
        assert_eq!(got.json()["notes"], text);
        assert_eq!(got.header("content-type"), "application/json");
        let answer = admin.post("/api/orders", &json!({"total": 5.25, text: 1}));
        let named: Vec<char> = answer.wrong_fields().concat().chars().take(20).collect();
        assert_eq!(named, text.chars().take(20).collect::<Vec<_>>());
    }
    let product = product(&admin, 2.5, 10);
    order(&admin, product, 1);
}
