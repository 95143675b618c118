//! Passed sockets: they replace the default addresses, are served beside configured ones, and are refused
//! with a reason if they do not listen.

use crate::common::{Keys, PATIENCE, Raw, Running, Server, free_address, program};
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Instant;

/// Runs `systemd-socket-activate`, which starts the program at the first connection.
fn activate(sockets: &[&str], folder: &Path, flags: &[&str]) -> Running {
    let mut command = program(&[&["systemd-socket-activate"], sockets].concat(), folder);
    command.args(["serve", "--data-dir", "."]).args(flags);
    Running::of(command.stdin(Stdio::null()))
}

#[track_caller]
fn is_served(address: SocketAddr) {
    let begun = Instant::now();
    let stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{address}: {error}"),
        }
        std::thread::yield_now();
    };
    let mut raw = Raw::over(stream).unwrap();
    raw.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(raw.answer(false).unwrap().expect("an answer").status, 200);
}

#[test]
fn passed_sockets_are_served_in_place_of_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = [free_address(), free_address()];
    let texts = addresses.map(|address| address.to_string());
    let mut running = activate(&["-l", &texts[0], "-l", &texts[1]], folder.path(), &[]);
    addresses.into_iter().for_each(is_served);
    running.line_with(&format!("listening on {}", texts[0]));
    running.line_with(&format!("listening on {}", texts[1]));
    assert_eq!(running.end(Signal::TERM), Some(0));
    assert_eq!(running.seen().matches(" listening on ").count(), 2, "{}", running.seen());
}

#[test]
fn a_passed_socket_speaks_tls_where_there_is_a_certificate() {
    let keys = Keys::make();
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| keys.file(name));
    let flags = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let mut running = activate(&["-l", &address.to_string()], folder.path(), &flags);
    running.line_with("Listening on");
    keys.curl(address, "/healthz", &[]).expect(200);
    let mut plain = Raw::connect(address).unwrap();
    plain.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(plain.answer(false).unwrap().expect("an answer").status, 308);
    assert_eq!(running.end(Signal::TERM), Some(0));
}

#[test]
fn a_configured_address_is_opened_beside_a_passed_socket() {
    let folder = tempfile::tempdir().unwrap();
    let (passed, other) = (free_address(), free_address());
    let (text, other_text) = (passed.to_string(), other.to_string());
    let flags = ["--listen", &other_text, "--listen", &text];
    let mut running = activate(&["-l", &text], folder.path(), &flags);
    is_served(passed);
    is_served(other);
    assert_eq!(running.end(Signal::TERM), Some(0));
    assert_eq!(running.seen().matches(" listening on ").count(), 2, "{}", running.seen());
}

/// The output of the program that gets these as descriptors 3 and 4, and `count` as their number.
fn with_passed(sockets: [OwnedFd; 2], count: u32) -> Output {
    // Without unsafe code, only standard input and output can be inherited.
    const PASS: &str = "export LISTEN_PID=$$; exec \"$0\" \"$@\" 3<&0 4<&1 0</dev/null 1>&2";
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = sockets.map(Stdio::from);
    let mut command = program(&["sh", "-c", PASS], folder.path());
    command.args(["serve", "--data-dir", "."]).env("LISTEN_FDS", count.to_string());
    command.stdin(first).stdout(second).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[track_caller]
fn is_refused(sockets: [OwnedFd; 2], count: u32, descriptors: &[u32]) {
    let output = with_passed(sockets, count);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for descriptor in 3..6 {
        let told = said.contains(&format!("descriptor {descriptor},"));
        assert_eq!(told, descriptors.contains(&descriptor), "{descriptor}: {said}");
    }
}

#[test]
fn a_descriptor_that_is_no_listening_tcp_socket_is_refused_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(folder.path().join("socket")).unwrap();
    let peer = listener();
    let connected = TcpStream::connect(peer.local_addr().unwrap()).unwrap();
    is_refused([unix.into(), connected.into()], 2, &[3, 4]);
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    is_refused([listener().into(), datagrams.into()], 2, &[4]);
    // A count that is too large.
    is_refused([listener().into(), listener().into()], 3, &[5]);
}

#[test]
fn sockets_of_another_process_are_left_alone() {
    let server = Server::under(&["env", "LISTEN_PID=1", "LISTEN_FDS=2"], &[]);
    is_served(server.address());
}

#[test]
fn a_passed_socket_takes_ipv4_and_ipv6_and_an_address_is_its_own() {
    let socket = TcpListener::bind("[::]:0").unwrap(); // both, where sysctl does not say otherwise
    let port = socket.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let four = format!("0.0.0.0:{port}");
    let text = format!("[::]:{port}");
    drop(socket);
    let mut running = activate(&["-l", &text], folder.path(), &["--listen", &four]);
    is_served(SocketAddr::from(([127, 0, 0, 1], port)));
    is_served(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)));
    assert_eq!(running.end(Signal::TERM), Some(0));
}
