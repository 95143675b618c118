//! The watchdog is fed only while every part of the server makes progress. The tests block a part with a
//! system call that does not return for a while.

use super::manager::Manager;
use crate::common::{Client, PATIENCE, Server, Strace, is_root, outside_order};
use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The watchdog's time.
const TIME: Duration = Duration::from_secs(2);
/// How long a system call is blocked: longer than the watchdog's time.
const KEPT: Duration = Duration::from_secs(6);

/// Waits for the next message that feeds the watchdog; returns the time and the messages before it.
#[track_caller]
fn next_meal(manager: &Manager) -> (Duration, String) {
    let (begun, mut said) = (Instant::now(), String::new());
    while let Some(message) = manager.hears_within(KEPT + PATIENCE) {
        if message.contains("WATCHDOG=1") {
            return (begun.elapsed(), said);
        }
        said += &message;
    }
    panic!("it is never fed again: {said}");
}

/// Checks that nothing feeds the watchdog for longer than its time; returns the messages meanwhile.
#[track_caller]
fn is_not_fed(manager: &Manager) -> String {
    let begun = Instant::now();
    while begun.elapsed() < KEPT + PATIENCE {
        let (took, said) = next_meal(manager);
        if took > TIME {
            return said;
        }
        assert_eq!(said, "", "it is fed although somebody is stuck");
    }
    panic!("it is fed all the time");
}

fn kept(calls: &str, time: Duration) -> [String; 4] {
    let inject = format!("inject={calls}:delay_enter={}", time.as_micros());
    ["-o", "/dev/null", "-e", &inject].map(ToOwned::to_owned)
}

fn keep(server: &Server, calls: &str, time: Duration) -> Strace {
    Strace::of(server.pid(), &kept(calls, time).each_ref().map(String::as_str))
}

/// Places an order in a thread of its own, which returns the time that it took.
fn sell(client: &Client) -> std::thread::JoinHandle<Duration> {
    let client = client.separate();
    std::thread::spawn(move || {
        let begun = Instant::now();
        outside_order(&client, 9.99);
        begun.elapsed()
    })
}

#[test]
fn a_stuck_writer_stops_the_feeding() {
    if !is_root() {
        return;
    }
    let manager = Manager::at_path();
    let server = manager.start(Some(TIME), &[]);
    let admin = server.admin();
    manager.hears_of("WATCHDOG=1");
    let _strace = keep(&server, "fsync,fdatasync", KEPT);
    let sold = sell(&admin);
    assert_eq!(is_not_fed(&manager), "STATUS=the writer makes no progress");
    assert!(sold.join().unwrap() >= KEPT);
}

#[test]
fn a_writer_that_waits_for_a_slow_disk_is_fed() {
    if !is_root() {
        return;
    }
    let manager = Manager::at_path();
    let (time, slow) = (4 * TIME, 5 * TIME / 2);
    let server = manager.start(Some(time), &[]);
    let admin = server.admin();
    let _strace = keep(&server, "fsync,fdatasync", slow);
    manager.hears_of("WATCHDOG=1");
    let sold = sell(&admin);
    // Longer than half of the watchdog's time, after which a message is due.
    for _ in 0..2 {
        let (took, _) = next_meal(&manager);
        assert!(took < time, "{took:?}");
    }
    assert!(sold.join().unwrap() >= slow);
}

#[test]
fn a_stuck_thread_of_the_sockets_stops_the_feeding() {
    if !is_root() {
        return;
    }
    let manager = Manager::at_path();
    let server = manager.start(Some(TIME), &[]);
    // By now each thread has its name.
    manager.hears_of("WATCHDOG=1");
    let thread = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().find_map(|thread| {
        let thread = thread.unwrap();
        let name = fs::read_to_string(thread.path().join("comm")).unwrap();
        (name.trim() == "sockets").then(|| thread.file_name().to_str().unwrap().parse().unwrap())
    });
    let arguments = kept("?epoll_wait,?epoll_pwait,?epoll_pwait2", KEPT);
    let arguments = arguments.each_ref().map(String::as_str);
    let strace = Strace::of_thread(thread.unwrap(), &arguments);
    assert_eq!(is_not_fed(&manager), "STATUS=the socket thread makes no progress");
    strace.end();
    manager.hears_of("WATCHDOG=1");
}

/// The blocked thread may be the one that drives the runtime's timers. Then no message comes, or the writer is
/// reported, which gets no tick.
#[test]
fn a_stuck_accept_loop_stops_the_feeding() {
    if !is_root() {
        return;
    }
    let manager = Manager::at_path();
    let server = manager.start(Some(TIME), &["--workers", "2"]);
    manager.hears_of("WATCHDOG=1");
    let _strace = keep(&server, "accept4", KEPT);
    let _client = TcpStream::connect(server.address()).unwrap();
    let said = is_not_fed(&manager);
    assert!(said.is_empty() || said.ends_with(" makes no progress"), "{said}");
}
