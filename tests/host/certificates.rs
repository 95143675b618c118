//! Guards the certificate's files: a shop that cannot tell a wrong certificate, or has to import a new
//! authority each year, goes back to plain HTTP.
//!
//! Needs curl, a Debian package that `tests/run` installs.

use crate::common::{
    Keys, certificate_in, create_shop, curl, is_root, program, run, shown_certificate,
};
use rustix::process::Signal;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

#[test]
fn a_new_certificate_is_shown_after_sighup_and_a_bad_one_is_not() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    let address = server.address();
    let cookie = keys.log_in(&server);
    let mut socket = keys.ws(address, &cookie);
    socket.subscribe("order_changes");
    let shown = || shown_certificate(keys.over(TcpStream::connect(address).unwrap()));
    let first = shown();
    assert_eq!(first, certificate_in(&keys.file("cert.pem")));

    keys.renew();
    server.signal(Signal::HUP);
    server.wait_for_log("certificate reloaded");
    let second = shown();
    assert_ne!(second, first);
    assert_eq!(second, certificate_in(&keys.file("cert.pem")));
    keys.send(&server, &cookie, ["POST", "/api/orders", r#"{"total":1}"#]).expect(201);
    assert_eq!(socket.recv_event()["event"], "order:created", "the old socket lives on");

    fs::write(keys.file("cert.pem"), "rubbish").unwrap();
    server.signal(Signal::HUP);
    let line = server.wait_for_log("the certificate stays as it was");
    assert!(line.contains(keys.file("cert.pem").to_str().unwrap()), "{line}");
    assert_eq!(shown(), second);
    socket.expect_quiet();
}

/// Who comes by a name of the certificate is let in by that name, from the reload on; another name leads nowhere,
/// and over plain HTTP not to TLS either.
#[test]
fn the_names_of_the_certificate_are_the_servers() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    let (port, address) = (server.address().port(), server.address());
    let over_tls =
        |host: &str| keys.curl(address, "/healthz", &["-H", &format!("host: {host}:{port}")]);
    let plain =
        |host: &str| curl(&[&format!("http://{address}/x"), "-H", &format!("host: {host}:{port}")]);
    over_tls("localhost").expect(200);
    for answer in [over_tls("kasse.local"), plain("kasse.local")] {
        answer.problem(421);
    }

    keys.renew_with(&["--name", "kasse.local"]);
    server.signal(Signal::HUP);
    server.wait_for_log("certificate reloaded");
    over_tls("KASSE.local").expect(200);
    let moved = plain("kasse.local").expect(308);
    assert_eq!(moved.header("location"), format!("https://kasse.local:{port}/x"));
    assert_eq!(moved.header("cache-control"), "no-store");
    for other in ["attacker.example", "x.kasse.local", "kasse.local.attacker.example"] {
        for answer in [over_tls(other), plain(other)] {
            assert_eq!(answer.problem(421)["code"], "misdirected_request");
            assert_eq!(answer.header("location"), "");
        }
    }
}

#[test]
fn files_that_are_wrong_stop_the_start_and_are_named() {
    let (keys, others) = (Keys::make(), Keys::make());
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file
    };
    let (cert, key) = (keys.file("cert.pem"), keys.file("key.pem"));
    let missing = folder.path().join("nowhere.pem");
    let rubbish = write("rubbish.pem", "rubbish");
    let damaged =
        write("damaged.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_certificate = write("no_certificate.pem", empty);
    let other = others.file("key.pem");
    for (cert, key, named) in [
        (&missing, &key, vec![(&missing, "no such file")]),
        (&cert, &missing, vec![(&missing, "no such file")]),
        (&missing, &rubbish, vec![(&missing, "no such file"), (&rubbish, "no private key")]),
        (&rubbish, &key, vec![(&rubbish, "no certificate")]),
        (&damaged, &key, vec![(&damaged, "damaged")]),
        (&no_certificate, &key, vec![(&no_certificate, "no valid certificate")]),
        (&cert, &cert, vec![(&cert, "no private key")]),
        (&cert, &other, vec![(&other, "not the key of the certificate in")]),
    ] {
        let flags =
            ["--tls-cert", text(cert), "--tls-key", text(key), "--data-dir", text(folder.path())];
        let output = run(&flags, &[], folder.path());
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        for (file, what) in named {
            let says = |line: &str| line.contains(text(file)) && line.contains(what);
            assert!(complaint.lines().any(says), "{what}: {complaint}");
        }
    }
    let output = run(&["--tls-cert", text(&cert)], &[], folder.path());
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("--tls-cert: must come with --tls-key"), "{complaint}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_key_that_others_may_read_is_warned_about() {
    let keys = Keys::make();
    fs::set_permissions(keys.file("key.pem"), fs::Permissions::from_mode(0o640)).unwrap();
    let server = keys.server(&[]);
    let line = server.wait_for_log("others than its owner may read this key");
    assert!(line.contains("WARN") && line.contains(text(&keys.file("key.pem"))), "{line}");
}

#[test]
fn an_authority_is_created_once_and_signs_only_its_names() {
    let keys = Keys::make();
    let read = |name: &str| fs::read_to_string(keys.file(name)).unwrap();
    let before = ["ca.pem", "ca-key.pem", "cert.pem", "key.pem"].map(&read);
    let mode = |name: &str| fs::metadata(keys.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(["ca-key.pem", "key.pem"].map(mode), [0o600; 2]);
    let said = keys.renew();
    for words in ["--tls-cert", "--tls-key", text(&keys.file("ca.pem")), "localhost", "127.0.0.1"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let after = ["ca.pem", "ca-key.pem", "cert.pem", "key.pem"].map(&read);
    assert_eq!(after[..2], before[..2], "the authority stays");
    assert_ne!(after[2], before[2]);
    assert_ne!(after[3], before[3]);

    let server = keys.server(&[]);
    let authority = keys.file("ca.pem");
    let port = server.address().port();
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{port}/healthz");
        curl(&["--cacert", text(&authority), &url]).expect(200);
    }
    // It was not created for a bank's name, and cannot sign for one.
    let folder = text(authority.parent().unwrap());
    let bank = ["cert", "--dir", folder, "--name", "bank.example"];
    let output = run(&bank, &[], Path::new(folder));
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("cannot sign bank.example."), "{complaint}");
    assert!(complaint.contains("every till must then import"), "{complaint}");
    assert_eq!(["cert.pem", "key.pem"].map(&read), after[2..], "nothing was touched");
    // An authority that is created for the name can.
    fs::remove_file(&authority).unwrap();
    let output = run(&bank, &[], Path::new(folder));
    assert!(String::from_utf8(output.stderr).unwrap().contains("ca.pem is missing"));
    fs::remove_file(keys.file("ca-key.pem")).unwrap();
    let output = run(&bank, &[], Path::new(folder));
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("for\n   no other names than those above"),
        "it is said at the first call: {said}"
    );
    assert!(said.contains(":3000/ca.pem"), "{said}");
    let said = String::from_utf8(
        run(&[&bank[..], &["--name", "10.1.2.3"]].concat(), &[], Path::new(folder)).stdout,
    )
    .unwrap();
    assert!(said.contains("bank.example") && said.contains("10.1.2.3"), "{said}");
    assert!(!said.contains("PRIVATE"));
}

/// `tillcast cert` in a folder, with more flags: whether it succeeded, and its words.
fn cert(folder: &Path, flags: &[&str]) -> (bool, String) {
    let output = run(&[&["cert"], flags].concat(), &[], folder);
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn an_authority_that_is_not_the_callers_alone_is_refused() {
    let keys = Keys::make();
    let (authority, key) = (keys.file("ca.pem"), keys.file("ca-key.pem"));
    let folder = authority.parent().unwrap();
    let again = |flags: &[&str]| cert(folder, &[&["--dir", text(folder)], flags].concat());
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for (path, open, closed) in
        [(&key, 0o640, 0o600), (&authority, 0o666, 0o644), (&folder.to_owned(), 0o770, 0o700)]
    {
        mode(path, open);
        let (done, said) = again(&[]);
        assert!(
            !done && said.contains(&format!("{}: others had rights", path.display())),
            "{said}"
        );
        mode(path, closed);
    }
    let moved = folder.join("moved.pem");
    fs::rename(&key, &moved).unwrap();
    symlink(&moved, &key).unwrap();
    let (done, said) = again(&[]);
    assert!(!done && said.contains("is a link"), "{said}");
    fs::rename(&moved, &key).unwrap();
    assert!(again(&[]).0);
    if is_root() {
        chown(&key, Some(64_711), None).unwrap();
        let (done, said) = again(&[]);
        assert!(!done && said.contains("belongs to user 64711"), "{said}");
    }
}

#[test]
fn an_authority_signs_for_no_more_than_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let dir = ["--dir", text(folder.path())];
    for everybodys in ["com", "co.uk", "de", "shop"] {
        let (done, said) = cert(folder.path(), &[&dir[..], &["--name", everybodys]].concat());
        assert!(!done && said.contains(&format!("{everybodys}: ")), "{said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let bank = [&dir[..], &["--name", "bank.example"]].concat();
    assert!(cert(folder.path(), &bank).0);
    let (done, said) = cert(folder.path(), &dir);
    assert!(!done && said.contains("can also sign for bank.example. Give"), "{said}");
    assert!(cert(folder.path(), &bank).0);
}

/// In a `/etc` of its own.
#[test]
fn roots_authority_stays_with_root() {
    const ALONE: &str = "mount -t tmpfs none /etc && \"$0\" \"$@\" && \"$0\" \"$@\" && \
                         stat -c '%a %u %n' /etc/tillcast /etc/tillcast/ca /etc/tillcast/ca/*";
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    create_shop(&shop);
    for name in ["", "tillcast.db", "tillcast.lock"] {
        chown(shop.join(name), Some(64_711), Some(64_711)).unwrap();
    }
    let mut command = program(&["unshare", "--mount", "sh", "-c", ALONE], folder.path());
    let output = command.args(["cert", "--data-dir", text(&shop)]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let kept = "Tills that trust /etc/tillcast/ca/ca.pem already need nothing new.";
    assert!(said.contains(kept), "{said}");
    let made = "755 0 /etc/tillcast\n700 0 /etc/tillcast/ca\n600 0 /etc/tillcast/ca/ca-key.pem\n\
                644 0 /etc/tillcast/ca/ca.pem\n";
    assert!(said.ends_with(made), "{said}");
    let tls = shop.join("tls");
    let mut names: Vec<_> =
        fs::read_dir(&tls).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["ca.pem", "cert.pem", "key.pem"]);
    assert_eq!(fs::metadata(tls.join("key.pem")).unwrap().uid(), 64_711);

    // One of an earlier time is explained, not used.
    fs::write(tls.join("ca-key.pem"), "").unwrap();
    let ca = folder.path().join("ca");
    let (done, said) = cert(folder.path(), &["--data-dir", text(&shop), "--ca", text(&ca)]);
    assert!(!done && said.contains("an authority lies with the server"), "{said}");
    assert!(!ca.exists());
}
