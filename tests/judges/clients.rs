//! Guards `/openapi.json` for its tools: two linters find no fault, and the clients of public generators have
//! named types, pass their type checkers, place and pay an order, and make a sale.

use crate::common::Server;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A folder with the document of a running server, the files of `clients/`, and the tools' packages.
struct Workshop {
    server: Server,
    folder: TempDir,
}

impl Workshop {
    fn open() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let server = Server::start();
        let document = server.anonymous().get("/openapi.json").expect(200).text();
        std::fs::write(folder.path().join("openapi.json"), document).unwrap();
        let files = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/clients");
        for file in std::fs::read_dir(files).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        Self { server, folder }
    }

    /// Runs a tool in the folder and returns its output. A tool that fails fails the test.
    #[track_caller]
    fn run(&self, tool: &str, arguments: &[&str]) -> String {
        let tool = if tool == "node" { PathBuf::from(tool) } else { tools().join(tool) };
        let run = Command::new(&tool)
            .args(arguments)
            .current_dir(&self.folder)
            .envs([("MYPYPATH", "client"), ("PYTHONPATH", "client")])
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}; tests/setup installs it", tool.display()));
        let out = String::from_utf8_lossy(&run.stdout);
        let errors = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{}: {out}{errors}", tool.display());
        out.into_owned()
    }

    /// Runs a client, which prints the number of its order.
    #[track_caller]
    fn shops(&mut self, tool: &str, program: &str) {
        let base_url = format!("http://{}", self.server.address());
        let password = self.server.admin_password().to_owned();
        let number = self.run(tool, &[program, &base_url, &password]);
        assert!(number.starts_with("ORD-"), "{number}");
        assert_eq!(self.server.stop(), Some(0));
    }
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools")
}

#[test]
fn linters_find_no_fault() {
    let workshop = Workshop::open();
    let strict = ["lint", "--ruleset", "spectral.yaml", "--fail-severity", "hint", "openapi.json"];
    workshop.run("node/node_modules/.bin/spectral", &strict);
    // Redocly does not fail for warnings, but prints their number.
    let report = workshop
        .run("node/node_modules/.bin/redocly", &["lint", "--format", "json", "openapi.json"]);
    assert!(report.contains(r#""warnings": 0"#), "{report}");
}

#[test]
fn a_typescript_client_places_and_pays_an_order_and_sells() {
    let mut workshop = Workshop::open();
    symlink(tools().join("node/node_modules"), workshop.folder.path().join("node_modules"))
        .unwrap();
    let generate = ["openapi.json", "-o", "openapi.d.ts", "--default-non-nullable=false"];
    workshop.run("node/node_modules/.bin/openapi-typescript", &generate);
    let strict = ["--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--skipLibCheck"];
    let modules = ["--module", "esnext", "--moduleResolution", "bundler", "shop.ts"];
    workshop.run("node/node_modules/.bin/tsc", &[&strict[..], &modules].concat());
    std::fs::rename(
        workshop.folder.path().join("shop.js"),
        workshop.folder.path().join("shop.mjs"),
    )
    .unwrap();
    workshop.shops("node", "shop.mjs");
}

#[test]
fn a_python_client_places_and_pays_an_order_and_sells() {
    let mut workshop = Workshop::open();
    let generate = ["generate", "--path", "openapi.json", "--output-path", "client"];
    let settings = ["--config", "python.yaml", "--fail-on-warning"];
    workshop.run("bin/openapi-python-client", &[&generate[..], &settings].concat());
    workshop.run("bin/mypy", &["--strict", "shop.py"]);
    workshop.shops("bin/python", "shop.py");
}
