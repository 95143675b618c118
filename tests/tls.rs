//! Guards what a shop's network may listen to: without TLS that holds, every password and every
//! customer is in the air for whoever has the Wi-Fi's key.
//!
//! The clients are curl (a Debian package that `tests/run` installs) and rustls; both trust nothing
//! but the authority that `tillcast cert` made.
#![expect(clippy::unwrap_used, reason = "a helper that panics is a failed test")]

mod common;

use common::Keys;

#[test]
fn a_shop_is_served_over_tls_from_the_login_to_the_event() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    let login = keys.log_in_answer(&server);
    assert!(login.header("set-cookie").contains("; Secure"), "{:?}", login.headers);
    let cookie = login.session_cookie();
    let mut socket = keys.ws(server.address(), &cookie);
    let seq = socket.subscribe("order_changes");
    let order = ["POST", "/api/orders", r#"{"total":9.99,"currency":"USD"}"#];
    let id = keys.send(&server, &cookie, order).expect(201).id();
    let event = socket.recv_event();
    assert_eq!(event["event"], "order:created");
    assert_eq!(event["data"]["id"], id);
    assert_eq!(event["seq"], seq + 1);
    socket.expect_quiet();
}
