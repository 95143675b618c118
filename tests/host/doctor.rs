//! Guards `tillcast doctor`: a fault that it misses, a finding about a healthy shop, a check that changes
//! something. Needs root, for small disks and for another user.

use crate::common::{
    Disk, Keys, Network, Running, Server, create_shop, free_address, is_root, outside_order,
    program, run,
};
use rusqlite::Connection;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, SystemTime};
use tempfile::tempdir;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The doctor's findings about a data directory.
struct Told {
    code: Option<i32>,
    text: String,
}

impl Told {
    fn of(output: Output) -> Self {
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(!complaint.contains("panicked"), "{complaint}");
        Self { code: output.status.code(), text: String::from_utf8(output.stdout).unwrap() }
    }

    /// Checks that there is such a line, and that the exit code fits its verdict or a worse one.
    #[track_caller]
    fn has(&self, verdict: &str, subject: &str, text: &str) -> &Self {
        let begin = format!("{verdict:<5}{subject}: ");
        let found = self.text.lines().any(|line| line.starts_with(&begin) && line.contains(text));
        assert!(found, "no {begin}… {text} in\n{}", self.text);
        let worst = self.text.lines().any(|line| line.starts_with("bad "));
        assert_eq!(self.code, Some(i32::from(worst)), "{}", self.text);
        self
    }

    /// Checks that every finding is `ok`.
    #[track_caller]
    fn is_all_ok(&self) -> &Self {
        assert!(self.text.lines().all(|line| line.starts_with("ok   ")), "{}", self.text);
        assert_eq!(self.code, Some(0), "{}", self.text);
        self
    }
}

#[track_caller]
fn doctor(data_dir: &Path, flags: &[&str]) -> Told {
    let data_dir = data_dir.to_str().unwrap();
    Told::of(run(&[&["doctor", "--data-dir", data_dir], flags].concat(), &[], Path::new("/")))
}

/// The findings about a server's data directory and address.
#[track_caller]
fn of(server: &Server) -> Told {
    doctor(&server.data_dir(), &["--listen", &server.address().to_string()])
}

/// Each file of a data directory: its size, mode, and when it was written.
fn files(data_dir: &Path) -> BTreeMap<String, (u64, u32, i64, i64)> {
    let files = fs::read_dir(data_dir).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let found = entry.metadata().unwrap();
        let told = (found.len(), found.mode(), found.mtime(), found.mtime_nsec());
        (entry.file_name().into_string().unwrap(), told)
    });
    files.collect()
}

#[test]
fn a_healthy_shop_is_ok_and_stays_unchanged() {
    if !is_root() {
        return;
    }
    let disk = Disk::ext4(96);
    fs::set_permissions(disk.path(), Permissions::from_mode(0o700)).unwrap();
    let mut server = disk.server();
    outside_order(&server.admin(), 5.25);
    let backups = disk.path().join("backups");
    fs::create_dir_all(&backups).unwrap();
    assert!(server.cli(&["backup", backups.to_str().unwrap()], "").status.success());
    let told = of(&server);
    told.is_all_ok();
    for (subject, text) in [
        ("disk", "(ext4): "),
        ("card", "ext4 has found no errors"),
        ("permissions", "only its owner"),
        ("database", "tillcast.db: opens"),
        ("port", "answers and takes orders"),
        ("certificate", "none is configured"),
        ("backup", "0 days old"),
        ("files", "10000 connections"),
    ] {
        told.has("ok", subject, text);
    }

    assert_eq!(server.stop(), Some(0));
    let before = files(&disk.path());
    let told = of(&server);
    told.is_all_ok().has("ok", "port", "free; no server is running");
    assert_eq!(files(&disk.path()), before);

    disk.remount("ro");
    of(&server).has("bad", "disk", "takes no writes").has("ok", "database", "opens");
    drop(server);
}

#[test]
fn a_missing_shop_is_not_created_and_a_lost_one_is_named() {
    let folder = tempdir().unwrap();
    let data_dir = folder.path().join("shop");
    let address = free_address().to_string();
    let told = doctor(&data_dir, &["--listen", &address]);
    told.has("warn", "database", "there is no shop yet");
    assert!(!data_dir.exists());
    create_shop(&data_dir);
    fs::remove_file(data_dir.join("tillcast.db")).unwrap();
    doctor(&data_dir, &["--listen", &address]).has("bad", "database", "tillcast restore");
    fs::write(data_dir.join("tillcast.db"), "rubbish").unwrap();
    doctor(&data_dir, &["--listen", &address]).has("bad", "database", "not a database");
    // Nor is a name a part of an address.
    let odd = folder.path().join("50% off? #1");
    fs::rename(&data_dir, &odd).unwrap();
    fs::remove_file(odd.join("tillcast.db")).unwrap();
    fs::remove_file(odd.join("tillcast.lock")).unwrap();
    create_shop(&odd);
    doctor(&odd, &["--listen", &address]).has("ok", "database", "opens");
}

#[test]
fn a_full_disk_is_bad_and_so_is_the_servers_readiness() {
    if !is_root() {
        return;
    }
    let disk = Disk::in_memory(48);
    let mut server = disk.server();
    of(&server).has("warn", "disk", "tmpfs is in memory").has("ok", "disk", "MiB are free");
    disk.remount("nr_inodes=60");
    of(&server).has("bad", "disk", "more files");
    disk.remount("nr_inodes=6000");
    server.kill();
    fs::remove_file(disk.path().join("tillcast.reserve")).unwrap();
    let ballast = disk.fill();
    let server = server.again();
    of(&server).has("bad", "disk", "only 0 MiB are free").has(
        "bad",
        "port",
        "takes no orders: the disk is full",
    );
    drop(ballast);
}

#[test]
fn a_clock_behind_the_newest_event_is_bad() {
    let mut server = Server::start();
    outside_order(&server.admin(), 5.25);
    of(&server).has("ok", "clock", "20");
    assert_eq!(server.stop(), Some(0));
    let conn = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    conn.execute("UPDATE events SET at = at + 86400000", []).unwrap();
    conn.close().map_err(|(_, error)| error).unwrap();
    of(&server).has("bad", "clock", "has an event of");
}

#[test]
fn files_that_others_can_access_are_named() {
    if !is_root() {
        return;
    }
    let mut server = Server::start();
    assert_eq!(server.stop(), Some(0));
    let data_dir = server.data_dir();
    let lock = data_dir.join("tillcast.lock");
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(&data_dir, 0o700);
    of(&server).has("ok", "permissions", "only its owner");
    mode(&data_dir, 0o755);
    of(&server).has("warn", "permissions", "can see what is in it; chmod 700");
    mode(&data_dir, 0o770);
    of(&server).has("bad", "permissions", "can change what is in it; chmod 700");
    mode(&data_dir, 0o700);
    mode(&lock, 0o640);
    of(&server).has("bad", "permissions", "tillcast.lock: others than its owner have access");
    mode(&lock, 0o600);
    chown(&lock, Some(65534), None).unwrap();
    of(&server).has("bad", "permissions", "tillcast.lock: belongs to another user");
}

#[test]
fn a_user_without_access_gets_advice() {
    if !is_root() {
        return;
    }
    let server = Server::start();
    fs::set_permissions(server.data_dir(), Permissions::from_mode(0o700)).unwrap();
    let mut command = program(&["setpriv", "--reuid=65534", "--clear-groups"], Path::new("/"));
    let address = server.address().to_string();
    command.args(["doctor", "--listen", &address, "--data-dir"]).arg(server.data_dir());
    let told = Told::of(command.output().unwrap());
    for subject in ["permissions", "database", "backup"] {
        told.has("warn", subject, "run this with sudo");
    }
    told.has("ok", "port", "takes orders");
    assert_eq!(told.code, Some(0));
}

/// Starts another program's web server.
fn stranger() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
        }
    });
    address
}

#[test]
fn the_program_at_each_address_is_named() {
    let server = Server::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [server.address(), stranger(), silent.local_addr().unwrap(), free_address()];
    let [own, other, mute, nobody] = &addresses.map(|address| address.to_string());
    let told = doctor(
        &server.data_dir(),
        &["--listen", own, "--listen", other, "--listen", mute, "--listen", nobody],
    );
    told.has("ok", "port", &format!("{own}: Tillcast answers and takes orders"))
        .has("bad", "port", &format!("{other}: another program answers"))
        .has("bad", "port", &format!("{mute}: is taken, but nobody answers"))
        .has("warn", "port", &format!("{nobody}: nobody answers"));
}

/// Whoever has the Wi-Fi's key reads passwords that come over plain HTTP.
#[test]
fn passwords_in_the_clear_are_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let look =
        |flags: &[&str]| doctor(folder.path(), &[&["--listen", "192.0.2.1:3999"], flags].concat());
    look(&[]).has("warn", "certificate", "in the clear").has(
        "warn",
        "certificate",
        "tillcast cert",
    );
    look(&["--trusted-proxy", "192.0.2.2"]).has("ok", "certificate", "none is configured");
    doctor(folder.path(), &["--listen", "127.0.0.1:3999"]).has(
        "ok",
        "certificate",
        "none is configured",
    );
}

#[test]
fn a_server_that_takes_passwords_in_the_clear_warns_at_its_start() {
    if !is_root() {
        return;
    }
    let _network = Network::enter();
    let folder = tempfile::tempdir().unwrap();
    for (flags, warns) in [
        (&["--listen", "0.0.0.0:0"][..], true),
        (&["--listen", "127.0.0.1:0", "--listen", "[::]:0"], true),
        (&["--listen", "0.0.0.0:0", "--trusted-proxy", "192.0.2.2"], false),
        (&["--listen", "127.0.0.1:0", "--listen", "[::1]:0"], false),
    ] {
        let always = ["serve", "--data-dir", "."];
        let mut server = Running::start(&[&always, flags].concat(), &[], folder.path());
        server.line_with("listening on");
        assert_eq!(server.end(Signal::TERM), Some(0));
        assert_eq!(server.seen().contains("in the clear"), warns, "{}", server.seen());
    }
}

#[test]
fn a_server_at_capacity_is_recognised() {
    let server = Server::with(&["--max-connections", "2"]);
    let admin = server.admin();
    // The login's connection is the other one.
    let socket = admin.ws();
    of(&server).has("warn", "port", "all of its connections are in use");
    drop(socket);
}

#[test]
fn a_certificate_that_clients_refuse_is_bad() {
    let keys = Keys::make();
    let server = keys.server(&[]);
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| keys.file(name));
    let address = server.address().to_string();
    let look = || {
        let files = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        doctor(&server.data_dir(), &[&["--listen", &address], &files[..]].concat())
    };
    look().has("ok", "certificate", "valid").has("ok", "port", "over TLS");
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    look().has("warn", "certificate", "others than its owner may read this key");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();

    for (left, verdict, said) in [
        (time::Duration::days(9), "warn", "expires in"),
        (time::Duration::days(-1), "bad", "has expired"),
    ] {
        let secret = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["shop.local".to_owned()]).unwrap();
        params.not_after = time::OffsetDateTime::now_utc() + left;
        fs::write(&cert, params.self_signed(&secret).unwrap().pem()).unwrap();
        fs::write(&key, secret.serialize_pem()).unwrap();
        look().has(verdict, "certificate", said).has(verdict, "certificate", "tillcast cert");
    }
    fs::remove_file(&key).unwrap();
    look().has("bad", "certificate", "there is no such file");
}

/// Whoever owns a folder on the way to the files must not choose what root reads.
#[test]
fn root_follows_no_link_of_a_user_to_a_certificate() {
    if !is_root() {
        return;
    }
    let keys = Keys::make();
    let folder = tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::copy(keys.file("cert.pem"), &cert).unwrap();
    symlink(keys.file("key.pem"), &key).unwrap();
    let server = Server::start();
    let look = || {
        let files = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        doctor(&server.data_dir(), &[&["--listen", "192.0.2.1:3999"], &files[..]].concat())
    };
    look().has("ok", "certificate", &format!("{}: valid", cert.display()));
    lchown(&key, Some(65534), Some(65534)).unwrap();
    look().has("bad", "certificate", "a link on the way belongs to user 65534");
}

#[test]
fn an_old_backup_is_a_finding() {
    let server = Server::with(&["--backup-keep", "0"]);
    of(&server).has("warn", "backup", "there is no backup yet");
    let backups = server.data_dir().join("backups");
    fs::create_dir(&backups).unwrap();
    of(&server).has("warn", "backup", "there is no backup yet");
    for (name, days, verdict) in [
        ("tillcast-2026-01-01.db", 8, "bad"),
        ("tillcast-2026-01-02.db", 3, "warn"),
        ("tillcast-2026-01-03.db", 1, "ok"),
    ] {
        let backup = File::create(backups.join(name)).unwrap();
        backup.set_modified(SystemTime::now() - days * DAY).unwrap();
        of(&server).has(
            verdict,
            "backup",
            &format!("{name}: the newest backup is {days} days old"),
        );
    }
    let address = server.address().to_string();
    let none = doctor(&server.data_dir(), &["--listen", &address, "--backup-keep", "0"]);
    none.has("ok", "backup", "daily backups are off");
}

#[test]
fn a_low_limit_of_open_files_is_a_finding() {
    let folder = tempdir().unwrap();
    let mut command = program(&["prlimit", "--nofile=300"], folder.path());
    let address = free_address().to_string();
    command.args(["doctor", "--listen", &address, "--max-connections", "5000"]);
    let told = Told::of(command.output().unwrap());
    told.has("warn", "files", "172").has("warn", "files", "5128");
}
