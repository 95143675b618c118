//! Guards the brakes on guessing: a password that can be guessed without end, and a user who is kept out by
//! wrong passwords of others.

use crate::common::{Answer, Server, password_of};
use serde_json::json;
use std::time::{Duration, Instant};

const WRONG: &str = "not the password";

/// A server behind a proxy, which says from which address a login comes.
fn behind_proxy() -> Server {
    Server::with_users(&["staff"], &["--trusted-proxy", "127.0.0.1"])
}

fn try_from(server: &Server, address: &str, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    let from = [("x-forwarded-for", address)];
    server.anonymous().post_with("/api/auth/login", &body, &from)
}

/// Answers `429`, and says when to come back.
#[track_caller]
fn is_refused(answer: &Answer) -> u64 {
    assert_eq!(answer.problem(429)["code"], "too_many_logins");
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=15 * 60).contains(&seconds), "{seconds}");
    seconds
}

#[test]
fn five_failures_lock_a_name_at_one_address_only() {
    let server = behind_proxy();
    let (here, elsewhere) = ("192.0.2.1", "192.0.2.2");
    for name in ["staff", "nobody"] {
        for _ in 0..5 {
            try_from(&server, here, name, WRONG).expect(401);
        }
        assert!(is_refused(&try_from(&server, here, name, WRONG)) > 14 * 60);
        try_from(&server, elsewhere, name, WRONG).expect(401);
    }
    server.wait_for_log("address=192.0.2.1 user_id=2");
    assert!(!server.log().contains("nobody"), "{}", server.log());
    is_refused(&try_from(&server, here, "STAFF", &password_of("staff")));
    try_from(&server, elsewhere, "staff", &password_of("staff")).expect(200);
    try_from(&server, here, "admin", &password_of("admin")).expect(200);
}

/// Those that wait for their turn are looked at again before their passwords are.
#[test]
fn guesses_at_once_get_no_more_tries_than_one_after_the_other() {
    let server = behind_proxy();
    let guess = || try_from(&server, "192.0.2.1", "staff", WRONG).status;
    assert_eq!([(); 4].map(|()| guess()), [401; 4]);
    let mut statuses = std::thread::scope(|threads| {
        let guesses = [(); 8].map(|()| threads.spawn(guess));
        guesses.map(|one| one.join().unwrap())
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [401, 429, 429, 429, 429, 429, 429, 429]);
}

#[test]
fn a_login_forgets_the_failures_of_its_address() {
    let server = behind_proxy();
    // The first login makes the address a known one, which has failures of its own.
    for round in 0..3 {
        for _ in 0..4 {
            try_from(&server, "192.0.2.1", "staff", WRONG).expect(401);
        }
        let answer = try_from(&server, "192.0.2.1", "staff", &password_of("staff"));
        assert_eq!(answer.status, 200, "round {round}");
    }
}

#[test]
fn twenty_failures_lock_a_network_for_all_names() {
    for (network, elsewhere) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::", "2001:db8:0:1::")] {
        let server = behind_proxy();
        for number in 0..20 {
            // A device in an IPv6 network has as many addresses as it likes.
            let from = network.replace("::", &format!("::{number:x}"));
            try_from(&server, &from, &format!("user{number}"), WRONG).expect(401);
        }
        let from = network.replace("::", "::abc");
        is_refused(&try_from(&server, &from, "staff", &password_of("staff")));
        let from = elsewhere.replace("::", "::1");
        try_from(&server, &from, "staff", &password_of("staff")).expect(200);
    }
}

/// Wrong passwords from many networks slow down who guesses on, and keep nobody out.
#[test]
fn fifty_failures_of_a_name_from_everywhere_delay_the_next_tries() {
    let server = behind_proxy();
    for number in 0..50 {
        try_from(&server, &format!("192.0.2.{number}"), "staff", WRONG).expect(401);
    }
    for (password, status) in [(WRONG, 401), (&password_of("staff"), 200)] {
        let begun = Instant::now();
        try_from(&server, "192.0.2.200", "staff", password).expect(status);
        assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    // One address has two tries that wait at a time. Another name has none.
    std::thread::scope(|threads| {
        let tries = [(); 8]
            .map(|()| threads.spawn(|| try_from(&server, "192.0.2.201", "staff", WRONG).status));
        let begun = Instant::now();
        try_from(&server, "192.0.2.201", "admin", &password_of("admin")).expect(200);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let mut statuses = tries.map(|one| one.join().unwrap());
        statuses.sort_unstable();
        assert_eq!(statuses, [401, 401, 429, 429, 429, 429, 429, 429]);
    });
}

/// Whoever is logged in proves that with a session; strangers who know the name do not count.
#[test]
fn failed_logins_keep_nobody_from_changing_a_password() {
    let server = Server::with_users(&["staff"], &[]);
    let (staff, elsewhere) = (server.login("staff"), server.login("staff"));
    for _ in 0..5 {
        server.anonymous().try_login("staff", WRONG).expect(401);
    }
    is_refused(&server.anonymous().try_login("staff", WRONG));
    let (old, new) = (password_of("staff"), "a new password");
    let change = |current: &str| json!({"current_password": current, "new_password": new});
    // Each session has a bound of its own.
    for _ in 0..5 {
        elsewhere.post("/api/auth/password", &change(WRONG)).expect(401);
    }
    is_refused(&elsewhere.post("/api/auth/password", &change(&old)));
    staff.post("/api/auth/password", &change(&old)).expect(204);
}

/// A login's cookies: of the session, and of the browser.
fn cookies(answer: &Answer) -> [String; 2] {
    let cookies = answer.headers.get_all("set-cookie").iter();
    let cookies: Vec<_> = cookies.map(|line| line.to_str().unwrap().to_owned()).collect();
    cookies.try_into().unwrap()
}

fn pair(cookie: &str) -> &str {
    cookie.split(';').next().unwrap()
}

/// A login from an address by a browser with this cookie.
fn browse(server: &Server, cookie: &str, address: &str, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    let browser = server.anonymous().with_cookie(Some(pair(cookie)));
    browser.post_with("/api/auth/login", &body, &[("x-forwarded-for", address)])
}

/// Strangers on the same address, where the address and the name are refused, do not keep out a browser from
/// which the user has logged in before.
#[test]
fn a_known_browser_is_never_kept_out_by_others() {
    let mut server = behind_proxy();
    let here = "192.0.2.1";
    let [session, device] = cookies(&try_from(&server, here, "staff", &password_of("staff")));
    assert!(pair(&session).starts_with("tillcast_session"), "{session}");
    assert!(pair(&device).starts_with("tillcast_device"), "{device}");
    for attribute in ["; HttpOnly", "; SameSite=Strict", "; Max-Age=34560000"] {
        assert!(device.contains(attribute), "{device}");
    }
    for name in 0..20 {
        try_from(&server, here, if name < 5 { "staff" } else { "nobody" }, WRONG);
        try_from(&server, here, &name.to_string(), WRONG);
    }
    is_refused(&try_from(&server, here, "staff", &password_of("staff")));
    // It is the cookie of that user's browser, and of no other's.
    is_refused(&browse(&server, &device, here, "admin", &password_of("admin")));
    let answer = browse(&server, &device, here, "staff", &password_of("staff")).expect(200);
    let [_, renewed] = cookies(&answer);
    // Each login gives the browser another token: a copy is worth nothing then.
    is_refused(&browse(&server, &device, here, "staff", &password_of("staff")));

    // A stolen one has tries of its own, and too few.
    for _ in 0..5 {
        browse(&server, &renewed, "192.0.2.9", "staff", WRONG).expect(401);
    }
    is_refused(&browse(&server, &renewed, "192.0.2.9", "staff", &password_of("staff")));
    try_from(&server, "192.0.2.9", "staff", &password_of("staff")).expect(200);

    server.kill();
    let server = server.again();
    let other = server.address().port();
    let token = pair(&renewed).split_once('=').unwrap().1;
    let moved = format!("tillcast_device_{other}={token}");
    for _ in 0..5 {
        try_from(&server, here, "staff", WRONG).expect(401);
    }
    browse(&server, &moved, here, "staff", &password_of("staff")).expect(200);
}

#[test]
fn a_known_address_does_not_wait_for_the_failures_of_others() {
    let server = behind_proxy();
    let own = "2001:db8::1";
    try_from(&server, own, "staff", &password_of("staff")).expect(200);
    for number in 0..50 {
        try_from(&server, &format!("192.0.2.{number}"), "staff", WRONG).expect(401);
    }
    let begun = Instant::now();
    try_from(&server, "2001:db8::2", "staff", &password_of("staff")).expect(200);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let begun = Instant::now();
    try_from(&server, "192.0.2.200", "staff", &password_of("staff")).expect(200);
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}
