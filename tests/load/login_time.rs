//! Guards who there is: a login that takes longer for a name that exists tells an attacker which
//! ones are worth guessing at.
//!
//! Compared is the processor time of the server, which is what a login takes on a machine that has
//! nothing else to do, and what a machine that is busy with other tests does not change.

use crate::common::{Raw, Server, json_request, password_of};
use serde_json::json;
use std::fs;
use std::time::Instant;

/// Logins of each sort. Each comes from an address of its own: 20 failures lock one.
const TURNS: u8 = 25;

/// What the processes' threads have run so far, in microseconds.
fn processor_time(server: &Server) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let time = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    tasks.filter_map(|task| time(task.unwrap())).sum::<u64>() / 1000
}

/// A failed login; the microseconds that it took the server, and that it took.
fn fail(server: &Server, from: [u8; 4], name: &str, password: &str) -> [u64; 2] {
    let body = json!({"username": name, "password": password}).to_string();
    let request = json_request("POST", "/api/auth/login", None, "", &body);
    let mut raw = Raw::connect_from(from, server.address()).unwrap();
    let (before, begun) = (processor_time(server), Instant::now());
    raw.send(&request).unwrap();
    raw.answer(false).unwrap().unwrap().problem(401);
    let waited = u64::try_from(begun.elapsed().as_micros()).unwrap();
    [processor_time(server) - before, waited]
}

fn median(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A user for each turn, and one who is disabled: five failures lock a name.
fn make_users(server: &Server) {
    let admin = server.admin();
    for turn in 1..=TURNS {
        for name in ["known", "disabled"] {
            let name = format!("{name}{turn}");
            let user = json!({"username": name, "password": password_of(&name), "role": "staff"});
            let made = admin.post("/api/users", &user).expect(201);
            if name.starts_with("disabled") {
                admin.patch(made.header("location"), &json!({"disabled": true})).expect(200);
            }
        }
    }
}

/// All ways to fail cost the same, in turns.
fn compare(server: &Server) {
    let sorts = ["known", "unknown", "disabled"];
    let mut times = sorts.map(|_| [Vec::new(), Vec::new()]);
    for turn in 1..=TURNS {
        for (at, sort) in (1..).zip(sorts) {
            let name = format!("{sort}{turn}");
            // Who may not log in may well know the password.
            let right = password_of(&name);
            let password = if sort == "disabled" { &right } else { "not the password" };
            let taken = fail(server, [127, 1, turn, at], &name, password);
            let [processor, waited] = &mut times[usize::from(at) - 1];
            processor.push(taken[0]);
            waited.push(taken[1]);
        }
    }
    let [known, unknown, disabled] = times.map(|times| times.map(median));
    let told = format!(
        "processor time and time in µs: known {known:?}, unknown {unknown:?}, disabled {disabled:?}"
    );
    eprintln!("{told}"); // for --nocapture
    for [processor, _] in [unknown, disabled] {
        assert!(processor.abs_diff(known[0]) * 10 <= known[0], "{told}");
    }
}

#[test]
fn the_time_tells_nobody_who_there_is() {
    let mut server = Server::start();
    make_users(&server);
    compare(&server);
    // Now all hashes are of another profile.
    assert_eq!(server.stop(), Some(0));
    compare(&server.again_with(&["--profile", "tiny"]));
}

#[test]
fn nor_does_it_on_the_smallest_boards() {
    let server = Server::with(&["--profile", "tiny"]);
    make_users(&server);
    compare(&server);
}
