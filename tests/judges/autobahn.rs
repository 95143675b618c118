//! Guards the wire: the Autobahn cases (RFC 6455, case by case) against the code of `/ws`, as
//! `examples/ws_echo.rs` wraps it, run by the package `kosoku`.

#[path = "../../examples/ws_echo.rs"]
#[expect(dead_code, reason = "the example's `main` is not called")]
mod ws_echo;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// The cases that a server with these limits cannot pass, with the reasons.
const EXCLUDED: [(&str, &str); 10] = [
    ("1.1.6", "a text of 64 KiB: messages may have 4 KiB here, see `limits.rs`"),
    ("1.1.7", "the same"),
    ("1.1.8", "the same"),
    ("1.2.6", "the same with bytes"),
    ("1.2.7", "the same"),
    ("1.2.8", "the same"),
    ("9.*", "messages of 64 KiB to 16 MiB, for speed"),
    ("10.1.1", "a text of 64 KiB in pieces"),
    ("12.*", "compression: it costs memory for each connection, and is not offered"),
    ("13.*", "the same"),
];

#[test]
fn the_autobahn_cases_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || ws_echo::serve(&listener));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let excluded = EXCLUDED.iter().flat_map(|(cases, _)| ["-x", cases]);
    let run = Command::new(target.join("../tools/bin/kosoku"))
        .arg(address)
        .args(excluded)
        .arg("-o")
        .arg(target.join("autobahn"))
        .output()
        .expect("kosoku is there; tests/run installs it (PyPI: kosoku)");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
