//! Guards `/openapi.json` for its tools: two linters find no fault, and the clients of public generators have
//! named types, pass their type checkers, and place and pay an order.

use crate::common::Server;
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
        let tool = tools().join(tool);
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
fn a_typescript_client_has_types() {
    let workshop = Workshop::open();
    let generate = ["openapi.json", "-o", "openapi.d.ts", "--default-non-nullable=false"];
    workshop.run("node/node_modules/.bin/openapi-typescript", &generate);
    workshop.run("node/node_modules/.bin/tsc", &["--strict", "--noEmit", "shop.ts"]);
}

#[test]
fn a_python_client_places_and_pays_an_order() {
    let mut workshop = Workshop::open();
    let generate = ["generate", "--path", "openapi.json", "--output-path", "client"];
    let settings = ["--config", "python.yaml", "--fail-on-warning"];
    workshop.run("bin/openapi-python-client", &[&generate[..], &settings].concat());
    workshop.run("bin/mypy", &["--strict", "shop.py"]);
    let base_url = format!("http://{}", workshop.server.address());
    let password = workshop.server.admin_password().to_owned();
    let number = workshop.run("bin/python", &["shop.py", &base_url, &password]);
    assert!(number.starts_with("ORD-"), "{number}");
    assert_eq!(workshop.server.stop(), Some(0));
}
