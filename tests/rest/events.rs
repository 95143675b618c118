//! Guards the public event format: clients break if a key is missing, renamed or out of order, or if
//! `changed_fields` has more or less than what changed.

use crate::common::{
    Client, Server, Socket, customer, order, outside_order, pay, product, shipment, unique,
};
use serde_json::{Value, json};

/// One event, split in the order of its text.
struct Envelope {
    event: String,
    /// `data` as text, without `changed_fields`.
    data: String,
    changed_fields: Option<Value>,
    timestamp: String,
    seq: u64,
}

/// Parses the next frame; fails for another order of keys or a blank between them.
#[track_caller]
fn next(socket: &mut Socket) -> Envelope {
    let text = socket.recv_text();
    read(&text).unwrap_or_else(|| panic!("not an envelope: {text}"))
}

fn read(text: &str) -> Option<Envelope> {
    let rest = text.strip_prefix(r#"{"event":""#)?.strip_suffix('}')?;
    let (event, rest) = rest.split_once(r#"","data":"#)?;
    let (rest, seq) = rest.rsplit_once(r#","seq":"#)?;
    let (data, timestamp) = rest.strip_suffix('"')?.rsplit_once(r#","timestamp":""#)?;
    let (data, changed_fields) = match data.split_once(r#","changed_fields":"#) {
        Some((data, changed)) => {
            let changed = serde_json::from_str(changed.strip_suffix('}')?).ok()?;
            (format!("{data}}}"), Some(changed))
        }
        None => (data.to_owned(), None),
    };
    Some(Envelope {
        event: event.to_owned(),
        data,
        changed_fields,
        timestamp: timestamp.to_owned(),
        seq: seq.parse().ok()?,
    })
}

impl Envelope {
    #[track_caller]
    fn check(&self, event: &str, data: &str, changed_fields: Option<&Value>) {
        assert_eq!(self.event, event);
        assert_eq!(self.data, data);
        assert_eq!(self.changed_fields.as_ref(), changed_fields);
        let shape: String = self.timestamp.chars().map(digit_as_9).collect();
        assert_eq!(shape, "9999-99-99T99:99:99.999Z");
    }
}

fn digit_as_9(character: char) -> char {
    if character.is_ascii_digit() { '9' } else { character }
}

/// A server, its administrator, and a socket that is subscribed to one channel.
fn subscribed(channel: &str) -> (Server, Client, Socket) {
    let server = Server::start();
    let admin = server.admin();
    let mut socket = admin.ws();
    socket.subscribe(channel);
    (server, admin, socket)
}

#[test]
fn order_events_have_exactly_their_keys_in_order() {
    let (_server, admin, mut socket) = subscribed("order_changes");
    let customer = customer(&admin);
    let body = json!({"total": 99.99, "currency": "USD", "customer_id": customer});
    let order = admin.post("/api/orders", &body).expect(201).json();
    let (id, number) = (&order["id"], &order["order_number"]);
    let digits = number.as_str().unwrap().strip_prefix("ORD-").unwrap();
    assert!(digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let state = |status| {
        format!(
            r#"{{"id":{id},"order_number":{number},"status":"{status}","payment_status":"pending","total":99.99,"customer_id":{customer},"currency":"USD"}}"#
        )
    };
    next(&mut socket).check("order:created", &state("pending"), None);

    let path = format!("/api/orders/{id}");
    let change = json!({"status": "processing"});
    admin.patch(&path, &change).expect(200);
    next(&mut socket).check("order:updated", &state("processing"), Some(&change));

    admin.delete(&path).expect(204);
    next(&mut socket).check("order:deleted", &state("processing"), None);
}

#[test]
fn product_events_have_exactly_their_keys_in_order() {
    let (_server, admin, mut socket) = subscribed("product_changes");
    let sku = unique("SKU");
    let body = json!({
        "name": "Grüner \"Tee\"", "sku": sku, "status": "draft", "price": 29.99, "stock": 100,
    });
    let id = admin.post("/api/products", &body).expect(201).id();
    let state = |status, price, stock| {
        format!(
            r#"{{"id":{id},"name":"Grüner \"Tee\"","sku":"{sku}","status":"{status}","price":{price},"stock":{stock}}}"#
        )
    };
    next(&mut socket).check("product:created", &state("draft", "29.99", 100), None);

    let path = format!("/api/products/{id}");
    let change = json!({"price": 31.49, "stock": 7});
    admin.patch(&path, &change).expect(200);
    let state = state("draft", "31.49", 7);
    next(&mut socket).check("product:updated", &state, Some(&change));

    admin.delete(&path).expect(204);
    next(&mut socket).check("product:deleted", &state, None);
}

#[test]
fn customer_events_have_exactly_their_keys_in_order() {
    let (_server, admin, mut socket) = subscribed("customer_changes");
    let body = json!({"email": "john@example.com", "first_name": "John", "last_name": "Doe", "phone": "1"});
    let id = admin.post("/api/customers", &body).expect(201).id();
    let state =
        |email| format!(r#"{{"id":{id},"email":"{email}","first_name":"John","last_name":"Doe"}}"#);
    next(&mut socket).check("customer:created", &state("john@example.com"), None);

    let path = format!("/api/customers/{id}");
    let change = json!({"email": "doe@example.com"});
    admin.patch(&path, &change).expect(200);
    let state = state("doe@example.com");
    next(&mut socket).check("customer:updated", &state, Some(&change));

    admin.delete(&path).expect(204);
    next(&mut socket).check("customer:deleted", &state, None);
}

#[test]
fn shipment_events_have_exactly_their_keys_in_order() {
    let (_server, admin, mut socket) = subscribed("shipment_changes");
    let order = outside_order(&admin, 99.99);
    let id = shipment(&admin, order);
    let state = |number, status| {
        format!(
            r#"{{"id":{id},"order_id":{order},"tracking_number":"{number}","status":"{status}","carrier":"UPS"}}"#
        )
    };
    next(&mut socket).check("shipment:created", &state("TRACK1", "pending"), None);

    let path = format!("/api/shipments/{id}");
    let change = json!({"status": "shipped", "tracking_number": "TRACK123456"});
    admin.patch(&path, &change).expect(200);
    let shipped = state("TRACK123456", "shipped");
    next(&mut socket).check("shipment:updated", &shipped, Some(&change));

    let id = shipment(&admin, order);
    next(&mut socket);
    admin.delete(&format!("/api/shipments/{id}")).expect(204);
    let state = format!(
        r#"{{"id":{id},"order_id":{order},"tracking_number":"TRACK1","status":"pending","carrier":"UPS"}}"#
    );
    next(&mut socket).check("shipment:deleted", &state, None);
}

#[test]
fn transaction_events_have_exactly_their_keys_in_order() {
    let (_server, admin, mut socket) = subscribed("transaction_changes");
    let order = outside_order(&admin, 99.99);
    let state = |id, status| {
        format!(
            r#"{{"id":{id},"order_id":{order},"type":"payment","status":"{status}","amount":99.99,"gateway":"stripe"}}"#
        )
    };
    let body = json!({
        "order_id": order, "type": "payment", "status": "pending", "amount": 99.99,
        "gateway": "stripe",
    });
    let id = admin.post("/api/transactions", &body).expect(201).id();
    next(&mut socket).check("transaction:created", &state(id, "pending"), None);
    admin.delete(&format!("/api/transactions/{id}")).expect(204);
    next(&mut socket).check("transaction:deleted", &state(id, "pending"), None);

    let id = admin.post("/api/transactions", &body).expect(201).id();
    next(&mut socket).check("transaction:created", &state(id, "pending"), None);
    let change = json!({"status": "completed"});
    let path = format!("/api/transactions/{id}");
    admin.patch(&path, &change).expect(200);
    next(&mut socket).check("transaction:updated", &state(id, "completed"), Some(&change));
}

#[test]
fn a_payment_changes_exactly_status_and_payment_status() {
    let (_server, admin, mut socket) = subscribed("order_changes");
    let product = product(&admin, 29.99, 10);
    let order = order(&admin, product, 3);
    let created = next(&mut socket);
    assert_eq!(created.event, "order:created");
    assert!(created.data.contains(r#""customer_id":null"#));
    assert!(created.data.contains(r#""total":89.97"#));

    pay(&admin, order["id"].as_i64().unwrap(), 89.97);
    let updated = next(&mut socket);
    assert_eq!(updated.event, "order:updated");
    let exactly = json!({"status": "processing", "payment_status": "paid"});
    assert_eq!(updated.changed_fields, Some(exactly));
    socket.expect_quiet();
}

#[test]
fn a_sale_takes_stock_in_an_event_of_its_own() {
    let (_server, admin, mut socket) = subscribed("product_changes");
    let product = product(&admin, 29.99, 10);
    assert_eq!(next(&mut socket).event, "product:created");
    order(&admin, product, 3);
    let updated = next(&mut socket);
    assert_eq!(updated.event, "product:updated");
    assert_eq!(updated.changed_fields, Some(json!({"stock": 7})));
}

#[test]
fn an_update_that_changes_nothing_makes_no_event() {
    let (_server, admin, mut socket) = subscribed("order_changes");
    let path = format!("/api/orders/{}", outside_order(&admin, 99.99));
    let created = next(&mut socket);
    let before = admin.get(&path).expect(200).json();
    for same in
        [json!({}), json!({"status": "pending"}), json!({"notes": null}), json!({"total": 99.99})]
    {
        admin.patch(&path, &same).expect(200);
    }
    assert_eq!(admin.get(&path).expect(200).json(), before);

    admin.patch(&path, &json!({"status": "ready"})).expect(200);
    let updated = next(&mut socket);
    assert_eq!(updated.changed_fields, Some(json!({"status": "ready"})));
    assert_eq!(updated.seq, created.seq + 1);
}

#[test]
fn a_change_of_a_field_that_is_not_in_data_makes_an_event() {
    let (_server, admin, mut socket) = subscribed("order_changes");
    socket.subscribe("customer_changes");
    let path = format!("/api/orders/{}", outside_order(&admin, 99.99));
    next(&mut socket);
    for notes in [json!("gift"), json!(null)] {
        admin.patch(&path, &json!({"notes": notes})).expect(200);
        let updated = next(&mut socket);
        assert_eq!(updated.event, "order:updated");
        assert!(updated.data.ends_with(r#""currency":"USD"}"#));
        assert_eq!(updated.changed_fields, Some(json!({"notes": notes})));
    }

    let path = format!("/api/customers/{}", customer(&admin));
    next(&mut socket);
    let change = json!({"phone": "+49 30 1"});
    admin.patch(&path, &change).expect(200);
    assert_eq!(next(&mut socket).changed_fields, Some(change));
}

#[test]
fn a_refused_change_makes_no_event() {
    let (_server, admin, mut socket) = subscribed("order_changes");
    socket.subscribe("product_changes");
    let product = product(&admin, 29.99, 2);
    let created = next(&mut socket);
    let too_many = json!({"items": [{"product_id": product, "quantity": 3}]});
    admin.post("/api/orders", &too_many).expect(409);
    let order = outside_order(&admin, 5.25);
    assert_eq!(next(&mut socket).seq, created.seq + 1);
    let too_much = json!({"order_id": order, "type": "refund", "status": "completed", "amount": 1});
    admin.post("/api/transactions", &too_much).expect(409);
    outside_order(&admin, 5.25);
    assert_eq!(next(&mut socket).seq, created.seq + 2);
}

#[test]
fn times_never_go_back_and_seq_has_no_gaps() {
    let (_server, admin, mut socket) = subscribed("order_changes");
    let order = outside_order(&admin, 9.99);
    let mut last = next(&mut socket);
    crate::common::cheap_events(&admin, order, 200);
    for _ in 0..200 {
        let event = next(&mut socket);
        assert_eq!(event.seq, last.seq + 1);
        assert!(event.timestamp >= last.timestamp);
        last = event;
    }
}
