//! Guards the shop's terms: a till that adds up in another currency than the server, a currency that changes under
//! stored amounts, a change that a restart forgets.

use crate::common::{Client, Server, amount, head, order, outside_order, product, unique};
use serde_json::{Value, json};

#[track_caller]
fn shop(client: &Client) -> Value {
    client.get("/api/shop").expect(200).json()
}

/// Creates goods whose currency is not named; returns the reply.
fn new_goods(admin: &Client, price: &str) -> crate::common::Answer {
    let body = json!({"name": "Tea", "sku": unique("T"), "price": amount(price), "tax_rate": 10, "stock": null});
    admin.post("/api/products", &body)
}

#[test]
fn what_names_no_currency_has_the_shops() {
    let mut server = Server::start();
    let admin = server.admin();
    let fresh = json!({"name": null, "currency": "USD", "decimals": 2, "tax": "included"});
    assert_eq!(shop(&admin), fresh);
    let terms = json!({"name": " Cafe\u{301} 7 ", "currency": "KWD", "tax": "added"});
    admin.patch("/api/shop", &terms).expect_wrong(&["name"]);
    assert_eq!(shop(&admin), fresh);
    let terms = json!({"name": "Cafe\u{301} 7", "currency": "KWD", "tax": "added"});
    let changed = admin.patch("/api/shop", &terms).expect(200).json();
    let expected = json!({"name": "Caf\u{e9} 7", "currency": "KWD", "decimals": 3, "tax": "added"});
    assert_eq!((&changed, &shop(&admin)), (&expected, &expected));

    // Both the check of the body and the change know the currency.
    let wrong = json!({"name": 7, "sku": unique("T"), "price": amount("1.2345")});
    admin.post("/api/products", &wrong).expect_wrong(&["name", "price"]);
    let tea = new_goods(&admin, "1.234").expect(201).json();
    assert_eq!(tea["currency"], "KWD");
    // The tax is added to the price, before a restart and after it.
    let sell = |admin: &Client| {
        let sold = order(admin, tea["id"].as_i64().unwrap(), 1);
        assert_eq!((&sold["total"], &sold["tax_total"]), (&amount("1.357"), &amount("0.123")));
    };
    sell(&admin);
    server.kill();
    let server = server.again();
    let admin = server.admin();
    assert_eq!(shop(&admin), expected);
    let sku = format!("/api/products/by-sku/{}", unique("P"));
    let put = json!({"name": "Cup", "price": amount("0.125")});
    let put = admin.request(
        "PUT",
        &sku,
        &[("content-type", "application/json")],
        Some(put.to_string().as_bytes()),
    );
    assert_eq!(put.expect(201).json()["currency"], "KWD");
    let outside = admin.post("/api/orders", &json!({"total": amount("0.125")})).expect(201).json();
    assert_eq!(outside["currency"], "KWD");
    sell(&admin);
}

#[test]
fn terms_stay_once_amounts_depend_on_them() {
    let server = Server::start();
    let admin = server.admin();
    let set = |terms: &Value| admin.patch("/api/shop", terms);
    set(&json!({"currency": "EUR"})).expect(200);
    let tea = new_goods(&admin, "2.50").expect(201).id();
    assert_eq!(set(&json!({"currency": "USD"})).problem(409)["code"], "shop_fixed");
    set(&json!({"tax": "added"})).expect(200);
    // Of two changes in one request, either both happen or none.
    set(&json!({"name": "Corner", "currency": "USD"})).problem(409);
    assert_eq!(shop(&admin)["name"], Value::Null);
    let made = order(&admin, tea, 1)["id"].as_i64().unwrap();
    assert_eq!(set(&json!({"tax": "included"})).problem(409)["code"], "shop_fixed");
    set(&json!({"name": "Corner", "currency": "EUR", "tax": "added"})).expect(200);
    admin.delete(&format!("/api/orders/{made}")).expect(204);
    set(&json!({"tax": "included"})).expect(200);
    admin.delete(&format!("/api/products/{tea}")).expect(204);
    set(&json!({"currency": "JPY"})).expect(200);
    outside_order(&admin, 3.0);
    assert_eq!(set(&json!({"currency": "EUR"})).problem(409)["code"], "shop_fixed");
}

#[test]
fn a_tax_mode_of_the_settings_is_not_changed_by_a_request() {
    let server = Server::with(&["--tax", "added"]);
    let admin = server.admin();
    assert_eq!(shop(&admin)["tax"], "added");
    let refused = admin.patch("/api/shop", &json!({"tax": "included"})).problem(409);
    assert!(refused["detail"].as_str().unwrap().contains("--tax"), "{refused}");
    admin.patch("/api/shop", &json!({"tax": "added", "currency": "EUR"})).expect(200);
}

#[test]
fn a_change_is_conditional_and_in_the_audit_trail() {
    let server = Server::start();
    let admin = server.admin();
    let seq = head(&admin);
    let first = admin.get("/api/shop").expect(200);
    let tag = [("if-match", first.header("etag"))];
    let named = admin.patch_with("/api/shop", &json!({"name": "Corner"}), &tag).expect(200);
    admin.patch_with("/api/shop", &json!({"name": "Other"}), &tag).problem(412);
    let known = [("if-none-match", named.header("etag"))];
    assert_eq!(admin.get_with("/api/shop", &known).status, 304);
    admin.patch("/api/shop", &json!({"name": "Corner"})).expect(200);
    assert_eq!(named.header("tillcast-seq"), seq.to_string());
    let audit = admin.get("/api/audit?entity=shop").expect(200).json();
    let [entry] = audit["data"].as_array().unwrap().as_slice() else { panic!("{audit}") };
    assert_eq!((&entry["action"], &entry["fields"]), (&json!("update"), &json!(["name"])));
    assert_eq!((&entry["username"], &entry["row_id"]), (&json!("admin"), &json!(1)));
}

#[test]
fn wrong_members_are_named_and_nothing_is_changed() {
    let server = Server::start();
    let admin = server.admin();
    let before = admin.get("/api/shop").expect(200);
    let long = "x".repeat(201);
    for (name, values) in [
        (
            "name",
            vec![json!(null), json!(7), json!(""), json!("a\nb"), json!("\u{202e}x"), json!(long)],
        ),
        ("currency", vec![json!(null), json!("eur"), json!("XAU"), json!("EURO"), json!(["EUR"])]),
        ("tax", vec![json!(null), json!("Added"), json!(true), json!({})]),
        ("decimals", vec![json!(2)]),
        ("owner", vec![json!("me")]),
    ] {
        for value in values {
            admin.patch("/api/shop", &json!({"name": "Corner", name: value})).expect_wrong(&[name]);
        }
    }
    let all = json!({"name": 1, "currency": 2, "tax": 3, "decimals": 4, "x": 5});
    admin.patch("/api/shop", &all).expect_wrong(&["currency", "decimals", "name", "tax", "x"]);
    let after = admin.get("/api/shop").expect(200);
    assert_eq!((before.text(), before.header("etag")), (after.text(), after.header("etag")));
    product(&admin, 1.0, 1);
}
