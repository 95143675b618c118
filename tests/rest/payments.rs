//! Guards the money of an order: one that counts as paid with a cent missing, a refund of more than was paid,
//! an event with half of the changes.

use crate::common::{
    Answer, Client, Server, happened, head, order, outside_order, pay, product, transaction,
};
use serde_json::{Value, json};

const PAID: &str = "paid";

fn refund(client: &Client, order: i64, status: &str, amount: f64) -> Answer {
    let body = json!({
        "order_id": order, "type": "refund", "status": status, "amount": amount, "gateway": "card",
    });
    client.post("/api/transactions", &body)
}

/// The order's `status` and `payment_status`.
#[track_caller]
fn state(client: &Client, order: i64) -> [Value; 2] {
    let order = client.get(&format!("/api/orders/{order}")).expect(200).json();
    ["status", "payment_status"].map(|field| order[field].clone())
}

#[test]
fn a_part_payment_changes_nothing_and_the_rest_starts_processing() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 99.99);
    let seq = head(&admin);
    pay(&admin, order, 50.0);
    assert_eq!(happened(&admin, seq), json!([["transaction:created"]]));
    assert_eq!(state(&admin, order), ["pending", "pending"]);
    let seq = head(&admin);
    pay(&admin, order, 49.99);
    let both = json!({"status": "processing", "payment_status": "paid"});
    let expected = json!([["transaction:created"], ["order:updated", both]]);
    assert_eq!(happened(&admin, seq), expected);
    assert_eq!(state(&admin, order), ["processing", PAID]);
}

#[test]
fn only_a_completed_payment_counts() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 99.99);
    let seq = head(&admin);
    let payment = transaction(&admin, order, "payment", "pending", 99.99);
    assert_eq!(happened(&admin, seq), json!([["transaction:created"]]));
    let path = format!("/api/transactions/{payment}");
    admin.patch(&path, &json!({"status": "completed"})).expect(200);
    let expected = json!([
        ["transaction:created"],
        ["transaction:updated", {"status": "completed"}],
        ["order:updated", {"status": "processing", "payment_status": "paid"}],
    ]);
    assert_eq!(happened(&admin, seq), expected);
    // A completed or failed payment cannot change.
    for status in ["pending", "failed"] {
        admin.patch(&path, &json!({"status": status})).problem(409);
    }
}

#[test]
fn a_paid_order_further_on_keeps_its_status() {
    let server = Server::start();
    let admin = server.admin();
    for status in ["ready", "shipped", "completed"] {
        let order = outside_order(&admin, 5.25);
        admin.patch(&format!("/api/orders/{order}"), &json!({"status": status})).expect(200);
        let seq = head(&admin);
        pay(&admin, order, 5.25);
        let expected =
            json!([["transaction:created"], ["order:updated", {"payment_status": PAID}]]);
        assert_eq!(happened(&admin, seq), expected);
        assert_eq!(state(&admin, order), [status, PAID]);
    }
}

#[test]
fn a_failed_payment_shows_until_another_one_comes() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    let seq = head(&admin);
    transaction(&admin, order, "payment", "failed", 5.25);
    let expected =
        json!([["transaction:created"], ["order:updated", {"payment_status": "failed"}]]);
    assert_eq!(happened(&admin, seq), expected);
    let seq = head(&admin);
    pay(&admin, order, 5.25);
    let both = json!({"status": "processing", "payment_status": "paid"});
    let expected = json!([["transaction:created"], ["order:updated", both]]);
    assert_eq!(happened(&admin, seq), expected);
}

#[test]
fn refunds_do_what_their_name_says() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 99.99);
    pay(&admin, order, 99.99);
    let seq = head(&admin);
    refund(&admin, order, "completed", 9.99).expect(201);
    refund(&admin, order, "completed", 40.0).expect(201);
    refund(&admin, order, "completed", 50.0).expect(201);
    let expected = json!([
        ["transaction:created"],
        ["order:updated", {"payment_status": "partially_refunded"}],
        ["transaction:created"],
        ["transaction:created"],
        ["order:updated", {"payment_status": "refunded"}],
    ]);
    assert_eq!(happened(&admin, seq), expected);
}

#[test]
fn more_than_was_paid_cannot_go_back() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 99.99);
    refund(&admin, order, "completed", 0.01).problem(409);
    transaction(&admin, order, "payment", "pending", 99.99);
    refund(&admin, order, "completed", 0.01).problem(409);
    pay(&admin, order, 50.0);
    let seq = head(&admin);
    let problem = refund(&admin, order, "completed", 50.01).problem(409);
    assert!(problem["detail"].as_str().unwrap().contains("refund"), "{problem}");
    assert_eq!(head(&admin), seq);
    refund(&admin, order, "completed", 20.0).expect(201);
    refund(&admin, order, "completed", 30.01).problem(409);

    let waiting = refund(&admin, order, "pending", 30.0).expect(201);
    refund(&admin, order, "completed", 30.0).expect(201);
    let seq = head(&admin);
    let completed = json!({"status": "completed"});
    admin.patch(waiting.header("location"), &completed).problem(409);
    assert_eq!(head(&admin), seq);
    assert_eq!(admin.get(waiting.header("location")).expect(200).json()["status"], "pending");
}

#[test]
fn two_refunds_at_once_do_not_both_go_through() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 99.99);
    pay(&admin, order, 99.99);
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let tills: Vec<_> = (0..6)
            .map(|_| {
                let client = admin.separate();
                scope.spawn(move || refund(&client, order, "completed", 99.99).status)
            })
            .collect();
        tills.into_iter().map(|till| till.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409]);
}

#[test]
fn a_deleted_transaction_is_taken_back_with_what_followed() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    let payment = format!("/api/transactions/{}", pay(&admin, order, 5.25));
    let made = refund(&admin, order, "completed", 1.0).expect(201);
    admin.delete(&payment).problem(409);
    let seq = head(&admin);
    admin.delete(made.header("location")).expect(204);
    admin.delete(&payment).expect(204);
    let expected = json!([
        ["transaction:deleted"],
        ["order:updated", {"payment_status": PAID}],
        ["transaction:deleted"],
        ["order:updated", {"payment_status": "pending"}],
    ]);
    assert_eq!(happened(&admin, seq), expected);
}

/// A cashier refunds the money and takes it again, in unusual steps.
#[test]
fn the_payment_status_follows_from_the_sums_whatever_came_first() {
    let server = Server::start();
    let admin = server.admin();
    let moves = |total: f64, moves: &[f64]| {
        let order = outside_order(&admin, total);
        for amount in moves {
            if *amount > 0.0 {
                pay(&admin, order, *amount);
            } else {
                refund(&admin, order, "completed", -amount).expect(201);
            }
        }
        state(&admin, order)[1].clone()
    };
    assert_eq!(moves(100.0, &[50.0, -50.0, 100.0]), PAID);
    assert_eq!(moves(100.0, &[100.0, -100.0, 100.0]), PAID);
    assert_eq!(moves(100.0, &[60.0, -20.0, 60.0]), PAID);
    assert_eq!(moves(100.0, &[100.0, -30.0]), "partially_refunded");
    assert_eq!(moves(100.0, &[100.0, -30.0, -70.0]), "refunded");
    assert_eq!(moves(100.0, &[50.0, -30.0]), "pending");
    assert_eq!(moves(100.0, &[50.0, -50.0]), "pending");
}

#[test]
fn more_than_is_due_is_not_taken() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 20.0);
    let seq = head(&admin);
    let over = |status: &str, amount: f64| {
        let body =
            json!({"order_id": order, "type": "payment", "status": status, "amount": amount});
        let problem = admin.post("/api/transactions", &body).problem(422);
        assert_eq!(problem["code"], "overpaid", "{problem}");
    };
    over("completed", 50.0);
    over("pending", 20.01);
    assert_eq!(head(&admin), seq);
    // A pending payment does not count until it completes, and then it has to be due.
    let [first, second] = [0, 1].map(|_| transaction(&admin, order, "payment", "pending", 15.0));
    let completed = json!({"status": "completed"});
    admin.patch(&format!("/api/transactions/{first}"), &completed).expect(200);
    let path = format!("/api/transactions/{second}");
    let problem = admin.patch(&path, &completed).problem(422);
    assert_eq!(problem["code"], "overpaid", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("5.00 USD"), "{problem}");
    admin.patch(&path, &json!({"status": "failed"})).expect(200);
    over("completed", 5.01);
    pay(&admin, order, 5.0);
    over("completed", 0.01);
    refund(&admin, order, "completed", 8.0).expect(201);
    pay(&admin, order, 8.0);
    assert_eq!(state(&admin, order)[1], PAID);
}

/// Nothing is due, so no payment could ever make it paid.
#[test]
fn an_order_of_nothing_is_paid_from_its_creation() {
    let server = Server::start();
    let admin = server.admin();
    let sample = product(&admin, 0.0, 5);
    let seq = head(&admin);
    let orders = [outside_order(&admin, 0.0), order(&admin, sample, 1)["id"].as_i64().unwrap()];
    for order in orders {
        assert_eq!(state(&admin, order), ["processing", PAID]);
        let body = json!({"order_id": order, "type": "payment", "amount": 1});
        admin.post("/api/transactions", &body).problem(422);
    }
    let created = json!([["order:created"], ["order:created"], ["product:updated", {"stock": 4}]]);
    assert_eq!(happened(&admin, seq), created);
}

/// The sum of 9,224 payments of the greatest amount does not fit 64 bits.
#[test]
fn the_greatest_amounts_add_up() {
    let server = Server::start();
    let admin = server.admin();
    let most = 10_000_000_000_000.0;
    let order = outside_order(&admin, most);
    for _ in 0..495 {
        pay(&admin, order, most);
        refund(&admin, order, "completed", most).expect(201);
    }
    for _ in 0..10 {
        transaction(&admin, order, "payment", "pending", most);
    }
    let body = json!({"order_id": order, "type": "payment", "amount": most});
    let problem = admin.post("/api/transactions", &body).problem(409);
    assert_eq!(problem["code"], "too_many_transactions");
    assert_eq!(state(&admin, order), ["processing", "refunded"]);
}

#[test]
fn a_client_cannot_set_the_payment_status() {
    let server = Server::start();
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    let path = format!("/api/orders/{order}");
    admin.patch(&path, &json!({"payment_status": "paid"})).expect_wrong(&["payment_status"]);
    let claimed = json!({"total": 5.25, "payment_status": "paid"});
    admin.post("/api/orders", &claimed).expect_wrong(&["payment_status"]);
    assert_eq!(state(&admin, order), ["pending", "pending"]);
}

#[test]
fn a_transaction_needs_its_order() {
    let server = Server::start();
    let admin = server.admin();
    let body = json!({"order_id": 999_999, "type": "payment", "status": "completed", "amount": 1});
    admin.post("/api/transactions", &body).expect_wrong(&["order_id"]);
    let body = json!({"order_id": 999_999});
    admin.post("/api/shipments", &body).expect_wrong(&["order_id"]);
    assert_eq!(head(&admin), 0);
}
