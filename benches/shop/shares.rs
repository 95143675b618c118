//! What others wait for beside one that takes all that it can get: slow bodies, slow logins, readers that
//! stop. As many connections as an address may have by default, renewed as fast as it may connect.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::Bench;
use crate::common::server::{Kind, Server};
use crate::common::{Outcome, PATIENCE};
use crate::table::{Figures, Goal, Line, percentile};

/// The pause between two new connections of the attacker: 20 a second.
const RENEWAL: Duration = Duration::from_millis(50);
/// Rounds of everything that others want; a login is a hash, so only every fourth round has one.
const ROUNDS: usize = 400;
const GOAL_MS: f64 = 100.0;

/// A way to take what all need: its name, how many connections, and what each sends.
struct Attack {
    name: &'static str,
    connections: usize,
    request: Vec<u8>,
}

/// The p99 of others' requests beside each attack.
pub(crate) fn shares(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let server = bench.programs.start(Kind::Tillcast)?;
    let kiosk = user(&server, "kiosk")?;
    let display = user(&server, "display")?;
    user(&server, "staff")?;
    let body = |path: &str, cookie: &str, length: usize, now: usize| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        [head.as_bytes(), &vec![b' '; now]].concat()
    };
    let page = format!(
        "GET /api/orders?limit=200 HTTP/1.1\r\nHost: localhost\r\nCookie: {display}\r\n\r\n"
    );
    let attacks = [
        Attack { name: "nobody", connections: 0, request: Vec::new() },
        Attack {
            name: "256 long slow bodies of a kiosk",
            connections: 256,
            request: body("/api/orders", &kiosk, 64 * 1024, 3 * 1024),
        },
        Attack {
            name: "256 short slow bodies of a kiosk",
            connections: 256,
            request: body("/api/orders", &kiosk, 10, 1),
        },
        Attack {
            name: "200 slow logins of an address",
            connections: 200,
            request: body("/api/auth/login", "", 4096, 1),
        },
        Attack { name: "50 readers that stop", connections: 50, request: page.into_bytes() },
    ];
    let mut lines = Vec::new();
    for attack in &attacks {
        lines.extend(beside(&server, attack, if bench.quick { ROUNDS / 4 } else { ROUNDS })?);
    }
    Ok(lines)
}

/// Everything that others want, while the attack goes on.
fn beside(server: &Server, attack: &Attack, rounds: usize) -> Outcome<Vec<Line>> {
    const WISHES: [(&str, &str, &str); 4] = [
        ("sale", "POST /api/orders", r#"{"items":[{"product_id":1,"quantity":1}]}"#),
        ("list", "GET /api/orders?limit=50", ""),
        ("healthz", "GET /healthz", ""),
        ("login", "POST /api/auth/login", r#"{"username":"staff","password":"password of staff"}"#),
    ];
    let over = AtomicBool::new(false);
    let mut times = WISHES.map(|_| Vec::new());
    scope(|threads| -> Outcome<()> {
        let attacker = threads.spawn(|| keep_up(server.address, attack, &over));
        let asked = (0..rounds).try_for_each(|round| -> Outcome<()> {
            for ((name, line, body), times) in WISHES.iter().zip(&mut times) {
                if *name == "login" && !round.is_multiple_of(4) {
                    continue;
                }
                let cookie = if *name == "login" { "" } else { &server.cookie };
                let begun = Instant::now();
                ask(server.address, line, cookie, body)?;
                times.push(begun.elapsed().as_secs_f64() * 1e3);
            }
            Ok(())
        });
        over.store(true, Ordering::Release);
        attacker.join().map_err(|_| "the attacker gave up")??;
        asked
    })?;
    let lines = WISHES.iter().zip(times).map(|((name, ..), times)| {
        let p99 = percentile(&times, 99).ok_or("nothing was asked")?;
        eprintln!("    {name} beside {}: {p99:.1} ms", attack.name);
        let mut figures = Figures::default();
        figures.push(Kind::Tillcast, p99);
        let what = format!("{name} beside {}, p99 ms", attack.name);
        Ok(Line { what, goal: Goal::AtMost(GOAL_MS), figures })
    });
    lines.collect()
}

/// Holds the attack's connections, and renews those that the server has ended.
fn keep_up(to: SocketAddr, attack: &Attack, over: &AtomicBool) -> io::Result<()> {
    let open = || open(to, &attack.request);
    let mut held = (0..attack.connections).map(|_| open()).collect::<io::Result<Vec<_>>>()?;
    while !over.load(Ordering::Acquire) {
        std::thread::sleep(RENEWAL);
        // A reader that stops has got something, and may be gone; it is renewed in turn.
        let is_answered = |stream: &TcpStream| {
            let seen = stream.peek(&mut [0]);
            !matches!(seen, Err(error) if error.kind() == ErrorKind::WouldBlock)
        };
        if let Some(at) = held.iter().position(is_answered) {
            held[at] = open()?;
            held[at..].rotate_left(1);
        }
    }
    Ok(())
}

/// A connection from the attacker's address that has sent this and reads nothing.
fn open(to: SocketAddr, request: &[u8]) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(4 * 1024)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, 7), 0)).into())?;
    socket.connect(&to.into())?;
    let mut stream = TcpStream::from(socket);
    stream.write_all(request)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Makes a user whose name is its role; its session's cookie.
fn user(server: &Server, role: &str) -> Outcome<String> {
    let password = format!("password of {role}");
    let user = format!(r#"{{"username":"{role}","role":"{role}","password":"{password}"}}"#);
    server.ask("POST /api/users", &user)?;
    let login = format!(r#"{{"username":"{role}","password":"{password}"}}"#);
    let answer = ask(server.address, "POST /api/auth/login", "", &login)?;
    let cookie = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let of_session = name.eq_ignore_ascii_case("set-cookie") && value.contains("session");
        of_session.then(|| value.split(';').next().map(ToOwned::to_owned))?
    });
    cookie.ok_or_else(|| "no session".into())
}

/// One request on a connection of its own; the whole response.
fn ask(to: SocketAddr, line: &str, cookie: &str, body: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        return Ok(answer);
    }
    Err(format!("{line}: {answer}").into())
}
