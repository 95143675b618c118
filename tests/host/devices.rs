//! Guards `tillcast device`: a stolen screen must lose its access at once, also where only the board's own console is
//! at hand, and a program must get its token without a stop of the shop.

use crate::common::{Answer, PATIENCE, Server, create_shop, tillcast};
use serde_json::json;
use std::process::Output;
use std::time::{Duration, Instant};

/// A socket is closed within one second; the rest is for a machine that is busy with other tests.
const AT_MOST: Duration = Duration::from_millis(1000 + 500);

#[track_caller]
fn told(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Adds a device; its token.
#[track_caller]
fn add(server: &Server, name: &str, role: &str) -> String {
    let text = told(&server.cli(&["device", "add", name, "--role", role], ""));
    assert!(text.starts_with(&format!("device {name} added, {role}, id ")), "{text}");
    text.trim_end().rsplit(' ').next().unwrap().to_owned()
}

fn me(server: &Server, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    server.anonymous().get_with("/api/auth/me", &[("authorization", &bearer)])
}

/// Waits until the server has seen what another process wrote.
#[track_caller]
fn comes_to(server: &Server, token: &str, status: u16) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = me(server, token);
        if answer.status == status {
            return answer;
        }
        assert!(Instant::now() < deadline, "{}: {}", answer.status, answer.text());
    }
}

#[test]
fn devices_come_and_go_while_the_shop_is_open() {
    let server = Server::start();
    let (board, till) = (add(&server, "Board", "display"), add(&server, "Till", "kiosk"));
    let told_me = json!({"device": {"id": 2, "name": "Board", "role": "display"}});
    assert_eq!(comes_to(&server, &board, 200).json(), told_me);
    comes_to(&server, &till, 200);
    let bearer = format!("Bearer {board}");
    let mut socket = server.anonymous().upgrade(&[("authorization", &bearer)]).unwrap();
    socket.recv();
    let mut other =
        server.anonymous().upgrade(&[("authorization", &format!("Bearer {till}"))]).unwrap();
    other.recv();

    let text = told(&server.cli(&["device", "remove", "Board"], ""));
    assert!(text.contains("Board, id 2, removed"), "{text}");
    let since = Instant::now();
    assert_eq!(socket.expect_close(), (1008, "device removed".to_owned()));
    assert!(since.elapsed() < AT_MOST, "closed only after {:?}", since.elapsed());
    me(&server, &board).expect(401);
    other.expect_quiet();
    me(&server, &till).expect(200);
    let trail = server.admin().get("/api/audit?entity=device").expect(200).json();
    let actions: Vec<_> =
        trail["data"].as_array().unwrap().iter().map(|one| &one["action"]).collect();
    assert_eq!(actions, ["delete", "create", "create"]);
}

#[test]
fn the_list_has_every_device_and_no_token() {
    let mut server = Server::start();
    let (board, till) = (add(&server, "Board", "display"), add(&server, "Board", "kiosk"));
    comes_to(&server, &board, 200);
    assert_eq!(server.stop(), Some(0));
    let text = told(&server.cli(&["device", "list"], ""));
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ID", "ROLE", "LAST", "SEEN", "ADDRESS", "NAME"], "{text}");
    assert_eq!([&rows[1][..2], &rows[1][3..]].concat(), ["2", "display", "127.0.0.1", "Board"]);
    assert_eq!(rows[2], ["3", "kiosk", "never", "-", "Board"], "{text}");
    assert!(rows.len() == 3 && !text.contains(&board) && !text.contains(&till), "{text}");
    // Without a server the commands do the same.
    assert!(refused(&server.cli(&["device", "remove", "Board"], "")).contains("ids 3, 2"));
    told(&server.cli(&["device", "remove", "3"], ""));
    told(&server.cli(&["device", "remove", "Board"], ""));
    assert!(refused(&server.cli(&["device", "remove", "Board"], "")).contains("device list"));
    let server = server.again();
    me(&server, &board).expect(401);
}

#[test]
fn a_device_needs_a_shop_a_name_and_a_role() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for command in [&["add", "Board", "--role", "display"][..], &["list"], &["remove", "Board"]] {
        let output = tillcast(&data, &[&["device"], command].concat(), "");
        assert!(refused(&output).contains("does not exist") && !data.exists(), "{output:?}");
    }
    create_shop(&data);
    assert!(
        refused(&tillcast(&data, &["device", "add", " ", "--role", "display"], ""))
            .contains("name")
    );
    for wrong in [&["Board"][..], &["Board", "--role", "admin"], &["--role", "display"]] {
        let output = tillcast(&data, &[&["device", "add"], wrong].concat(), "");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}
