//! Guards amounts of money: a cent that a binary float loses, a currency with the wrong decimals,
//! an order that counts as paid although a cent is missing.

use crate::common::{Answer, Client, Server, amount, outside_order, pay, unique};
use serde_json::{Value, json};

/// Sends a body as text, with the digits as the test writes them.
fn post(client: &Client, path: &str, body: &str) -> Answer {
    let json = [("content-type", "application/json")];
    client.request("POST", path, &json, Some(body.as_bytes()))
}

fn new_product(client: &Client, currency: &str, price: &str) -> Answer {
    let sku = unique("SKU");
    let body = format!(
        r#"{{"name":"Tea","sku":"{sku}","price":{price},"currency":"{currency}","stock":1000}}"#
    );
    post(client, "/api/products", &body)
}

/// The digits of a member in the text of a reply.
#[track_caller]
fn digits<'text>(text: &'text str, member: &str) -> &'text str {
    let start = text.find(&format!("\"{member}\":")).unwrap() + member.len() + 3;
    text[start..].split([',', '}']).next().unwrap()
}

/// An amount without trailing zeros.
fn shortest(digits: &str) -> &str {
    match digits.split_once('.') {
        Some(_) => digits.trim_end_matches('0').trim_end_matches('.'),
        None => digits,
    }
}

#[test]
fn amounts_come_back_digit_by_digit() {
    let server = Server::start();
    let admin = server.admin();
    let same = [
        ("USD", "99.99", "99.99"),
        ("USD", "0.07", "0.07"),
        ("USD", "0", "0"),
        ("USD", "0.1", "0.1"),
        ("USD", "1e2", "100"),
        ("USD", "1.5E+1", "15"),
        ("USD", "999e-2", "9.99"),
        ("USD", "10.000", "10"),
        ("EUR", "9007199254740.93", "9007199254740.93"),
        ("JPY", "500", "500"),
        ("JPY", "500.0", "500"),
        ("KWD", "1.234", "1.234"),
    ];
    for (currency, given, expected) in same {
        let answer = new_product(&admin, currency, given).expect(201);
        let text = answer.text();
        let price = digits(&text, "price");
        assert_eq!(shortest(price), expected, "{given} {currency}");
        let stored = admin.get(answer.header("location")).expect(200).text();
        assert_eq!(digits(&stored, "price"), price);
        let log = admin.get("/api/events?limit=200").expect(200).text();
        let event = format!("\"id\":{},\"name\"", answer.id());
        let event = &log[log.find(&event).unwrap()..];
        assert_eq!(digits(event, "price"), price);
    }
    let text = new_product(&admin, "USD", "99.99").expect(201).text();
    assert!(text.contains(r#""price":99.99,"#), "{text}");
    let text = new_product(&admin, "JPY", "500").expect(201).text();
    assert!(text.contains(r#""price":500,"#), "{text}");
}

#[test]
fn amounts_that_the_currency_does_not_have_are_refused() {
    let server = Server::start();
    let admin = server.admin();
    let wrong = [
        ("USD", "9.999"),
        ("USD", "0.001"),
        ("USD", "1e-3"),
        ("USD", "0.30000000000000004"),
        ("USD", "-1"),
        ("USD", "-0.01"),
        ("USD", "1e400"),
        ("USD", "1e-400"),
        ("USD", "99999999999999999999"),
        ("USD", "1e999999999999999999999"),
        ("USD", "\"9.99\""),
        ("USD", "true"),
        ("USD", "null"),
        ("USD", "[9.99]"),
        ("JPY", "0.5"),
        ("KWD", "1.2345"),
    ];
    for (currency, given) in wrong {
        let answer = new_product(&admin, currency, given);
        assert_eq!(answer.wrong_fields(), ["price"], "{given} {currency}");
        let order = format!(r#"{{"total":{given},"currency":"{currency}"}}"#);
        let answer = post(&admin, "/api/orders", &order);
        assert_eq!(answer.wrong_fields(), ["total"], "{given} {currency}");
    }
    for no_json in ["9.", ".9", "+9", "09", "0x9", "NaN", "9,99", "1e"] {
        new_product(&admin, "USD", no_json).problem(400);
    }
    let listed = admin.get("/api/products").expect(200).json();
    assert_eq!(listed["data"], json!([]));
}

#[test]
fn a_sum_is_exact() {
    let server = Server::start();
    let admin = server.admin();
    let ids = ["0.07", "0.11", "1.11"].map(|price| {
        let made = new_product(&admin, "USD", price).expect(201);
        made.id()
    });
    let [cheap, other, more] = ids;
    let lines = json!({"items": [
        {"product_id": cheap, "quantity": 3},
        {"product_id": other, "quantity": 3},
        {"product_id": more, "quantity": 1},
    ]});
    let answer = admin.post("/api/orders", &lines).expect(201);
    assert!(answer.text().contains(r#""total":1.65,"#), "{}", answer.text());
    let order = answer.json();
    let line_totals: Vec<&Value> =
        order["items"].as_array().unwrap().iter().map(|item| &item["line_total"]).collect();
    assert_eq!(line_totals, [&amount("0.21"), &amount("0.33"), &amount("1.11")]);
    assert_eq!(order["items"][0]["unit_price"], amount("0.07"));
}

#[test]
fn an_order_is_paid_with_the_last_cent_and_not_before() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 0.3);
    let payment_status = || {
        let order = admin.get(&format!("/api/orders/{order}")).expect(200);
        order.json()["payment_status"].as_str().unwrap().to_owned()
    };
    pay(&admin, order, 0.1);
    pay(&admin, order, 0.19);
    assert_eq!(payment_status(), "pending");
    pay(&admin, order, 0.01);
    assert_eq!(payment_status(), "paid");
}

#[test]
fn a_transaction_is_in_the_currency_of_its_order() {
    let server = Server::start();
    let admin = server.admin();
    let body = json!({"total": 500, "currency": "JPY"});
    let order = admin.post("/api/orders", &body).expect(201).id();
    let payment = |amount: &str| {
        let body = format!(
            r#"{{"order_id":{order},"type":"payment","status":"completed","amount":{amount}}}"#
        );
        post(&admin, "/api/transactions", &body)
    };
    assert_eq!(payment("0.5").wrong_fields(), ["amount"]);
    assert_eq!(payment("0").wrong_fields(), ["amount"]);
    let text = payment("500").expect(201).text();
    assert!(text.contains(r#""amount":500,"#), "{text}");
}

#[test]
fn a_price_keeps_its_meaning_when_the_currency_changes() {
    let server = Server::start();
    let admin = server.admin();
    let made = new_product(&admin, "USD", "12.50").expect(201);
    let path = made.header("location");
    let answer = admin.patch(path, &json!({"currency": "JPY", "price": 12.5}));
    assert_eq!(answer.wrong_fields(), ["price"]);
    let changed = admin.patch(path, &json!({"currency": "JPY", "price": 1850})).expect(200).text();
    assert!(changed.contains(r#""price":1850,"#), "{changed}");
    let kept = admin.get(path).expect(200).json();
    assert_eq!(kept["currency"], "JPY");
}
