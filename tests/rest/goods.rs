//! Guards goods of every kind: by weight, not counted, found by a scanner, with a stock that two people change at once.

use crate::common::{Client, Server, amount, happened, head, product};
use serde_json::{Value, json};

fn new(client: &Client, sku: &str, more: &Value) -> Value {
    let mut body = json!({"name": sku, "sku": sku, "price": 2.5, "stock": 10});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    client.post("/api/products", &body).expect(201).json()
}

#[test]
fn goods_by_weight_keep_their_digits() {
    let server = Server::start();
    let admin = server.admin();
    let tea =
        new(&admin, "T", &json!({"unit": "kg", "price": 19.99, "stock": 1.5, "tax_rate": 5.5}));
    assert_eq!(
        (&tea["stock"], &tea["unit"], &tea["tax_rate"]),
        (&amount("1.5"), &json!("kg"), &amount("5.5"))
    );
    let path = format!("/api/products/{}", tea["id"]);
    for (wrong, code) in
        [("1.2345", "too_many_decimals"), ("-1", "too_small"), ("1e13", "too_large")]
    {
        let problem = admin.patch(&path, &json!({"stock": amount(wrong)})).problem(422);
        assert_eq!(problem["errors"][0]["code"], code);
    }
    let before = head(&admin);
    let items = json!([{"product_id": tea["id"], "quantity": amount("0.125"), "note": "in a bag"}]);
    let order = admin.post("/api/orders", &json!({"items": items})).expect(201).json();
    assert_eq!((&order["total"], &order["tax_total"]), (&amount("2.50"), &amount("0.13")));
    let line = json!({
        "product_id": tea["id"], "name": "T", "sku": "T", "quantity": amount("0.125"),
        "unit_price": amount("19.99"), "line_total": amount("2.50"), "discount": amount("0.00"),
        "tax_rate": amount("5.5"), "note": "in a bag",
    });
    assert_eq!(order["items"], json!([line]));
    assert_eq!(happened(&admin, before)[1][1], json!({"stock": amount("1.375")}));
}

#[test]
fn a_scanner_finds_a_product_by_either_form_of_its_barcode() {
    let server = Server::start();
    let admin = server.admin();
    let tea = new(
        &admin,
        "T",
        &json!({"barcode": "0012345678905", "category": "Drinks", "location": "A 3"}),
    );
    let cup = new(&admin, "C", &json!({"barcode": "00123", "category": "Cups", "stock": null}));
    assert_eq!((&tea["barcode"], &cup["stock"]), (&json!("0012345678905"), &Value::Null));
    let found = |query: &str| {
        let page = admin.get(&format!("/api/products?{query}")).expect(200).json();
        let ids = page["data"].as_array().unwrap().iter().map(|one| one["id"].clone());
        ids.collect::<Vec<_>>()
    };
    for form in ["0012345678905", "012345678905"] {
        assert_eq!(found(&format!("barcode={form}")), [tea["id"].clone()], "{form}");
        let again = json!({"name": "U", "sku": "U", "price": 1, "barcode": form});
        assert_eq!(admin.post("/api/products", &again).problem(409)["code"], "duplicate");
        let patch = admin.patch(&format!("/api/products/{}", cup["id"]), &json!({"barcode": form}));
        assert_eq!(patch.problem(409)["code"], "duplicate");
    }
    assert_eq!(found("barcode=12345678905"), [Value::Null; 0]);
    assert_eq!(found("barcode=00123&category=Cups"), [cup["id"].clone()]);
    assert_eq!(found("category=Drinks"), [tea["id"].clone()]);
    for wrong in ["", "Grün", "1\t2", &"1".repeat(33)] {
        let body = json!({"name": "U", "sku": "U", "price": 1, "barcode": wrong});
        admin.post("/api/products", &body).expect_wrong(&["barcode"]);
    }
    let removed = admin.patch(&format!("/api/products/{}", tea["id"]), &json!({"barcode": null}));
    assert_eq!(removed.expect(200).json()["barcode"], Value::Null);
    assert_eq!(found("barcode=012345678905"), [Value::Null; 0]);
}

#[test]
fn changes_of_stock_add_up_and_have_a_reason() {
    let server = Server::with_users(&["staff", "kiosk", "display"], &[]);
    let (staff, admin) = (server.login("staff"), server.admin());
    let tea = product(&admin, 2.5, 10);
    let path = format!("/api/products/{tea}/stock");
    let delivery = json!({"change": 5, "reason": "delivery"});
    let key = [("idempotency-key", "delivery")];
    let first = staff.post_with(&path, &delivery, &key).expect(200).text();
    assert_eq!(staff.post_with(&path, &delivery, &key).expect(200).text(), first);
    let loss = json!({"change": -3, "reason": "loss", "note": "broken"});
    assert_eq!(staff.post(&path, &loss).expect(200).json()["stock"], 12);
    assert_eq!(
        staff.post(&path, &json!({"change": -13, "reason": "count"})).problem(409)["code"],
        "out_of_stock"
    );
    let unknown = json!({"change": 0, "reason": "gift", "stock": 4});
    staff.post(&path, &unknown).expect_wrong(&["change", "reason", "stock"]);
    staff.post(&path, &json!({})).expect_wrong(&["change", "reason"]);
    staff.post(&path, &json!({"change": 0.5, "reason": "other"})).expect_wrong(&["change"]);
    for role in ["kiosk", "display"] {
        server.login(role).post(&path, &delivery).problem(403);
    }
    staff.post("/api/products/999/stock", &delivery).problem(404);
    staff.post("/api/orders/1/stock", &delivery).problem(404);
    admin.patch(&format!("/api/products/{tea}"), &json!({"stock": null})).expect(200);
    assert_eq!(staff.post(&path, &delivery).problem(409)["code"], "not_counted");

    let entries = admin.get("/api/audit?entity=product&limit=200").expect(200).json();
    let reasons: Vec<_> = entries["data"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|entry| {
            (
                entry["action"].clone(),
                entry["fields"].clone(),
                entry["reason"].clone(),
                entry["note"].clone(),
            )
        })
        .collect();
    let entry = |action: &str, fields: &[&str], reason: Value, note: Value| {
        (json!(action), json!(fields), reason, note)
    };
    assert_eq!(
        reasons,
        [
            entry("create", &[], Value::Null, Value::Null),
            entry("change_stock", &["stock"], json!("delivery"), Value::Null),
            entry("change_stock", &["stock"], json!("loss"), json!("broken")),
            entry("update", &["stock"], Value::Null, Value::Null),
        ]
    );
}

/// Head office knows SKUs and no ids.
#[test]
fn an_import_creates_or_changes_a_product_by_its_sku() {
    let server = Server::with_users(&["staff", "kiosk"], &[]);
    let (staff, kiosk) = (server.login("staff"), server.login("kiosk"));
    let put = |sku: &str, body: &Value, headers: &[(&str, &str)]| {
        let json = [&[("content-type", "application/json")], headers].concat();
        let path = format!("/api/products/by-sku/{sku}");
        staff.request("PUT", &path, &json, Some(body.to_string().as_bytes()))
    };
    let made = put("Gr%C3%BCn%2F1", &json!({"name": "Tea", "price": 2.5}), &[]).expect(201);
    assert_eq!(
        (&made.json()["sku"], made.header("location")),
        (&json!("Grün/1"), "/api/products/1")
    );
    let changed = put("Gr%C3%BCn%2F1", &json!({"stock": 7, "sku": "Grün/1"}), &[]).expect(200);
    assert_eq!((&changed.json()["stock"], &changed.json()["name"]), (&json!(7), &json!("Tea")));
    let seq = head(&staff);
    put("Gr%C3%BCn%2F1", &json!({"stock": 7}), &[]).expect(200);
    put("Gr%C3%BCn%2F1", &json!({"stock": 8}), &[("if-none-match", "*")]).problem(412);
    put("Gr%C3%BCn%2F1", &json!({"stock": 8}), &[("if-match", "\"1\"")]).problem(412);
    put("B", &json!({"name": "B", "price": 1}), &[("if-match", "*")]).problem(412);
    put("B", &json!({"stock": 8}), &[]).expect_wrong(&["name", "price"]);
    put("B", &json!({"name": "B", "price": 1, "sku": "C"}), &[]).expect_wrong(&["sku"]);
    put("%FF", &json!({"name": "B", "price": 1}), &[]).problem(400);
    assert_eq!(head(&staff), seq);
    let path = "/api/products/by-sku/B";
    kiosk.request("PUT", path, &[("content-type", "application/json")], Some(b"{}")).problem(403);
    staff.get(path).problem(405);
    put("B", &json!({"name": "B", "price": 1}), &[("if-none-match", "*")]).expect(201);
}
