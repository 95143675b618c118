//! Guards sales: money or goods that are lost, a sale that is stored twice, a sale that has happened and is refused.

use crate::common::{Client, Server, amount, customer, happened, head, product};
use serde_json::{Value, json};

fn line(product: i64, quantity: u32) -> Value {
    json!({"product_id": product, "quantity": quantity})
}

/// A sale with this name of these lines, and other members.
fn sale(client_id: &str, items: &[Value], more: &Value) -> Value {
    let mut sale = json!({"client_id": client_id, "items": items});
    for (name, value) in more.as_object().unwrap() {
        sale[name] = value.clone();
    }
    sale
}

fn stock(client: &Client, product: i64) -> Value {
    client.get(&format!("/api/products/{product}")).expect(200).json()["stock"].clone()
}

#[test]
fn one_request_sells_takes_the_money_and_gives_change() {
    let server = Server::with_users(&["staff"], &[]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    let tea = product(&admin, 2.5, 10);
    let ana = customer(&admin);
    let before = head(&admin);
    let payments = json!([
        {"gateway": "cash", "amount": 5}, {"gateway": "card", "amount": 4}, {"gateway": "cash", "amount": 2},
    ]);
    let more =
        json!({"payments": payments, "customer_id": ana, "notes": "by the door", "total": 10});
    let answer = staff.post("/api/sales", &sale("a", &[line(tea, 4)], &more)).expect(201);
    assert_eq!(answer.header("location"), "/api/orders/1");
    let sold = answer.json();
    let order = &sold["order"];
    assert_eq!(
        (&order["status"], &order["payment_status"]),
        (&json!("processing"), &json!("paid"))
    );
    assert_eq!((&order["client_id"], &order["sold_at"]), (&json!("a"), &Value::Null));
    assert_eq!(order["oversold"], json!([]));
    let money: Vec<_> = sold["transactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert_eq!(
                (&one["order_id"], &one["type"], &one["status"]),
                (&order["id"], &json!("payment"), &json!("completed"))
            );
            (one["gateway"].clone(), one["amount"].clone(), one["tendered"].clone())
        })
        .collect();
    assert_eq!(
        money,
        [
            (json!("cash"), amount("5.00"), amount("5.00")),
            (json!("card"), amount("4.00"), Value::Null),
            (json!("cash"), amount("1.00"), amount("2.00")),
        ]
    );
    assert_eq!(sold["change"], amount("1.00"));
    let events = json!([
        ["order:created"], ["product:updated", {"stock": 6}], ["transaction:created"],
        ["transaction:created"], ["transaction:created"],
    ]);
    assert_eq!(happened(&admin, before), events);
    let read = admin.get("/api/orders/1").expect(200);
    assert_eq!((&read.json(), read.header("etag")), (order, answer.header("etag")));

    // Only the order's first event tells of it: it was paid from the start.
    let coins =
        json!({"payments": [{"gateway": "Cash", "amount": 5}, {"gateway": "cash", "amount": 5}]});
    let sold = staff.post("/api/sales", &sale("b", &[line(tea, 1)], &coins)).expect(201).json();
    assert_eq!(
        (sold["transactions"].as_array().unwrap().len(), &sold["change"]),
        (1, &amount("7.50"))
    );
    let handed = json!({"status": "completed"});
    let sold = staff.post("/api/sales", &sale("c", &[line(tea, 1)], &handed)).expect(201).json();
    assert_eq!(
        (&sold["order"]["status"], &sold["order"]["payment_status"]),
        (&json!("completed"), &json!("pending"))
    );
    assert_eq!((&sold["transactions"], &sold["change"]), (&json!([]), &amount("0.00")));
    let checked = server.cli(&["check"], "");
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_sale_is_named_by_scanner_or_sku_and_may_have_the_tills_price() {
    let server = Server::start();
    let admin = server.admin();
    let body =
        json!({"name": "Tea", "sku": "T", "price": 2.5, "stock": 10, "barcode": "0012345678905"});
    let tea = admin.post("/api/products", &body).expect(201).id();
    let items = [
        json!({"sku": "T", "quantity": 1, "unit_price": 2, "note": "last one"}),
        json!({"barcode": "012345678905", "quantity": 2, "discount": 0.5}),
    ];
    let sold =
        admin.post("/api/sales", &sale("a", &items, &json!({"discount": 1}))).expect(201).json();
    let order = &sold["order"];
    assert_eq!(order["total"], amount("5.50"));
    let lines: Vec<_> = order["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (line["product_id"].clone(), line["unit_price"].clone(), line["line_total"].clone())
        })
        .collect();
    let tea = json!(tea);
    assert_eq!(
        lines,
        [(tea.clone(), amount("2.00"), amount("2.00")), (tea, amount("2.50"), amount("4.50"))]
    );

    for (line, fields) in [
        (json!({"sku": "X", "quantity": 1}), &["items[0].sku"][..]),
        (json!({"barcode": "X", "quantity": 1}), &["items[0].barcode"]),
        (json!({"quantity": 1}), &["items[0].product_id"]),
        (json!({"sku": "T", "product_id": 1, "quantity": 1}), &["items[0].product_id"]),
        (
            json!({"sku": 7, "quantity": 0, "unit_price": -1}),
            &["items[0].sku", "items[0].quantity", "items[0].unit_price"],
        ),
    ] {
        admin.post("/api/sales", &sale("x", &[line], &json!({}))).expect_wrong(fields);
    }
    let order = json!({"items": [{"product_id": 1, "quantity": 1, "unit_price": 1}]});
    admin.post("/api/orders", &order).expect_wrong(&["items[0].unit_price"]);
}

#[test]
fn a_repeat_by_whomever_gets_the_order_as_it_is_now() {
    let mut server = Server::with_users(&["staff", "kiosk"], &[]);
    let (admin, staff, kiosk) = (server.admin(), server.login("staff"), server.login("kiosk"));
    let tea = product(&admin, 2.5, 10);
    let cup = product(&admin, 4.0, 10);
    let paid = json!({"payments": [{"gateway": "cash", "amount": 10}]});
    let first = sale("a", &[line(tea, 2)], &paid);
    let answer = staff.post("/api/sales", &first).expect(201).json();
    admin.patch("/api/orders/1", &json!({"notes": "later"})).expect(200);
    let before = head(&admin);
    for (client, body) in [
        (&staff, &first),
        (&admin, &first),
        (&admin, &sale("a", &[line(tea, 2)], &json!({"notes": "x"}))),
    ] {
        let again = client.post("/api/sales", body).expect(200).json();
        assert_eq!(again["order"]["notes"], "later");
        assert_eq!(
            (&again["transactions"], &again["change"]),
            (&answer["transactions"], &answer["change"])
        );
    }
    for items in [
        vec![line(tea, 3)],
        vec![line(cup, 2)],
        vec![line(tea, 2), line(tea, 1)],
        vec![json!({"product_id": tea, "quantity": 2, "discount": 1})],
        vec![json!({"product_id": tea, "quantity": 2, "unit_price": 2.5})],
    ] {
        let problem = admin.post("/api/sales", &sale("a", &items, &json!({}))).problem(409);
        assert_eq!(problem["code"], "client_id_reused", "{items:?}");
    }
    // A stranger's sale is not shown to a kiosk, which may repeat its own.
    let problem = kiosk.post("/api/sales", &sale("a", &[line(tea, 2)], &json!({}))).problem(409);
    assert_eq!(problem["code"], "client_id_reused");
    let own = sale("k", &[line(tea, 1)], &json!({}));
    kiosk.post("/api/sales", &own).expect(201);
    kiosk.post("/api/sales", &own).expect(200);
    assert_eq!(head(&admin), before + 2);

    let key = [("idempotency-key", "s")];
    let third = sale("c", &[line(cup, 1)], &json!({}));
    let made = staff.post_with("/api/sales", &third, &key).expect(201).text();
    assert_eq!(staff.post_with("/api/sales", &third, &key).expect(201).text(), made);
    staff.delete("/api/orders/3").expect(204);
    assert_eq!(staff.post("/api/sales", &third).problem(410)["code"], "sale_deleted");
    server.kill();
    let server = server.again();
    let staff = server.adopt(&staff);
    staff.post("/api/sales", &first).expect(200);
    assert_eq!(staff.post("/api/sales", &third).problem(410)["code"], "sale_deleted");
}

#[test]
fn a_live_sale_follows_the_rules_of_the_shop() {
    let server = Server::with_users(&["staff", "kiosk", "display"], &[]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    let tea = product(&admin, 2.5, 10);
    let seq = head(&admin);
    let card = |amount: f64| json!([{"gateway": "card", "amount": amount}]);
    for (more, status, code) in [
        (json!({"payments": card(10.01)}), 422, "overpaid"),
        (json!({"total": 9.99}), 409, "total_changed"),
        (json!({"items": [line(tea, 11)]}), 409, "out_of_stock"),
        (json!({"payments": [{"gateway": "cash", "amount": 0.001}]}), 422, "invalid"),
        (json!({"status": "ready"}), 422, "invalid"),
        (json!({"customer_id": 999}), 422, "invalid"),
        (json!({"discount": 10.01}), 422, "invalid"),
        (json!({"sold_at": "yesterday"}), 422, "invalid"),
    ] {
        let problem = staff.post("/api/sales", &sale("a", &[line(tea, 4)], &more)).problem(status);
        assert_eq!(problem["code"], code, "{more}");
    }
    let nothing = json!({"colour": "red", "payments": [{}, 5, {"gateway": "", "amount": 0, "tip": 1}], "total": "1"});
    staff.post("/api/sales", &nothing).expect_wrong(&[
        "client_id",
        "items",
        "colour",
        "total",
        "payments[0].gateway",
        "payments[0].amount",
        "payments[1]",
        "payments[2].gateway",
        "payments[2].amount",
        "payments[2].tip",
    ]);
    for (client_id, items) in [("", json!([])), (&*"x".repeat(65), json!({})), ("a\n", Value::Null)]
    {
        let body = json!({"client_id": client_id, "items": items});
        staff.post("/api/sales", &body).expect_wrong(&["client_id", "items"]);
    }
    let kiosk = server.login("kiosk");
    let mut line_with_price = line(tea, 1);
    line_with_price["unit_price"] = json!(1);
    for more in [
        json!({"payments": card(1.0)}),
        json!({"discount": 1}),
        json!({"sold_at": "2026-01-25T10:30:00Z"}),
        json!({"items": [line_with_price]}),
    ] {
        let problem = kiosk.post("/api/sales", &sale("k", &[line(tea, 1)], &more)).problem(403);
        assert_eq!(problem["code"], "role_not_allowed", "{more}");
    }
    server
        .login("display")
        .post("/api/sales", &sale("d", &[line(tea, 1)], &json!({})))
        .problem(403);
    assert_eq!((head(&admin), stock(&admin, tea)), (seq, json!(10)));
    let note = json!({"items": [{"product_id": tea, "quantity": 1, "note": "no sugar"}]});
    let sold = kiosk.post("/api/sales", &sale("k", &[], &note)).expect(201).json();
    assert_eq!(sold["order"]["items"][0]["note"], "no sugar");
}

/// The shop's rules do not apply to what has happened.
#[test]
fn a_sale_that_has_happened_is_never_refused() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 3);
    let cup = product(&admin, 4.0, 10);
    let archived = json!({"status": "archived"});
    admin.patch(&format!("/api/products/{cup}"), &archived).expect(200);
    let lines = [
        json!({"product_id": tea, "quantity": 5}),
        json!({"product_id": cup, "quantity": 0.5, "unit_price": 3, "discount": 99}),
    ];
    let more = json!({
        "sold_at": "2031-01-25T10:30:00+01:00", "total": 12.45, "customer_id": 999, "discount": 1,
        "payments": [{"gateway": "card", "amount": 20}, {"gateway": "cash", "amount": 5}],
    });
    let sold = admin.post("/api/sales", &sale("a", &lines, &more)).expect(201).json();
    let order = &sold["order"];
    assert_eq!((&order["total"], &order["rounding"]), (&amount("12.45"), &amount("0.95")));
    assert_eq!(
        (&order["sold_at"], &order["customer_id"]),
        (&json!("2031-01-25T09:30:00.000Z"), &Value::Null)
    );
    assert_eq!(order["items"][1]["line_total"], amount("0.00"));
    assert_eq!(order["oversold"], json!([{"product_id": tea, "quantity": 2}]));
    assert_eq!((&order["payment_status"], &sold["change"]), (&json!("paid"), &amount("5.00")));
    assert_eq!(sold["transactions"].as_array().unwrap().len(), 1);
    assert_eq!((stock(&admin, tea), stock(&admin, cup)), (json!(0), amount("9.5")));
    let again = admin.post("/api/sales", &sale("a", &lines, &more)).expect(200).json();
    assert_eq!(again["order"], *order);

    // What comes back by itself is what was taken.
    let path = format!("/api/orders/{}", order["id"]);
    admin.patch(&path, &json!({"status": "refunded"})).expect(200);
    assert_eq!((stock(&admin, tea), stock(&admin, cup)), (json!(3), json!(10)));

    let without = json!({"sold_at": "2020-01-25T10:30:00Z"});
    let sold = admin.post("/api/sales", &sale("b", &[line(tea, 1)], &without)).expect(201).json();
    assert_eq!(
        (&sold["order"]["total"], &sold["order"]["payment_status"]),
        (&amount("2.50"), &json!("pending"))
    );
    for wrong in [
        sale("c", &[line(999, 1)], &without),
        sale("c", &[], &without),
        sale("c", &[line(tea, 1)], &json!({"sold_at": "2020-01-25"})),
    ] {
        admin.post("/api/sales", &wrong).problem(422);
    }
    let checked = server.cli(&["check"], "");
    assert!(checked.status.success(), "{checked:?}");
}

/// What has happened is stored at every limit, and the shop goes on with what it left behind.
#[test]
fn what_has_happened_is_stored_up_to_the_limits() {
    let server = Server::start();
    let admin = server.admin();
    let body = json!({"name": "Tea", "sku": "T", "price": 2.5, "currency": "KWD", "stock": 3});
    let path = format!("/api/products/{}", admin.post("/api/products", &body).expect(201).id());
    let sell = |name: &str, line: &Value, more: &Value| {
        let mut more = more.clone();
        if more.get("sold_at").is_none() {
            more["sold_at"] = json!("2026-03-01T10:30:00Z");
        }
        admin.post("/api/sales", &sale(name, std::slice::from_ref(line), &more))
    };
    let most = amount("1000000000000.000");
    let line = json!({"sku": "T", "quantity": 1, "unit_price": most, "discount": most});
    let more = json!({"discount": most, "total": most, "payments": [
        {"gateway": "card", "amount": most}, {"gateway": "cash", "amount": most}, {"gateway": "card", "amount": most},
    ]});
    let sold = sell("a", &line, &more).expect(201).json();
    let order = &sold["order"];
    assert_eq!((&order["total"], &order["rounding"]), (&most, &most));
    assert_eq!((&order["discount"], &sold["change"]), (&amount("0.000"), &most));
    let too_much = json!({"sku": "T", "quantity": 1.001, "unit_price": most});
    sell("b", &too_much, &json!({})).expect_wrong(&["items"]);
    for sold_at in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"] {
        let told = json!({"sold_at": sold_at, "discount": 0.001});
        sell(sold_at, &json!({"sku": "T", "quantity": 0.5}), &told).expect(201);
    }
    // In UTC, these are in a year that has no four digits.
    for sold_at in ["0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"] {
        sell("c", &json!({"sku": "T", "quantity": 1}), &json!({"sold_at": sold_at}))
            .expect_wrong(&["sold_at"]);
    }
    sell("d", &json!({"sku": "T", "quantity": 0.5}), &json!({})).expect(201);
    let halves = admin.patch(&path, &json!({"price": 3})).expect(200).json();
    assert_eq!((&halves["stock"], &halves["price"]), (&amount("0.5"), &amount("3.000")));
    admin.patch(&path, &json!({"stock": 1.5})).expect_wrong(&["stock"]);
    admin.patch(&path, &json!({"status": "draft"})).expect(200);
    let sold =
        sell("e", &json!({"sku": "T", "quantity": 1_000_000}), &json!({})).expect(201).json();
    assert_eq!(
        sold["order"]["oversold"],
        json!([{"product_id": 1, "quantity": amount("999999.5")}])
    );
    let checked = server.cli(&["check"], "");
    assert!(checked.status.success(), "{checked:?}");
}
