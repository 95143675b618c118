//! Guards that texts which look the same are the same, and that an e-mail address is valid.

use crate::common::{Server, customer, product, unique};
use serde_json::json;

#[test]
fn what_looks_the_same_is_the_same() {
    let server = Server::start();
    let admin = server.admin();
    let tea =
        |sku: &str| admin.post("/api/products", &json!({"name": "Tea", "sku": sku, "price": 1}));
    let composed = tea("M\u{fc}-1").expect(201);
    assert_eq!(tea("Mu\u{308}-1").problem(409)["code"], "duplicate");
    let found = admin.get("/api/products?sku=Mu%CC%88-1").expect(200).json();
    assert_eq!(found["data"][0]["id"], composed.json()["id"]);
    for (sku, named) in [
        ("T-1 ", "must not begin or end with a blank"),
        (" T-1", "must not begin or end with a blank"),
        ("T\u{200b}-1", "must not have the invisible character U+200B"),
        ("T\u{ad}-1", "must not have the invisible character U+00AD"),
        ("T\u{7}-1", "must not have the invisible character U+0007"),
        ("T\u{a0}1", "must not have the blank U+00A0"),
    ] {
        let answer = tea(sku);
        answer.expect_wrong(&["sku"]);
        assert_eq!(answer.json()["errors"][0]["message"], named, "{sku:?}");
    }
    let path = format!("/api/products/{}", product(&admin, 1.0, 1));
    admin.patch(&path, &json!({"name": "Tea\u{2060}"})).expect_wrong(&["name"]);
    let path = format!("/api/customers/{}", customer(&admin));
    admin.patch(&path, &json!({"first_name": "Ana\u{202e}"})).expect_wrong(&["first_name"]);
    let renamed = admin.patch(&path, &json!({"first_name": "Bjo\u{308}rn"})).expect(200).json();
    assert_eq!(renamed["first_name"], "Bj\u{f6}rn");
}

#[test]
fn a_user_is_one_however_the_name_and_the_password_are_written() {
    let server = Server::start();
    let admin = server.admin();
    let new = |name: &str, password: &str| {
        admin.post("/api/users", &json!({"username": name, "password": password, "role": "staff"}))
    };
    new("J\u{f6}rg", "gru\u{308}ner Tee").expect(201);
    assert_eq!(new("Jo\u{308}rg", "long enough 1").problem(409)["code"], "duplicate");
    new("J\u{f6}rg\u{200b}", "long enough 1").expect_wrong(&["username"]);
    new("J\u{f6}rg ", "long enough 1").expect_wrong(&["username"]);
    let anonymous = server.anonymous();
    for (name, password) in [("J\u{f6}rg", "gr\u{fc}ner Tee"), ("Jo\u{308}rg", "gru\u{308}ner Tee")]
    {
        anonymous.try_login(name, password).expect(200);
    }
    let added =
        server.cli(&["user", "add", "A\u{308}nne", "--role", "staff"], "gru\u{308}ner Tee\n");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    anonymous.try_login("\u{c4}nne", "gr\u{fc}ner Tee").expect(200);
}

#[test]
fn an_email_address_may_have_any_script() {
    let server = Server::start();
    let admin = server.admin();
    let person = |email: &str| {
        let body = json!({"email": email, "first_name": "A", "last_name": "B"});
        admin.post("/api/customers", &body)
    };
    for wrong in ["a@example..com", "<a@example.com>", "a b@example.com", "a@example.com\u{200b}"] {
        person(wrong).expect_wrong(&["email"]);
    }
    let name = unique("j\u{f6}rg");
    let email = person(&format!("{name}@m\u{fc}ller.de")).expect(201).json()["email"].clone();
    assert_eq!(email, format!("{name}@m\u{fc}ller.de"));
    let shouted = format!("{}@M\u{dc}LLER.DE", name.to_uppercase());
    assert_eq!(person(&shouted).problem(409)["code"], "duplicate");
    let query =
        format!("{name}@m\u{fc}ller.de").replace('\u{f6}', "%C3%B6").replace('\u{fc}', "%C3%BC");
    let found = admin.get(&format!("/api/customers?email={query}")).expect(200).json();
    assert_eq!(found["data"][0]["email"], email);
    person("kontakt@xn--mller-kva.de").expect(201);
}
