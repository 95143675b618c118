//! Guards the way to the first admin: a link that works twice or for a stranger, an admin whom nobody knows of, a
//! shop that is set up by half, a link that a restart or a crash loses.

use crate::common::{Answer, Client, Server, amount, unique};
use serde_json::{Value, json};
use std::thread;

const PASSWORD: &str = "a password 1";

fn body(code: &str) -> Value {
    json!({"code": code, "username": "ana", "password": PASSWORD})
}

#[track_caller]
fn is_code(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.problem(status)["code"], code, "{}", answer.text());
}

#[test]
fn whoever_has_the_link_becomes_the_admin_and_sets_the_shop() {
    let (server, code) = Server::first_start(&[]);
    let guest = server.anonymous();
    guest.try_login("ana", PASSWORD).problem(401);
    let mut wanted = body(&code.to_lowercase().replace('-', " "));
    wanted["shop"] = json!({"name": "Corner", "currency": "KWD", "tax": "added"});
    let made = guest.post("/api/setup", &wanted).expect(201);
    assert_eq!(made.json(), json!({"user": {"id": 1, "username": "ana", "role": "admin"}}));
    assert_eq!(made.header("location"), "/api/users/1");

    // The browser is logged in, and knows itself later.
    let admin = guest.with_cookie(Some(&made.session_cookie()));
    assert_eq!(admin.get("/api/users/1").expect(200).json()["role"], "admin");
    let shop = json!({"name": "Corner", "currency": "KWD", "decimals": 3, "tax": "added"});
    assert_eq!(admin.get("/api/shop").expect(200).json(), shop);
    let tea = json!({"name": "Tea", "sku": unique("T"), "price": amount("1.125")});
    assert_eq!(admin.post("/api/products", &tea).expect(201).json()["currency"], "KWD");
    guest.login("ana", PASSWORD);

    let audit = admin.get("/api/audit").expect(200).json();
    let entries: Vec<_> = audit["data"].as_array().unwrap().iter().rev().collect();
    let told = |at: usize| {
        ["action", "entity", "username", "address"].map(|key| entries[at][key].as_str().unwrap())
    };
    assert_eq!(told(0), ["create", "user", "ana", "127.0.0.1"]);
    assert_eq!(told(1), ["update", "shop", "ana", "127.0.0.1"]);
    assert_eq!(entries[1]["fields"], json!(["name", "currency", "tax"]));

    for again in [wanted.clone(), body(&code), body("BCDF-GHJK-LMNP-QRST")] {
        is_code(&guest.post("/api/setup", &again), 410, "setup_ended");
    }
    assert_eq!(admin.get("/api/users").expect(200).json()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn of_many_openers_one_becomes_the_admin() {
    let (server, code) = Server::first_start(&[]);
    let open = |number: usize| {
        let body = json!({"code": code, "username": format!("user{number}"), "password": PASSWORD,
                          "shop": {"name": format!("shop{number}")}});
        server.anonymous().separate().post("/api/setup", &body)
    };
    let answers: Vec<Answer> = thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|number| scope.spawn(move || open(number))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|one| one.status == 201);
    let [made] = made[..] else { panic!("{} admins", made.len()) };
    for one in refused {
        is_code(one, 410, "setup_ended");
    }
    let admin = server.anonymous().with_cookie(Some(&made.session_cookie()));
    let users = admin.get("/api/users").expect(200).json();
    let [user] = users["data"].as_array().unwrap().as_slice() else { panic!("{users}") };
    let shop = user["username"].as_str().unwrap().replace("user", "shop");
    assert_eq!(admin.get("/api/shop").expect(200).json()["name"], shop);
}

#[test]
fn a_refused_setup_changes_nothing_and_leaves_the_code() {
    let (server, code) = Server::first_start(&["--tax", "included"]);
    let guest = server.anonymous();
    let send = |changes: Value| {
        let mut body = body(&code);
        let changes = changes.as_object().unwrap().clone();
        for (name, value) in changes {
            body[name] = value;
        }
        guest.post("/api/setup", &body)
    };
    // The code alone shows what it is worth.
    guest.post("/api/setup", &json!({"code": code})).expect_wrong(&["password", "username"]);
    guest.post("/api/setup", &json!({})).expect_wrong(&["code", "password", "username"]);
    for (changes, wrong) in [
        (json!({"username": ""}), &["username"][..]),
        (json!({"username": "a\nb"}), &["username"]),
        (json!({"username": 7, "password": null}), &["password", "username"]),
        (json!({"password": "short"}), &["password"]),
        (json!({"password": "x".repeat(1025)}), &["password"]),
        (json!({"code": 7}), &["code"]),
        (json!({"role": "admin"}), &["role"]),
        (json!({"shop": null}), &["shop"]),
        (json!({"shop": []}), &["shop"]),
        (
            json!({"shop": {"name": "", "currency": "eur", "tax": 1, "x": 1}}),
            &["shop.currency", "shop.name", "shop.tax", "shop.x"],
        ),
        (json!({"username": "", "shop": {"decimals": 2}}), &["shop.decimals", "username"]),
    ] {
        send(changes).expect_wrong(wrong);
    }
    is_code(&send(json!({"shop": {"name": "Corner", "tax": "added"}})), 409, "shop_fixed");
    assert_eq!(guest.post("/api/setup", &json!("x".repeat(5_000))).status, 413);
    guest.post("/api/setup", &json!([code])).problem(422);
    guest.try_login("ana", PASSWORD).problem(401);
    let made = send(json!({"shop": {"currency": "EUR"}})).expect(201);
    let admin = guest.with_cookie(Some(&made.session_cookie()));
    let shop = json!({"name": null, "currency": "EUR", "decimals": 2, "tax": "included"});
    assert_eq!(admin.get("/api/shop").expect(200).json(), shop);
}

#[test]
fn wrong_codes_are_counted_for_their_address_alone() {
    let (server, code) = Server::first_start(&["--trusted-proxy", "127.0.0.1"]);
    let guest = server.anonymous();
    let from = |address: &str, code: &str| {
        guest.post_with("/api/setup", &body(code), &[("x-forwarded-for", address)])
    };
    let other = format!("{}X", &code[..code.len() - 1]);
    let other = if other == code { code.replace('X', "Z") } else { other };
    for wrong in ["", "-", &other, &code[1..], "\u{fc}\u{fffd}"] {
        is_code(&from("10.0.0.1", wrong), 401, "wrong_setup_code");
    }
    let refused = from("10.0.0.1", &code);
    is_code(&refused, 429, "too_many_logins");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 600);
    from("10.0.0.2", &code).expect(201);
}

#[test]
fn a_link_outlives_restarts_and_a_crash_after_the_commit_leaves_an_admin() {
    let (mut server, first) = Server::first_start(&[]);
    for _ in 0..2 {
        server.kill();
        server = server.again();
    }
    let newest = server.setup_code();
    assert_ne!(first, newest);
    server.anonymous().post("/api/setup", &body(&first)).expect(201);
    // As if the reply had never come.
    server.kill();
    let server = server.again();
    for code in [first, newest] {
        is_code(&server.anonymous().post("/api/setup", &body(&code)), 410, "setup_ended");
    }
    server.anonymous().login("ana", PASSWORD).get("/api/users").expect(200);
    assert!(!server.log().contains("first start"), "{}", server.log());
}

#[test]
fn a_name_that_exists_is_not_taken_over() {
    let (server, code) = Server::first_start(&[]);
    let added = server.cli(&["user", "add", "Ana", "--role", "staff"], PASSWORD);
    assert!(added.status.success(), "{added:?}");
    is_code(&server.anonymous().post("/api/setup", &body(&code)), 409, "duplicate");
    let me =
        |client: &Client| client.get("/api/auth/me").expect(200).json()["user"]["role"].clone();
    assert_eq!(me(&server.anonymous().login("ana", PASSWORD)), "staff");
    let other = json!({"code": code, "username": "kim", "password": PASSWORD});
    server.anonymous().post("/api/setup", &other).expect(201);
    assert_eq!(me(&server.anonymous().login("kim", PASSWORD)), "admin");
}
