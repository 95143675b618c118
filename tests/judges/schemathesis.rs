//! Guards `/openapi.json`: schemathesis reads it, sends valid and invalid requests, and compares the real
//! server with it in all of its checks.

use crate::common::{
    SEED_VARIABLE, Server, customer, order, outside_order, pay, product, seed, shipment,
};
use std::path::Path;
use std::process::Command;

/// The runs follow each other, each with a session of its own.
const RUNS: [&[&str]; 3] = [
    &["--exclude-path-regex", "^/api/(users|auth/logout)"],
    // An admin can delete itself, and later requests then have no session.
    &["--include-path-regex", "^/api/users"],
    &["--include-path", "/api/auth/logout", "--phases", "coverage,fuzzing"],
];

#[test]
fn the_server_does_what_its_document_says() {
    let server = Server::start();
    let admin = server.admin();
    let (product, outside) = (product(&admin, 2.5, 1_000_000), outside_order(&admin, 5.25));
    order(&admin, product, 1);
    customer(&admin);
    shipment(&admin, outside);
    pay(&admin, outside, 1.25);
    let seed = seed();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/schemathesis.toml");
    // Log in before the first run: its failed logins lock the name.
    for (operations, client) in RUNS.map(|operations| (operations, server.admin())) {
        let session = client.cookie().unwrap().split_once('=').unwrap().1;
        let run = Command::new(target.join("../tools/bin/schemathesis"))
            .args(["--config-file", config, "run", "--checks", "all", "--no-color"])
            .args(["--max-examples", "50", "--seed", &seed.to_string()])
            .args(operations)
            .arg(format!("http://{}/openapi.json", server.address()))
            .env("SESSION", session)
            .current_dir(target)
            .output()
            .expect("schemathesis is there; tests/run installs it (PyPI: schemathesis)");
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{said}\nthe same again: {SEED_VARIABLE}={seed}");
    }
}
