//! Guards the shop against the tokens of devices: one that a disk or a second reply tells, that outlives its device,
//! that gives another's rights, or that a cookie can stand in for.

use crate::common::{
    Answer, Client, Raw, Server, head, json_request, order, outside_order, password_of, product,
    unique,
};
use rusqlite::Connection;
use serde_json::{Value, json};

/// Adds a device; the whole response.
#[track_caller]
fn add(admin: &Client, role: &str) -> Value {
    let body = json!({"name": unique(role), "role": role});
    admin.post("/api/devices", &body).expect(201).json()
}

/// A request with a device's token, and with the client's cookie if it has one.
fn by(client: &Client, device: &Value, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let bearer = format!("Bearer {}", device["token"].as_str().unwrap());
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(body.map(|_| ("content-type", "application/json")));
    let body = body.map(Value::to_string);
    client.request(method, path, &headers, body.as_ref().map(String::as_bytes))
}

fn path(device: &Value) -> String {
    format!("/api/devices/{}", device["id"])
}

#[test]
fn a_token_is_told_once_and_gives_its_devices_rights() {
    let server = Server::start();
    let (admin, anonymous) = (server.admin(), server.anonymous());
    let body = json!({"name": "Kitchen screen", "role": "kitchen"});
    let key = [("idempotency-key", "once")];
    let answer = admin.post_with("/api/devices", &body, &key).expect(201);
    let device = answer.json();
    assert_eq!(answer.header("location"), path(&device));
    assert_eq!(answer.header("set-cookie"), "");
    assert_eq!((&device["name"], &device["role"]), (&body["name"], &body["role"]));
    let token = device["token"].as_str().unwrap();
    assert_eq!(token.len(), 64, "256 bits");

    let me = by(&anonymous, &device, "GET", "/api/auth/me", None).expect(200);
    let told = json!({"id": device["id"], "name": "Kitchen screen", "role": "kitchen"});
    assert_eq!(me.json(), json!({"device": told}));
    assert_eq!(me.header("set-cookie"), "");
    by(&anonymous, &device, "GET", "/api/orders", None).expect(200);
    by(&anonymous, &device, "GET", "/api/customers", None).expect(403);
    by(&anonymous, &device, "GET", "/api/devices", None).expect(403);
    let sale = json!({"total": 1, "currency": "USD"});
    by(&anonymous, &device, "POST", "/api/orders", Some(&sale)).expect(403);

    // A repeat makes no second device, and nobody learns the token again.
    let again = admin.post_with("/api/devices", &body, &key).expect(201).json();
    assert_eq!((&again["id"], &again["token"]), (&device["id"], &Value::Null));
    for answer in [admin.get(&path(&device)), admin.get("/api/devices"), admin.get("/api/audit")] {
        assert!(!answer.expect(200).text().contains(token));
    }
    let files = ["tillcast.db", "tillcast.db-wal"].map(|file| server.data_dir().join(file));
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(token.len()).any(|bytes| bytes == token.as_bytes()), "{file:?}");
    }
    assert!(!server.log().contains(token));
    assert_eq!(admin.get("/api/devices").json()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_bad_device_is_refused_by_field() {
    let server = Server::start();
    let admin = server.admin();
    let wrong = |body: Value, fields: &[&str]| {
        admin.post("/api/devices", &body).expect_wrong(fields);
    };
    wrong(json!({}), &["name", "role"]);
    wrong(json!({"name": " ", "role": "admin"}), &["name", "role"]);
    wrong(json!({"name": "x", "role": "staff", "token": "y"}), &["token"]);
    let device = add(&admin, "staff");
    admin.patch(&path(&device), &json!({"role": "admin"})).expect_wrong(&["role"]);
    admin.patch(&path(&device), &json!({"name": null})).expect_wrong(&["name"]);
    admin.get("/api/devices/999").expect(404);
    // Users and devices have their ids from one sequence, and neither passes for the other.
    admin.get("/api/devices/1").expect(404);
    admin.get(&format!("/api/users/{}", device["id"])).expect(404);
    admin.patch(&format!("/api/users/{}", device["id"]), &json!({"role": "admin"})).expect(404);
    admin.delete(&format!("/api/users/{}", device["id"])).expect(404);
    assert_eq!(admin.get("/api/users").json()["data"].as_array().unwrap().len(), 1);
}

/// Whatever stands in `Authorization` decides alone: no cookie steps in for a token that is not valid.
#[test]
fn a_token_is_exactly_one_and_stands_above_the_cookie() {
    let server = Server::start();
    let admin = server.admin();
    let device = add(&admin, "display");
    let (token, other) = (device["token"].as_str().unwrap(), "0".repeat(64));
    let me = |lines: &[String]| {
        let lines = lines.iter().map(|line| format!("Authorization: {line}\r\n"));
        let lines = lines.collect::<Vec<_>>().concat();
        let mut raw = Raw::connect(server.address()).unwrap();
        raw.send(&json_request("GET", "/api/auth/me", admin.cookie(), &lines, "")).unwrap();
        raw.answer(false).unwrap().unwrap()
    };
    for lines in [vec![format!("Bearer {token}")], vec![format!("bEARER   {token}")]] {
        let answer = me(&lines);
        assert!(answer.text().starts_with("{\"device\""), "{lines:?}: {}", answer.text());
    }
    let basic = me(&["Basic YW5hOnNlY3JldA==".to_owned()]);
    assert!(basic.text().starts_with("{\"user\""), "another scheme is a proxy's");
    for lines in [
        vec!["Bearer".to_owned()],
        vec![format!("Bearer {other}")],
        vec![format!("Bearer {token}0")],
        vec![format!("Bearer {}", &token[1..])],
        vec![format!("Bearer {}", token.to_ascii_uppercase() + "A")],
        vec![format!("Bearer {token} {token}")],
        vec![format!("Bearer {token}"), format!("Bearer {token}")],
        vec![format!("Bearer {token}"), format!("Bearer {other}")],
        vec![format!("Bearer {}", "a".repeat(4000))],
        vec![format!("Bearer {}", admin.cookie().unwrap().split_once('=').unwrap().1)],
    ] {
        let answer = me(&lines);
        assert_eq!(answer.status, 401, "{lines:?}: {}", answer.text());
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{lines:?}");
        assert!(answer.text().contains("not_logged_in"), "{}", answer.text());
    }
    let long = me(&[format!("Bearer {}", "a".repeat(100_000))]);
    assert_eq!(long.status, 431);
}

/// A page of another site cannot know a token, and its visitor's cookie does not count beside one.
#[test]
fn a_request_with_a_token_needs_no_origin() {
    let server = Server::with(&["--allow-origin", "https://board.example"]);
    let admin = server.admin();
    let staff = add(&admin, "staff");
    let bearer = format!("Bearer {}", staff["token"].as_str().unwrap());
    let body = json!({"total": 1, "currency": "USD"});
    let send = |client: &Client, authorization: &str| {
        let headers = [
            ("origin", "https://elsewhere.example"),
            ("sec-fetch-site", "cross-site"),
            ("authorization", authorization),
        ];
        client.post_with("/api/orders", &body, &headers)
    };
    send(&server.anonymous(), &bearer).expect(201);
    send(&admin, "Bearer 7").expect(401);
    send(&admin, "Basic 7").problem(403);
    let preflight = [
        ("origin", "https://board.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let answer = server.anonymous().request("OPTIONS", "/api/orders", &preflight, None);
    assert!(answer.header("access-control-allow-headers").contains("authorization"));
}

#[test]
fn a_kiosk_device_has_orders_quotas_and_kept_responses_of_its_own() {
    let server = Server::with_users(&["kiosk"], &[]);
    let (admin, user, anonymous) = (server.admin(), server.login("kiosk"), server.anonymous());
    let (here, there) = (add(&admin, "kiosk"), add(&admin, "kiosk"));
    let tea = product(&admin, 2.5, 1_000);
    let of_user = order(&user, tea, 1)["id"].as_i64().unwrap();
    let one = json!({"items": [{"product_id": tea, "quantity": 1}]});
    let make = |device: &Value| by(&anonymous, device, "POST", "/api/orders", Some(&one));
    let ours = make(&here).expect(201).id();
    let theirs = make(&there).expect(201).id();
    for (device, own) in [(&here, ours), (&there, theirs)] {
        let listed = by(&anonymous, device, "GET", "/api/orders", None).expect(200).json();
        let ids: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
        assert_eq!(ids, [&json!(own)]);
        for other in [of_user, ours, theirs].into_iter().filter(|one| *one != own) {
            by(&anonymous, device, "GET", &format!("/api/orders/{other}"), None).expect(404);
        }
    }
    user.get(&format!("/api/orders/{ours}")).expect(404);
    // The same key of two devices is two keys, and a repeat finds its own response.
    let keyed = |device: &Value| {
        let bearer = format!("Bearer {}", device["token"].as_str().unwrap());
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", "same")];
        anonymous.post_with("/api/orders", &one, &headers).expect(201).id()
    };
    let (first, other) = (keyed(&here), keyed(&there));
    assert_ne!(first, other);
    assert_eq!((keyed(&here), keyed(&there)), (first, other));
    for _ in 2..20 {
        make(&here).expect(201);
    }
    assert_eq!(make(&here).problem(409)["code"], "too_many_open_orders");
    make(&there).expect(201);
    let sale = |device: &Value, name: &str| {
        let body = json!({"client_id": name, "items": [{"product_id": tea, "quantity": 1}]});
        by(&anonymous, device, "POST", "/api/sales", Some(&body))
    };
    sale(&there, "one").expect(201);
    sale(&there, "one").expect(200);
    assert_eq!(sale(&here, "one").problem(409)["code"], "client_id_reused");
    // With the device its orders lose their owner, and stay.
    admin.delete(&path(&there)).expect(204);
    admin.get(&format!("/api/orders/{theirs}")).expect(200);
}

#[test]
fn the_audit_trail_names_the_device() {
    let server = Server::start();
    let admin = server.admin();
    let device = add(&admin, "staff");
    let entry = |filter: &str| {
        let page = admin.get(&format!("/api/audit?limit=1&{filter}")).expect(200).json();
        page["data"][0].clone()
    };
    let added = entry("entity=device");
    assert_eq!((&added["action"], &added["user_id"]), (&json!("create"), &json!(1)));
    assert_eq!(added["row_id"], device["id"]);
    let sale = json!({"total": 1, "currency": "USD"});
    by(&server.anonymous(), &device, "POST", "/api/orders", Some(&sale)).expect(201);
    let made = entry("entity=order");
    let by_device = |entry: &Value| {
        assert_eq!((&entry["user_id"], &entry["username"]), (&Value::Null, &Value::Null));
        assert_eq!((&entry["device_id"], &entry["device_name"]), (&device["id"], &device["name"]));
        assert_eq!(entry["address"], "127.0.0.1");
    };
    by_device(&made);
    admin.patch(&path(&device), &json!({"name": "another", "role": "display"})).expect(200);
    assert_eq!(entry("entity=device")["fields"], json!(["name", "role"]));
    admin.delete(&path(&device)).expect(204);
    assert_eq!(entry("entity=device")["action"], "delete");
    by_device(&entry(&format!("device_id={}", device["id"])));
    let by_user = admin.get(&format!("/api/audit?user_id={}", device["id"])).expect(200).json();
    assert_eq!(by_user["data"], json!([]));
}

#[test]
fn a_device_cannot_act_as_a_user() {
    let server = Server::start();
    let (admin, anonymous) = (server.admin(), server.anonymous());
    let device = add(&admin, "staff");
    let texts = json!({"current_password": "a long enough 1", "new_password": "a long enough 2"});
    by(&anonymous, &device, "POST", "/api/auth/password", Some(&texts)).expect(403);
    anonymous.try_login(device["name"].as_str().unwrap(), "a long enough 1").expect(401);
    // Without its token it could never come back, so a logout removes it.
    by(&anonymous, &device, "POST", "/api/auth/logout", Some(&json!({}))).expect(204);
    by(&anonymous, &device, "GET", "/api/auth/me", None).expect(401);
    admin.get(&path(&device)).expect(404);
}

/// The browser forgets the device's token, so the device could never come back.
#[test]
fn a_login_on_a_device_removes_it() {
    let server = Server::with_users(&["staff"], &[]);
    let admin = server.admin();
    let device = add(&admin, "display");
    let name = admin.cookie().unwrap().split_once('=').unwrap().0;
    let pair = format!("{name}={}", device["token"].as_str().unwrap());
    let browser = server.anonymous().with_cookie(Some(&pair));
    assert_eq!(browser.get("/api/auth/me").expect(200).json()["device"]["id"], device["id"]);
    browser.try_login("staff", "not the password").expect(401);
    admin.get(&path(&device)).expect(200);
    let staff = browser.login("staff", &password_of("staff"));
    assert_eq!(staff.get("/api/auth/me").expect(200).json()["user"]["username"], "staff");
    browser.get("/api/auth/me").expect(401);
    admin.get(&path(&device)).expect(404);
}

#[test]
fn a_device_is_listed_with_its_last_use() {
    let mut server = Server::start();
    let admin = server.admin();
    let (used, unused) = (add(&admin, "display"), add(&admin, "display"));
    by(&server.anonymous(), &used, "GET", "/api/orders", None).expect(200);
    let check = |admin: &Client| {
        let page = admin.get("/api/devices?limit=1").expect(200).json();
        assert_eq!((&page["data"][0]["id"], &page["next"]), (&unused["id"], &unused["id"]));
        assert_eq!(page["data"][0]["last_seen_at"], Value::Null);
        let page = admin.get(&format!("/api/devices?after={}", unused["id"])).expect(200).json();
        assert_eq!(page["next"], Value::Null);
        let shown = &page["data"][0];
        assert_eq!((&shown["id"], &shown["address"]), (&used["id"], &json!("127.0.0.1")));
        assert!(shown["last_seen_at"].as_str() >= shown["created_at"].as_str(), "{shown}");
        assert_eq!((&shown["sockets"], &shown["unsent"]), (&json!(0), &json!(0)));
        assert!(shown.get("token").is_none());
        shown["last_seen_at"].as_str().unwrap()[..16].to_owned()
    };
    let seen = check(&admin);
    assert_eq!(server.stop(), Some(0));
    let server = server.again();
    assert_eq!(check(&server.adopt(&admin)), seen, "the use is stored at the stop");
    by(&server.anonymous(), &used, "GET", "/api/orders", None).expect(200);
}

#[test]
fn a_token_stays_valid_with_another_role_and_ends_with_its_device() {
    let server = Server::start();
    let (admin, anonymous) = (server.admin(), server.anonymous());
    let device = add(&admin, "staff");
    let before = admin.get(&path(&device)).expect(200);
    let tag = before.header("etag").to_owned();
    admin.get_with(&path(&device), &[("if-none-match", &tag)]).expect(304);
    by(&anonymous, &device, "GET", "/api/customers", None).expect(200);
    let patch =
        |body: Value, tag: &str| admin.patch_with(&path(&device), &body, &[("if-match", tag)]);
    let answer = patch(json!({"role": "display"}), &tag).expect(200);
    assert_ne!(answer.header("etag"), tag);
    patch(json!({"role": "staff"}), &tag).expect(412);
    by(&anonymous, &device, "GET", "/api/customers", None).expect(403);
    by(&anonymous, &device, "GET", "/api/orders", None).expect(200);
    admin.patch(&path(&device), &json!({"role": "staff"})).expect(200);
    by(&anonymous, &device, "GET", "/api/customers", None).expect(200);
    admin.delete(&path(&device)).expect(204);
    admin.delete(&path(&device)).expect(404);
    by(&anonymous, &device, "GET", "/api/orders", None).expect(401);
}

#[test]
fn a_request_under_way_does_nothing_once_its_device_has_lost_the_right() {
    let server = Server::start();
    let admin = server.admin();
    for (status, end) in [(401, None), (403, Some(json!({"role": "kitchen"})))] {
        let device = add(&admin, "staff");
        let bearer = format!("Authorization: Bearer {}\r\n", device["token"].as_str().unwrap());
        let headers = bearer + "Expect: 100-continue\r\n";
        let body = " ".repeat(3 * 1024) + r#"{"total": 1, "currency": "USD"}"#;
        let whole = json_request("POST", "/api/orders", None, &headers, &body);
        let (first, rest) = whole.split_at(whole.len() - 9);
        let mut raw = Raw::connect(server.address()).unwrap();
        raw.send(first).unwrap();
        assert_eq!(raw.answer(false).unwrap().unwrap().status, 100);
        match &end {
            None => admin.delete(&path(&device)).expect(204),
            Some(patch) => admin.patch(&path(&device), patch).expect(200),
        };
        let before = head(&admin);
        raw.send(rest).unwrap();
        assert_eq!(raw.answer(false).unwrap().unwrap().status, status, "{end:?}");
        assert_eq!(head(&admin), before);
    }
}

/// Lists of a polling screen must not write to the card each time.
#[test]
fn the_use_of_a_token_is_no_write() {
    let server = Server::start();
    let admin = server.admin();
    let device = add(&admin, "display");
    outside_order(&admin, 1.0);
    let version = || {
        let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
        let used = "SELECT used_at FROM sessions WHERE user_id = ?";
        let id = device["id"].as_i64().unwrap();
        database.query_row(used, [id], |row| row.get::<_, i64>(0)).unwrap()
    };
    let before = version();
    let begun = std::time::Instant::now();
    while begun.elapsed().as_millis() < 1200 {
        by(&server.anonymous(), &device, "GET", "/api/orders", None).expect(200);
    }
    assert_eq!(version(), before);
}

#[test]
fn a_device_ends_when_it_was_unused_for_too_long() {
    let server =
        Server::with(&["--device-max", "4s", "--session-idle", "1s", "--session-max", "2s"]);
    let (admin, anonymous) = (server.admin(), server.anonymous());
    let (busy, idle) = (add(&admin, "display"), add(&admin, "display"));
    // Each pause is longer than a user's session lives, and all of them than a device's without use.
    for _ in 0..3 {
        std::thread::sleep(std::time::Duration::from_millis(2200));
        by(&anonymous, &busy, "GET", "/api/orders", None).expect(200);
    }
    admin.get("/api/auth/me").expect(401);
    by(&anonymous, &idle, "GET", "/api/orders", None).expect(401);
}
