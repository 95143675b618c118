//! Guards `/asyncapi.json` for generated programs: AsyncAPI's own parser must find no fault, and no generator
//! must have to invent the name of a type.

use crate::common::Server;
use std::path::Path;
use std::process::Command;

#[test]
fn a_generator_finds_a_name_for_every_type() {
    let server = Server::start();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let document = target.join("asyncapi.json");
    let answer = server.anonymous().get("/asyncapi.json").expect(200);
    std::fs::write(&document, answer.text()).unwrap();
    let run = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/asyncapi.cjs"))
        .arg(&document)
        .env("NODE_PATH", target.join("../tools/node/node_modules"))
        .output()
        .expect("node is there; tests/setup installs it");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let names = String::from_utf8(run.stdout).unwrap();
    let names: Vec<&str> = names.lines().collect();
    for name in ["SubscribeMessage", "ResetMessage", "Channel", "OrderUpdated", "OrderStatus"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
}
