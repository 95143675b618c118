//! Guards the session cookie against other pages of the host and of its domain: they can add cookies of the same
//! name, and a browser sends those first whose path is longer.

use crate::common::{Client, Keys, Server, curl};
use serde_json::json;

/// A client that sends these pairs in one `Cookie` line.
fn with_pairs(server: &Server, pairs: &[&str]) -> Client {
    server.anonymous().with_cookie(Some(&pairs.join("; ")))
}

/// A pair with the name of this one, and a token that nobody has.
fn tossed(pair: &str) -> String {
    let (name, _) = pair.split_once('=').unwrap();
    format!("{name}={}", "0".repeat(64))
}

#[test]
fn a_tossed_cookie_logs_nobody_out() {
    let server = Server::start();
    let admin = server.admin();
    let own = admin.cookie().unwrap();
    let (name, _) = own.split_once('=').unwrap();
    let unknown = tossed(own);
    for other in
        [&unknown, &format!("{name}=x"), &format!("{name}="), &format!("{name}=\"\""), name]
    {
        for pairs in [[other, own], [own, other]] {
            with_pairs(&server, &pairs).get("/api/auth/me").expect(200);
        }
        admin.get_with("/api/auth/me", &[("cookie", other)]).expect(200);
        with_pairs(&server, &[other]).get_with("/api/auth/me", &[("cookie", own)]).expect(200);
    }
    let mut socket = with_pairs(&server, &[&unknown, own]).ws();
    socket.expect_quiet();
}

/// Else whoever tosses a cookie has the other one work in the wrong account.
#[test]
fn sessions_of_two_users_at_once_are_refused_and_a_login_ends_both() {
    let server = Server::with_users(&["staff"], &[]);
    let (admin, staff) = (server.admin(), server.login("staff"));
    let (one, other) = (admin.cookie().unwrap(), staff.cookie().unwrap());
    for pairs in [[one, other], [other, one]] {
        let both = with_pairs(&server, &pairs);
        for path in ["/api/auth/me", "/api/orders", "/ws"] {
            assert_eq!(
                both.get(path).problem(400)["code"],
                if path == "/ws" { "no_handshake" } else { "ambiguous_session" }
            );
        }
        let refused = both.upgrade(&[]).err().expect("no upgrade");
        assert_eq!(refused.problem(400)["code"], "ambiguous_session");
        both.post("/api/orders", &json!({"total": 1})).problem(400);
        both.post("/api/auth/logout", &json!({})).problem(400);
        both.get("/healthz").expect(200);
    }
    admin.get("/api/auth/me").expect(200);
    let again =
        with_pairs(&server, &[one, other]).login("staff", &crate::common::password_of("staff"));
    again.get("/api/auth/me").expect(200);
    for ended in [admin, staff] {
        ended.get("/api/auth/me").expect(401);
    }
}

#[test]
fn a_logout_ends_all_sessions_of_the_cookie() {
    let server = Server::start();
    let [one, two, elsewhere] = [server.admin(), server.admin(), server.admin()];
    let both = with_pairs(&server, &[one.cookie().unwrap(), two.cookie().unwrap()]);
    both.get("/api/auth/me").expect(200);
    both.post("/api/auth/logout", &json!({})).expect(204);
    for (client, status) in [(one, 401), (two, 401), (elsewhere, 200)] {
        client.get("/api/auth/me").expect(status);
    }
}

/// The name of another port, of another scheme, or one that only looks like it.
#[test]
fn a_cookie_of_another_name_is_no_session() {
    let server = Server::start();
    let admin = server.admin();
    let (name, token) = admin.cookie().unwrap().split_once('=').unwrap();
    let upper = name.to_uppercase();
    for other in
        ["tillcast_session", "tillcast_session_3000", "__Host-tillcast_session", "x", &upper]
    {
        with_pairs(&server, &[&format!("{other}={token}")]).get("/api/auth/me").problem(401);
    }
    with_pairs(&server, &[&format!("x{name}={token}")]).get("/api/auth/me").problem(401);
    with_pairs(&server, &[&format!("{name}x={token}")]).get("/api/auth/me").problem(401);
    for document in ["/openapi.json", "/asyncapi.json"] {
        assert!(
            server.anonymous().get(document).expect(200).text().contains(&format!("\"{name}\""))
        );
    }
}

/// A page that came over plain HTTP cannot set a cookie of this prefix; so its cookies count for nothing over TLS.
#[test]
fn over_tls_the_cookie_is_the_hosts_own() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    let pair = keys.log_in(&server);
    let (name, token) = pair.split_once('=').unwrap();
    assert_eq!(name, "__Host-tillcast_session");
    let me = |cookie: &str| {
        keys.curl(server.address(), "/api/auth/me", &["-H", &format!("cookie: {cookie}")])
    };
    me(&pair).expect(200);
    me(&format!("{}; {pair}", tossed(&pair))).expect(200);
    let plain = format!("tillcast_session_{}={token}", server.address().port());
    for other in [&plain, &format!("tillcast_session={token}")] {
        me(other).problem(401);
    }
    let document = keys.curl(server.address(), "/openapi.json", &[]).expect(200).text();
    assert!(document.contains("\"__Host-tillcast_session\""));
}

/// Behind a proxy that speaks TLS the browser has come over TLS.
#[test]
fn a_proxy_that_says_https_gets_the_hosts_own_cookie() {
    let server = Server::with(&["--trusted-proxy", "127.0.0.1"]);
    let url = format!("http://{}/api/auth", server.address());
    let body = format!(r#"{{"username":"admin","password":"{}"}}"#, server.admin_password());
    let https = ["-H", "x-forwarded-proto: https"];
    let json = ["-H", "content-type: application/json", "-d", &body];
    let login = format!("{url}/login");
    let pair = curl(&[&[&*login], &https[..], &json[..]].concat()).expect(200).session_cookie();
    assert!(pair.starts_with("__Host-tillcast_session="), "{pair}");
    let (me, cookie) = (format!("{url}/me"), format!("cookie: {pair}"));
    curl(&[&[&*me, "-H", &cookie], &https[..]].concat()).expect(200);
    curl(&[&me, "-H", &cookie]).problem(401);
}
