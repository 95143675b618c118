//! Guards what an admin sees of the server's load: numbers that are somebody else's, a course with holes, a ring that
//! a reader can make large.

use crate::common::{Client, PATIENCE, Server, order, product};
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};
use tillcast::limits::SAMPLE_INTERVAL;

fn status(admin: &Client, after: u64) -> Value {
    admin.get(&format!("/api/status?after={after}")).expect(200).json()
}

fn values(status: &Value, measure: &str) -> Vec<u64> {
    let values = status["samples"][measure].as_array().unwrap();
    values.iter().map(|value| value.as_u64().unwrap()).collect()
}

/// The samples after this one, once there are any.
#[track_caller]
fn next_samples(admin: &Client, after: u64) -> Value {
    let begun = Instant::now();
    loop {
        let status = status(admin, after);
        if status["next"].as_u64().unwrap() > after {
            return status;
        }
        assert!(begun.elapsed() < SAMPLE_INTERVAL + PATIENCE, "no sample came");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_course_shows_what_was_sold() {
    let begun = Instant::now();
    let server = Server::start();
    let admin = server.admin();
    let next = |status: &Value| status["next"].as_u64().unwrap();
    let first = next_samples(&admin, 0);
    let seen = next(&first);
    let tea = product(&admin, 2.5, 100);
    let socket = admin.ws();
    for _ in 0..20 {
        order(&admin, tea, 1);
    }
    let head = admin.get("/api/events?limit=1").expect(200).json()["head"].as_u64().unwrap();
    // A sample may have been taken in the middle of the sales.
    let sold = next_samples(&admin, next(&status(&admin, 0)));
    let quiet = next_samples(&admin, next(&sold));
    let status = status(&admin, seen);
    let samples = usize::try_from(next(&status) - seen).unwrap();
    for (measure, list) in status["samples"].as_object().unwrap() {
        assert_eq!(list.as_array().unwrap().len(), samples, "{measure}");
    }
    let events: u64 = values(&status, "events").iter().sum();
    assert_eq!(values(&first, "events").iter().sum::<u64>() + events, head);
    for measure in ["events", "commit_max_us", "unsent"] {
        assert!(values(&quiet, measure).iter().all(|value| *value == 0), "{measure}: {quiet}");
    }
    let (mean, longest) = (values(&status, "commit_mean_us"), values(&status, "commit_max_us"));
    assert!(
        mean.iter().zip(&longest).any(|(mean, longest)| 0 < *mean && mean <= longest),
        "{status}"
    );
    for (measure, least, bound) in [
        ("queue", 1, "queue"),
        ("connections", 1, "connections"),
        ("ring_events", events, "ring_events"),
        ("memory_kib", 1024, "memory_kib"),
        ("disk_free_mib", 1, "disk_mib"),
    ] {
        let most = values(&status, measure).into_iter().max().unwrap();
        let bound = status["bounds"][bound].as_u64().unwrap();
        assert!((least..=bound).contains(&most), "{measure}: {most}, {bound}");
    }
    assert_eq!(values(&status, "websockets").last(), Some(&1));
    assert_eq!((&status["healthy"], &status["disk_full"]), (&true.into(), &false.into()));
    assert!(status["database_bytes"].as_u64().unwrap() > 4096);
    assert!(status["uptime_s"].as_u64().unwrap() <= begun.elapsed().as_secs());
    drop(socket);
}

#[test]
fn the_memory_is_measured_against_the_printed_sum() {
    for profile in ["default", "tiny"] {
        let server = Server::with(&["--profile", profile]);
        let printed = server.cli(&["limits", "--profile", profile], "");
        let printed = String::from_utf8(printed.stdout).unwrap();
        let sum = printed.lines().find(|line| line.starts_with("all together")).unwrap();
        let sum = sum.split_whitespace().rev().nth(1).unwrap();
        assert_eq!(status(&server.admin(), 0)["bounds"]["memory_kib"].to_string(), sum);
    }
}

#[test]
fn a_reader_asks_for_numbers_that_were_or_will_be() {
    let server = Server::start();
    let admin = server.admin();
    let first = next_samples(&admin, 0);
    let seen = first["next"].as_u64().unwrap();
    for after in [0, seen + 1000, i64::MAX.unsigned_abs()] {
        let all = status(&admin, after);
        assert_eq!(values(&all, "events").len() as u64, all["next"].as_u64().unwrap(), "{after}");
    }
    for wrong in ["after=-1", "after=x", "after=9223372036854775808", "after=1&after=2", "before=1"]
    {
        admin.get(&format!("/api/status?{wrong}")).problem(422);
    }
}
