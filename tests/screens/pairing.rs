//! Guards the pairing of a device, on its screen and on the phone of an admin.

use super::browser::{Browser, PHONE, TABLET};
use super::common::{Server, free_address, password_of};
use serde_json::json;

#[test]
fn a_device_is_paired_by_an_admins_phone() {
    let address = free_address().to_string();
    let mut server = Server::with_users(&[], &["--listen", &address]);
    let device = Browser::on(&server, TABLET);
    device.take_the_clock();
    device.open("/pair");
    device.wait_until("document.querySelector('#code').innerText.length === 9");
    let expired = device.texts("#code").concat();
    // A server that started again knows no code, as after ten minutes: the screen shows another by itself.
    server.kill();
    let server = server.again();
    let admin = server.admin();
    device.skip(5);
    device.wait_until(&format!(
        "!['', '{expired}'].includes(document.querySelector('#code').innerText)"
    ));
    let code = device.texts("#code").concat();

    let phone = Browser::on(&server, PHONE);
    phone.open(&format!("/pair#{code}"));
    phone.wait_until("document.activeElement.name === 'username'");
    phone.type_into("[name=username]", "admin");
    phone.type_into("[name=password]", &password_of("admin"));
    phone.press("Log in");
    phone.wait_for_text("#asking", "127.0.0.1");
    phone.wait_for_text("#asking", "Chrome · Linux");
    phone.wait_for_text("#warning", "only if you see this code");
    assert_eq!(phone.path(), "/pair", "the code does not stay in the history");
    phone.type_into("[name=name]", "Kitchen tablet");
    phone.type_into("[name=role]", "Kitchen");
    phone.inspect("pair-admin-phone");
    phone.press("Pair");
    phone.wait_for_text("shop-toast", "Kitchen tablet is paired");
    device.skip(2);
    device.wait_until("location.pathname === '/board'");
    device.wait_for_text("shop-status", "Live");
    let devices = admin.get("/api/devices").expect(200).json()["data"].take();
    assert_eq!(
        (&devices[0]["name"], &devices[0]["role"]),
        (&json!("Kitchen tablet"), &json!("kitchen"))
    );
    // A code pairs once.
    phone.type_into("#typed", &format!("{code}\t"));
    phone.wait_until("document.querySelector('#wrong').innerText !== ''");
    // A device that was removed is out within a second.
    let id = devices[0]["id"].as_i64().unwrap();
    admin.delete(&format!("/api/devices/{id}")).expect(204);
    device.wait_for_text("shop-status", "Signed out");
}

#[test]
fn nobody_approves_a_device_that_was_not_shown() {
    let server = Server::with_users(&[], &[]);
    let admin = server.admin();
    let code = || {
        let asked = server.anonymous().post("/api/pairing", &json!({})).expect(201).json();
        asked["code"].as_str().unwrap().to_owned()
    };
    let browser = Browser::of(&server);
    browser.log_in(&admin);
    browser.open("/pair");
    browser.type_into("#typed", &format!("{}\t", code()));
    browser.wait_for_text("#asking", "127.0.0.1");
    browser.type_into("[name=name]", "Door");
    // Another code, and at once Enter.
    browser.run("document.querySelector('#typed').value = ''", &[]);
    browser.type_into("#typed", &format!("{}\n", code()));
    browser.wait_until(
        "document.querySelector('#asking').offsetParent && document.activeElement.name === 'name'",
    );
    assert_eq!(admin.get("/api/devices").expect(200).json()["data"], json!([]));
    browser.press("Pair");
    browser.wait_for_text("shop-toast", "Door is paired");
}
