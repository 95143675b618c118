//! Guards the list of users: a login that takes longer for an existing name tells an attacker which names
//! are worth guessing at.
//!
//! The tests compare the CPU time of the server, because other tests on the same machine do not change it.

use crate::common::{Raw, Server, json_request, password_of};
use serde_json::json;
use std::fs;
use std::time::Instant;

/// Logins of each sort. Each comes from an address of its own, because 20 failures lock an address.
const TURNS: u8 = 25;

/// The CPU time of the process's threads so far, in microseconds.
fn processor_time(server: &Server) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let time = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    tasks.filter_map(|task| time(task.unwrap())).sum::<u64>() / 1000
}

/// Makes a login fail; returns the server's CPU time and the elapsed time, in microseconds.
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

/// Creates a user for each turn, because five failures lock a name, and a disabled one.
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

/// Checks that all ways to fail cost the same; they take turns.
fn compare(server: &Server) {
    let sorts = ["known", "unknown", "disabled"];
    let mut times = sorts.map(|_| [Vec::new(), Vec::new()]);
    for turn in 1..=TURNS {
        for (at, sort) in (1..).zip(sorts) {
            let name = format!("{sort}{turn}");
            // A disabled user may know the right password.
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
fn the_time_does_not_tell_which_names_exist() {
    let mut server = Server::start();
    make_users(&server);
    compare(&server);
    // Now all hashes come from another profile.
    assert_eq!(server.stop(), Some(0));
    compare(&server.again_with(&["--profile", "tiny"]));
}

#[test]
fn the_time_does_not_tell_which_names_exist_with_the_tiny_profile() {
    let server = Server::with(&["--profile", "tiny"]);
    make_users(&server);
    compare(&server);
}
