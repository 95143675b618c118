//! Guards the places of heads that have begun: over TLS a head may come in several records, and the server waits
//! for the rest.

use crate::common::{Keys, PATIENCE, Secure};
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// An eighth of the places of the default profile.
const SHARE: usize = 32;

/// Whether a connection on which nothing was answered yet is still there.
fn is_open(secure: &mut Secure) -> bool {
    secure.sock.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    secure.read(&mut [0; 64]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn heads_without_an_end_take_the_share_of_their_address() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    let send_half = |from: [u8; 4]| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&server.address().into()).unwrap();
        let mut secure = keys.over(socket.into());
        secure.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
        secure
    };
    let mut held: Vec<Secure> = (0..SHARE + 8).map(|_| send_half([127, 0, 0, 7])).collect();
    let begun = Instant::now();
    while held.len() > SHARE {
        held.retain_mut(is_open);
        assert!(begun.elapsed() < PATIENCE, "{} are waited for", held.len());
    }
    // Another address has a share of its own, and is as slow.
    let mut other = send_half([127, 0, 0, 8]);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        keys.curl(server.address(), "/healthz", &[]).expect(200);
    }
    assert!(is_open(&mut other));
    assert!(held.iter_mut().all(is_open));
    other.sock.set_read_timeout(Some(PATIENCE)).unwrap();
    other.write_all(b"Host: localhost\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    other.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}
