//! Guards the stock: a piece that is sold twice, an order that fails but takes goods, goods that do not come
//! back, or come back twice.

use crate::common::{
    Client, Server, amount, happened, head, order, outside_order, product, shipment, unique,
};
use serde_json::{Value, json};

#[track_caller]
fn stock(client: &Client, product: i64) -> i64 {
    let product = client.get(&format!("/api/products/{product}")).expect(200);
    product.json()["stock"].as_i64().unwrap()
}

fn lines(lines: &[(i64, i64)]) -> Value {
    let line =
        |(product, quantity): &(i64, i64)| json!({"product_id": product, "quantity": quantity});
    json!({"items": lines.iter().map(line).collect::<Vec<_>>()})
}

#[test]
fn an_order_takes_its_goods_and_is_priced_by_the_server() {
    let server = Server::start();
    let admin = server.admin();
    let body =
        json!({"name": "Tea", "sku": unique("TEA"), "price": 4.25, "stock": 10, "currency": "EUR"});
    let tea = admin.post("/api/products", &body).expect(201).json();
    let id = tea["id"].as_i64().unwrap();
    let seq = head(&admin);
    let order = order(&admin, id, 3);
    assert_eq!(order["currency"], "EUR");
    let line = json!({
        "product_id": id, "name": "Tea", "sku": tea["sku"], "quantity": 3,
        "unit_price": 4.25, "line_total": 12.75, "discount": amount("0.00"), "tax_rate": null,
        "note": null,
    });
    assert_eq!(order["items"], json!([line]));
    assert_eq!(order["total"], json!(12.75));
    let expected = json!([["order:created"], ["product:updated", {"stock": 7}]]);
    assert_eq!(happened(&admin, seq), expected);
    assert_eq!(stock(&admin, id), 7);

    // The order keeps the price when the product's price changes.
    let change = json!({"name": "Green tea", "price": 9.5});
    admin.patch(&format!("/api/products/{id}"), &change).expect(200);
    let kept = admin.get(&format!("/api/orders/{}", order["id"])).expect(200);
    assert_eq!(kept.json(), order);
}

#[test]
fn a_product_in_two_lines_is_counted_once_for_both() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.25, 5);
    let seq = head(&admin);
    admin.post("/api/orders", &lines(&[(tea, 3), (tea, 3)])).problem(409);
    assert_eq!((stock(&admin, tea), head(&admin)), (5, seq));
    let order = admin.post("/api/orders", &lines(&[(tea, 3), (tea, 2)])).expect(201).json();
    assert_eq!(order["items"].as_array().unwrap().len(), 2);
    assert_eq!(order["total"], json!(11.25));
    assert_eq!(stock(&admin, tea), 0);
    admin
        .patch(&format!("/api/orders/{}", order["id"]), &json!({"status": "cancelled"}))
        .expect(200);
    assert_eq!(stock(&admin, tea), 5);
}

#[test]
fn an_order_beyond_the_stock_changes_nothing() {
    let server = Server::start();
    let admin = server.admin();
    let (tea, cup) = (product(&admin, 2.5, 10), product(&admin, 7.5, 1));
    let seq = head(&admin);
    let problem = admin.post("/api/orders", &lines(&[(tea, 2), (cup, 2)])).problem(409);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("stock") && detail.contains(&cup.to_string()), "{detail}");
    assert_eq!((stock(&admin, tea), stock(&admin, cup)), (10, 1));
    assert_eq!(admin.get("/api/orders").expect(200).json()["data"], json!([]));
    assert_eq!(head(&admin), seq);
    admin.post("/api/orders", &lines(&[(tea, 10), (cup, 1)])).expect(201);
    assert_eq!((stock(&admin, tea), stock(&admin, cup)), (0, 0));
}

#[test]
fn many_buyers_at_once_get_the_stock_and_no_more() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let buyers: Vec<_> = (0..20)
            .map(|_| {
                let client = admin.separate();
                scope.spawn(move || client.post("/api/orders", &lines(&[(tea, 1)])).status)
            })
            .collect();
        buyers.into_iter().map(|buyer| buyer.join().unwrap()).collect()
    });
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(201), count(409)), (10, 10));
    assert_eq!(stock(&admin, tea), 0);
    let orders = admin.get("/api/orders").expect(200).json();
    assert_eq!(orders["data"].as_array().unwrap().len(), 10);
}

#[test]
fn cancelling_gives_the_goods_back_once() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    for status in ["pending", "processing", "ready"] {
        let path = format!("/api/orders/{}", order(&admin, tea, 4)["id"]);
        admin.patch(&path, &json!({"status": status})).expect(200);
        let seq = head(&admin);
        admin.patch(&path, &json!({"status": "cancelled"})).expect(200);
        let expected =
            json!([["order:updated", {"status": "cancelled"}], ["product:updated", {"stock": 10}]]);
        assert_eq!(happened(&admin, seq), expected);
        admin.patch(&path, &json!({"status": "cancelled"})).expect(200);
        admin.delete(&path).expect(204);
        assert_eq!(stock(&admin, tea), 10);
    }
}

#[test]
fn deleting_gives_back_what_has_not_left_the_shop() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    let path = format!("/api/orders/{}", order(&admin, tea, 4)["id"]);
    let seq = head(&admin);
    admin.delete(&path).expect(204);
    let expected = json!([["order:deleted"], ["product:updated", {"stock": 10}]]);
    assert_eq!(happened(&admin, seq), expected);

    let path = format!("/api/orders/{}", order(&admin, tea, 4)["id"]);
    admin.patch(&path, &json!({"status": "completed"})).expect(200);
    admin.delete(&path).expect(204);
    assert_eq!(stock(&admin, tea), 6);
}

/// The money is refunded, and the goods have never left.
#[test]
fn goods_that_never_left_come_back_once_by_whichever_way_the_order_ends() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    for begun in ["processing", "ready"] {
        let path = format!("/api/orders/{}", order(&admin, tea, 4)["id"]);
        admin.patch(&path, &json!({"status": begun})).expect(200);
        let seq = head(&admin);
        admin.patch(&path, &json!({"status": "refunded"})).expect(200);
        let expected =
            json!([["order:updated", {"status": "refunded"}], ["product:updated", {"stock": 10}]]);
        assert_eq!(happened(&admin, seq), expected);
        admin.delete(&path).expect(204);
        assert_eq!(stock(&admin, tea), 10);
    }
    // Handed over, then refunded: the staff count the goods that come back.
    let path = format!("/api/orders/{}", order(&admin, tea, 4)["id"]);
    admin.patch(&path, &json!({"status": "completed"})).expect(200);
    admin.patch(&path, &json!({"status": "refunded"})).expect(200);
    admin.delete(&path).expect(204);
    assert_eq!(stock(&admin, tea), 6);
}

/// A refunded order had a parcel that had left, but the parcel was a mistake.
#[test]
fn goods_whose_parcel_never_was_come_back() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    let sold = order(&admin, tea, 4)["id"].as_i64().unwrap();
    let parcel = shipment(&admin, sold);
    let (order, parcel) = (format!("/api/orders/{sold}"), format!("/api/shipments/{parcel}"));
    admin.patch(&parcel, &json!({"status": "shipped"})).expect(200);
    admin.patch(&order, &json!({"status": "refunded"})).expect(200);
    assert_eq!(stock(&admin, tea), 6);
    let (seq, refunded) = (head(&admin), admin.get(&order).expect(200));
    admin.delete(&parcel).expect(204);
    let expected = json!([["shipment:deleted"], ["product:updated", {"stock": 10}]]);
    assert_eq!(happened(&admin, seq), expected);
    let now = admin.get(&order).expect(200);
    assert_eq!((now.header("etag"), now.text()), (refunded.header("etag"), refunded.text()));
    admin.delete(&order).expect(204);
    assert_eq!(stock(&admin, tea), 10);
}

#[test]
fn an_order_from_outside_takes_no_stock() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    let path = format!("/api/orders/{}", outside_order(&admin, 9.5));
    let seq = head(&admin);
    admin.patch(&path, &json!({"status": "cancelled"})).expect(200);
    assert_eq!(happened(&admin, seq), json!([["order:updated", {"status": "cancelled"}]]));
    assert_eq!(stock(&admin, tea), 10);
}

#[test]
fn only_what_is_published_can_be_ordered() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    let path = format!("/api/products/{tea}");
    let order = json!({"items": [{"product_id": tea, "quantity": 1}]});
    for status in ["draft", "archived"] {
        admin.patch(&path, &json!({"status": status})).expect(200);
        let problem = admin.post("/api/orders", &order).problem(409);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(status), "{detail}");
    }
    assert_eq!(stock(&admin, tea), 10);
    admin.patch(&path, &json!({"status": "published"})).expect(200);
    let made = admin.post("/api/orders", &order).expect(201);
    // Goods come back even if the product can no longer be ordered.
    admin.patch(&path, &json!({"status": "archived"})).expect(200);
    admin.patch(made.header("location"), &json!({"status": "cancelled"})).expect(200);
    assert_eq!(stock(&admin, tea), 10);
}

#[test]
fn the_stock_can_be_counted_anew() {
    let server = Server::start();
    let admin = server.admin();
    let tea = product(&admin, 2.5, 10);
    let path = format!("/api/products/{tea}");
    let seq = head(&admin);
    admin.patch(&path, &json!({"stock": 0})).expect(200);
    admin.post("/api/orders", &lines(&[(tea, 1)])).problem(409);
    admin.patch(&path, &json!({"stock": -1})).expect_wrong(&["stock"]);
    admin.patch(&path, &json!({"stock": 2})).expect(200);
    let expected = json!([["product:updated", {"stock": 0}], ["product:updated", {"stock": 2}]]);
    assert_eq!(happened(&admin, seq), expected);
}
