//! Guards the endpoints for monitors: one that needs a login, a metric that never changes, a server that says
//! it is ready and is not.

use crate::common::{Client, Server, outside_order};

/// The value of one sample.
#[track_caller]
fn sample(client: &Client, name: &str) -> f64 {
    let text = client.get("/metrics").expect(200).text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

#[test]
fn a_server_that_serves_is_healthy_and_ready() {
    let server = Server::start();
    for path in ["/healthz", "/readyz"] {
        let answer = server.anonymous().get(path).expect(200);
        assert!(!answer.text().is_empty());
        server.anonymous().request("HEAD", path, &[], None).expect(200);
    }
}

#[test]
fn all_metrics_are_present_and_no_others() {
    let server = Server::start();
    let answer = server.anonymous().get("/metrics").expect(200);
    assert!(answer.header("content-type").contains("text"), "{:?}", answer.headers);
    let text = answer.text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    for line in samples {
        assert!(line.starts_with("tillcast_"), "{line}");
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    for name in [
        "tillcast_connections ",
        "tillcast_websockets ",
        "tillcast_events_total ",
        "tillcast_ring_events ",
        "tillcast_write_queue ",
        "tillcast_commit_seconds_bucket{le=\"0.01\"} ",
        "tillcast_commit_seconds_sum ",
        "tillcast_commit_seconds_count ",
        "tillcast_catch_ups_total ",
        "tillcast_logins_rejected_total ",
        "tillcast_resident_memory_bytes ",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "no {name} in\n{text}");
    }
}

/// Compares counts, which a float holds exactly.
fn is(value: f64, count: u32) -> bool {
    (value - f64::from(count)).abs() < f64::EPSILON
}

#[test]
fn metrics_change_with_what_they_count() {
    let server = Server::start();
    let admin = server.admin();
    let anonymous = server.anonymous();
    let count = |name| sample(&anonymous, name);
    let commits = count("tillcast_commit_seconds_count");
    let mut socket = admin.ws();
    socket.subscribe("order_changes");
    assert!(is(count("tillcast_websockets"), 1));
    for _ in 0..3 {
        outside_order(&admin, 5.25);
    }
    socket.recv_events(3);
    assert!(is(count("tillcast_events_total"), 3));
    assert!(is(count("tillcast_ring_events"), 3));
    assert!(is(count("tillcast_write_queue"), 0));
    assert!(count("tillcast_commit_seconds_count") >= commits + 1.0);
    assert!(count("tillcast_connections") >= 2.0);

    anonymous.try_login("admin", "wrong password").expect(401);
    assert!(is(count("tillcast_logins_rejected_total"), 1));
    assert!(count("tillcast_resident_memory_bytes") > 1_000_000.0);
}
